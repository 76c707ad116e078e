"""CK+ in its publisher's layout and its copies: codes, frames, folds without a shared subject, crops by landmarks."""

import functools

import numpy as np
import pytest
from ckplus_copies import SUBJECTS, WANTED, code_of, load, value
from folds import assert_folds_are_of_people
from PIL import Image

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset

CSV_WANTED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")


def test_last_three_frames_carry_the_label_and_the_first_is_neutral(ckplus_home):
    ds = load(ckplus_home, crop="center", image_size=98)
    assert len(ds.table) == 20 * 4
    assert len(ds.class_names) == 8
    for row, of in ds.table.iterrows():
        frame, sequence = int(of["frame"]), int(of["sequence"]) - 1
        code = code_of(of["subject"], sequence) if frame > 1 else 0
        assert frame in (1, 4, 5, 6)
        assert ds.class_names[of["label"]] == of["emotion"] == WANTED[code]
        assert ds.store.array[row].max() == value(of["subject"], sequence, frame)
        assert of["name"].lower().endswith(f"{of['subject']}_{of['sequence']}_{of['frame']}.png".lower())
    assert "4 of 24 sequences have no label" in ds.notes[0]
    assert "has 20 labelled of 24 sequences of 12 people" in ds.deviation
    assert "not the published 327" in ds.deviation


def test_without_neutral_there_are_seven_classes(ckplus_home):
    ds = load(ckplus_home, neutral=False)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")
    assert len(ds.table) == 20 * 3
    assert set(ds.table["frame"]) == {"00000004", "00000005", "00000006"}


def test_published_counts_are_no_deviation(ckplus_home, monkeypatch):
    from fer_tf.data.sets import ckplus_forms

    labelled = [code_of(s, q) for p, s in enumerate(SUBJECTS) for q in (0, 1) if q == 0 or p < 8]
    counts = {WANTED[code]: labelled.count(code) for code in set(labelled)}
    for name, known in (("SEQUENCES", 24), ("SUBJECTS", 12), ("PUBLISHED", counts)):
        monkeypatch.setattr(ckplus_forms, name, known)
    assert load(ckplus_home).deviation == ""


def test_folds_cover_every_row_once_and_share_no_subject(ckplus_home):
    assert_folds_are_of_people(functools.partial(load, ckplus_home), SUBJECTS)
    same = [load(ckplus_home, fold=3, seed=seed).fingerprint() for seed in (0, 7)]
    assert same[0] == same[1] != load(ckplus_home, fold=4).fingerprint()


def test_random_says_what_it_mixes_and_has_no_folds(ckplus_home):
    ds = load(ckplus_home, "random")
    assert ds.counts().loc["all"].to_dict() == {"train": 64, "val": 8, "test": 8, "all": 80}
    splits = ds.table.groupby(["subject", "sequence"])["split"].nunique()
    assert (splits > 1).any()
    assert any("frames of one sequence are in several splits" in note for note in ds.notes)
    assert list(ds.table["split"]) != list(load(ckplus_home, "random", seed=1).table["split"])
    with pytest.raises(InputError, match="fold: only the protocol subject has folds; received 2"):
        load(ckplus_home, "random", fold=2)


def test_missing_folders_say_how_to_get_them(ckplus_home, tmp_path):
    with pytest.raises(MissingDataError, match=r"ckplus: none of cohn-kanade-images/, CK\+48/ and ckextended.csv"):
        load_dataset("ckplus", tmp_path)
    (ckplus_home / "Emotion").rename(ckplus_home / "old")
    with pytest.raises(MissingDataError, match="there is no .*Emotion, the folder of Emotion_labels.zip"):
        load(ckplus_home)
    (ckplus_home / "old").rename(ckplus_home / "Emotion")
    (ckplus_home / "cohn-kanade-images").rename(ckplus_home / "old")
    with pytest.raises(MissingDataError, match="there is no .*cohn-kanade-images. How to get it"):
        load(ckplus_home)


@pytest.mark.parametrize("options", [{"fold": 10}, {"fold": -1}, {"crop": "face"}, {"image_channels": 2}])
def test_wrong_options(ckplus_home, options):
    with pytest.raises(InputError, match=next(iter(options))):
        load(ckplus_home, **options)


def test_too_few_subjects_for_folds(ckplus_home):
    for subject in SUBJECTS[3:]:
        for part in ("Emotion", "cohn-kanade-images"):
            (ckplus_home / part / subject).rename(ckplus_home / part / f".{subject}")
    with pytest.raises(DataError, match="3 subjects are too few for 10 folds; use protocol='random'"):
        load(ckplus_home)


FOLDERS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")


@pytest.fixture
def folder_copy(tmp_path):
    root = tmp_path / "ckplus"
    for place, subject in enumerate(SUBJECTS):
        for frame in (15, 16, 17):
            for sequence in (0, 1):
                folder = root / "CK+48" / FOLDERS[(place + sequence) % 7]
                folder.mkdir(parents=True, exist_ok=True)
                pixels = np.full((48, 48), value(subject, sequence, frame), np.uint8)
                Image.fromarray(pixels).save(folder / f"{subject}_00{sequence + 1}_{frame:08d}.png")
    (root / "CK+48" / "happy" / "Thumbs.db").write_text("x")
    return root


