VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

MODEL := my_model
EPOCHS := 3
SAMPLE := docs/sample/digit.jpg
PYTEST_ARGS :=
UPGRADE :=

.DEFAULT_GOAL := help
.PHONY: help install run demo test test-browser test-clients test-faults test-job test-portable test-fuzz image test-image check docs format pictures results bench test-trixie lock clean

help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Set up .venv (the other targets do it if needed).

# requirements/install.sh chooses the Python and the lock for this platform.
$(INSTALLED): pyproject.toml $(wildcard requirements/*)
	@requirements/install.sh $(VENV)
	@touch $@

demo: $(INSTALLED) ## Open the page that reads digits with the last pushed model.
	$(BIN)/digits serve --open

run: $(INSTALLED) ## Train, evaluate and push a model (MODEL=lenet EPOCHS=10).
	$(BIN)/digits run --model $(MODEL) --epochs $(EPOCHS)
	$(BIN)/digits predict $(SAMPLE)
	@echo "Draw or photograph digits of your own: make demo"

# Most tests wait for one process at a time, so there are more workers than CPUs. A worker takes whole files, because
# session fixtures are expensive.
WORKERS := --numprocesses=$(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
test: $(INSTALLED) ## Run the tests (PYTEST_ARGS="tests/unit -k mnist" for some).
	$(BIN)/python -m pytest $(WORKERS) $(PYTEST_ARGS)

test-browser: $(INSTALLED) ## Test the pages in headless Chromium (must be installed).
	$(BIN)/python -m pytest -m browser tests/browser

check: $(INSTALLED) ## Check lint, formatting and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code and fix what the linter can.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

BENCH := build/bench
RESULTS := build/results
results: $(INSTALLED) ## Measure docs/results.md: both networks, 10 and 40 epochs.
	$(BIN)/digits compare --models lenet,my_model --epochs 10,40 --root $(RESULTS)/runs --output $(RESULTS)
	cp $(RESULTS)/report.md docs/results.md
	$(BIN)/python docs/site/results.py

# Run `make results` and `make run` first: it uses the report of the one, the model of the other, and a separate run.
pictures: $(INSTALLED) ## Redraw the documentation's pictures (needs Chromium).
	$(BIN)/python benchmarks/served_page.py serving_model
	$(BIN)/python benchmarks/mini_app_page.py
	$(BIN)/python docs/site/pictures.py $(RESULTS)/report.html runs/data

# In a separate environment. The notebooks show a run of one epoch, which is kept in build/docs.
docs: build/docs-venv/installed ## Build the documentation's site in build/docs/site.
	$(BIN)/digits run --epochs 1 --root build/docs/runs --push-dir build/docs/serving_model
	PYTHONPATH=. $(BIN)/python docs/site/assemble.py build/docs/pages
	NO_MKDOCS_2_WARNING=true build/docs-venv/bin/mkdocs build --quiet --strict

build/docs-venv/installed: $(INSTALLED) requirements/docs.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/docs-venv
	$(BIN)/uv pip sync --quiet --python build/docs-venv/bin/python --require-hashes requirements/docs.txt
	@touch $@

bench: $(INSTALLED) ## Measure pipeline and reader for docs/benchmarks.md.
	$(BIN)/python -m benchmarks.pipeline speed
	$(BIN)/python -m benchmarks.pipeline cost
	$(BIN)/python -m benchmarks.pipeline accuracy --root $(BENCH)
	$(BIN)/python -m benchmarks.reader --push-dir $(BENCH)/serving_model --data $(BENCH)/runs/data

test-job: $(INSTALLED) ## Execute a compiled Vertex AI job (some minutes).
	$(BIN)/python -m pytest -m job $(PYTEST_ARGS)

test-portable: $(INSTALLED) ## Run the pipeline on Beam's job API (some minutes).
	$(BIN)/python -m pytest -m portable tests/e2e/test_portable_beam.py $(PYTEST_ARGS)

test-faults: $(INSTALLED) ## Test failing writes and kills (strace; some minutes).
	@command -v strace >/dev/null || { echo "strace is missing: install it (Debian: apt-get install strace)."; exit 1; }
	$(BIN)/python -m pytest -m faults tests/faults tests/e2e/test_feedback.py $(PYTEST_ARGS)

# In a separate environment, because the clients have other dependencies.
test-clients: build/clients-venv/installed ## Test `digits serve` with other projects' clients.
	$(BIN)/python -m pytest -m clients tests/e2e/test_clients.py $(PYTEST_ARGS)

build/clients-venv/installed: $(INSTALLED) requirements/clients.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/clients-venv
	$(BIN)/uv pip sync --quiet --python build/clients-venv/bin/python --require-hashes requirements/clients.txt
	@touch $@

# In a separate environment: the bot's lock and atheris. In slices of a minute with one corpus, because atheris 2.3
# keeps what it compares (0.3 MB per picture). Failing inputs stay in build/fuzz/HARNESS/failures.
FUZZ_SECONDS := 300
test-fuzz: fuzz-decoding fuzz-finding ## Fuzz decoding and reading (FUZZ_SECONDS=300 for each).

build/fuzz-venv/installed: $(INSTALLED) requirements/bot.txt requirements/fuzz.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/fuzz-venv
	$(BIN)/uv pip sync --quiet --python build/fuzz-venv/bin/python --require-hashes requirements/bot.txt requirements/fuzz.txt
	@touch $@

fuzz-%: build/fuzz-venv/installed
	mkdir -p build/fuzz/$*/corpus build/fuzz/$*/failures
	PYTHONPATH=. build/fuzz-venv/bin/python tests/fuzz/$*.py seeds build/fuzz/$*/corpus
	for second in $$(seq 60 60 $(FUZZ_SECONDS)); do \
	  PYTHONPATH=. build/fuzz-venv/bin/python tests/fuzz/$*.py build/fuzz/$*/corpus -max_total_time=60 -timeout=20 -max_len=2048 \
	    -rss_limit_mb=4096 -artifact_prefix=build/fuzz/$*/failures/ >build/fuzz/$*/log 2>&1 \
	    || { tail -n 40 build/fuzz/$*/log; exit 1; }; \
	  grep DONE build/fuzz/$*/log; \
	done

REVISION = $(shell git describe --always --dirty)
IMAGE := digits
ENGINE := docker
TARGET := digits
image: ## Build the image (IMAGE=... TARGET=cuda|beam ENGINE=podman).
	$(ENGINE) build --target $(TARGET) --build-arg REVISION=$(REVISION) \
	  --tag $(IMAGE):$(REVISION)$(patsubst %,-%,$(filter-out digits,$(TARGET))) .

test-image: ## Build the image, run a job in it (root; buildah).
	tests/image.sh

test-trixie: ## Test the newer stack in Debian 13 (root; debootstrap).
	tests/trixie.sh

# One lock per stack, one for the bot alone. No lock names an index, which is the installer's choice.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --generate-hashes $(UPGRADE)
ALL := --extra pipeline --extra bot --extra gs --extra vertex --group dev
lock: $(INSTALLED) ## Update the locks in requirements/ (UPGRADE=--upgrade).
	$(COMPILE) pyproject.toml $(ALL) --python-version 3.10 --python-platform x86_64-manylinux2014 -o requirements/py310.txt
	$(COMPILE) pyproject.toml $(ALL) --python-version 3.11 --universal -o requirements/py311plus.txt
	$(COMPILE) pyproject.toml --extra bot --python-version 3.10 --universal -o requirements/bot.txt
	$(COMPILE) requirements/cuda.in --constraint requirements/py311plus.txt --python-version 3.12 \
	  --python-platform x86_64-manylinux_2_39 -o requirements/cuda.txt
	$(COMPILE) requirements/uv.in --python-version 3.10 --universal -o requirements/uv.txt
	$(COMPILE) requirements/fuzz.in --python-version 3.10 --universal -o requirements/fuzz.txt
	$(COMPILE) requirements/clients.in --python-version 3.10 --universal -o requirements/clients.txt
	$(COMPILE) requirements/docs.in --python-version 3.10 --universal -o requirements/docs.txt
	$(COMPILE) requirements/build.in --python-version 3.10 --universal -o requirements/build.txt

clean: ## Remove the environment and caches, but not data and models.
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
