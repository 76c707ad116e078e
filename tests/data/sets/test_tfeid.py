"""TFEID as far as its layout is known: emotions from folders or names, splits by subject if names have one."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import DataError, MissingDataError
from fer_tf.data import check_dataset, load_dataset

FOLDERS = {
    "dfh_anger_x": ("anger", "ag"),
    "dfh_contempt_x": ("contempt", "cx"),
    "dfh_disguest_x": ("disgust", "dg"),
    "dfh_fear_x": ("fear", "fg"),
    "dfh_happiness_x": ("happiness", "hg"),
    "dfh_neutral_x": ("neutral", "ng"),
    "dfh_sadness_x": ("sadness", "sg"),
    "dfh_surprise_x": ("surprise", "pg"),
}
PEOPLE = [f"{sex}{number:02d}" for sex in "fm" for number in range(1, 11)]
ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")


def gray(person, emotion):
    return PEOPLE.index(person) * 8 + ORDER.index(emotion) + 10


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((60, 48), value, np.uint8)).save(path, quality=100)


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "my dätä" / "tfeid"
    for folder, (emotion, letters) in FOLDERS.items():
        for person in PEOPLE:
            suffix = ".JPG" if person == "f02" else ".jpg"
            write(root / "TFEID High" / folder / f"{person}_dfh_{letters}{suffix}", gray(person, emotion))
    (root / "TFEID High" / "dfh_fear_x" / "Thumbs.db").write_text("x")
    (root / "TFEID High" / "dfh_fear_x" / "._f01_dfh_fg.jpg").write_text("x")
    (root / ".DS_Store").write_text("x")
    return root


def load(root, **options):
    return load_dataset("tfeid", root.parent, **options)


def test_labels_subjects_and_pixels(home):
    ds = load(home)
    assert ds.class_names == ORDER
    assert len(ds.table) == 160
    assert ds.image_shape == (48, 48, 1)
    for row, of in ds.table.iterrows():
        folder, name = of["name"].split("/")[-2:]
        assert of["emotion"] == FOLDERS[folder][0] == ds.class_names[of["label"]]
        assert of["subject"] == name[:3]
        assert abs(int(ds.store.array[row].mean()) - gray(of["subject"], of["emotion"])) <= 2
    assert ds.notes == ["split by subject: each subject is in one split only"]
    assert "has 160 images of 8 classes, not the public part's 336 of 8" in ds.deviation


def test_no_subject_stands_in_two_splits(home):
    ds = load(home)
    assert ds.counts().loc["all"].to_dict() == {"train": 128, "val": 16, "test": 16, "all": 160}
    assert (ds.table.groupby("subject")["split"].nunique() == 1).all()
    assert list(ds.table["split"]) == list(load(home).table["split"]) != list(load(home, seed=1).table["split"])


def test_size_and_channels(home):
    assert load(home, image_size=30, image_channels=3).image_shape == (30, 30, 3)
    assert load(home, size=(24, 36), channels=3).image_shape == (24, 36, 3)


def test_classes_by_any_name_anywhere(tmp_path):
    root = tmp_path / "tfeid"
    for folder, emotion in {"Happy": "happiness", "data/Sad": "sadness", "data/x/surprised": "surprise"}.items():
        for number in range(10):
            write(root / folder / f"picture {number}.png", ORDER.index(emotion) * 10)
    ds = load(root)
    assert ds.class_names == ("happiness", "sadness", "surprise")
    assert [image[0, 0, 0] // 10 for image in ds.store.array] == [ORDER.index(name) for name in ds.table["emotion"]]
    assert "subject" not in ds.table
    assert "30 of 30 file names contain no subject: faces of one person are in all splits" in ds.notes
    assert ds.counts().loc["all", ["train", "val", "test"]].tolist() == [24, 3, 3]


def test_emotion_of_the_name_where_no_folder_tells(tmp_path):
    root = tmp_path / "tfeid"
    for person in PEOPLE:
        write(root / f"{person}_dfh_pg.jpg", 10)
        write(root / f"hap_{person}.jpg", 20)
    ds = load(root)
    assert ds.class_names == ("happiness", "surprise")
    assert set(ds.table["subject"]) == set(PEOPLE)
    wanted = ds.table["name"].str.startswith("hap").map({True: "happiness", False: "surprise"})
    assert (ds.table["emotion"] == wanted).all()


def test_the_folder_is_believed_before_the_name(home):
    write(home / "TFEID High" / "dfh_fear_x" / "f01_dfh_hg.jpg", 10)
    ds = load(home)
    assert ds.table.set_index("name")["emotion"]["TFEID High/dfh_fear_x/f01_dfh_hg.jpg"] == "fear"
    assert "1 file names seem to contain another emotion than their folder; the folder counts" in ds.notes


def test_some_names_without_subject_leave_no_split_by_subject(home):
    write(home / "TFEID High" / "dfh_fear_x" / "nobody.jpg", 10)
    ds = load(home)
    assert "subject" not in ds.table
    assert any(note.startswith("1 of 161 file names contain no subject") for note in ds.notes)


def test_a_class_with_one_image_stays_in_train(tmp_path):
    root = tmp_path / "tfeid"
    for number in range(30):
        write(root / ("fear" if number % 2 else "anger") / f"{number}.png", number)
    write(root / "contempt" / "1.png", 99)
    ds = load(root)
    assert ds.counts().loc["contempt", ["train", "val", "test"]].tolist() == [1, 0, 0]
    assert any("all in train: contempt" in note for note in ds.notes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other/f01_x.jpg", "f01_x.jpg: neither its folders nor its name contain an emotion"),
        ("fear or anger/f01.jpg", "'fear or anger' contains anger and fear; only one emotion is allowed"),
        ("other/hap_sad_f01.jpg", "'hap_sad_f01' contains happiness and sadness"),
    ],
)
def test_names_that_tell_no_emotion_or_two(home, name, message):
    write(home / name, 10)
    with pytest.raises(DataError, match=message):
        load(home)


def test_files_that_are_not_pictures_are_reported(home):
    (home / "agreement.pdf").write_text("x")
    assert "1 files that are not pictures were not read" in load(home).notes


def test_public_counts_are_no_deviation(home, monkeypatch):
    from fer_tf.data.sets import tfeid

    monkeypatch.setattr(tfeid, "PUBLISHED", {8: 160})
    assert load(home).deviation == ""


def test_missing_and_too_few(tmp_path):
    with pytest.raises(MissingDataError, match="tfeid: no picture is in .*How to get it: https://bml"):
        load_dataset("tfeid", tmp_path)
    for emotion in ("hap", "sad", "fear"):
        for number in range(2):
            write(tmp_path / "tfeid" / f"{emotion}_{number}.png", 10)
    with pytest.raises(DataError, match="tfeid: .*too few to hold out"):
        load_dataset("tfeid", tmp_path)


def test_check_tells_what_is_there(home):
    line = check_dataset("tfeid", home.parent)[0]
    assert "anger 20, disgust 20" in line
    assert "contempt 20; 20 subjects by name" in line
