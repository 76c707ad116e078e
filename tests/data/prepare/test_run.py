"""Preparing datasets: what is written loads again, faces are cut, every lost picture is counted."""

import numpy as np
import pandas as pd
import pytest
from fixtures import (
    BROKEN,
    PHOTO_PLACES,
    SYNTHETIC,
    SYNTHETIC_COUNT,
    assert_refused,
    run_cli,
    written_pictures,
)

from fer_tf.common.checks import DataError
from fer_tf.data import load_dataset
from fer_tf.data.base import SPLITS
from fer_tf.data.images import read_image
from fer_tf.data.prepare import prepare_datasets
from fer_tf.data.sources import source_counts
from fer_tf.emotions import EMOTIONS


@pytest.mark.parametrize("layout", ["names", "numbered"])
@pytest.mark.parametrize("name", ["folder", "csv"])
def test_round_trip(tmp_path, source, layout, name):
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout=layout, format="png", **SYNTHETIC | {"size": 48})
    ds = load_dataset(name, tmp_path / "out")
    classes = EMOTIONS[: 6 if layout == "numbered" else 8]
    pd.testing.assert_frame_equal(ds.counts(), source.with_classes(classes).counts())
    rows = [int(name.split("-")[1]) for name in ds.table["name"]]
    assert len(rows) == len(done.labels)
    assert ds.class_names == classes
    np.testing.assert_array_equal(ds.store.array, source.store.array[rows])
    assert [ds.class_names[code] for code in ds.table["label"]] == [
        source.class_names[code] for code in source.table["label"][rows]
    ]
    if name == "csv":
        assert set(ds.table["subject"]) == {f"synthetic {person}" for person in source.table["subject"][rows]}


def test_it_loads_also_where_its_folder_has_the_datasets_name(tmp_path):
    for name in ("folder", "csv"):
        done = prepare_datasets(["synthetic"], tmp_path / name, **SYNTHETIC)
        assert len(load_dataset(name, tmp_path).table) == len(done.labels)


def test_numbers_mean_nothing_without_prepares_word_nor_with_a_broken_one(tmp_path):
    prepare_datasets(["synthetic"], tmp_path / "folder", **SYNTHETIC)
    path = tmp_path / "folder" / "prepare.json"
    text = path.read_text()
    path.write_text(text.replace('"complete": true', '"complete": false'))
    with pytest.raises(DataError, match="was stopped before the end; run the same command again"):
        load_dataset("folder", tmp_path)
    path.write_text(text[:40])
    with pytest.raises(DataError, match=r"prepare.json: is damaged"):
        load_dataset("folder", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="1: unknown emotion '1'"):
        load_dataset("folder", tmp_path)


def test_two_datasets_make_one_aggregate(tmp_path, fer2013_root, source):
    done = prepare_datasets(
        ["synthetic", "fer2013"],
        tmp_path / "out",
        fer2013_root,
        protocol=["fer2013=pooled"],
        layout="names",
        size=48,
        options=[f"synthetic.count={SYNTHETIC_COUNT}", "classes=6"],
        format="png",
    )
    faces = load_dataset("fer2013", fer2013_root, "pooled", classes=6)
    both = source.with_classes(EMOTIONS[:6]).counts() + faces.counts()
    ds = load_dataset("csv", tmp_path / "out")
    pd.testing.assert_frame_equal(ds.counts(), both)
    assert done.labels["path"].is_unique
    assert len(written_pictures(tmp_path / "out")) == both.loc["all", "all"]
    assert ds.table["dataset"].value_counts().to_dict() == {"fer2013": 180, "synthetic": len(done.labels) - 180}
    assert set(ds.table.loc[ds.table["dataset"] == "fer2013", "subject"]) == {""}
    for name in ("csv", "folder"):  # read back, the pictures say which dataset they come from
        back = load_dataset(name, tmp_path / "out")
        assert source_counts(back) == {
            part: {
                split: int((done.labels[done.labels["dataset"] == part]["split"] == split).sum()) for split in SPLITS
            }
            for part in ("synthetic", "fer2013")
        }
        assert (back.table["from fer2013"] == back.table["name"].str.contains("/fer2013-")).all()
    row = done.labels[done.labels["dataset"] == "fer2013"].iloc[7]
    at = int(row.path.split("-")[1])
    np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), faces.store.array[at])


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