def test_folder_copy_by_subject(folder_copy):
    ds = load(folder_copy, fold=2)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")
    assert ds.image_shape == (48, 48, 1)
    assert len(ds.table) == 72
    for row, of in ds.table.iterrows():
        place = SUBJECTS.index(of["subject"]) + int(of["sequence"]) - 1
        assert of["emotion"] == FOLDERS[place % 7].replace("happy", "happiness") == ds.class_names[of["label"]]
        assert (ds.store.array[row] == value(of["subject"], int(of["sequence"]) - 1, int(of["frame"]))).all()
    assert set(ds.test.labels)
    assert set(ds.table["subject"][ds.table["split"] == "test"]) == {SUBJECTS[2]}
    assert ds.notes[0] == "this copy has no neutral images"
    assert ds.deviation == "the 48×48 folder copy CK+48, not the publisher's pictures; it has 72 images, not 981"
    with pytest.raises(InputError, match=r"crop: the copy CK\+48 is cropped already"):
        load(folder_copy, crop="center")


def test_folder_copy_with_a_class_of_one_image_keeps_it_in_train(folder_copy):
    (folder_copy / "CK+48" / "neutral").mkdir()
    Image.new("L", (48, 48)).save(folder_copy / "CK+48" / "neutral" / "S005_001_00000001.PNG")
    ds = load(folder_copy, "random")
    assert ds.counts().loc["neutral"].to_dict() == {"train": 1, "val": 0, "test": 0, "all": 1}
    assert any("too few images to split, all in train: neutral" in note for note in ds.notes)
    without = load(folder_copy, "random", neutral=False)
    assert len(without.table) == 72
    assert "1 neutral images left out (neutral=False)" in without.notes


@pytest.mark.parametrize(
    ("name", "message"),
    [("bored", "bored: unknown emotion 'bored'"), ("anger/im7.png", "im7.png: has no name like S010_004_00000017")],
)
def test_folder_copy_with_strange_names(folder_copy, name, message):
    path = folder_copy / "CK+48" / name
    path.mkdir() if not path.suffix else Image.new("L", (48, 48)).save(path)
    with pytest.raises(DataError, match=message):
        load(folder_copy)
    with pytest.raises(DataError, match=message):
        check_dataset("ckplus", folder_copy.parent)


@pytest.fixture
def csv_copy(tmp_path):
    root = tmp_path / "ckplus"
    root.mkdir()
    lines = ["emotion,pixels,Usage"]
    for row in range(80):
        usage = ("Training", "PublicTest", "PrivateTest")[row % 3]
        lines.append(f"{row % 8},{' '.join([str(row)] * 2304)},{usage}")
    (root / "ckextended.csv").write_text("\n".join(lines) + "\n")
    return root


def test_csv_copy(csv_copy):
    ds = load(csv_copy, "random", image_size=24)
    assert len(ds.class_names) == 8
    assert ds.image_shape == (24, 24, 1)
    for row, of in ds.table.iterrows():
        assert of["emotion"] == CSV_WANTED[row % 8] == ds.class_names[of["label"]]
        assert (ds.store.array[row] == row).all()
    assert ds.counts().loc["all", ["train", "val", "test"]].tolist() == [64, 8, 8]
    assert any("has no subjects" in note for note in ds.notes)
    assert "csv copy ckextended.csv" in ds.deviation
    assert "80 rows, not 920" in ds.deviation
    with pytest.raises(InputError, match="protocol: ckextended.csv does not say whose faces are in its pictures"):
        load(csv_copy, "subject")


def test_csv_copy_without_neutral_keeps_images_with_their_labels(csv_copy):
    ds = load(csv_copy, "random", neutral=False)
    assert "neutral" not in ds.class_names
    assert len(ds.table) == 70
    assert [CSV_WANTED[image[0, 0, 0] % 8] for image in ds.store.array] == list(ds.table["emotion"])
    assert list(ds.table["name"]) == [f"row{row}" for row in range(80) if row % 8 != 6]


def test_the_publishers_form_goes_before_copies(ckplus_home):
    (ckplus_home / "ckextended.csv").write_text("emotion,pixels,Usage\n")
    ds = load(ckplus_home)
    assert len(ds.table) == 80
    assert "also in the folder and not read: ckextended.csv" in ds.notes


def test_check_tells_what_is_there(ckplus_home, csv_copy):
    lines = check_dataset("ckplus", ckplus_home.parent)
    assert "80 images of labelled sequences; Landmarks is not there" in lines[0]
    assert any("4 of 24 sequences have no label" in line for line in lines)
    assert "48×48 csv copy" in check_dataset("ckplus", csv_copy.parent)[0]


def test_check_tells_the_copies(folder_copy):
    assert check_dataset("ckplus", folder_copy.parent)[0].endswith("72 images of the 48×48 folder copy")
    (folder_copy / "CK+48").rename(folder_copy / "old")
    (folder_copy / "ckextended.csv").write_text("emotion,pixels,Usage\n9,1 2 3,Training\n")
    with pytest.raises(DataError, match="ckextended.csv, line 2: unknown emotion '9'"):
        check_dataset("ckplus", folder_copy.parent)
