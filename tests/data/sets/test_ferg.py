"""FERG in its publisher's layout: characters of test are never in train, unless the random protocol says so."""

import pytest
from PIL import Image

from fer_tf.common.checks import DataError, MissingDataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.data.sets.ferg import CHARACTERS, RANDOM_SIZES

FOLDERS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
EACH = 5


@pytest.fixture
def home(tmp_path, tiny_faces):
    for place, character in enumerate(CHARACTERS):
        for code, emotion in enumerate(FOLDERS):
            folder = tmp_path / "ferg" / "FERG_DB_256" / character / f"{character}_{emotion}"
            folder.mkdir(parents=True)
            for number in range(EACH):
                image = tiny_faces.store.array[(place * 7 + code) * EACH + number, ..., 0]
                Image.fromarray(image).convert("RGB").save(folder / f"{character}_{emotion}_{number}.png")
    (tmp_path / "ferg" / "FERG_DB_256" / "aia" / ".DS_Store").write_text("x")
    return tmp_path


def test_characters_of_test_are_never_trained_on(home):
    ds = load_dataset("ferg", home)
    people = ds.table.groupby("split")["subject"].agg(set).to_dict()
    assert people["test"] == {"mery", "ray"}
    assert people["train"] | people["val"] == {"aia", "bonnie", "jules", "malcolm"}
    assert ds.counts().loc["all"].to_dict() == {"train": 126, "val": 14, "test": 70, "all": 210}
    joy = ds.table["name"].str.contains("_joy/")
    assert (ds.table["emotion"][joy] == "happiness").all()
    assert joy.sum() == 30
    assert ds.image_shape == (48, 48, 3)
    assert "not 55,767" in ds.deviation


def test_random_has_the_documents_shares_and_says_what_it_mixes(home):
    ds = load_dataset("ferg", home, "random")
    wanted = {name: count * 210 / 55767 for name, count in RANDOM_SIZES.items()}
    assert ds.table["split"].value_counts().to_dict() == pytest.approx(wanted, abs=1)
    assert "every character is in several splits" in ds.notes[0]


def test_too_few_to_hold_out_names_the_dataset(home):
    faces = home / "ferg" / "FERG_DB_256"
    for character in CHARACTERS[:4]:
        (faces / character).rename(faces / f".{character}")
    (faces / "aia" / "aia_joy").mkdir(parents=True)
    next((faces / ".aia" / "aia_joy").iterdir()).rename(faces / "aia" / "aia_joy" / "aia_joy_1.png")
    with pytest.raises(DataError, match="ferg: 1 images are too few to hold out 10%"):
        load_dataset("ferg", home)


def test_check_counts_each_character(home):
    (line,) = check_dataset("ferg", home)
    assert line.endswith("FERG_DB_256: aia 35, bonnie 35, jules 35, malcolm 35, mery 35, ray 35")


def test_missing_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingDataError, match=r"ferg: there is no .*FERG_DB_256. How to get it: https://grail"):
        load_dataset("ferg", tmp_path)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("bob/bob_joy", "bob: unknown character; allowed are aia, bonnie"),
        ("aia/aia_bored", "aia_bored: unknown emotion 'bored'"),
        ("aia/ray_joy", "ray_joy: must be called aia_<emotion>"),
        ("aia/aia_contempt", "aia_contempt: must be called aia_<emotion>, one of anger"),
    ],
)
def test_unknown_folders(home, folder, message):
    (home / "ferg" / "FERG_DB_256" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=message):
        load_dataset("ferg", home)
