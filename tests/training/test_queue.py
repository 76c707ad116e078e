"""The queue: what it starts and when, that nothing runs twice or is lost, and what it prints.

Most tests put a small script in the place of `python -m fer_tf`; the last one trains.
"""

import os
import signal
import sys
import tarfile
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from fer_tf.__main__ import main
from fer_tf.common.checks import InputError, OutOfTime
from fer_tf.runs import records
from fer_tf.training import checkpoint, fitting, queue, queue_state, search
from fer_tf.training.queue import Settings, run_queue
from fer_tf.training.queue_entries import Entry, read_queue
from fer_tf.training.queue_state import state, status
from queues import FAKE, FakeRuns, cnn, files_of, finish, write, write_history

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and signals are those of POSIX")


@pytest.fixture
def fake(fresh_home, monkeypatch):
    found = FakeRuns(fresh_home / "fake")
    script = found.home / "python"
    script.write_text(FAKE.format(python=sys.executable, home=str(found.home)))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return found


def run(entries, **settings):
    """The states after a queue of these entries, by name."""
    table = run_queue(entries, Settings(**{"workers": 2, **settings}), verbose=False)
    return dict(zip(table["run"], table["state"], strict=True))


def planned(fake, count, **how):
    entries = [cnn(seed) for seed in range(count)]
    for entry in entries:
        fake.plan(entry, **how)
    return entries


def test_so_many_run_at_once_as_asked_and_never_more(fake, capsys):
    entries = planned(fake, 7)
    for entry in entries[:3]:
        fake.plan(entry, together=3)
    table = run_queue(entries, Settings(workers=3))
    running, most = 0, 0
    for event, _ in fake.events():
        running += {"start": 1, "end": -1}[event]
        most = max(most, running)
    assert most == 3
    assert sorted(fake.starts()) == list("0123456")
    assert (table["state"] == "finished").all()
    said = capsys.readouterr().out
    assert said.startswith("7 runs, 0 finished; 3 at once\nstart  cnn-synthetic-identity-seed0\n")
    assert "done   cnn-synthetic-identity-seed6: test accuracy 0.5000" in said
    # the same call again has nothing to do
    assert run(entries) == dict.fromkeys(table["run"], "finished")
    assert len(fake.starts()) == 7


def test_the_most_urgent_are_started_first(fake):
    entries = planned(fake, 4)
    run([entries[2], entries[0], entries[3], entries[1]], workers=1)
    assert fake.starts() == list("2031")


def test_a_failed_run_is_reported_with_its_last_words_and_the_others_still_run(fake, capsys):
    entries = planned(fake, 4)
    fake.plan(entries[1], code=2, says="loading\nerror: fer2013.csv is missing\n\n")
    fake.plan(entries[2], code=1)
    table = run_queue(entries, Settings(workers=2)).set_index("run")
    assert list(table["state"]) == ["finished", "failed", "failed", "finished"]
    assert table["remark"].iloc[1] == "error: fer2013.csv is missing"
    assert table["remark"].iloc[2] == "ended with an error and printed nothing"
    assert "failed cnn-synthetic-identity-seed1: error: fer2013.csv is missing" in capsys.readouterr().out
    assert "== 20" in queue_state.log_path(entries[1]).read_text()
    # failed ones wait until somebody has looked
    run(entries)
    assert sorted(fake.starts()) == list("0123")
    fake.plan(entries[1])
    assert list(run(entries, retry=True).values()) == ["finished", "finished", "failed", "finished"]
    assert sorted(fake.starts()) == list("011223")


def test_a_run_that_needs_others_starts_after_them(fake):
    members = planned(fake, 2, seconds=0.3)
    ensemble = Entry("ensemble", members="+".join(entry.name for entry in members), priority=9)
    fake.plan(ensemble)
    assert state(ensemble) == "waiting"
    assert status([ensemble])["remark"][0] == f"needs {members[0].name}, {members[1].name}"
    assert set(run([ensemble, *members], workers=3).values()) == {"finished"}
    assert fake.events()[-2:] == [("start", "ensemble"), ("end", "ensemble")]


