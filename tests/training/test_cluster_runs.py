"""A run of a queue as a task: its exit codes, what it prints, and what the queue makes of a lost computer."""

import subprocess
import sys

import pytest
from inline_cluster import InlineCluster

from fer_tf.common.cluster import need_file
from fer_tf.training import cluster_runs, queue_state
from fer_tf.training.cluster_runs import ClusterRun
from fer_tf.training.queue import Settings, run_queue
from queues import cnn, finish


class Eager(InlineCluster):
    """Tasks that run as soon as somebody looks at them."""

    def start(self, *arguments, **options):
        task = super().start(*arguments, **options)
        task.is_done = lambda: (task.run(), True)[1]
        return task


def started(tmp_path, cluster, lock="lock"):
    (tmp_path / "lock").touch()
    return ClusterRun(cluster, ["list"], tmp_path / "log", tmp_path / lock, {}, 0)


COMMANDS = """
import sys
from fer_tf.training.cluster_runs import run_command
log, lock = sys.argv[1:]
codes = [run_command(words, log, lock, {}, 0) for words in (["data", "check", "synthetic"], ["data", "check", "none"])]
open(lock, "w").write(str(codes))
"""


def test_a_command_runs_with_its_output_in_the_log_and_its_exit_code(tmp_path):
    """In a process of its own, as on a cluster: it takes over the output of the process."""
    log, lock = tmp_path / "log", tmp_path / "lock"
    lock.touch()
    subprocess.run([sys.executable, "-c", COMMANDS, log, lock], check=True)
    assert lock.read_text() == "[0, 2]"
    said = log.read_text()
    assert said.startswith("synthetic: ")
    assert "error: dataset: allowed are synthetic" in said


def test_what_becomes_of_a_task_is_an_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_runs, "run_command", lambda *arguments: 2)
    assert started(tmp_path, Eager()).wait(1) == 2
    stopped = started(tmp_path, InlineCluster())
    assert stopped.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        stopped.wait(0.01)
    stopped.send_signal(2)
    assert stopped.wait(1) == 130
    assert started(tmp_path, Eager(lost=1)).wait() == -9
    assert (tmp_path / "log").read_text() == "killed\n"


def test_an_error_in_a_command_is_exit_code_1_with_its_traceback(capsys, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError("no room for the maps")

    monkeypatch.setattr(cluster_runs.runpy, "run_module", fail)
    monkeypatch.setattr(sys, "argv", [])
    assert cluster_runs._exit_code(["list"]) == 1
    assert capsys.readouterr().err.endswith("MemoryError: no room for the maps\n")


class Runs:
    """Replaces `run_command`: finishes the entry with the seed of the command, unless this seed is `failing`."""

    def __init__(self, entries, failing=None):
        self.entries, self.done = {str(entry.seed): entry for entry in entries}, []
        self.failing = failing

    def __call__(self, command, log, lock, environment, nice):
        need_file(lock, "reports")
        seed = command[command.index("--seed") + 1]
        if seed == self.failing:
            raise ValueError("the loss is nan")
        self.done.append(seed)
        finish(self.entries[seed])
        return 0


def states(entries, cluster):
    table = run_queue(entries, Settings(cluster=cluster), verbose=False)
    return list(table["state"])


def test_a_lost_run_is_started_again_and_the_others_once(fresh_home, monkeypatch):
    entries = [cnn(seed) for seed in range(3)]
    runs = Runs(entries)
    monkeypatch.setattr(cluster_runs, "run_command", runs)
    cluster = Eager(lost=1)
    assert states(entries, cluster) == ["finished"] * 3
    assert sorted(runs.done) == ["0", "1", "2"]
    assert len(cluster.started) == 4
    command, _, _, environment, nice = cluster.started[0][1]
    assert command == entries[0].command()
    assert (environment["FER_TF_ANY_CODE"], nice) == ("1", 19)
    assert states(entries, cluster) == ["finished"] * 3
    assert len(cluster.started) == 4


def test_a_run_that_is_lost_again_and_again_has_failed(fresh_home, monkeypatch):
    entries = [cnn()]
    monkeypatch.setattr(cluster_runs, "run_command", Runs(entries))
    cluster = Eager(lost=9)
    assert states(entries, cluster) == ["failed"]
    assert len(cluster.started) == 3


def test_an_error_of_one_run_does_not_end_the_others(fresh_home, monkeypatch):
    entries = [cnn(seed) for seed in range(3)]
    runs = Runs(entries, failing="0")
    monkeypatch.setattr(cluster_runs, "run_command", runs)
    table = run_queue(entries, Settings(cluster=Eager()), verbose=False).set_index("run")
    assert [table.loc[entry.name, "state"] for entry in entries] == ["failed", "finished", "finished"]
    assert queue_state.note(entries[0])["reason"] == "ValueError: the loss is nan"
    assert sorted(runs.done) == ["1", "2"]


def test_a_computer_that_does_not_see_the_reports_fails_the_run_with_the_reason(fresh_home, monkeypatch):
    entries = [cnn()]
    runs = Runs(entries)
    hidden = lambda command, log, lock, *rest: runs(command, log, f"{lock}.elsewhere", *rest)  # noqa: E731
    monkeypatch.setattr(cluster_runs, "run_command", hidden)
    assert states(entries, Eager()) == ["failed"]
    assert queue_state.note(entries[0])["reason"].startswith("error: cluster: the computer ")
    assert runs.done == []
