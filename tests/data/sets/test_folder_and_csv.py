"""The student's own pictures: labels by any name, splits without a subject in two of them, wrong input named."""

import numpy as np
import pandas as pd
import pytest
from fixtures import write_face
from PIL import Image

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.data.splits import group_split

NAMES = {"happy": "happiness", "Anger": "anger", "SU": "surprise"}
COUNT = 30


@pytest.fixture
def pictures(tiny_faces):
    return tiny_faces.store.array[..., 0]


def write_classes(home, pictures, count=COUNT):
    for code, name in enumerate(NAMES):
        (home / name).mkdir(parents=True)
        for row in range(count):
            Image.fromarray(pictures[code * count + row]).save(home / name / f"ä {row}.PNG")
    return home


def test_folder_of_classes_by_any_name(tmp_path, pictures):
    home = write_classes(tmp_path / "my data" / "folder", pictures)
    (home / "happy" / "Thumbs.db").write_text("x")
    (home / "happy" / "._ä 1.png").write_text("x")
    ds = load_dataset("folder", tmp_path / "my data")
    assert ds.class_names == ("anger", "happiness", "surprise")
    assert ds.counts().loc["all"].to_dict() == {"train": 72, "val": 9, "test": 9, "all": 90}
    for row in (0, 40, 89):
        folder = ds.table["name"][row].split("/")[0]
        assert NAMES[folder] == ds.class_names[ds.table["label"][row]]
    np.testing.assert_array_equal(ds.store.array[ds.table["name"] == "happy/ä 7.PNG"][0, ..., 0], pictures[7])
    again, other = load_dataset("folder", tmp_path / "my data"), load_dataset("folder", tmp_path / "my data", seed=1)
    assert (ds.table["split"] == again.table["split"]).all()
    assert (ds.table["split"] != other.table["split"]).any()


def test_own_splits_are_kept_and_the_absent_one_is_drawn(tmp_path, pictures):
    write_classes(tmp_path / "folder" / "train", pictures)
    write_classes(tmp_path / "folder" / "test", pictures, count=10)
    ds = load_dataset("folder", tmp_path)
    assert ds.table["split"].value_counts().to_dict() == {"train": 78, "test": 30, "val": 12}
    assert all(
        name.startswith("test/") == (split == "test")
        for name, split in zip(ds.table["name"], ds.table["split"], strict=True)
    )
    assert ds.notes == ["val drawn from train, a tenth of all pictures"]


def test_a_class_of_one_picture_stays_in_train_and_is_reported(tmp_path, pictures):
    home = write_classes(tmp_path / "folder", pictures)
    (home / "contempt").mkdir()
    Image.fromarray(pictures[0]).save(home / "contempt" / "only.png")
    ds = load_dataset("folder", tmp_path)
    assert ds.counts().loc["contempt"].to_dict() == {"train": 1, "val": 0, "test": 0, "all": 1}
    assert "too few images to split, all in train: contempt" in ds.notes


@pytest.fixture
def csv_home(tmp_path, pictures):
    """A csv with subjects next to a folder of pictures in colour."""
    home = tmp_path / "csv"
    (home / "faces").mkdir(parents=True)
    rows = []
    for row in range(40):
        Image.fromarray(np.repeat(pictures[row][..., None], 3, axis=2)).save(home / "faces" / f"{row}.png")
        rows.append((f"faces/{row}.png", ["joy", "sad"][row % 2], f"person {row % 5}"))
    pd.DataFrame(rows, columns=["path", "label", "subject"]).to_csv(home / "list.csv", index=False)
    return tmp_path


def test_csv_splits_by_subject(csv_home):
    ds = load_dataset("csv", csv_home, image_channels=3, image_size=32)
    assert ds.class_names == ("happiness", "sadness")
    assert ds.image_shape == (32, 32, 3)
    people = ds.table.groupby("split")["subject"].agg(set)
    assert set(people.index) == {"train", "val", "test"}
    assert sum(map(len, people)) == len(set.union(*people)) == 5