def test_a_student_is_not_started_without_its_teacher(fake):
    teacher, student = (
        Entry("face_transfer", size="smoke", seed=1),
        Entry("compact_taught", seed=1, size="smoke", priority=9),
    )
    fake.plan(teacher, code=1, says="no such file: mobilefacenet.h5")
    assert list(run([student, teacher]).values()) == ["waiting", "failed"]
    assert fake.starts() == ["1"]


def test_a_run_that_another_process_has_is_left_alone(fake):
    entries = planned(fake, 3)
    lock = (queue_state.queue_folder().mkdir(parents=True), queue_state.acquire(entries[0]))[1]
    with records.locked(entries[1].name):  # as `fer-tf train` in another window
        assert state(entries[1]) == "running"
        assert list(run(entries).values()) == ["running", "running", "finished"]
    assert fake.starts() == ["2"]
    lock.close()
    assert set(run(entries).values()) == {"finished"}
    assert sorted(fake.starts()) == list("012")


def test_two_queues_on_one_folder_run_nothing_twice(fake):
    entries = planned(fake, 8, seconds=0.15)
    fake.plan(entries[3], code=1)
    queues = [threading.Thread(target=run, args=[entries]) for _ in range(2)]
    for thread in queues:
        thread.start()
    for thread in queues:
        thread.join()
    assert sorted(fake.starts()) == list("01234567")
    assert [state(entry) for entry in entries] == ["finished"] * 3 + ["failed"] + ["finished"] * 4


def test_a_run_killed_from_outside_is_started_again_but_not_for_ever(fake):
    entries = planned(fake, 3)
    fake.plan(entries[0], killed=2)
    fake.plan(entries[1], killed=99)
    fake.plan(entries[2], code=130, says="stopped; the same train resumes here")
    table = run_queue(entries, Settings(workers=2), verbose=False)
    assert list(table["state"]) == ["finished", "failed", "failed"]
    assert list(table["remark"][1:]) == ["was ended by signal 9, 3 times", "stopped; the same train resumes here"]
    assert sorted(fake.starts()) == list("000111222")
    # requested again, it has the same number of attempts as before
    fake.plan(entries[1], killed=5)
    assert run(entries[:2], retry=True)[entries[1].name] == "finished"
    assert fake.starts().count("1") == 6


