"""Where the runs of a queue are, read from their records, logs and locks."""

import json
import os
import re
import shutil

import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.common.files import write_json
from fer_tf.runs import records
from fer_tf.training import checkpoint, queue_state
from fer_tf.training.queue_entries import Entry
from fer_tf.training.queue_state import state, status
from queues import cnn, finish, record_of, write, write_history

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and signals are those of POSIX")


def test_a_record_with_other_settings_is_not_the_rows_run(fresh_home):
    entry = cnn(3, overrides="epochs=2", options="count=200")
    assert not queue_state.is_finished(entry)
    finish(entry)
    assert queue_state.is_finished(entry)
    for other in ({"overrides": "epochs=3"}, {"options": "count=400"}, {"size": "quick"}, {"options": ""}):
        changed = cnn(3, **{"overrides": "epochs=2", "options": "count=200", **other})
        assert changed.name == entry.name
        assert not queue_state.is_finished(changed)
    finish(entry, code="of a later version")
    assert queue_state.is_finished(entry), "changed code must not cause hours of training again"
    finish(entry, fingerprint="of the training under way")
    assert not queue_state.is_finished(entry), "metrics of an earlier training are not this one's"
    (entry.directory / "metrics.json").unlink()
    assert not queue_state.is_finished(entry)


def test_a_record_from_before_a_setting_was_there_is_still_the_rows_run(fresh_home):
    entry = cnn()
    settings = record_of(entry)["settings"]
    older = {key: value for key, value in settings.items() if key != "ema"}
    finish(entry, settings=older)
    assert settings["ema"] == 0
    assert queue_state.is_finished(entry)
    assert not queue_state.is_finished(cnn(overrides="ema=0.9"))


def test_classical_runs_and_ensembles_are_finished_by_their_records(fresh_home):
    svm = Entry("hog_svm", size="smoke")
    ensemble = Entry("ensemble", members="a+b")
    for entry in (svm, ensemble):
        assert not queue_state.is_finished(entry)
    for entry in (svm, ensemble):
        finish(entry)
        assert state(entry) == "finished"
    assert not queue_state.is_finished(Entry("hog_svm", size="quick"))


def test_what_ships_is_finished(fresh_home, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_state, "results_root", lambda: tmp_path)
    for entry, folder in ((Entry("hog_svm", size="smoke"), "runs"), (Entry("ensemble", members="a+b"), "ensembles")):
        finish(entry)
        (tmp_path / folder).mkdir()
        shutil.move(entry.directory, tmp_path / folder / entry.name)
        assert queue_state.is_finished(entry)


def test_an_ensemble_is_made_again_after_a_member_was_trained_again(fresh_home):
    members, ensemble = [cnn(seed=0), cnn(seed=1)], Entry("ensemble", members=f"{cnn(seed=0).name}+{cnn(seed=1).name}")
    for entry in members:
        finish(entry)
    finish(ensemble)
    path = ensemble.directory / "record.json"
    record = records.read_record(ensemble.directory)
    record["members"] = [
        {"run": entry.name, "fingerprint": records.finished_fingerprint(entry.name)} for entry in members
    ]
    write_json(path, record)
    assert queue_state.is_finished(ensemble)
    record["members"][1]["fingerprint"] = "of an earlier training"
    write_json(path, record)
    assert not queue_state.is_finished(ensemble)


def test_an_ensemble_with_a_bundled_file_is_made_again_after_the_file_was_exchanged(fresh_home):
    member = cnn(seed=0)
    finish(member)
    write_json(fresh_home / "models" / "bundled" / "small.json", {"file": "small.h5", "sha256": "first"})
    ensemble = Entry("ensemble", members=f"{member.name}+small.h5")
    assert ensemble.needs == [member.name]
    finish(ensemble)
    path = ensemble.directory / "record.json"
    record = records.read_record(ensemble.directory)
    record["members"] = [
        {"run": member.name, "fingerprint": records.finished_fingerprint(member.name)},
        {"run": "small.h5", "fingerprint": "first"},
    ]
    write_json(path, record)
    assert queue_state.is_finished(ensemble)
    write_json(fresh_home / "models" / "bundled" / "small.json", {"file": "small.h5", "sha256": "second"})
    assert not queue_state.is_finished(ensemble)


def test_what_is_left_of_a_killed_run_is_interrupted_and_not_new(fresh_home):
    entry = cnn()
    assert state(entry) == "new"
    write(entry.directory / "matching" / checkpoint.CHECKPOINT, "")
    assert state(entry) == "interrupted"


def test_the_status_tells_of_each_run_where_it_is(fresh_home):
    begun, new, svm = cnn(overrides="epochs=12"), cnn(1), Entry("hog_svm", size="smoke")
    write_history(begun, [10, 20, 60], [0.3, 0.625, 0.5])
    table = status([begun, new, svm])
    assert list(table.columns) == [
        "run",
        "state",
        "epoch",
        "of",
        "best val",
        "seconds an epoch",
        "minutes left",
        "remark",
    ]
    first, second, third = table.to_dict("records")
    assert first == {
        "run": begun.name,
        "state": "new",
        "epoch": 3,
        "of": 12,
        "best val": 0.625,
        "seconds an epoch": 20.0,
        "minutes left": 3.0,
        "remark": "",
    }
    assert pd.isna([second[key] for key in ("epoch", "best val", "seconds an epoch", "minutes left")]).all()
    assert second["of"] == 2
    assert pd.isna(third["of"])
    finish(begun)
    assert status([begun])["state"][0] == "finished"
    assert pd.isna(status([begun])["minutes left"][0])


def test_the_line_of_progress_tells_counts_and_each_running_runs_epoch(fresh_home):
    entries = [cnn(overrides="epochs=12"), cnn(1), cnn(2), Entry("hog_svm", size="smoke")]
    write_history(entries[0], [10, 20, 60])
    finish(entries[1])
    queue_state.queue_folder().mkdir(parents=True)
    locks = [queue_state.acquire(entry) for entry in (entries[0], entries[3])]
    line = queue_state.progress_line(entries)
    assert re.fullmatch(
        r"\d\d:\d\d  1 finished, 2 running, 1 to go \| cnn-synthetic-identity-seed0 3/12, 3 min left"
        r" \| hog_svm-synthetic-identity-seed0 0/\?",
        line,
    )
    for lock in locks:
        lock.close()


def test_what_is_finished_is_for_a_release(fresh_home):
    entries = [cnn(), cnn(1), Entry("hog_svm", size="smoke"), Entry("ensemble", members="a+b")]
    with pytest.raises(InputError, match="no finished run of it can be released"):
        queue_state.finished_names(entries)
    for entry in (entries[1], entries[2], entries[3]):
        finish(entry)
    names = [entry.name for entry in entries]
    assert queue_state.finished_names(entries) == (names[1:], [])
    record = json.loads((entries[1].directory / "record.json").read_text())
    (entries[1].directory / "record.json").write_text(json.dumps({**record, "reduced": "epochs 2 for 30"}))
    assert queue_state.finished_names(entries) == (names[2:], [names[1]])
    assert queue_state.finished_names(entries, reduced=True) == (names[1:], [])
