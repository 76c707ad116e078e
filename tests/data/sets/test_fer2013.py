"""FER2013: every form it circulates in gives the same data, protocols split as they say, a broken copy is refused
with the file, the line and the fault, and the cache is never used for another file."""

import io
import os
import re
import tarfile

import numpy as np
import pytest
from fer2013_copies import FORMS, GOOD, PIXELS, ROWS, assert_official, load
from fixtures import assert_refused, content, cut, run_cli

from fer_tf.common.checks import DataError, MissingDataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.data.sets import fer2013

# forms


@pytest.mark.parametrize("form", FORMS)
def test_every_csv_gives_the_same_images_labels_and_splits(fer2013_folder, form):
    name, written = FORMS[form]
    (fer2013_folder / name).write_bytes(written)
    assert_official(load(fer2013_folder))
    assert str(fer2013_folder / name) in check_dataset("fer2013", fer2013_folder.parent)[0]


def plain_tar(written):
    """A tar of one csv that is not compressed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        about = tarfile.TarInfo("fer2013/fer2013.csv")
        about.size = len(written)
        archive.addfile(about, io.BytesIO(written))
    return file.getvalue()


_PLAIN = FORMS["plain"][1]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("fer2013/fer2013.csv", _PLAIN),
        ("archive/icml_face_data.csv.zip", FORMS["icml zip"][1]),
        ("fer2013", _PLAIN),
        ("fer2013", FORMS["kaggle tarball"][1]),
        ("FER2013.CSV", _PLAIN),
        ("fer2013.csv", FORMS["kaggle tarball"][1]),
        ("fer2013.tar", FORMS["kaggle tarball"][1]),
        ("fer2013.tar.gz", plain_tar(_PLAIN)),
        ("fer2013.zip", FORMS["kaggle tarball"][1]),
        ("fer2013.csv.gz", _PLAIN),  # browsers unpack it and keep the name
        ("fer2013.csv.tar.gz", FORMS["zip"][1]),
        ("../fer2013.csv", _PLAIN),
    ],
)
def test_files_in_another_folder_or_under_another_name_are_found_and_read(fer2013_folder, name, written):
    (fer2013_folder / name).parent.mkdir(exist_ok=True)
    (fer2013_folder / name).write_bytes(written)
    assert_official(load(fer2013_folder))
    assert "MB)" in check_dataset("fer2013", fer2013_folder.parent)[0]


def test_the_csv_may_be_in_place_of_the_folder(fer2013_folder):
    fer2013_folder.rmdir()
    fer2013_folder.write_bytes(_PLAIN)
    assert_official(load(fer2013_folder))


def test_votes_and_other_files_are_not_taken_for_the_csv(fer2013_folder):
    for name in ("fer2013new.csv", "fer2013.bib", "fer2013.h5", "my fer2013.csv"):
        (fer2013_folder / name).write_bytes(_PLAIN)
    with pytest.raises(MissingDataError, match="none of fer2013.csv"):
        load(fer2013_folder)


def test_folders_one_level_down_give_the_same_splits(fer2013_folder):
    ROWS.write_folders(fer2013_folder / "archive")
    assert_official(load(fer2013_folder))
    assert "archive" in check_dataset("fer2013", fer2013_folder.parent)[0]


@pytest.mark.parametrize("inner", [".", "images"])
def test_train_and_validation_folders_name_the_dataset_that_reads_them(fer2013_folder, inner):
    ROWS.write_folders(fer2013_folder / inner)
    (fer2013_folder / inner / "test").rename(fer2013_folder / inner / "validation")
    for look in (lambda: load(fer2013_folder), lambda: check_dataset("fer2013", fer2013_folder.parent)):
        with pytest.raises(DataError, match=r"train/ and validation/ and no test/.*`--dataset folder`") as refused:
            look()
        assert str(fer2013_folder.parent / "folder") in str(refused.value)
    (fer2013_folder / inner).rename(fer2013_folder.parent / "folder")  # as the message says
    assert set(load_dataset("folder", fer2013_folder.parent).table["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_folders_with_telling_names_give_the_same_splits(fer2013_folder, suffix):
    ROWS.write_folders(fer2013_folder, suffix)
    assert_official(load(fer2013_folder))


@pytest.mark.parametrize("stream", [False, True])
def test_jpeg_folders_give_the_same_labels_and_splits(fer2013_folder, stream):
    ROWS.write_folders(fer2013_folder, ".JPG")
    ds = load(fer2013_folder, stream=stream)
    for split, usage in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest")):
        part = ds.split(split)
        known = np.round(part.images.mean(axis=(1, 2, 3)) - 50).astype(int)
        np.testing.assert_array_equal(np.sort(known), np.flatnonzero(ROWS.usages == usage))
        np.testing.assert_array_equal(part.labels, ROWS.labels[known])


def test_folders_that_do_not_tell_public_from_private_are_no_official_test_set(fer2013_folder):
    ROWS.write_folders(fer2013_folder, telling=False)
    with pytest.raises(DataError, match=r"PublicTest and PrivateTest together \(42 images\).*protocol='folder'"):
        load(fer2013_folder)
    ds = load(fer2013_folder, "folder")
    assert content(ds.test) == ROWS.content(["PublicTest", "PrivateTest"])
    assert sorted(content(ds.train) + content(ds.val)) == ROWS.content(["Training"])
    assert any("PublicTest and PrivateTest together" in note for note in ds.notes)


def test_a_few_telling_names_among_others_do_not_make_an_official_split(fer2013_folder):
    ROWS.write_folders(fer2013_folder)
    for path in sorted((fer2013_folder / "test" / "fear").iterdir())[:2]:
        path.rename(path.with_name(f"copy of {path.name}"))
    with pytest.raises(DataError, match="do not tell them apart"):
        load(fer2013_folder)


def test_litter_of_systems_is_no_image(fer2013_folder):
    ROWS.write_folders(fer2013_folder)
    for place in (fer2013_folder / "train", fer2013_folder / "train" / "sad", fer2013_folder / "test" / "happy"):
        for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._PublicTest_3.png"):
            (place / name).write_bytes(b"litter")
    (fer2013_folder / "train" / ".ipynb_checkpoints").mkdir()
    assert_official(load(fer2013_folder))


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        ("train/sad/notes.txt", "train/sad/notes.txt: not a picture"),
        ("train/sad/half.png", "train/sad/half.png: is not a picture"),
        ("train/contempt/a.png", "contempt, which FER2013 does not know"),
        ("train/cats/a.png", "train/cats"),
    ],
)
def test_what_does_not_belong_in_a_folder_copy_is_named(fer2013_folder, capsys, stray, message):
    ROWS.write_folders(fer2013_folder)
    (fer2013_folder / stray).parent.mkdir(exist_ok=True)
    (fer2013_folder / stray).write_text("some text")
    with pytest.raises(ValueError, match=re.escape(str(fer2013_folder))) as refused:
        load(fer2013_folder)
    assert message in str(refused.value)
    assert_refused(run_cli(capsys, "data", "counts", "fer2013", "--data-dir", fer2013_folder.parent), message)


# protocols


@pytest.fixture
def many(fer2013_folder, monkeypatch):
    """A FER2013 without pictures: per class 440 to 500 Training, 60 PublicTest, 70 PrivateTest rows."""
    labels = np.concatenate([np.full(570 + 10 * code, code, np.uint8) for code in range(7)])
    usage = np.concatenate([np.repeat(np.arange(3, dtype=np.uint8), [440 + 10 * code, 60, 70]) for code in range(7)])
    arrays = {"images": np.zeros((len(labels), 1, 1, 1), np.uint8), "labels": labels, "usage": usage}
    monkeypatch.setattr(fer2013, "_parse_csv", lambda path: arrays)
    (fer2013_folder / "fer2013.csv").write_text("parsed by the line above")
    return fer2013_folder


def split_counts(ds):
    """Images of each class in train, val and test, int [3, 7]."""
    return np.array([np.bincount(ds.split(name).labels, minlength=7) for name in ("train", "val", "test")])


def test_pooled_is_a_stratified_tenth_and_a_tenth_of_the_rest(many):
    ds = load(many, "pooled")
    counts, total = split_counts(ds), 570 + 10 * np.arange(7)
    np.testing.assert_array_equal(counts.sum(axis=0), total)
    assert np.abs(counts[2] - 0.1 * total).max() <= 1
    assert np.abs(counts[1] - 0.09 * total).max() <= 1.1
    assert {"Training", "PublicTest", "PrivateTest"} == set(ds.table.loc[ds.table["split"] == "test", "usage"])


def test_balanced_has_400_30_100_a_class_and_learns_from_training_alone(many):
    ds = load(many, "balanced")
    np.testing.assert_array_equal(split_counts(ds), np.repeat([[400], [30], [100]], 7, axis=1))
    usages = ds.table.groupby("split")["usage"].unique().map(set)
    assert usages["train"] == usages["val"] == {"Training"}
    assert usages["test"] == {"PublicTest", "PrivateTest"}
    assert (ds.table["split"] == "").sum() == len(ds.table) - 530 * 7


def test_balanced_tells_what_a_small_copy_lacks(fer2013_folder):
    (fer2013_folder / "fer2013.csv").write_text(ROWS.csv())
    with pytest.raises(DataError, match="fer2013 balanced: anger has 14 images to draw from, the protocol needs 400"):
        load(fer2013_folder, "balanced")


@pytest.mark.parametrize("protocol", ["pooled", "balanced", "folder"])
def test_the_seed_and_nothing_else_decides_a_drawn_split(many, protocol):
    first, again, other = (load(many, protocol, seed=seed).table["split"] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_the_official_split_depends_on_no_seed(many):
    assert load(many, seed=1).table["split"].equals(load(many, seed=2).table["split"])


@pytest.mark.parametrize("protocol", ["pooled", "folder"])
def test_a_copy_too_small_to_split_is_refused_in_words(fer2013_folder, protocol):
    (fer2013_folder / "fer2013.csv").write_text("emotion,pixels,Usage\n" + f"{GOOD}\n1,{PIXELS},Training\n" * 2)
    with pytest.raises(DataError, match="fer2013"):
        load(fer2013_folder, protocol)


# cache


def test_a_csv_is_parsed_once(fer2013_folder, monkeypatch):
    (fer2013_folder / "fer2013.csv").write_text(ROWS.csv())
    first = load(fer2013_folder)
    monkeypatch.setattr(fer2013, "_parse_csv", lambda path: pytest.fail("parsed again"))
    assert_official(load(fer2013_folder))
    assert load(fer2013_folder).fingerprint() == first.fingerprint()


def test_a_changed_csv_is_not_answered_from_the_cache(fer2013_folder):
    path = fer2013_folder / "fer2013.csv"
    path.write_text(ROWS.csv())
    before, status = load(fer2013_folder), path.stat()
    lines = ROWS.csv().splitlines()
    assert lines[1].startswith("0,")
    path.write_text("\n".join([lines[0], "6" + lines[1][1:], *lines[2:]]) + "\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    after = load(fer2013_folder)
    assert (before.train.labels[0], after.train.labels[0]) == (0, 6)
    assert before.fingerprint() != after.fingerprint()


def _drop_usage(path):
    with np.load(path) as file:
        kept = {key: file[key] for key in ("images", "labels")}
    np.savez(path, **kept)


def _flip_a_pixel(path):
    written = bytearray(path.read_bytes())
    written[len(written) // 2] ^= 255
    path.write_bytes(written)


@pytest.mark.parametrize(
    "damage", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_text("no"), _drop_usage, _flip_a_pixel]
)
def test_a_damaged_cache_file_is_made_again(fer2013_folder, damage):
    (fer2013_folder / "fer2013.csv").write_text(ROWS.csv())
    load(fer2013_folder)
    (cached,) = (fer2013_folder.parent.parent / "cache").iterdir()
    damage(cached)
    assert_official(load(fer2013_folder))


@pytest.mark.parametrize("made", [(), ("train",), ("test",)])
def test_a_missing_dataset_says_what_belongs_where_and_how_to_get_it(fer2013_folder, made):
    for name in made:
        (fer2013_folder / name).mkdir()
    for look in (lambda: load(fer2013_folder), lambda: check_dataset("fer2013", fer2013_folder.parent)):
        with pytest.raises(MissingDataError, match="https://www.kaggle.com") as refused:
            look()
        assert "fer2013.csv" in str(refused.value)
        assert str(fer2013_folder) in str(refused.value)


def test_empty_train_and_test_folders_are_no_dataset(fer2013_folder):
    for name in ("train", "test"):
        (fer2013_folder / name).mkdir()
    with pytest.raises(DataError, match="hold no class folder"):
        load(fer2013_folder)
