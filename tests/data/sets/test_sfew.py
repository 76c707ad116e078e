"""SFEW as far as its layout is known: aligned faces and whole frames, the official split, val by film."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset

FOLDERS = dict(zip(("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"), range(7), strict=True))
ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FILMS = [f"Film{letter}" for letter in "ABCDEFGHIJ"]
TRAIN, VAL = "Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new/Val_Aligned_Faces"


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((18, 14, 3), value, np.uint8)).save(path)


def write_split(home, films, value, clear=True):
    """A picture of each class for each film: `FilmA_000519240_00000005.png`, or with `clear` false `p12.png`."""
    for number, film in enumerate(films):
        for folder, code in FOLDERS.items():
            name = f"{film}_{number:09d}_{code:08d}" if clear else f"p{number}{code}"
            write(home / folder / f"{name}.png", value + 7 * number + code)


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "my dätä" / "sfew"
    write_split(root / TRAIN, FILMS, 10)
    write_split(root / VAL, ["FilmX", "FilmY"], 150)
    write(root / "Test" / "Test_Aligned_Faces" / "1.png", 1)
    (root / TRAIN / "Angry" / "Thumbs.db").write_text("x")
    return root


def load(root, **options):
    return load_dataset("sfew", root.parent, **options)


def test_labels_films_and_pixels(home):
    ds = load(home)
    assert ds.class_names == ORDER
    assert ds.image_shape == (96, 96, 3)
    for row, of in ds.table.iterrows():
        folder, name = of["name"].split("/")[-2:]
        assert of["emotion"] == ORDER[FOLDERS[folder]] == ds.class_names[of["label"]]
        assert of["film"] == name.split("_")[0]
        number = FILMS.index(of["film"]) if of["split"] != "test" else "XY".index(of["film"][-1])
        assert ds.store.array[row, 0, 0, 0] == (150 if of["split"] == "test" else 10) + 7 * number + FOLDERS[folder]
    assert ds.deviation == "this copy of SFEW has 70 and 14 aligned faces in Train and Val, not 891 and 431"


def test_published_validation_is_test_and_val_is_films_of_train(home):
    ds = load(home)
    films = ds.table.groupby("split")["film"].agg(set)
    assert films["test"] == {"FilmX", "FilmY"}
    assert films["train"] | films["val"] == set(FILMS)
    assert not films["train"] & films["val"]
    assert ds.counts().loc["all"].to_dict() == {"train": 63, "val": 7, "test": 14, "all": 84}
    assert list(load(home).table["split"]) == list(ds.table["split"])
    assert films["val"] != load(home, seed=1).table.groupby("split")["film"].agg(set)["val"]
    assert not any("Test_Aligned" in name for name in ds.table["name"])


def test_films_in_both_splits_and_names_without_a_film_are_reported(tmp_path):
    root = tmp_path / "sfew"
    write_split(root / "Train_Aligned_Faces", FILMS, 10, clear=False)
    write_split(root / "Val_Aligned_Faces", FILMS[:2], 150)
    ds = load(root)
    assert any("names of files do not say the film: val drawn from train by picture" in note for note in ds.notes)
    assert ds.counts().loc["all"].to_dict() == {"train": 63, "val": 7, "test": 14, "all": 84}
    write_split(root / "Train_Aligned_Faces", FILMS, 10)
    for path in root.glob("Train_Aligned_Faces/*/p*.png"):
        path.unlink()
    assert any("2 films are in Train and in Val" in note for note in load(root).notes)


def test_whole_frames_stand_next_to_the_aligned_faces(home):
    write_split(home / "Train", FILMS, 30)
    write_split(home / "Val", ["FilmX", "FilmY"], 170)
    aligned, whole = load(home), load(home, faces="whole")
    assert "also in the folder and not read: whole pictures" in aligned.notes
    assert aligned.store.array.min() == 10
    assert whole.store.array.min() == 30
    assert len(whole.table) == len(aligned.table) == 84
    assert any("faces are not cropped: crop faces first" in note for note in whole.notes)


def test_published_counts_are_no_deviation(home, monkeypatch):
    from fer_tf.data.sets import sfew

    monkeypatch.setattr(sfew, "PUBLISHED", {"aligned": (70, 14), "whole": (1, 1)})
    assert load(home).deviation == ""


def test_wrong_folders_and_choices(home):
    with pytest.raises(InputError, match="faces: .* does not have whole pictures of both splits; it has aligned ones"):
        load(home, faces="whole")
    with pytest.raises(InputError, match="faces: .*'crops'"):
        load(home, faces="crops")
    write(home / TRAIN / "Boredom" / "1.png", 1)
    with pytest.raises(DataError, match="Boredom: unknown emotion"):
        load(home)
    (home / TRAIN / "Boredom").rename(home / TRAIN / "Contempt")
    with pytest.raises(DataError, match="Contempt: SFEW has no contempt"):
        load(home)
    (home / TRAIN / "Contempt").rename(home / "Boredom")
    write_split(home / "Train_Aligned_Faces", FILMS, 10)
    with pytest.raises(DataError, match="a second set of class folders"):
        load(home)


def test_missing(home, tmp_path):
    with pytest.raises(MissingDataError, match="sfew: Train and Val .*found: nothing.*How to get it"):
        load_dataset("sfew", tmp_path)
    (home / "Val").rename(home / ".Val")
    with pytest.raises(MissingDataError, match="found: aligned train"):
        load(home)


def test_check_says_what_is_there(home):
    lines = check_dataset("sfew", home.parent)
    assert len(lines) == 2
    assert "Train_Aligned_Faces: aligned pictures, train (anger 10, disgust 10" in lines[0]
    assert "Val_Aligned_Faces: aligned pictures, test (anger 2" in lines[1]
