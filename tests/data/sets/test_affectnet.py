"""AffectNet in its three forms: its own codes, a validation list as the test set, reports of what is left out."""

import warnings

import numpy as np
import pytest
from affectnet_copies import (
    CODES,
    FORMS,
    code_of,
    load,
    save,
    write_annotations,
    write_folders,
    write_manifest,
)
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.data import check_dataset
from fer_tf.data.sets import affectnet
from fer_tf.emotions import EMOTIONS

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("form", FORMS)
def test_labels_and_splits(form, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    ds = load(tmp_path)
    assert [ds.class_names[label] for label in ds.table["label"]] == [
        CODES[code_of(name, form)] for name in ds.table["name"]
    ]
    assert ds.counts().loc["all"].to_dict() == {"train": 72, "val": 8, "test": 16, "all": 96}
    assert (ds.counts().loc["contempt", ["train", "val", "test"]] == [9, 1, 2]).all()
    is_test = ds.table["name"].str.contains("test|val_set|val/|Test/")
    assert ((ds.table["split"] == "test") == is_test).all()
    assert ds.image_shape == (96, 96, 3)
    assert "not 287,651 and 3,999 or 4,000" in ds.deviation
    assert ds.train.images.shape == (72, 96, 96, 3)
    if form == "numbered folders" or form == "named folders":
        assert ds.table["valence"].isna().all()
    else:
        wanted = [code_of(name, form) / 10 for name in ds.table["name"]]
        np.testing.assert_allclose(ds.table["valence"], wanted, atol=1e-6)
        assert ds.table["valence"].dtype == ds.table["arousal"].dtype == np.float32
        assert (ds.table["arousal"] == -0.5).all()


def test_published_counts_are_no_deviation(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(affectnet, "PUBLISHED", {8: (80, (15, 16)), 7: (70, (14,))})
    write_annotations(tmp_path / "affectnet", faces)
    assert load(tmp_path).deviation == ""
    monkeypatch.setattr(affectnet, "PUBLISHED", {8: (81, (15, 16)), 7: (70, (14,))})
    assert "80 training and 16 validation pictures of 8" in load(tmp_path).deviation


def test_val_is_drawn_by_the_seed(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    first, again, other = (load(tmp_path, seed=seed) for seed in (1, 1, 2))
    assert (first.table["split"] == again.table["split"]).all()
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert (first.table["split"] != other.table["split"]).any()
    assert any("8 pictures cut from train" in note for note in first.notes)


def test_seven_classes_of_eight(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    ds = load(tmp_path, classes=7)
    assert "contempt" not in ds.class_names
    assert len(ds.table) == 7 * 12
    assert any("12 images of contempt left out" in note for note in ds.notes)
    assert load(tmp_path, classes=8).class_names[7] == "contempt"


def test_a_copy_without_contempt_has_seven_classes(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {code: code for code in range(7)})
    ds = load(tmp_path)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert "not 283,901 and 3,500" in ds.deviation
    with pytest.raises(InputError, match="contempt not in this dataset"):
        load(tmp_path, classes=8)


def test_codes_without_emotion_are_counted_by_reason(tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces, codes=[*range(8), 8, 9, 9, 10])
    for path in (tmp_path / "affectnet" / "Manually_Annotated_Images" / "10").iterdir():
        path.unlink()  # pictures of unused rows are not needed
    notes = load(tmp_path).notes
    assert "validation.csv lists 2 pictures again, 0 of them with another label: the first row counts" in notes
    assert "left out of train, labelled with no emotion: 10 none, 10 uncertain, 10 no face" in notes
    assert "left out of test, labelled with no emotion: 2 none, 2 uncertain, 2 no face" in notes


def test_folders_without_emotion_are_left_out(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {**CODES, 8: "none", 9: "Uncertain", 10: "10"})
    ds = load(tmp_path)
    assert len(ds.table) == 96
    assert "left out of train, labelled with no emotion: 10 none, 10 uncertain, 10 no face" in ds.notes


def test_no_valence_is_nan(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    home = tmp_path / "affectnet" / "train_set" / "annotations"
    np.save(home / "3_val.npy", np.array("-2"))
    (home / "5_aro.npy").unlink()
    ds = load(tmp_path)
    table = ds.table.set_index("name")
    assert np.isnan(table["valence"]["train_set/images/3.JPG"])
    assert table["valence"].isna().sum() == 1
    assert np.isnan(table["arousal"]["train_set/images/5.JPG"])
    assert table["arousal"].isna().sum() == 1
    assert "2 pictures have no valence or arousal (NaN)" in ds.notes


def test_validation_pictures_are_never_trained_on(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    path = home / "Manually_Annotated_file_lists" / "training.csv"
    with open(path, "a", encoding="utf-8") as file:
        file.write("0/testé 0.jpg,8,4,20,24,1,3,0,0\n3/trainé 2.jpg,8,4,20,24,1,6,0,0\n")
    ds = load(tmp_path)
    assert ds.table["name"].is_unique
    assert (ds.table["split"] == "test").sum() == 16
    row = ds.table.set_index("name").loc["Manually_Annotated_Images/0/testé 0.jpg"]
    assert row["split"] == "test"
    assert ds.class_names[row["label"]] == "neutral"
    assert "left out of train: 1 pictures that validation.csv lists too" in ds.notes
    assert "training.csv lists 1 pictures again, 1 of them with another label: the first row counts" in ds.notes


def test_a_copy_with_three_folders_keeps_them_and_says_so(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, CODES, ("train", "valid", "test"))
    ds = load(tmp_path)
    assert ds.counts().loc["all"].to_dict() == {"train": 80, "val": 16, "test": 16, "all": 112}
    assert "its own test and validation folders" in ds.deviation


def test_a_class_with_one_picture_stays_in_train(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_folders(home, faces, {code: code for code in range(7)})
    save(faces, home / "train" / "7" / "only.jpg")
    ds = load(tmp_path)
    assert ds.counts().loc["contempt"].to_dict() == {"train": 1, "val": 0, "test": 0, "all": 1}
    assert "too few pictures to split, all in train: contempt" in ds.notes


def test_sets_unpacked_into_themselves(tmp_path, faces):
    write_annotations(tmp_path / "affectnet" / "val_set", faces)  # …/val_set/val_set
    (tmp_path / "affectnet" / "val_set" / "train_set").rename(tmp_path / "affectnet" / "train_set")
    assert len(load(tmp_path).table) == 96


# --- occlusion list


def test_occluded_test_pictures(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    (home / "occlusion.txt").write_text("val/3/testé 1/\nval/7/gone/\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'testé 1' names several test pictures \(7 such names\)"):
        load(tmp_path, occluded="occlusion.txt")
    for code in range(8):
        (home / "Manually_Annotated_Images" / str(code) / "testé 1.JPG").rename(
            home / "Manually_Annotated_Images" / str(code) / f"test{code}.JPG"
        )
    path = home / "Manually_Annotated_file_lists" / "validation.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.replace("testé 1.", f"test{line[0]}.") for line in lines), encoding="utf-8")
    (home / "occlusion.txt").write_text("val/3/test3/\nval/7/gone/\n0/trainé 0.jpg\n", encoding="utf-8")
    ds = load(tmp_path, occluded="occlusion.txt")
    assert list(ds.table["name"][ds.table["occluded"]]) == ["Manually_Annotated_Images/3/test3.JPG"]
    assert "occluded: 1 of the 3 names in occlusion.txt are test pictures" in ds.notes
    assert "occluded" not in load(tmp_path).table
    csv = tmp_path / "list.csv"
    csv.write_text("name,kind\ntest3.JPG,mask\ntest5.JPG,hand\n")
    assert load(tmp_path, occluded=str(csv)).table["occluded"].sum() == 2


@pytest.mark.parametrize(
    ("text", "message"), [(None, "there is no .*list.txt"), ("val/0/bc9a/\n", "none of its 1 names")]
)
def test_occluded_list_that_does_not_fit(text, message, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    if text:
        (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path, occluded=tmp_path / "list.txt")


def test_check_tells_form_and_counts(tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces)
    lines = check_dataset("affectnet", tmp_path)
    assert "(manifest): train 80, test 16 pictures of 8 emotions" in lines[0]
    assert any("10 uncertain" in line for line in lines)
    assert "not 287,651" in lines[-1]


# folders numbered in another order

BY_ALPHABET = dict(enumerate(sorted(CODES.values())))


def write_numbered(home, counts, test=2):
    """Copies of one picture in numbered folders: counts[number] for train, and `test` each for val."""
    picture = Image.fromarray(np.full((8, 8), 100, np.uint8))
    for part, numbers in (("train", counts), ("val", [test] * len(counts))):
        for number, count in enumerate(numbers):
            (home / part / str(number)).mkdir(parents=True)
            for index in range(count):
                picture.save(home / part / str(number) / f"{index}.png")


def published_shares(meaning, total=400):
    """About `total` training pictures, with the published share of each emotion: one count for each number."""
    whole = sum(affectnet.PUBLISHED_TRAIN[emotion] for emotion in meaning.values())
    return [round(total * affectnet.PUBLISHED_TRAIN[emotion] / whole) for emotion in meaning.values()]


def test_published_counts_are_of_all_training_pictures():
    assert sum(affectnet.PUBLISHED_TRAIN.values()) == affectnet.PUBLISHED[8][0]
    assert sum(affectnet.PUBLISHED_TRAIN.values()) - affectnet.PUBLISHED_TRAIN["contempt"] == affectnet.PUBLISHED[7][0]


@pytest.mark.parametrize(("order", "meaning"), [("published", CODES), ("alphabetical", BY_ALPHABET)])
def test_numbered_folders_are_read_in_the_order_asked_for(order, meaning, tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {number: number for number in range(8)})
    ds = load(tmp_path, order=order)
    labels = [ds.class_names[label] for label in ds.table["label"]]
    assert labels == [meaning[int(name.split("/")[1])] for name in ds.table["name"]]
    shown = ", ".join(f"{number} {emotion}: 10" for number, emotion in meaning.items())
    assert f"numbered folders are read in {order} order; training pictures of each: {shown}" in ds.notes
    assert load(tmp_path, order=order).fingerprint() == ds.fingerprint()


def test_another_order_is_another_dataset(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {number: number for number in range(8)})
    assert load(tmp_path).fingerprint() != load(tmp_path, order="alphabetical").fingerprint()


def test_seven_folders_by_alphabet_have_no_contempt(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {number: number for number in range(7)})
    ds = load(tmp_path, order="alphabetical")
    labels = dict(zip(ds.table["name"].str.split("/").str[1], ds.table["label"], strict=True))
    assert [ds.class_names[labels[str(number)]] for number in range(7)] == sorted(EMOTIONS[:7])


@pytest.mark.parametrize(
    ("stored", "meaning", "read"),
    [("alphabetical", BY_ALPHABET, "published"), ("published", CODES, "alphabetical")],
)
def test_counts_that_fit_only_another_order_are_a_warning(stored, meaning, read, tmp_path):
    write_numbered(tmp_path / "affectnet", published_shares(meaning))
    message = f"fit AffectNet's published ones only in {stored} order .*0 {meaning[0]}.*--option order={stored}"
    with pytest.warns(UserWarning, match=message):
        ds = load(tmp_path, order=read)
    assert sum("published ones only in" in note for note in ds.notes) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not any("published ones only in" in note for note in load(tmp_path, order=stored).notes)


def test_the_check_of_the_files_warns_too(tmp_path):
    write_numbered(tmp_path / "affectnet", published_shares(BY_ALPHABET))
    with pytest.warns(UserWarning, match="only in alphabetical order"):
        lines = check_dataset("affectnet", tmp_path)
    assert any("load the copy with `--option order=alphabetical`" in line for line in lines)


def test_even_counts_fit_no_order_and_are_no_warning(tmp_path):
    write_numbered(tmp_path / "affectnet", [12] * 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert any("0 neutral: 12, 1 happiness: 12" in note for note in load(tmp_path).notes)


def test_an_order_needs_numbers(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, CODES)
    assert not any("numbered" in note for note in load(tmp_path).notes)
    with pytest.raises(InputError, match=r"order: .* has no numbered class folders, so there is no order to choose"):
        load(tmp_path, order="alphabetical")
    with pytest.raises(InputError, match="order: allowed are published, alphabetical; received 'fer2013'"):
        load(tmp_path, order="fer2013")


@pytest.mark.parametrize("form", [name for name in FORMS if "folders" not in name])
def test_valence_and_arousal_as_second_output(form, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    ds = load(tmp_path, targets="expression+valence_arousal")
    assert ds.second.names == ("valence", "arousal")
    names = ds.table["name"].to_numpy()[ds.train.rows]
    np.testing.assert_allclose(ds.train.values, [[code_of(name, form) / 10, -0.5] for name in names], atol=1e-6)
    assert load(tmp_path).second is None


def test_unknown_valence_is_no_number(tmp_path, faces):
    """The publisher writes -2; learned as a value, it would be the most unpleasant face of all."""
    write_manifest(tmp_path / "affectnet", faces, lists=".")
    path = tmp_path / "affectnet" / "training.csv"
    path.write_text(path.read_text().replace(",2,0.2,-0.5", ",2,-2,-2"))
    ds = load(tmp_path, targets="expression+valence_arousal")
    is_sad = ds.train.labels == EMOTIONS.index("sadness")
    assert np.isnan(ds.train.values[is_sad]).all()
    assert not np.isnan(ds.train.values[~is_sad]).any()


def test_a_copy_without_values_cannot_give_them(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, CODES)
    with pytest.raises(InputError, match=r"targets: no picture in .* has valence or arousal"):
        load(tmp_path, targets="expression+valence_arousal")
    with pytest.raises(InputError, match="targets: allowed are expression, expression"):
        load(tmp_path, targets="expression+action_units")
