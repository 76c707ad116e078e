"""Preparing again: nothing is done twice, a killed run resumes, wrong settings and broken pictures are reported."""

import json

import numpy as np
import pandas as pd
import pytest
from fixtures import (
    BROKEN,
    PHOTO_PLACES,
    SYNTHETIC,
    assert_refused,
    file_contents,
    run_cli,
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


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"size": 40}, r"size \(32 there, 40 now\)"),
        ({"format": "png"}, r"format \(jpg there, png now\)"),
        ({"layout": "names"}, r"layout \(numbered there, names now\)"),
        ({"seed": 1}, "datasets: synthetic: its files, labels or splits have changed; seed"),
        ({"options": ["count=130"]}, r"count \(120 there, 130 now\)"),
    ],
)
def test_other_settings_are_refused_unless_forced(tmp_path, change, fault):
    out = tmp_path / "out"
    prepare_datasets(["synthetic"], out, **SYNTHETIC)
    before = file_contents(out)
    with pytest.raises(InputError, match=f"was prepared with other settings: .*{fault}.*--force"):
        prepare_datasets(["synthetic"], out, **SYNTHETIC | change)
    assert file_contents(out) == before
    done = prepare_datasets(["synthetic"], out, force=True, **SYNTHETIC | change)
    assert len(written_pictures(out)) == len(done.labels) == done.new


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


def test_if_nothing_can_be_written_it_says_so(tmp_path):
    home = tmp_path / "raw" / "folder"
    for split in ("train", "val", "test"):
        (home / split / "happy").mkdir(parents=True)
        (home / split / "happy" / "x.jpg").write_text("no picture")
    with pytest.raises(DataError, match="none of 3 pictures could be written; see record/skipped.csv for the reasons"):
        prepare_datasets(["folder"], tmp_path / "out", home.parent)
    assert (pd.read_csv(tmp_path / "out/record/skipped.csv")["reason"] == "cannot be read").all()


def test_raw_data_is_never_written_to(tmp_path, photos, fer2013_root):
    before = file_contents(photos)
    for out in (photos / "folder", photos / "folder" / "new", photos / "fer2013" / "new"):
        with pytest.raises(InputError, match="is in .*the raw data of"):
            prepare_datasets(["folder"], out, photos)
    prepare_datasets(["folder"], tmp_path / "out", photos)
    assert file_contents(photos) == before
    (tmp_path / "link").symlink_to(photos / "folder")
    with pytest.raises(InputError, match="is in"):
        prepare_datasets(["folder"], tmp_path / "link" / "new", photos)
    prepare_datasets(["fer2013"], tmp_path / "data" / "folder", fer2013_root, size=48)  # to be loaded as `folder`
    with pytest.raises(InputError, match="holds pictures of folder"):
        prepare_datasets(["folder"], tmp_path / "out", tmp_path / "out", force=True)
    assert written_pictures(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 4}, "size: must be a number >= 8"),
        ({"channels": 2}, "channels: allowed are None, 1, 3"),
        ({"format": "gif"}, "format: allowed are jpg, png"),
        ({"layout": "codes"}, "layout: allowed are numbered, names"),
        ({"detector": "eyes"}, "detector: allowed are mtcnn"),
        ({"margin": 0.2}, "margin, missing: have no effect with detector 'none'"),
        ({"missing": "skip"}, "margin, missing: have no effect"),
        ({"detector": "haar", "missing": "error"}, "missing: allowed are whole, skip"),
        ({"workers": 0}, "workers: must be a number >= 1"),
        ({"protocol": "official"}, "protocol of synthetic: allowed are identity"),
        ({"protocol": "ckplus=random"}, "protocol: allowed are synthetic"),
        ({"options": ["camera=left"]}, "options of synthetic: unknown 'camera'"),
        ({"options": ["jaffe.fold=1"]}, "dataset of 'jaffe.fold=1': allowed are synthetic"),
        ({"options": ["size=3"]}, r"options: size is a setting of `data prepare` itself \(--size\)"),
        ({"options": ["synthetic.channels=3"]}, "channels is a setting"),
        ({"names": ["synthetic", "synthetic"]}, "datasets: name one or more, each once"),
        ({"names": ["fer"]}, "dataset: allowed are synthetic, fer2013"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        prepare_datasets(**{"names": ["synthetic"], "out": tmp_path / "out", **arguments})
    assert not (tmp_path / "out").exists()


# --- the command ---


def test_command(capsys, tmp_path, photos):
    bad = BROKEN["text"](photos / "folder" / "train" / "happy" / "bad.jpg")
    command = ["data", "prepare", "folder", "--data-dir", photos, "--out", tmp_path / "out", "--size", 32]
    answer = run_cli(capsys, *command, "--format", "png", "--layout", "names", "--channels", 3)
    assert answer.code == 1
    assert f"not read: {bad}: is not a picture" in answer.err
    assert "cannot be read" in answer.out
    assert f"{len(PHOTO_PLACES)} pictures in {tmp_path / 'out'}" in answer.out
    assert f"load them with: --dataset folder --data-dir {tmp_path / 'out'} --option image_size=32" in answer.out
    assert_refused(run_cli(capsys, *command), "out", "other settings", "--force")
    bad.unlink()
    assert run_cli(capsys, *command, "--force").code == 0
    answer = run_cli(capsys, "data", "counts", "folder", "--data-dir", tmp_path / "out")
    assert answer.code == 0
    assert "happiness" in answer.out
    [said] = [line for line in answer.out.splitlines() if "neutral" in line]
    assert said.endswith("class folders without a picture, left out: neutral")
