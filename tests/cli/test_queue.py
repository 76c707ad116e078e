"""The command that trains a list of runs: its status without a run, and what is refused before one starts."""

import os

import pytest
from fixtures import assert_refused, run_cli


@pytest.fixture
def listed(home):
    """A queue file of two runs, in the working directory."""
    file = home / "work" / "mine.csv"
    file.write_text("experiment,seed,size,priority\ncnn,1,smoke,0\ncnn,0,smoke,5\n")
    return file


def test_the_status_lists_the_most_urgent_run_first(capsys, listed):
    answer = run_cli(capsys, "queue", "status", "mine.csv")
    assert answer.code == 0
    header, *rows = answer.out.splitlines()
    assert header.split()[:2] == ["run", "state"]
    assert [row.split()[:2] for row in rows] == [[f"cnn-synthetic-identity-seed{seed}", "new"] for seed in (0, 1)]
    assert "nan" not in answer.out.lower()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("mine.csv", "other.csv"), "queue: takes one file; received mine.csv and other.csv"),
        (("none.csv",), "queue: no file none.csv; a csv or yaml file with one run per row"),
        (("status", "none.csv"), "queue: no file none.csv"),
        (("mine.csv", "--budget", "soon"), "budget: must be a time such as 12m, 1h30m or 90s; received 'soon'"),
        (("mine.csv", "--devices", "two"), "devices: must be all or a whole number from 1; received 'two'"),
    ],
)
def test_a_wrong_call_is_refused_and_starts_nothing(capsys, listed, home, words, text, monkeypatch):
    monkeypatch.setattr("fer_tf.training.queue.run_queue", lambda *_: pytest.fail("a queue was started"))
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handlers of this process stay
    assert_refused(run_cli(capsys, "queue", *words), text)
    assert not (home / "reports" / "queue").exists()


def test_devices_are_chosen_for_the_runs_of_a_queue(capsys, listed, monkeypatch):
    """Each run is a process of its own, which reads the variable."""
    monkeypatch.setenv("FER_TF_DEVICES", "1")
    assert run_cli(capsys, "queue", "status", "mine.csv", "--devices", "all").code == 0
    assert os.environ["FER_TF_DEVICES"] == "all"
