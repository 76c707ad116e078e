"""RAF-DB in the publisher's form and in Kaggle's: other codes than FER2013's, and no validation set of its own."""

import pytest
from PIL import Image

from fer_tf.common.checks import DataError, MissingDataError
from fer_tf.data import load_dataset

WANTED = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}
COUNTS = {"train": 20, "test": 3}


def pictures(tiny_faces):
    return [Image.fromarray(image[..., 0]).convert("RGB").resize((100, 100)) for image in tiny_faces.store.array[:7]]


@pytest.fixture
def publisher(tmp_path, tiny_faces):
    home = tmp_path / "rafdb"
    (home / "Image" / "aligned").mkdir(parents=True)
    (home / "EmoLabel").mkdir()
    lines = []
    for part, count in COUNTS.items():
        for number in range(7 * count):
            code = number % 7 + 1
            pictures(tiny_faces)[code - 1].save(home / "Image" / "aligned" / f"{part}_{number:05d}_aligned.jpg")
            lines.append(f"{part}_{number:05d}.jpg {code}")
    (home / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def kaggle(tmp_path, tiny_faces):
    for part, count in COUNTS.items():
        for code in WANTED:
            folder = tmp_path / "rafdb" / "DATASET" / part / str(code)
            folder.mkdir(parents=True)
            for number in range(count):
                pictures(tiny_faces)[code - 1].save(folder / f"{part}_{code}{number}_aligned.JPG")
    (tmp_path / "rafdb" / "DATASET" / "test" / "1" / "Thumbs.db").write_text("x")
    return tmp_path


@pytest.mark.parametrize("form", ["publisher", "kaggle"])
def test_codes_and_splits(form, request):
    ds = load_dataset("rafdb", request.getfixturevalue(form))
    assert ds.image_shape == (100, 100, 3)
    assert [ds.class_names[label] for label in ds.table["label"]] == [WANTED[code] for code in ds.table["code"]]
    assert ds.counts().loc["all"].to_dict() == {"train": 126, "val": 14, "test": 21, "all": 161}
    assert (ds.counts().loc["fear", ["train", "val", "test"]] == [18, 2, 3]).all()
    is_test = ds.table["name"].str.contains("test_")
    assert ((ds.table["split"] == "test") == is_test).all()
    assert "not 12,271 and 3,068" in ds.deviation


def test_missing_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingDataError, match=r"rafdb: neither EmoLabel/list_patition_label.txt nor DATASET/train"):
        load_dataset("rafdb", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train_00002.jpg 3", "train_00002.jpg 8", "line 3: unknown label '8'; allowed are 1..7"),
        ("train_00002.jpg 3", "train_99999.jpg 3", r"train_99999_aligned.jpg is missing, .*\(1 files are missing\)"),
        (
            "train_00002.jpg 3",
            f"train_{'9' * 300}.jpg 3",
            r"train_9+_aligned.jpg is missing, .*\(1 files are missing\)",
        ),
        ("train_00002.jpg 3", "img2.jpg 3", "line 3: 'img2.jpg' is not a name like train_00001.jpg"),
    ],
)
def test_broken_list(publisher, old, new, message):
    path = publisher / "rafdb" / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_dataset("rafdb", publisher)


def test_too_few_to_hold_out_names_the_dataset(publisher):
    path = publisher / "rafdb" / "EmoLabel" / "list_patition_label.txt"
    path.write_text("train_00000.jpg 1\ntrain_00001.jpg 2\ntest_00000.jpg 1\n")
    with pytest.raises(DataError, match="rafdb: .*rafdb: 2 images are too few to hold out 10%"):
        load_dataset("rafdb", publisher)


def test_kaggles_label_file_must_agree_with_its_folders(kaggle):
    (kaggle / "rafdb" / "train_labels.csv").write_text("image,label\ntrain_10_aligned.JPG,2\n")
    with pytest.raises(DataError, match="train_labels.csv: calls train_10_aligned.JPG 2, its folder is 1"):
        load_dataset("rafdb", kaggle)


def test_unknown_class_folder(kaggle):
    (kaggle / "rafdb" / "DATASET" / "train" / "8").mkdir()
    with pytest.raises(DataError, match="8: unknown class folder; allowed are 1..7"):
        load_dataset("rafdb", kaggle)


def test_a_list_in_another_encoding_is_named(publisher):
    path = publisher / "rafdb" / "EmoLabel" / "list_patition_label.txt"
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(
        DataError, match="list_patition_label.txt: cannot be read .it is not text in UTF-8, from byte 0"
    ):
        load_dataset("rafdb", publisher)
