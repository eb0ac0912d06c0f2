# The pipeline's components for Vertex AI and Kubeflow Pipelines (docs/vertex.md). From the root of the repository:
#
#     make image                            # digits:<revision>
#     make image TARGET=cuda                # digits:<revision>-cuda, for the Trainer on GPUs
#     make image TARGET=beam                # digits:<revision>-beam, for the workers of Dataflow, Flink and Spark
#
# `make test-image` builds the target `digits` with buildah and runs a compiled job in it.

# Debian 13: TFX 1.21 needs glibc 2.39 or newer.
ARG PYTHON_IMAGE=python:3.12-slim-trixie

FROM ${PYTHON_IMAGE} AS packages
# pyfarmhash, a dependency of TFX, may come as source.
RUN apt-get update && apt-get install --yes --no-install-recommends g++
WORKDIR /source
COPY requirements requirements
# The lock that the tests run with, so all its extras are in. data.txt: the bundled MNIST.
RUN python -m venv /opt/digits \
    && /opt/digits/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/uv.txt \
    && /opt/digits/bin/uv pip sync --python /opt/digits/bin/python --no-cache --require-hashes --compile-bytecode \
       --build-constraints requirements/build.txt \
       requirements/py311plus.txt requirements/data.txt requirements/uv.txt

FROM packages AS packages-cuda
RUN /opt/digits/bin/uv pip install --python /opt/digits/bin/python --no-cache --require-hashes --no-deps \
       --compile-bytecode --requirement requirements/cuda.txt

FROM packages AS wheel
COPY setup.py pyproject.toml README.md ./
COPY compat compat
COPY components components
COPY models models
COPY pipeline pipeline
COPY serving_bot serving_bot
COPY workers workers
ARG REVISION=unknown
RUN echo "${REVISION}" >models/REVISION \
    && /opt/digits/bin/uv build --python /opt/digits/bin/python --wheel --no-build-isolation --out-dir /wheel

FROM ${PYTHON_IMAGE} AS runtime
RUN useradd --system --uid 10001 --no-create-home digits
COPY pipeline/schema.pbtxt /opt/digits/schema.pbtxt
# HOME: some libraries keep a cache there. Byte code is compiled already and its folders are not this user's.
ENV PATH=/opt/digits/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=1
WORKDIR /tmp

# Our own packages come last, so that a new revision leaves the layers with all others, some GB, as they are.
FROM runtime AS cuda
COPY --from=packages-cuda /opt/digits /opt/digits
COPY --from=wheel /wheel /wheel
RUN uv pip install --python /opt/digits/bin/python --no-cache --no-deps --compile-bytecode /wheel/*.whl
# Where the driver is mounted on Google Cloud's machines.
ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64 NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# By number: Kubernetes cannot tell from a name that it is not root.
USER 10001

FROM runtime AS installed
COPY --from=packages /opt/digits /opt/digits
COPY --from=wheel /wheel /wheel
RUN uv pip install --python /opt/digits/bin/python --no-cache --no-deps --compile-bytecode /wheel/*.whl

# As root, as Beam's own image does.
FROM installed AS beam
# Beam's workers start with its launcher, which no wheel holds: of the release in requirements/py311plus.txt.
COPY --from=apache/beam_python3.12_sdk:2.77.0 /opt/apache/beam /opt/apache/beam
# Else the launcher makes an environment of its own, which would not see /opt/digits.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM installed AS digits
USER 10001
