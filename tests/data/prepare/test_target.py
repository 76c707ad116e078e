"""Preparing again: nothing is done twice, a killed run resumes, wrong settings and broken pictures are reported."""

import json

import numpy as np
import pandas as pd
import pytest
from fixtures import (
    BROKEN,
    PHOTO_PLACES,
    SYNTHETIC,
    file_contents,
    written_pictures,
)
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.data.prepare import prepare_datasets
from fer_tf.data.prepare import target as target_module

# --- going on ---


def test_only_what_is_missing_is_made_again(tmp_path, count_writes):
    out = tmp_path / "out"
    done = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert sorted(count_writes) == sorted(done.labels["path"])
    before, lost = file_contents(out), list(done.labels["path"][[0, 17, 40]])
    for path in lost[:2]:
        (out / path).unlink()
    (out / lost[2]).write_bytes(b"")  # what a full disk may leave
    (out / lost[0]).with_name(".left.jpg.part").write_bytes(b"half")
    count_writes.clear()
    again = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert sorted(count_writes) == sorted(lost)
    assert again.new == 3
    assert file_contents(out) == before
    assert not list(out.rglob("*.part"))
    pd.testing.assert_frame_equal(again.summary, done.summary)


def test_a_run_that_is_killed_goes_on(tmp_path, monkeypatch, count_writes):
    out, whole = tmp_path / "out", tmp_path / "whole"
    prepare_datasets(["synthetic"], whole, **SYNTHETIC)
    encoded, calls = target_module.encoded, []

    def killed(image, suffix):
        calls.append(1)
        if len(calls) > 30:
            raise KeyboardInterrupt
        return encoded(image, suffix)

    monkeypatch.setattr(target_module, "encoded", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_datasets(["synthetic"], out, workers=1, **SYNTHETIC)
    monkeypatch.setattr(target_module, "encoded", encoded)
    assert len(written_pictures(out)) == 30
    assert not (out / "labels.csv").exists()
    assert json.loads((out / "prepare.json").read_text())["complete"] is False
    journal = out / "record" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-5])  # the last line, cut off
    count_writes.clear()
    done = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert done.new == len(count_writes) == len(done.labels) - 30
    assert file_contents(out) == file_contents(whole)


def test_strange_files_are_never_taken_away(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty and was not made by `data prepare`"):
        prepare_datasets(["synthetic"], out, force=True, **SYNTHETIC)
    (out / "mine.txt").unlink()
    prepare_datasets(["synthetic"], out, **SYNTHETIC)
    mine = out / "train" / "1" / "mine.jpg"
    mine.write_bytes(b"x")
    for force in (False, True):
        with pytest.raises(DataError, match=r"mine.jpg: was not written by `data prepare` \(1 such files\)"):
            prepare_datasets(["synthetic"], out, force=force, **SYNTHETIC)
    assert mine.read_bytes() == b"x"


# --- what is refused, what is broken ---


@pytest.mark.parametrize("kind", ["empty", "half a jpeg"])
def test_a_picture_that_cannot_be_read_is_counted(tmp_path, photos, kind):
    bad = photos / "folder" / "train" / "happy" / "bad.jpg"
    BROKEN[kind](bad)
    for detector in ("none", "haar"):
        out = tmp_path / detector
        done = prepare_datasets(["folder"], out, photos, layout="names", detector=detector)
        assert len(done.labels) == len(PHOTO_PLACES)
        assert done.summary.iloc[-1]["cannot be read"] == 1
        row = done.skipped[["source", "reason", "detail"]].iloc[0]
        assert row["source"] == "train/happy/bad.jpg"
        assert "bad.jpg: is " in row["detail"]
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(bad)
    with pytest.raises(InputError, match="its files, labels or splits have changed"):
        prepare_datasets(["folder"], out, photos, layout="names", detector="haar")
