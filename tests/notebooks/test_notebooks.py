"""Every notebook runs from the first cell to the last at smoke size, and is kept thin."""

import re

import nbformat
import pytest

from fer_tf import notebooks
from fer_tf.checks import InputError
from fer_tf.notebooks import NotebookError, notebook_paths, reproduce

PARAMETERS = {
    "dataset": "synthetic",
    "data_dir": "",
    "protocol": "",
    "seed": 0,
    "size": "smoke",
    "overrides": "",
    "dataset_options": "count=400",
}
PATHS = notebook_paths()


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_the_course_is_there():
    assert [path.stem for path in PATHS][:3] == ["00_eda", "01_majority_baseline", "02_custom_cnn"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook_is_thin_and_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.language == "python"
    cells = code_cells(path)
    assert "parameters" in cells[0].metadata.tags
    assert {"dataset", "data_dir", "protocol", "seed"} <= set(notebooks.declared_parameters(path)) <= set(PARAMETERS)
    for cell in cells:
        assert not cell.outputs
        assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= 15
        assert not re.search(r"^(def|class) ", cell.source, re.MULTILINE)
    used = set(re.findall(r'run_experiment\("(\w+)"', "\n".join(cell.source for cell in cells)))
    assert used == set(notebook.metadata.fer_tf.get("experiments", []))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("course")


@pytest.fixture
def course(home, monkeypatch):
    """The same reports and models folders for all tests of this module, as a user has them."""
    monkeypatch.setenv("FER_TF_REPORTS", str(home / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(home / "models"))
    return home


def test_all_notebooks_run_and_leave_everything(course, capfd):
    reproduce(None, PARAMETERS)
    out = capfd.readouterr().out
    for number, path in enumerate(PATHS, start=1):
        assert f"[{number}/{len(PATHS)}] {path.stem}: done in" in out
        executed = course / "reports" / "notebooks" / path.name
        assert executed.is_file()
        assert "<html" in executed.with_suffix(".html").read_text()[:2000]
        assert any(cell.outputs for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code")
    assert re.search(r"epoch +2/2 +loss", out)
    assert (course / "reports" / "index.html").is_file()
    made = {name for path in PATHS for name in nbformat.read(path, as_version=4).metadata.fer_tf.get("experiments", [])}
    # chapter 6's face network, also as fine-tuned, and the file of the pseudocode
    made |= {"identities", "face_net", "FaceNet2ExpNet.h5"}
    assert {path.name.split("-")[0] for path in (course / "models").glob("*.h5")} == made
    assert (course / "reports" / "example.jpg").is_file()
    for kind in ("png", "svg"):
        assert len(list((course / "reports" / "figures" / "synthetic-identity").glob(f"*.{kind}"))) >= 10


def test_second_run_redoes_only_what_changed(course, capfd, monkeypatch):
    reproduce(None, PARAMETERS)
    out = capfd.readouterr().out
    assert out.count(": unchanged") == len(PATHS)
    (course / "models" / "majority-synthetic-identity-seed0.h5").unlink()
    reproduce(["00_eda", "01_majority_baseline"], PARAMETERS)
    out = capfd.readouterr().out
    assert "00_eda: unchanged" in out
    assert "01_majority_baseline: done" in out
    reproduce(["01_majority_baseline"], {**PARAMETERS, "overrides": "limit=100"})
    assert "100 train" in capfd.readouterr().out
    reproduce(["00_eda", "01_majority_baseline"], PARAMETERS)
    out = capfd.readouterr().out
    assert "00_eda: unchanged" in out
    assert "01_majority_baseline: done" in out, "the run behind it was another"


def test_a_failing_notebook_names_its_cell_and_leaves_no_executed_copy(tmp_path, monkeypatch, fresh_home):
    notebook = nbformat.read(PATHS[1], as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("1 / 0"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(notebook, folder / "03_broken.ipynb")
    monkeypatch.setattr(notebooks, "notebook_paths", lambda: [folder / "03_broken.ipynb"])
    with pytest.raises(
        NotebookError, match=r"03_broken, cell 3: ZeroDivisionError: division by zero \(see .*failed.ipynb"
    ):
        reproduce(None, PARAMETERS)
    left = {path.name for path in (fresh_home / "reports" / "notebooks").iterdir()}
    assert left == {"03_broken.failed.ipynb"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"overrides": "epoch=3"}, "unknown 'epoch'"),
        ({"size": "tiny"}, "size: allowed are"),
        ({"protocol": "official"}, "protocol: allowed are identity"),
        ({"dataset": "fer2013", "data_dir": "/nowhere", "dataset_options": ""}, "fer2013: none of fer2013.csv"),
    ],
)
def test_wrong_parameters_are_told_before_anything_runs(wrong, message, fresh_home, capsys):
    with pytest.raises(InputError, match=message):
        reproduce(None, {**PARAMETERS, **wrong})
    assert capsys.readouterr().out == ""


def test_wrong_notebook_or_dataset():
    with pytest.raises(InputError, match="notebook: allowed are 00_eda"):
        reproduce(["99_x"], PARAMETERS)
    with pytest.raises(InputError, match="dataset: allowed are"):
        reproduce(["00_eda"], {**PARAMETERS, "dataset": "x"})
