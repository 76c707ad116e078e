"""Executing notebooks: what makes an executed copy stale, and the parameters that a notebook is given."""

import nbformat
import pytest
from fixtures import CHAPTER_PARAMETERS as PARAMETERS

from fer_tf.common.checks import InputError
from fer_tf.runs import records
from fer_tf.runs.reproduce import declared_parameters, notebook_key, reproduce, time_text


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
