"""Copies of test images in train are this field's quietest leak: the doctor must find exactly those."""

import numpy as np
import pandas as pd
import pytest
from inline_cluster import InlineCluster
from PIL import Image

from fer_tf.data import load_dataset
from fer_tf.data.base import ArrayImages, FaceDataset
from fer_tf.data.doctor import examine


@pytest.fixture
def planted(rng):
    """12 images: row 8 (test) copies 0 (train); 9 (test) copies 5 (val); 10 copies 11 (both test); 1 copies 2 (train)
    with another label."""
    images = rng.integers(0, 256, (12, 6, 6, 1), dtype=np.uint8)
    for copy, original in ((8, 0), (9, 5), (11, 10), (2, 1)):
        images[copy] = images[original]
    labels = np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1])
    split = ["train"] * 5 + ["val"] * 2 + ["test"] * 5
    table = pd.DataFrame({"label": labels, "split": split})
    return FaceDataset("planted", "p", ("anger", "fear"), table, ArrayImages(images))


def test_copies_of_test_images_are_found_where_they_stand(planted):
    found = examine.copies_of_test(planted)
    np.testing.assert_array_equal(found["in_train"], [False, True, False, False, False])
    np.testing.assert_array_equal(found["in_val"], [False, False, True, False, False])


def test_copies_within_a_split_count_each_other_but_not_themselves(planted):
    found = examine.find_copies(planted)
    np.testing.assert_array_equal(np.flatnonzero(found["in_test"]), [0, 5, 10, 11])
    np.testing.assert_array_equal(np.flatnonzero(found["copies"] == 2), [0, 1, 2, 5, 8, 9, 10, 11])


def test_disagreeing_copies(planted):
    assert [list(rows) for rows in examine.disagreeing_copies(planted)] == [[1, 2]]


def test_summary_counts(planted):
    counts = examine.summary(planted)
    assert counts["images"] == 12
    assert counts["unique images"] == 8
    assert counts["images whose copies bear another label"] == 2
    assert counts["test images with a copy in train or val"] == 2


def test_examine_finds_each_kind_of_copy(near_copies):
    found = examine.examine(near_copies)
    pairs = found.pairs.set_index(["row_a", "row_b"])
    assert pairs["kind"].to_dict() == {(0, 8): "near", (1, 10): "exact", (5, 9): "mirrored"}
    assert pairs.loc[(1, 10), "distance"] == 0
    assert 0 < pairs.loc[(0, 8), "distance"] <= 0.1
    assert pairs.loc[(5, 9), ["split_a", "split_b", "label_a", "label_b"]].tolist() == ["val", "test", 1, 1]


def test_examine_tells_where_copies_stand(near_copies):
    images = examine.examine(near_copies).images
    assert np.flatnonzero(images["near_in_train"]).tolist() == [8, 10]
    assert np.flatnonzero(images["exact_in_train"]).tolist() == [10]
    assert np.flatnonzero(images["near_in_test"]).tolist() == [0, 1, 5]
    assert np.flatnonzero(images["near_conflict"]).tolist() == [0, 8]
    assert not images["exact_conflict"].any()
    assert (images["near_group"][[0, 1, 5]].to_numpy() == images["near_group"][[8, 10, 9]].to_numpy()).all()
    test = examine.near_copies_of_test(near_copies)
    assert test["in_train"].tolist() == [False, True, False, True, False]
    assert test["in_val"].tolist() == [False, False, True, False, False]


def test_examine_counts(near_copies):
    found = examine.examine(near_copies)
    counts = found.summary
    assert counts["test images with an exact copy in train or val"] == 1
    assert counts["test images with an exact or near copy in train or val"] == 3
    assert counts["largest group (near)"] == 2
    assert counts["mirrored pairs"] == 1
    assert counts["images in groups of several labels (near)"] == 2
    assert found.images.index[found.images["blank"]].tolist() == [6]
    assert counts["blank images"] == 1
    assert found.images.index[found.images["near_blank"]].tolist() == [11]
    assert counts["near-blank images"] == 1
    assert "1 different images have no contours" in found.notes[0]