def test_csv_with_its_own_split(csv_home):
    path = csv_home / "csv" / "list.csv"
    table = pd.read_csv(path)
    table["split"] = ["Training"] * 30 + ["valid"] * 5 + ["test"] * 5
    table.to_csv(path, index=False)
    ds = load_dataset("csv", csv_home)
    assert list(ds.table["split"]) == ["train"] * 30 + ["val"] * 5 + ["test"] * 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("faces/3.png,sad", "faces/3.png,7", "list.csv, line 5: unknown emotion '7'; known are anger"),
        ("faces/3.png,sad", "faces/3.png,label", "list.csv, line 5: class 'label': is the name of a column"),
        ("faces/3.png", "faces/nowhere.png", r"list.csv, line 5: there is no .*nowhere.png \(1 files are missing\)"),
        ("path,label", "file,label", "has no column path"),
        ("path,label,subject", "path,label,split", "line 2: unknown split 'person 0'; allowed are train, val, test"),
    ],
)
def test_wrong_csv(csv_home, old, new, message):
    path = csv_home / "csv" / "list.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_dataset("csv", csv_home)


def test_semicolons_are_reported(csv_home):
    path = csv_home / "csv" / "list.csv"
    path.write_text("\ufeff" + path.read_text().replace(",", ";").replace(";sad", ";s,ad"), encoding="utf-8")
    for look in (check_dataset, load_dataset):
        with pytest.raises(DataError, match="list.csv: columns must be separated by commas, not semicolons; .* 'path;"):
            look("csv", csv_home)


def test_wrong_folders(tmp_path, pictures):
    with pytest.raises(MissingDataError, match=r"folder: there is no .*Put pictures into .*<class>/"):
        load_dataset("folder", tmp_path)
    with pytest.raises(MissingDataError, match="csv: no csv file in"):
        load_dataset("csv", tmp_path)
    home = write_classes(tmp_path / "folder", pictures, count=2)
    with pytest.raises(DataError, match="folder: .*6 images are too few to hold out"):
        load_dataset("folder", tmp_path)
    with pytest.raises(InputError, match="image_size: must be a number >= 8"):
        load_dataset("folder", tmp_path, image_size=2)
    (home / "1").mkdir()
    with pytest.raises(DataError, match="1: unknown emotion '1'; .*Your own class needs a name with a letter"):
        load_dataset("folder", tmp_path)


def test_classes_of_ones_own_keep_their_names(tmp_path, pictures):
    home = write_classes(tmp_path / "folder", pictures, count=10)
    for name in ("very bored", "Confused", "hapiness"):
        for row in range(10):
            write_face(home / name / f"{row}.png", row)
    (home / "empty").mkdir()
    ds = load_dataset("folder", tmp_path)
    assert ds.class_names == ("anger", "happiness", "surprise", "Confused", "hapiness", "very bored")
    counts = ds.counts()
    assert counts.loc["very bored"].to_dict() == {"train": 8, "val": 1, "test": 1, "all": 10}
    notes = " ".join(ds.notes)
    assert "kept as they are: Confused, hapiness (did you mean happiness?), very bored" in notes
    assert "class folders without a picture, left out: empty" in notes
    some = load_dataset("folder", tmp_path, classes=("Confused", "Happy"))
    assert some.class_names == ("happiness", "Confused")
    with pytest.raises(InputError, match="classes: tired not in this dataset, which has anger"):
        load_dataset("folder", tmp_path, classes=("tired", "happy"))
    write_face(home / "confused" / "0.png")
    with pytest.raises(DataError, match="the classes Confused and confused differ only in capital letters"):
        load_dataset("folder", tmp_path)


def test_a_csv_may_name_classes_of_its_own(csv_home):
    path = csv_home / "csv" / "list.csv"
    path.write_text(path.read_text().replace("joy", "bored"))
    ds = load_dataset("csv", csv_home)
    assert ds.class_names == ("sadness", "bored")
    assert "your own classes, kept as they are: bored" in ds.notes


def test_few_pictures_give_each_split_one_of_each_class_of_three(tmp_path):
    counts = {"happy": 7, "bored": 5, "sad": 3, "anger": 2, "fear": 1}
    for name, count in counts.items():
        for row in range(count):
            write_face(tmp_path / "folder" / name / f"{row}.png", row)
    ds = load_dataset("folder", tmp_path)
    table = ds.counts()
    expected = {"happiness": (5, 1), "bored": (3, 1), "sadness": (1, 1), "anger": (2, 0), "fear": (1, 0)}
    for name, (train, held) in expected.items():
        assert table.loc[name].to_dict() == {"train": train, "val": held, "test": held, "all": train + 2 * held}
    assert "test and val drawn from train, at least one picture of each class of 3 or more" in ds.notes
    assert "too few images to split, all in train: anger, fear" in ds.notes
    assert (ds.table["split"] == load_dataset("folder", tmp_path).table["split"]).all()


