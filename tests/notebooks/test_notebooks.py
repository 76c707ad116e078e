"""Every notebook runs from the first cell to the last at smoke size, and is kept thin."""

import contextlib
import re

import in_process
import nbformat
import pytest
from fixtures import CHAPTER_PARAMETERS as PARAMETERS

from fer_tf.runs import reproduce as reproduce_module
from fer_tf.runs.reproduce import NotebookError, notebook_paths, reproduce

PATHS = {path.stem: path for path in notebook_paths()}
# What a chapter leaves in models/ in addition to the runs that its metadata names.
FILES = {"06_facenet2expnet": {"face_net", "FaceNet2ExpNet.h5"}}

# The first seven share runs: one process takes them one after the other (see conftest.py), and no other process waits.
IN_ORDER = ("05", "06", "02", "07", "08", "10", "09", "03", "04", "01", "00", "11")


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def made_by(path):
    """The experiments whose runs a chapter trains, or reads if they are there."""
    return nbformat.read(path, as_version=4).metadata.fer_tf.get("experiments", [])


def test_the_course_is_there():
    assert list(PATHS)[:3] == ["00_eda", "01_majority_baseline", "02_custom_cnn"]
    assert sorted(IN_ORDER) == [stem[:2] for stem in PATHS]


@pytest.mark.parametrize("stem", PATHS)
def test_notebook_is_thin_and_stripped(stem):
    path = PATHS[stem]
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.language == "python"
    cells = code_cells(path)
    assert "parameters" in cells[0].metadata.tags
    assert (
        {"dataset", "data_dir", "protocol", "seed"}
        <= set(reproduce_module.declared_parameters(path))
        <= set(PARAMETERS)
    )
    for cell in cells:
        assert not cell.outputs
        assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= 15
        assert not re.search(r"^(def|class) ", cell.source, re.MULTILINE)
    used = set(re.findall(r'run_experiment\("(\w+)"', "\n".join(cell.source for cell in cells)))
    assert used == set(made_by(path))


@pytest.fixture(scope="session")
def course_home(tmp_path_factory, request):
    """One folder for all chapters, as a user has it, also where several processes share the chapters."""
    base = tmp_path_factory.getbasetemp()
    is_worker = hasattr(request.config, "workerinput")
    home = (base.parent if is_worker else base) / "course"
    home.mkdir(exist_ok=True)
    return home


@pytest.fixture
def course(course_home, monkeypatch):
    monkeypatch.setenv("FER_TF_REPORTS", str(course_home / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(course_home / "models"))
    return course_home


@pytest.fixture
def in_this_process(monkeypatch):
    """Chapters run in this process instead of a kernel."""
    in_process.use(monkeypatch)
    yield
    in_process.stop()


@contextlib.contextmanager
def alone_with(home, names):
    """Waits until no other process has a chapter with one of these runs: a run is trained by one process at a time."""
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            file = stack.enter_context(open(home / f".{name}", "w"))
            with contextlib.suppress(ImportError):
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("stem", sorted(PATHS, key=lambda stem: IN_ORDER.index(stem[:2])))
def test_chapter_runs_and_leaves_everything(stem, course, in_this_process, capfd, monkeypatch):
    """In this process: a kernel would import TensorFlow again. The test of a second run starts kernels, as users do."""
    path, made = PATHS[stem], made_by(PATHS[stem])
    monkeypatch.setattr("fer_tf.runs.report.build_report", lambda: "is built by another test")
    needed = ["02_custom_cnn"] if stem == "10_evaluation" else []
    locks = [*made, *(name for other in needed for name in made_by(PATHS[other]))]
    with alone_with(course, [*locks, "face_net"] if "facenet2expnet" in made else locks):
        reproduce([*needed, stem], PARAMETERS)
    out = capfd.readouterr().out
    assert f"{stem}: done in" in out
    executed = course / "reports" / "notebooks" / path.name
    assert "<html" in executed.with_suffix(".html").read_text()[:2000]
    cells = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in cells)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    models = {path.name.split("-")[0] for path in (course / "models").glob("*.h5")}
    assert set(made) | FILES.get(stem, set()) <= models
    figures = {
        kind: {path.stem for path in (course / "reports" / "figures").rglob(f"*.{kind}")} for kind in ("png", "svg")
    }
    named = set(re.findall(r'\{where\}/(\w+)"', "\n".join(cell.source for cell in cells)))
    assert not named or named & figures["png"] & figures["svg"]
    assert (course / "reports" / "example.jpg").is_file() or stem != "07_my_model"


@pytest.fixture
def short_course(tmp_path, monkeypatch):
    """Two short chapters, one without runs and one with the majority's, in the place of the twelve."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    bodies = {
        "00_eda": 'print("no run")',
        "01_majority_baseline": """from fer_tf.training import run_experiment, run_settings
settings = run_settings(dataset, data_dir, protocol, seed, size, overrides, dataset_options)
run_experiment("majority", **settings)""",
    }
    for stem, body in bodies.items():
        notebook = nbformat.read(PATHS[stem], as_version=4)
        notebook.cells = [notebook.cells[0], nbformat.v4.new_code_cell(body)]
        assert "parameters" in notebook.cells[0].metadata.tags
        notebook.metadata.fer_tf = {"experiments": ["majority"]} if "run_experiment" in body else {}
        nbformat.write(notebook, folder / f"{stem}.ipynb")
    monkeypatch.setattr(reproduce_module, "notebook_paths", lambda: sorted(folder.glob("*.ipynb")))


@pytest.mark.usefixtures("in_this_process", "short_course")
def test_second_run_redoes_only_what_changed(fresh_home, capfd):
    def again(names=("00_eda", "01_majority_baseline"), **changed):
        reproduce(list(names), {**PARAMETERS, **changed})
        return capfd.readouterr().out

    out = again()
    assert out.count(": done in") == 2
    assert re.search(r"00_eda +\d+ s\n01_majority_baseline +\d+ s\nall, and the report +\d+ s", out)
    assert (fresh_home / "reports" / "index.html").is_file()
    assert again().count(": unchanged") == 2
    (fresh_home / "models" / "majority-synthetic-identity-seed0.h5").unlink()
    out = again()
    assert "00_eda: unchanged" in out
    assert "01_majority_baseline: done" in out
    assert "100 train" in again(["01_majority_baseline"], overrides="limit=100")
    out = again()
    assert "00_eda: unchanged" in out
    assert "01_majority_baseline: done" in out, "the run behind it was another"


def test_a_failing_notebook_names_its_cell_and_leaves_no_copy(tmp_path, monkeypatch, fresh_home, in_this_process):
    notebook = nbformat.read(PATHS["01_majority_baseline"], as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("1 / 0"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(notebook, folder / "03_broken.ipynb")
    monkeypatch.setattr(reproduce_module, "notebook_paths", lambda: [folder / "03_broken.ipynb"])
    with pytest.raises(
        NotebookError, match=r"03_broken, cell 3: ZeroDivisionError: division by zero \(see .*failed.ipynb"
    ):
        reproduce(None, PARAMETERS)
    left = {path.name for path in (fresh_home / "reports" / "notebooks").iterdir()}
    assert left == {"03_broken.failed.ipynb"}
