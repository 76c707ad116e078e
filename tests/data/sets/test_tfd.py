"""TFD in the form of its MATLAB files: codes, official folds, unlabelled rows, and files of other forms."""

import numpy as np
import pytest
from scipy.io import savemat

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset

WANTED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
LABELLED, UNLABELLED = 70, 5


def content(side=48):
    """75 faces of one gray each; in fold k, row r is train, val or test by (r // 7 + k) % 5. Row 3 has no person."""
    rows = np.arange(LABELLED + UNLABELLED)
    images = np.broadcast_to((rows + 20)[:, None, None], (len(rows), side, side)).astype(np.uint8)
    is_labelled = rows < LABELLED
    place = (rows[:, None] // 7 + np.arange(5)) % 5
    folds = np.where(is_labelled[:, None], np.select([place == 4, place == 3], [3, 2], 1), 0)
    people = np.where(is_labelled & (rows != 3), rows // 7, -1)
    codes = np.where(is_labelled, rows % 7 + 1, -1)
    return {"images": images, "labs_ex": codes[:, None], "labs_id": people[:, None], "folds": folds.astype(np.uint8)}


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "my dätä" / "tfd"
    root.mkdir(parents=True)
    savemat(root / "TFD_48x48.mat", content())
    return root


def load(root, **options):
    return load_dataset("tfd", root.parent, **options)


def test_labels_people_and_pixels(home):
    ds = load(home)
    assert ds.class_names == WANTED
    assert len(ds.table) == LABELLED
    assert ds.image_shape == (48, 48, 1)
    for row, of in ds.table.iterrows():
        assert of["name"] == f"row{row}"
        assert of["emotion"] == WANTED[row % 7] == ds.class_names[of["label"]]
        assert of["subject"] == ("" if row == 3 else str(row // 7))
        assert (ds.store.array[row] == row + 20).all()
    assert "1 faces have no known subject" in ds.notes
    assert ds.deviation == "this copy of TFD has 70 labelled faces, not 4,178"


def test_each_fold_is_the_publishers(home):
    for fold in range(5):
        ds = load(home, fold=fold, seed=fold)
        wanted = [{3: "val", 4: "test"}.get((row // 7 + fold) % 5, "train") for row in range(LABELLED)]
        assert list(ds.table["split"]) == wanted
        assert not any("in several splits" in note for note in ds.notes)
    with pytest.raises(InputError, match="fold"):
        load(home, fold=5)


def test_people_in_several_splits_are_reported(home):
    changed = content()
    changed["folds"][0] = 3
    savemat(home / "TFD_48x48.mat", changed)
    assert any(note.startswith("1 subjects are in several splits") for note in load(home, fold=0).notes)


def test_the_larger_file_is_read_for_larger_pictures(home):
    assert load(home, image_size=96).image_shape == (96, 96, 1)
    larger = content(96)
    larger["images"] = larger["images"] + 100
    savemat(home / "TFD_ranzato_96x96.mat", larger)
    assert load(home).store.array[0, 0, 0, 0] == 20
    assert load(home, image_size=64).store.array[0, 0, 0, 0] == 120
    savemat(home / "TFD_96x96.mat", larger)
    with pytest.raises(DataError, match="a second file of 96×96"):
        load(home)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labs_ex": None}, "has no variable labs_ex; TFD has images, labs_ex, labs_id, folds"),
        ({"labs_ex": np.full((75, 1), 9)}, "labs_ex has unknown codes, such as 9; allowed are 1..7"),
        ({"labs_ex": np.full((75, 1), 1.5)}, "labs_ex must hold whole numbers"),
        ({"labs_id": np.zeros((3, 1))}, r"labs_id must be \(75, 1\) for 75 images; received \(3, 1\)"),
        ({"folds": np.zeros((75, 5))}, "folds of labelled faces must be 1"),
        (
            {"images": np.zeros((75, 48, 40), np.uint8)},
            r"images must be \[faces, side, side\]; received \(75, 48, 40\)",
        ),
        ({"images": np.full((75, 48, 48), 0.5)}, "images must hold whole numbers from 0 to 255"),
    ],
)
def test_files_of_another_form(home, change, message):
    changed = content() | change
    savemat(home / "TFD_48x48.mat", {name: values for name, values in changed.items() if values is not None})
    with pytest.raises(DataError, match=message):
        load(home)


def test_a_damaged_file(home):
    path = home / "TFD_48x48.mat"
    content_before = path.read_bytes()
    path.write_bytes(content_before[:3000])
    with pytest.raises(DataError, match="TFD_48x48.mat: is not a MATLAB file that can be read"):
        load(home)
    with pytest.raises(DataError, match="TFD_48x48.mat: has no variable labs_ex, labs_id, folds"):
        check_dataset("tfd", home.parent)
    path.write_text("no matrix")
    for call in (lambda: load(home), lambda: check_dataset("tfd", home.parent)):
        with pytest.raises(DataError, match="TFD_48x48.mat: is not a MATLAB file that can be read"):
            call()


def test_missing(tmp_path):
    with pytest.raises(MissingDataError, match="tfd: neither TFD_48x48.mat nor TFD_96x96.mat .*How to get it"):
        load_dataset("tfd", tmp_path)
    (tmp_path / "tfd").mkdir()
    savemat(tmp_path / "tfd" / "TFD_info.mat", {"x": 1})
    with pytest.raises(MissingDataError, match="found TFD_info.mat"):
        load_dataset("tfd", tmp_path)


def test_check_says_what_is_there(home):
    assert check_dataset("tfd", home.parent) == [f"{home}/TFD_48x48.mat: 75 faces of 48×48, labelled and not"]