def test_twenty_pictures_in_four_classes_are_enough(tmp_path):
    for name in ("happy", "sad", "bored", "confused"):
        for row in range(5):
            write_face(tmp_path / "folder" / name / f"{row}.png", row)
    ds = load_dataset("folder", tmp_path)
    assert ds.counts().loc["all"].to_dict() == {"train": 12, "val": 4, "test": 4, "all": 20}


def test_few_groups_reach_every_split():
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    assert set(group_split(np.repeat([1, 2, 3], 5), shares, 0)) == {"train", "val", "test"}


def write_csv(root, rows, columns="path,label"):
    """A csv of these rows next to eight pictures a.png … h.png."""
    for number, name in enumerate("abcdefgh"):
        write_face(root / f"{name}.png", number)
    (root / "list.csv").write_text("\n".join([columns, *rows]) + "\n")
    return root.parent


def rows_of_six(more=""):
    """Two rows in each split."""
    labels, splits = ["happy", "sad"] * 3, ["train", "train", "val", "val", "test", "test"]
    return [f"{name}.png,{label},{split}{more}" for name, label, split in zip("abcdef", labels, splits, strict=True)]


def test_an_absent_split_is_drawn_by_subject(tmp_path):
    people = dict(zip("abcdefgh", "ppqqrrss", strict=True))
    rows = [
        f"{name}.png,{'happy' if name in 'aceg' else 'sad'},{'val' if who == 's' else 'train'},{who} "
        for name, who in people.items()
    ]
    ds = load_dataset("csv", write_csv(tmp_path / "csv", rows, "path,label,split,subject"))
    assert (ds.table.groupby(ds.table["subject"].str.strip())["split"].nunique() == 1).all()
    assert "test drawn from train, by subject" in ds.notes
    assert len(ds.test)


def test_subjects_in_several_splits_are_reported(tmp_path):
    rows = rows_of_six(",p")
    ds = load_dataset("csv", write_csv(tmp_path / "csv", rows, "path,label,split,subject"))
    assert "1 subjects are in several splits: this is the dataset's own split" in ds.notes


def test_pictures_without_a_subject_are_not_one_person(tmp_path):
    people = zip("abcdefgh", ["happy", "sad"] * 4, "pp      ", strict=True)
    rows = [f"{name}.png,{label},{who}" for name, label, who in people]
    ds = load_dataset("csv", write_csv(tmp_path / "csv", rows, "path,label,subject"))
    assert all(len(split) for split in (ds.train, ds.val, ds.test))
    assert "6 pictures without a subject: each counts as a separate person" in ds.notes


def test_a_picture_named_twice(tmp_path):
    rows = rows_of_six()
    home = write_csv(tmp_path / "csv", [*rows, "./a.png,joy,train"], "path,label,split")
    ds = load_dataset("csv", home)
    assert len(ds.table) == 6
    assert "1 rows repeat a picture and are left out" in ds.notes
    write_csv(tmp_path / "csv", [*rows, "a.png,sad,train"], "path,label,split")
    with pytest.raises(DataError, match="line 2: .*a.png has two labels"):
        load_dataset("csv", home)


def test_pictures_outside_class_folders_are_reported(tmp_path, pictures):
    home = write_classes(tmp_path / "folder" / "train", pictures)
    write_face(tmp_path / "folder" / "loose.png")
    write_face(tmp_path / "folder" / "sad" / "a.png")
    notes = " ".join(load_dataset("folder", tmp_path).notes)
    assert "2 pictures are outside the class folders and are not read" in notes
    (home.parent / "val").mkdir()
    (home.parent / "valid").mkdir()
    with pytest.raises(DataError, match="val/ and valid/ both mean val; leave one"):
        load_dataset("folder", tmp_path)


def test_nothing_to_learn_from(tmp_path, pictures):
    write_classes(tmp_path / "folder" / "test", pictures)
    with pytest.raises(DataError, match="train has no pictures, so none can be held out"):
        load_dataset("folder", tmp_path)


def test_a_column_given_twice(tmp_path):
    home = write_csv(tmp_path / "csv", ["a.png,happy,sad"], "path,label,Label")
    with pytest.raises(DataError, match="has the column label twice"):
        load_dataset("csv", home)