def test_examine_agrees_with_the_exact_search(planted):
    images, exact = examine.examine(planted).images, examine.find_copies(planted)
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(images[f"exact_in_{name}"], exact[f"in_{name}"])
    np.testing.assert_array_equal(images["exact_conflict"], exact["conflict"])


def test_worst_pairs_come_first(near_copies):
    worst = examine.worst_pairs(examine.examine(near_copies).pairs)
    assert worst["row_b"].tolist()[0] == 8  # across splits and under two labels
    assert worst["row_b"].tolist()[-1] == 10  # pixel for pixel: nothing to doubt
    assert len(examine.worst_pairs(examine.examine(near_copies).pairs, count=1)) == 1


@pytest.fixture
def folder(tmp_path, tiny_faces):
    """A data_dir of 40 pictures in folder/, of two sizes and modes."""
    for row, image in enumerate(tiny_faces.store.array[:40, :, :, 0]):
        path = tmp_path / "folder" / ("happy", "sad")[row % 2] / f"{row:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image)
        (picture.convert("RGB").resize((64, 96)) if row < 2 else picture).save(path)
    return tmp_path


def test_sizes_and_modes_of_files(folder):
    images = examine.examine(load_dataset("folder", folder, stream=True)).images.set_index("name")
    assert images.loc["happy/00.png", ["width", "height", "mode"]].tolist() == [64, 96, "RGB"]
    assert images.loc["sad/03.png", ["width", "height", "mode"]].tolist() == [48, 48, "L"]
    images = examine.examine(load_dataset("folder", folder)).images
    assert (images["width"] == 0).all()
    assert (images["mode"] == "").all()


def test_examination_is_cached_by_what_was_read(folder, monkeypatch):
    ds = load_dataset("folder", folder)
    first = examine.examine(ds)
    monkeypatch.setattr(examine, "_measure", lambda *arguments: pytest.fail("measured again"))
    second = examine.examine(load_dataset("folder", folder))
    pd.testing.assert_frame_equal(first.images, second.images)
    pd.testing.assert_frame_equal(first.pairs, second.pairs)
    (folder / "folder" / "sad" / "39.png").unlink()
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        examine.examine(load_dataset("folder", folder))


def test_findings_are_written_with_names(near_copies, tmp_path):
    paths = examine.write_findings(examine.examine(near_copies), tmp_path / "out", near_copies.class_names)
    assert [path.name for path in paths] == ["images.csv", "pairs.csv", "summary.csv"]
    images, pairs = (pd.read_csv(path) for path in paths[:2])
    assert images.loc[8, ["row", "name", "label"]].tolist() == [8, "face8", "fear"]
    assert pairs.loc[0, ["row_a", "row_b", "label_a", "label_b", "kind"]].tolist() == [0, 8, "anger", "fear", "near"]


def test_a_cluster_finds_the_same(near_copies, folder, monkeypatch):
    """Also with a broken picture; each part comes with its own pictures only."""
    (folder / "folder" / "sad" / "03.png").write_text("no picture")
    monkeypatch.setattr(examine, "_CHUNK", 5)
    for ds in (near_copies, load_dataset("folder", folder, stream=True)):
        ds.source, cluster = "", InlineCluster()  # without the cache
        found, alone = examine.examine(ds, cluster=cluster), examine.examine(ds)
        assert {len(store) for _, store in cluster.parts} <= {4, 5}
        assert sum(len(store) for _, store in cluster.parts) == len(ds.table)
        pd.testing.assert_frame_equal(found.images, alone.images)
        pd.testing.assert_frame_equal(found.pairs, alone.pairs)
        assert found.summary.equals(alone.summary)
