"""AffectNet's files: what is missing or broken is named, pictures are read from disk and cut to their faces."""

import numpy as np
import pytest
from affectnet_copies import (
    CODES,
    FORMS,
    SIDE,
    annotate,
    load,
    save,
    write_annotations,
    write_folders,
    write_manifest,
)

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import stores

pytestmark = pytest.mark.usefixtures("own_cache")


# --- what is missing or broken


def test_nothing_there_says_how_to_get_it(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingDataError, match="none of its forms is in .*affectnet.* How to get it: http://moh"):
            load(root)


@pytest.mark.parametrize(
    ("write", "gone", "message"),
    [
        (
            write_manifest,
            "Manually_Annotated_file_lists/validation.csv",
            "but no .*validation.csv, the list of the test",
        ),
        (write_annotations, "val_set/images", "but no .*val_set.images, the test pictures"),
    ],
)
def test_one_part_missing(write, gone, message, tmp_path, faces):
    write(tmp_path / "affectnet", faces, codes=range(2))
    (tmp_path / "affectnet" / gone).rename(tmp_path / "away")
    with pytest.raises(MissingDataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("form", ["manifest", "annotations", "numbered folders"])
def test_missing_and_empty_pictures(form, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    pictures = sorted(path for path in (tmp_path / "affectnet").rglob("*.JPG") if "train" in str(path))
    pictures = [path for path in pictures if not any(part in ("8", "9", "10") for part in path.parts)]
    pictures[0].write_bytes(b"")
    if form != "numbered folders":  # folders have no list: missing pictures are unknown
        pictures[1].unlink()
    count = 1 if form == "numbered folders" else 2
    with pytest.raises(MissingDataError, match=rf"listed, but not there or empty \({count} of 96.*missing='drop'"):
        load(tmp_path)
    ds = load(tmp_path, missing="drop")
    assert len(ds.table) == 96 - count
    assert f"left out of train: {count} pictures listed, but not there or empty" in ds.notes


def test_missing_annotation(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "train_set" / "annotations" / "6_exp.npy").unlink()
    with pytest.raises(MissingDataError, match=r"6.jpg is there, but without its _exp.npy \(1 of 96"):
        load(tmp_path)
    ds = load(tmp_path, missing="drop")
    assert "train_set/images/6.jpg" not in set(ds.table["name"])
    assert len(ds.table) == 95
    assert "left out of train: 1 pictures there, but without its _exp.npy" in ds.notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array("11"), "6_exp.npy: unknown expression 11; allowed are 0..7"),
        (np.array(-1), "6_exp.npy: unknown expression -1"),
        (np.array("happy"), "6_exp.npy: is not a NumPy file with one number"),
        (np.zeros(2), r"6_exp.npy: is not a NumPy file with one number \(it holds float64 \(2,\)\)"),
        (np.array({}), "6_exp.npy: is not a NumPy file with one number"),
    ],
)
def test_broken_annotation(content, message, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    np.save(tmp_path / "affectnet" / "train_set" / "annotations" / "6_exp.npy", content)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


CUT_HEADER = b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8', "  # NumPy raises a TokenError


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00", CUT_HEADER])
def test_annotation_that_is_no_array(content, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "val_set" / "annotations" / "6_aro.npy").write_bytes(content)
    with pytest.raises(DataError, match="6_aro.npy: is not a NumPy file with one number"):
        load(tmp_path)


@pytest.mark.parametrize(("name", "message"), [("11", "allowed are AffectNet's codes 0 neutral"), ("bored", "'bored'")])
def test_unknown_class_folder(name, message, tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {**CODES, 8: name})
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_strange_file_among_pictures(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "train_set" / "images" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="notes.txt: not a picture"):
        load(tmp_path)


def test_two_pictures_of_one_annotation(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    save(faces, tmp_path / "affectnet" / "train_set" / "images" / "4.png")
    with pytest.raises(DataError, match="4.(png|jpg) has the same annotations; move one away"):
        load(tmp_path)


@pytest.mark.parametrize("option", [{"missing": "ignore"}, {"crop": "box"}, {"image_size": 4}, {"image_channels": 2}])
def test_wrong_option(option, tmp_path):
    with pytest.raises(InputError, match=next(iter(option))):
        load(tmp_path, **option)


# --- reading


def test_annotations_are_read_once_and_again_when_one_changes(tmp_path, faces, monkeypatch):
    from fer_tf.data.sets import affectnet_forms

    write_annotations(tmp_path / "affectnet", faces)
    first = load(tmp_path)
    reads, read = [], affectnet_forms._read_number
    monkeypatch.setattr(affectnet_forms, "_read_number", lambda path: reads.append(path) or read(path))
    again = load(tmp_path)
    assert reads == []
    assert again.table.equals(first.table)
    assert again.source == first.source
    annotate(tmp_path / "affectnet" / "val_set", 0, 4)
    changed = load(tmp_path)
    assert len(reads) == 3 * 16
    assert changed.source != first.source
    assert changed.class_names[changed.test.labels[0]] == "fear"
    assert first.class_names[first.test.labels[0]] == "neutral"


@pytest.mark.parametrize("form", ["manifest", "annotations"])
@pytest.mark.parametrize("options", [{}, {"size": (24, 40), "channels": 1}, {"classes": 6}])
def test_streamed_pictures_are_those_held_in_memory(form, options, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    shape = {"image_size": SIDE, "image_channels": 3}
    streamed, held = (load(tmp_path, stream=stream, **shape, **options) for stream in (True, False))
    assert streamed.train.streamed
    assert not held.train.streamed
    positions = np.array([5, 0, 17])
    pairs = [(streamed.train, held.train), (streamed.training_data().val, held.training_data().val)]
    for left, right in pairs:
        assert left.fetch(positions % len(left)).shape[1:] == streamed.image_shape
        # held pictures are cut and read at image_size first, then resized again
        np.testing.assert_allclose(
            left.fetch(positions % len(left)).astype(int).mean(axis=(1, 2)),
            right.fetch(positions % len(right)).astype(int).mean(axis=(1, 2)),
            atol=0 if "size" not in options else 2,
        )
        if "size" not in options:
            assert (left.images == right.images).all()
    assert len(streamed.test.paths) == len(streamed.test)
    assert streamed.test.fetch(np.array([], int)).shape == (0, *streamed.image_shape)


def test_large_sets_are_streamed_by_themselves(tmp_path, faces, monkeypatch):
    write_manifest(tmp_path / "affectnet", faces)
    assert not load(tmp_path, stream=None).train.streamed
    monkeypatch.setattr(stores, "MEMORY_LIMIT", 96 * 96 * 96 * 3 - 1)
    assert load(tmp_path, stream=None).train.streamed
