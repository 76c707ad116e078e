"""Records on disk: names of runs, finished and unfinished ones, and what is put aside and comes back."""

import pytest

from fer_tf.common.checks import InputError
from fer_tf.common.files import read_json, write_json
from fer_tf.runs import records


@pytest.fixture
def write_run(fresh_home):
    """Writes a finished run of a fingerprint, with a model file if asked for."""

    def write(name, fingerprint, with_model=True):
        for file in ("record.json", "metrics.json"):
            content = {"fingerprint": fingerprint, "experiment": "cnn"}
            write_json(records.run_directory(name) / file, content)
        if with_model:
            records.model_path(name).parent.mkdir(parents=True, exist_ok=True)
            records.model_path(name).write_text(fingerprint)

    return write


def fingerprint_on_disk(name):
    return read_json(records.run_directory(name) / "metrics.json").get("fingerprint")


def test_a_finished_run_is_put_aside_with_its_model_and_comes_back(write_run, capsys):
    write_run("run", "one-long-fingerprint")
    records.swap_in("run", "two-long-fingerprint")
    assert not records.run_directory("run").exists()
    assert not records.model_path("run").exists()
    assert "run: the finished run with other settings is kept in" in capsys.readouterr().out
    assert records.has_model_aside("run", "one-long-fingerprint")
    write_run("run", "two-long-fingerprint")
    records.swap_in("run", "one-long-fingerprint")
    assert fingerprint_on_disk("run") == "one-long-fingerprint"
    assert records.model_path("run").read_text() == "one-long-fingerprint"
    assert records.has_model_aside("run", "two-long-fingerprint")
    assert not records.has_model_aside("run", "one-long-fingerprint")


def test_the_same_run_stays_where_it_is(write_run, capsys):
    write_run("run", "one")
    records.swap_in("run", "one")
    assert fingerprint_on_disk("run") == "one"
    assert records.model_path("run").is_file()
    assert capsys.readouterr().out == ""


def test_an_unfinished_run_is_not_put_aside(write_run, fresh_home):
    write_run("run", "one")
    (records.run_directory("run") / "metrics.json").unlink()
    records.swap_in("run", "two")
    assert records.run_directory("run").is_dir()
    assert not (fresh_home / "reports" / "replaced").exists()


def test_only_finished_runs_are_listed(write_run):
    write_run("a", "one")
    write_run("b", "two")
    write_json(records.run_directory("b") / "record.json", {"fingerprint": "three", "experiment": "cnn"})
    assert [run.name for run in records.finished_runs()] == ["a"]
    with pytest.raises(InputError, match="b: holds no finished run"):
        records.read_run(records.run_directory("b"))


def test_a_run_without_its_model_has_no_finished_fingerprint(write_run):
    write_run("a", "one")
    assert records.finished_fingerprint("a") == "one"
    records.model_path("a").unlink()
    assert records.finished_fingerprint("a") is None
    assert records.finished_fingerprint("none") is None


def test_a_record_that_begins_unmarks_what_was_finished(write_run):
    write_run("a", "one")
    directory = records.run_directory("a")
    beginning = records.begin(directory, {"fingerprint": "two"})
    assert not (directory / "metrics.json").exists()
    records.write_training(directory, beginning, {"parameters": 7})
    assert read_json(directory / "training.json") == {**beginning, "parameters": 7}
    assert read_json(directory / "record.json")["environment"] == beginning["environment"]


def test_a_run_is_named_for_its_second_output():
    """Without the "+", which separates the names of teachers."""
    names = [
        records.run_name("cnn", "synthetic", "identity", 0, {"targets": targets})
        for targets in ("expression", "expression+valence_arousal")
    ]
    assert names == ["cnn-synthetic-identity-seed0", "cnn-synthetic-identity-valence_arousal-seed0"]
    assert records.task_names({"disfa.targets": "expression+action_units"}) == ["disfa_action_units"]
    assert records.task_names({"disfa.targets": "expression"}) == []
