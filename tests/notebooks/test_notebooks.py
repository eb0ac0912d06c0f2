"""The notebooks, executed on a few images."""

import re
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = read(path)

    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_in_colab_and_the_second_has_the_settings(path):
    install, settings = [cell for cell in read(path).cells if cell.cell_type == "code"][:2]

    assert "google.colab" in install.source
    assert settings.metadata.tags == ["parameters"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("source", ["", "git+https://example.org/digits"])
def test_colab_installs_from_the_chosen_source_or_asks_for_one(path, source, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    cell = next(cell.source for cell in read(path).cells if cell.cell_type == "code")
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    installed = []
    shell.register_magic_function(installed.append, magic_name="pip")

    done = shell.run_cell(cell.replace('SOURCE = ""', f"SOURCE = {source!r}"))

    if source:
        done.raise_error()
        assert installed == [f'install --quiet "digits-pipeline[pipeline] @ {source}"']
    else:
        assert "Set SOURCE in this cell" in str(done.error_in_exec)
        assert installed == []


@pytest.fixture
def execute():
    """Runs a notebook from its folder with other settings; returns the output of its cells."""

    def execute(name, **settings):
        notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
        position = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        lines = [f"import sys; sys.path.insert(0, {str(ROOT)!r})", "from pathlib import Path"]
        lines += [f"{key} = {value!r}".replace("PosixPath", "Path") for key, value in settings.items()]
        notebook.cells[position] = nbformat.v4.new_code_cell("\n".join(lines))
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "notebooks")}}
        ).execute()
        return "\n".join(
            str(output.get("data") or output.get("text"))
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )

    return execute


def test_models_are_compared(execute, tiny_run):
    shown = execute("compare_models", ROOT=Path(tiny_run.config.root), RUNS=[tiny_run.run.run_id])

    assert "MyModel, 2 epochs" in shown
    assert "<iframe srcdoc=" in shown
    assert f"{100 * tiny_run.run.figures['accuracy']:.2f}" in shown


def test_data_are_explored(execute, tiny_mnist):
    shown = execute("explore_data", DATA=tiny_mnist)

    assert "(1000, 28, 28)" in shown
    assert "{'train': [], 'eval': [], 'test': []}" in shown
    assert "image/png" in shown


def test_photos_are_read(execute, tiny_run):
    shown = execute("read_photos", PHOTO=ROOT / "docs" / "sample" / "digit.jpg", PUSH_DIR=tiny_run.config.push_dir)

    assert len(re.findall(r"Box\(", shown)) >= 4
    assert shown.count("image/png") == 3
    assert re.search(r"\d{4} \(\d+\.\d%\)|not sure: .*, perhaps \d{4}", shown)
