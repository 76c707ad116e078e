"""kill -9 of a queue at random moments: no finished epoch is lost, none is trained twice, and the end is the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest

from fer_tf.runs import records
from fer_tf.training import checkpoint, queue_state
from fer_tf.training.queue_entries import read_queue

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="locks and signals are those of POSIX"),
]

KILLS = 10
EPOCHS = 24  # of each run; fewer end before the last kill on a fast processor
ROWS = ["experiment,seed,overrides,options,size"]
ROWS += [f"cnn,{seed},epochs={EPOCHS} patience=0 rotation=10,count=400,smoke" for seed in range(3)]
PATIENCE = 900  # seconds after which something hangs


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A function that starts a queue of three trainings in a home of that name; gives its process and entries."""
    file, started = tmp_path / "queue.csv", []
    file.write_text("\n".join(ROWS))

    def launch(home="killed", is_ctrl_c_ignored=False):
        for name in ("reports", "models"):
            monkeypatch.setenv(f"FER_TF_{name.upper()}", str(tmp_path / home / name))
        monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_ctrl_c_ignored else None
        with open(tmp_path / f"{home}.log", "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "fer_tf", "queue", str(file), "--workers", "2", "--nice", "0"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if is_ctrl_c_ignored:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        return process, read_queue(file)

    yield launch
    for process in started:
        kill(process, with_runs=True)


def runs_of(process):
    """The processes that a queue has started, and theirs."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}
    found, fresh = set(), {process.pid}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def kill(process, with_runs):
    """kill -9 of a queue, with all that it has started or alone; the runs that continue."""
    if process.poll() is not None:
        return set()
    process.send_signal(signal.SIGSTOP)  # it starts nothing more
    runs = runs_of(process)
    for pid in (process.pid, *(runs if with_runs else ())):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return set() if with_runs else runs


def wait_until(is_true, message):
    until = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < until, message
        time.sleep(0.02)


def finished_epochs(entry):
    """The rows of the epochs that a run has finished: of its checkpoint or, once trained, of its history."""
    try:
        with np.load(entry.directory / checkpoint.CHECKPOINT) as file:
            return json.loads(str(file["state"]))["state"]["history"]
    except FileNotFoundError:
        path = entry.directory / "history.csv"
        return pd.read_csv(path).to_dict("records") if path.is_file() else []


def count(entries):
    return sum(len(finished_epochs(entry)) for entry in entries)


def starts(entry):
    """How often a queue has started an entry."""
    path = queue_state.log_path(entry)
    return sum(line.startswith("== ") for line in path.read_text().splitlines()) if path.is_file() else 0


def is_free(entries):
    return not any(queue_state.is_locked(entry) for entry in entries)


def outcome(entries):
    """What came out: of each run the weights, the figures and the predictions."""
    runs = [records.read_run(entry.directory) for entry in entries]
    return [
        (
            keras.models.load_model(run.model_path, compile=False).get_weights(),
            run.metrics["test"],
            (run.directory / "predict.csv").read_bytes(),
        )
        for run in runs
    ]


def wait_for_moment(rng, process, entries):
    """Either some seconds, which are those of starting, or an epoch or two and a part of the next."""
    epochs = rng.choice([0, 0, 1, 1, 2])
    if not epochs:
        time.sleep(rng.uniform(0, 5))
        return
    before, seconds = count(entries), rng.uniform(0, 0.5)
    wait_until(lambda: process.poll() is not None or count(entries) >= before + epochs, "no epoch came to an end")
    time.sleep(seconds)


def test_a_queue_killed_again_and_again_ends_as_if_nothing_was(start):
    rng, rows, resumed = random.Random(0), [[], [], []], 0
    for number in range(KILLS):
        process, entries = start()
        wait_for_moment(rng, process, entries)
        assert process.poll() is None, f"the queue has ended before kill {number + 1}"
        kill(process, with_runs=True)
        wait_until(lambda: is_free(entries), "a run has outlived its queue")  # noqa: B023
        for place, entry in enumerate(entries):
            before, now = rows[place], finished_epochs(entry)
            assert [row["epoch"] for row in now] == list(range(1, len(now) + 1)), "an epoch is missing, or there twice"
            assert now[: len(before)] == before, "a finished epoch is lost, or was trained again"
            path = entry.directory / "history.csv"
            written = list(pd.read_csv(path)["epoch"]) if path.is_file() else []
            assert written == list(range(1, len(written) + 1))
            resumed += len(now) > len(before) > 0
            rows[place] = now
    assert resumed > 2, "the kills were not in the middle of trainings"
    process, entries = start()
    assert process.wait(PATIENCE) == 0
    assert [queue_state.state(entry) for entry in entries] == ["finished"] * 3
    for before, entry in zip(rows, entries, strict=True):
        history = pd.read_csv(entry.directory / "history.csv")
        assert list(history["epoch"]) == list(range(1, EPOCHS + 1))
        assert list(history["seconds"][: len(before)]) == [row["seconds"] for row in before]
        assert not list(entry.directory.rglob(checkpoint.CHECKPOINT))
    killed = outcome(entries)

    process, entries = start("whole")
    assert process.wait(PATIENCE) == 0
    for one, other in zip(killed, outcome(entries), strict=True):
        for weights, same in zip(one[0], other[0], strict=True):
            np.testing.assert_array_equal(weights, same)
        assert one[1:] == other[1:]


def test_runs_that_outlive_their_queue_are_not_started_a_second_time(start):
    process, entries = start()
    wait_until(lambda: process.poll() is not None or all(map(finished_epochs, entries[:2])), "no epoch came to an end")
    assert process.poll() is None, "the queue has ended early"
    runs = kill(process, with_runs=False)
    try:
        for pid in runs:
            os.kill(pid, signal.SIGSTOP)  # so that they are surely there when the next queue looks
        assert [queue_state.state(entry) for entry in entries] == ["running", "running", "new"]
        process, _ = start()
        assert process.wait(PATIENCE) == 0
        assert [queue_state.state(entry) for entry in entries] == ["running", "running", "finished"]
    finally:
        for pid in runs:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: is_free(entries), "the runs did not come to their end")
    assert [queue_state.state(entry) for entry in entries] == ["finished"] * 3
    assert [starts(entry) for entry in entries] == [1, 1, 1]


def test_a_queue_in_the_background_is_stopped_with_its_runs_by_kill(start):
    process, entries = start(is_ctrl_c_ignored=True)  # as a script's `fer-tf queue ... &`
    wait_until(lambda: process.poll() is not None or count(entries[:2]), "no epoch came to an end")
    assert process.poll() is None, "the queue has ended early"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert is_free(entries)
    assert "failed" not in [queue_state.state(entry) for entry in entries]
