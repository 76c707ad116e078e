"""Executing notebooks: what makes an executed copy stale, and the parameters that a notebook is given."""

import os
import re
import threading
from pathlib import Path

import nbformat
import pytest
from fixtures import CHAPTER_PARAMETERS as PARAMETERS

from fer_tf.common.checks import InputError
from fer_tf.common.cores import thread_variables
from fer_tf.common.paths import project_root
from fer_tf.runs import records
from fer_tf.runs import reproduce as reproduce_module
from fer_tf.runs.reproduce import (
    declared_parameters,
    default_jobs,
    needed_before,
    notebook_key,
    notebook_paths,
    reproduce,
    time_text,
)

PATHS = {path.stem: path for path in notebook_paths()}


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook with a cell of parameters, a line of code and metadata, and gives its path."""

    def written(line="x = 1", **about):
        parameters = nbformat.v4.new_code_cell("seed = 0\ndata_dir = ''", metadata={"tags": ["parameters"]})
        cells = [parameters, nbformat.v4.new_code_cell(line)]
        path = tmp_path / "00_a.ipynb"
        metadata = {
            "fer_tf": about,
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
        return path

    return written


def test_a_notebook_is_given_only_what_it_declares(notebook):
    assert declared_parameters(notebook()) == ["seed", "data_dir"]


def test_the_key_follows_cells_and_parameters(notebook):
    key = notebook_key(notebook(), {"seed": 0})
    assert notebook_key(notebook(), {"seed": 0}) == key
    assert notebook_key(notebook(), {"seed": 1}) != key
    assert notebook_key(notebook("x = 2"), {"seed": 0}) != key


def test_the_key_follows_the_files_of_the_dataset(notebook, tmp_path):
    given = {"dataset": "folder", "data_dir": str(tmp_path / "data")}
    (tmp_path / "data" / "folder" / "happy").mkdir(parents=True)
    key = notebook_key(notebook(), given)
    (tmp_path / "data" / "folder" / "labels.csv").write_text("path,label\n")
    assert notebook_key(notebook(), given) != key


def test_only_a_notebook_that_reads_runs_is_stale_after_a_run(notebook, fresh_home):
    keys = [notebook_key(notebook(reads_runs=reads), {}) for reads in (False, True)]
    directory = records.run_directory("cnn-synthetic-identity-seed0")
    directory.mkdir(parents=True)
    (directory / "metrics.json").write_text("{}")
    after = [notebook_key(notebook(reads_runs=reads), {}) for reads in (False, True)]
    assert (after[0] == keys[0], after[1] == keys[1]) == (True, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"overrides": "epoch=3"}, "unknown 'epoch'"),
        ({"size": "tiny"}, "size: allowed are"),
        ({"protocol": "official"}, "protocol: allowed are identity"),
        ({"dataset": "fer2013", "data_dir": "/nowhere", "dataset_options": ""}, "fer2013: none of fer2013.csv"),
    ],
)
def test_wrong_parameters_are_reported_before_anything_runs(wrong, message, fresh_home, capsys):
    with pytest.raises(InputError, match=message):
        reproduce(None, {**PARAMETERS, **wrong})
    assert capsys.readouterr().out == ""


def test_wrong_notebook_or_dataset():
    with pytest.raises(InputError, match="notebook: allowed are 00_eda"):
        reproduce(["99_x"], PARAMETERS)
    with pytest.raises(InputError, match="dataset: allowed are"):
        reproduce(["00_eda"], {**PARAMETERS, "dataset": "x"})


def test_times_for_people():
    assert [time_text(seconds) for seconds in (0.4, 42, 59.6, 185)] == ["0 s", "42 s", "1 min 00 s", "3 min 05 s"]


def stems_before(stem):
    return [path.stem[:2] for path in needed_before(PATHS[stem], PATHS.values())]


def test_a_chapter_waits_for_those_whose_runs_it_uses():
    assert stems_before("02_custom_cnn") == []
    assert stems_before("07_my_model") == ["02", "05", "06"]
    assert stems_before("08_hyperparameter_search") == ["02"], "the CNN of chapter 7 is the one of chapter 2"
    assert stems_before("09_explainability") == ["02", "04", "05"]
    assert stems_before("10_evaluation") == [f"{number:02d}" for number in range(1, 10)]


def test_with_settings_for_all_chapters_runs_of_one_name_are_not_made_at_the_same_time():
    """Chapter 8 keeps its own loss, sampling and class weights, so its CNN may differ from that of chapter 9."""
    needed = needed_before(PATHS["09_explainability"], PATHS.values(), is_changed=True)
    assert [path.stem[:2] for path in needed] == ["02", "04", "05", "07", "08"]


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_a_chapter_that_compares_all_runs_says_so(path):
    """Else it would count as unchanged after new runs."""
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    reads = "comparable_runs(" in code or "finished_runs(" in code
    assert bool(notebook.metadata.fer_tf.get("reads_runs")) == reads


@pytest.fixture
def three_notebooks(tmp_path, monkeypatch):
    """00 and 01 make runs of their own, 02 uses both; a list of what happened in place of their execution."""
    for stem, experiments in {"00_a": ["majority"], "01_b": ["cnn"], "02_c": ["majority", "cnn"]}.items():
        notebook = nbformat.v4.new_notebook(metadata={"fer_tf": {"experiments": experiments}})
        nbformat.write(notebook, tmp_path / f"{stem}.ipynb")
    monkeypatch.setattr(reproduce_module, "notebook_paths", lambda: sorted(tmp_path.glob("*.ipynb")))
    monkeypatch.setattr(reproduce_module, "declared_parameters", lambda path: [])
    monkeypatch.setattr("fer_tf.runs.report.build_report", lambda: "a report")
    for name in thread_variables(1):
        monkeypatch.delenv(name, raising=False)
    events: list = []

    def execute(path, *_):
        events.append(f"start {path.stem[:2]}")
        if len([event for event in events if event.startswith("start")]) < 3:
            both.wait(10)  # the first two are at work at the same time
        events.append(f"end {path.stem[:2]}")

    both = threading.Barrier(2)
    monkeypatch.setattr(reproduce_module, "_execute", execute)
    return events


def test_two_notebooks_run_at_the_same_time_and_in_order_of_their_runs(
    three_notebooks, fresh_home, capsys, monkeypatch
):
    seen, execute = [], reproduce_module._execute

    def watched(*arguments):
        seen.append((os.environ["TF_NUM_INTRAOP_THREADS"], Path.cwd()))
        execute(*arguments)

    monkeypatch.setattr(reproduce_module, "_execute", watched)
    monkeypatch.setattr(reproduce_module, "usable_cores", lambda: [0, 1, 2, 3])
    monkeypatch.chdir(fresh_home)
    made = reproduce(None, PARAMETERS, jobs=2)
    assert [path.name for path in made] == ["00_a.ipynb", "01_b.ipynb", "02_c.ipynb"]
    assert set(three_notebooks[:2]) == {"start 00", "start 01"}
    assert three_notebooks.index("end 01") < three_notebooks.index("start 02")
    assert seen == [("2", project_root())] * 2 + [("4", project_root())], "half of the cores each; all for the last one"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    out = capsys.readouterr().out
    assert re.search(r"00_a +\d+ s\n01_b +\d+ s\n02_c +\d+ s\nall, and the report +\d+ s", out)


def test_those_with_most_work_behind_them_start_first():
    """Else the longest chain (02, then 07, then 10) would still run when nothing is left for the other core."""
    needed = {path: needed_before(path, PATHS.values()) for path in PATHS.values()}
    order = [path.stem[:2] for path in reproduce_module._longest_chain_first(needed)]
    assert order == ["02", "05", "06", "07", "04", "03", "08", "09", "01", "10", "11", "00"]


def test_after_a_failure_nothing_more_starts_and_the_others_end(three_notebooks, fresh_home, monkeypatch):
    execute = reproduce_module._execute

    def failing(path, *rest):
        execute(path, *rest)
        if path.stem == "01_b":
            raise reproduce_module.NotebookError("01_b, cell 1")

    monkeypatch.setattr(reproduce_module, "_execute", failing)
    with pytest.raises(reproduce_module.NotebookError, match="01_b, cell 1"):
        reproduce(None, PARAMETERS, jobs=2)
    assert "end 00" in three_notebooks
    assert "start 02" not in three_notebooks


def test_two_at_once_only_where_they_are_small(monkeypatch):
    monkeypatch.setattr(reproduce_module, "usable_cores", lambda: [0, 1])
    assert (default_jobs("synthetic"), default_jobs("fer2013")) == (2, 1)
    monkeypatch.setattr(reproduce_module, "usable_cores", lambda: [0])
    assert default_jobs("synthetic") == 1
    with pytest.raises(InputError, match="jobs: must be"):
        reproduce(None, PARAMETERS, jobs=0)