@pytest.fixture
def ctrl_c():
    """Ctrl-C interrupts, also where these tests run in the background of a shell, which ignores it there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_runs_and_the_next_queue_resumes_them(fake, ctrl_c):
    entries = planned(fake, 2)
    fake.plan(entries[0], seconds=60)

    def press():
        fake.wait_for("start")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        run(entries, workers=1)
    assert fake.events() == [("start", "0"), ("stop", "0")]
    assert [state(entry) for entry in entries] == ["new", "new"]
    fake.plan(entries[0])
    assert set(run(entries).values()) == {"finished"}


def test_a_run_has_its_threads_its_niceness_and_may_resume_across_code_changes(fake):
    entries = planned(fake, 1, seconds=0.5)
    run(entries, threads=2, nice=5, data_dir="/some/where")
    about = fake.about(entries[0])
    assert about["words"] == entries[0].command("/some/where")
    assert about["nice"] == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    environment = about["environment"]
    assert environment["TF_NUM_INTRAOP_THREADS"] == environment["OMP_NUM_THREADS"] == "2"
    assert environment[checkpoint.ANY_CODE] == "1"
    assert checkpoint.STOP_AT not in environment


@pytest.mark.parametrize(("name", "value"), [("workers", -1), ("threads", 0), ("nice", 20), ("nice", -1)])
def test_wrong_settings_name_the_fault(name, value):
    with pytest.raises(InputError, match=f"^{name}: must be"):
        Settings(**{name: value})


def test_as_many_runs_as_the_cores_have_room_for(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert (Settings().slots, Settings(threads=4).slots, Settings(threads=16).slots) == (8, 2, 1)
    assert Settings(workers=3, threads=4).slots == 3


def test_a_record_that_ships_is_not_trained_again_unless_another_run_needs_the_model(fake, monkeypatch):
    monkeypatch.setattr(queue_state, "results_root", lambda: fake.home / "results")
    entries = planned(fake, 2)
    for path, text in files_of(entries[0]).items():
        if not path.endswith(".h5"):
            write(fake.home / "results" / "runs" / entries[0].name / Path(path).name, text)
    assert run(entries) == dict.fromkeys([entry.name for entry in entries], "finished")
    assert fake.starts() == ["1"]
    ensemble = Entry("ensemble", members="+".join(entry.name for entry in entries), priority=9)
    fake.plan(ensemble)
    assert set(run([ensemble, *entries]).values()) == {"finished"}
    assert fake.starts() == ["1", "0", "ensemble"]
    # and with all there, nothing
    run([ensemble, *entries])
    assert len(fake.starts()) == 3


def test_a_search_with_another_space_is_not_the_one_that_was_done(fake):
    entry = cnn(space="epochs=1,2")
    fake.plan(entry)
    assert run([entry]) == {entry.name: "finished"}
    assert queue_state.is_finished(entry)
    wider = cnn(space="epochs=1,2,3")
    assert wider.name == entry.name
    assert not queue_state.is_finished(wider)
    assert run([wider]) == {entry.name: "finished"}
    assert fake.starts() == ["0", "0"]


@pytest.fixture
def quick_end(monkeypatch):
    """The seconds that runs have at the end of a budget, for tests."""
    monkeypatch.setattr(queue, "_GRACE", 1.0)
    monkeypatch.setattr(queue, "_LAST", 0.5)


def test_no_run_is_started_whose_next_epoch_cannot_end_in_time(fake, quick_end):
    slow, quick, unknown = planned(fake, 3)
    write_history(slow, [1000])
    write_history(quick, [2])
    begun = time.time()
    assert list(run([slow, quick, unknown], budget=100.0).values()) == ["new", "finished", "finished"]
    assert sorted(fake.starts()) == ["1", "2"]
    stop_at = float(fake.about(quick)["environment"][checkpoint.STOP_AT])
    assert begun + 98 < stop_at < time.time() + 100, "the runs themselves know when to stop"
    assert run([slow])[slow.name] == "finished", "without a budget it runs"


def test_a_run_that_stopped_for_the_budget_is_resumed_by_the_next_queue(fake, quick_end, capsys):
    entries = planned(fake, 2)
    fake.plan(entries[0], code=queue.OUT_OF_TIME, says="stopped: no time left")
    table = run_queue(entries, Settings(workers=1, budget=100.0))
    assert list(table["state"]) == ["new", "finished"]
    assert fake.starts() == ["0", "1"]
    assert "paused cnn-synthetic-identity-seed0: no time left" in capsys.readouterr().out
    fake.plan(entries[0])
    assert run(entries)[entries[0].name] == "finished"


def test_everything_has_stopped_when_the_budget_ends(fake, quick_end):
    entries = planned(fake, 3, seconds=300)
    fake.plan(entries[1], seconds=300, deaf=True)
    assert set(run(entries, budget=6.0).values()) == {"new"}
    assert not [event for event, _ in fake.events() if event == "end"], "none was waited for"
    assert sorted(fake.starts()) == ["0", "1"]
    assert ("stop", "0") in fake.events()
    assert all(queue_state.acquire(entry) for entry in entries), "no process has a lock any more"


def test_a_budget_of_nothing_starts_nothing(fake):
    assert run(planned(fake, 1), budget=0.0) == {"cnn-synthetic-identity-seed0": "new"}
    assert not fake.starts()


def test_a_packed_queue_unpacked_elsewhere_is_as_it_was(tmp_path, monkeypatch):
    # folders of any name: one named "figures" must not leave all out
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "figures" / "my reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "my models"))
    monkeypatch.setattr(queue, "LARGEST_PACKED", 10_000)
    done, begun, new = (cnn(seed) for seed in range(3))
    finish(done)
    write_history(done, [1.0])
    write(done.directory / "figures" / "confusion.svg", "picture")
    write(begun.directory / "matching" / checkpoint.CHECKPOINT, "epochs")
    write(begun.directory / "record.json", "{}")
    write(records.model_path(begun.name), "w" * 10_001)
    left_out = queue.pack([done, begun, new], tmp_path / "out" / "queue.tar")
    assert left_out == [f"models/{begun.name}.h5"]
    record_files = {f"reports/runs/{done.name}/{file}" for file in ("record.json", "metrics.json", "history.csv")}
    other = {f"reports/runs/{begun.name}/{file}" for file in ("record.json", f"matching/{checkpoint.CHECKPOINT}")}
    with tarfile.open(tmp_path / "out" / "queue.tar") as archive:
        assert set(archive.getnames()) == {*record_files, *other, f"models/{done.name}.h5"}
        archive.extractall(tmp_path / "elsewhere", filter="data")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["queue.tar"]
    before = status([done, begun, new])
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "elsewhere" / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "elsewhere" / "models"))
    assert list(status([done, begun, new])["state"]) == ["finished", "interrupted", "new"]
    pd.testing.assert_frame_equal(status([done, begun, new]), before)


def call(monkeypatch, *words):
    """Runs a command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["fer-tf", *map(str, words)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def test_the_command_runs_tells_and_packs_a_queue(fake, monkeypatch, capsys):
    for entry in planned(fake, 2):
        fake.plan(entry)
    fake.plan(cnn(1), code=1, says="error: out of memory")
    file, tar = fake.home / "mine.csv", fake.home / "out.tar"
    file.write_text("experiment,seed,size\ncnn,0,smoke\ncnn,1,smoke\n")
    monkeypatch.chdir(fake.home)
    assert call(monkeypatch, "queue", "mine.csv", "--workers", 2, "--pack", tar, "--data-dir", "raw") == 1
    assert fake.about(cnn())["words"][-1] == str(fake.home / "raw"), "relative to the user's folder"
    said = capsys.readouterr().out
    assert f"packed into {tar}" in said
    assert "error: out of memory" in said
    with tarfile.open(tar) as archive:
        assert f"models/{cnn().name}.h5" in archive.getnames()
    assert call(monkeypatch, "queue", "status", "mine.csv") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:3] == ["run", "state", "epoch"]
    assert len(shown) == 3
    assert shown[1].split()[:3] == [cnn().name, "finished", "2"]
    assert "nan" not in shown[1] + shown[2]
    fake.plan(cnn(1))
    assert call(monkeypatch, "queue", file, "--retry") == 0
    assert call(monkeypatch, "queue", file, "--budget", "soon") == 2
    assert "budget: must be a time" in capsys.readouterr().err


def test_a_search_that_runs_out_of_time_has_no_failed_trials(fresh_home, monkeypatch):
    def no_time(*_):
        raise OutOfTime("no time left for another epoch")

    monkeypatch.setattr(fitting, "fit", no_time)
    with pytest.raises(OutOfTime):
        search.run_search("cnn", {"epochs": [1, 2]}, size="smoke", dataset_options={"count": 200}, verbose=False)
    assert not list(fresh_home.rglob("trial.json"))


def test_a_real_training_by_a_queue(fresh_home):
    rows = ["experiment,seed,overrides,options,size", "cnn,0,width=0.1 rotation=0 zoom=0 flip=false,count=200,smoke"]
    write(fresh_home / "mine.csv", "\n".join(rows))
    [entry] = entries = read_queue(fresh_home / "mine.csv")
    table = run_queue(entries, Settings(workers=2), verbose=False)
    assert list(table["state"]) == ["finished"]
    assert list(table["epoch"]) == list(table["of"]) == [2]
    found = records.read_run(entry.directory)
    assert found.model_path.is_file()
    assert len(found.predictions)
    assert len(found.history) == 2
    assert 0 <= found.metrics["test"]["accuracy"] <= 1
    log = queue_state.log_path(entry).read_text()
    assert f"record {found.directory}" in log
    run_queue(entries, Settings(workers=2), verbose=False)
    assert queue_state.log_path(entry).read_text() == log, "a second call runs nothing"
