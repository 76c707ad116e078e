"""JAFFE: labels and subjects from names, photos split before they are altered or after it, one woman left out."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, dataset_spec, load_dataset
from fer_tf.data.sets.jaffe import AUGMENTATIONS

CODES = {"AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "SA": "sadness", "SU": "surprise"}
CODES["NE"] = "neutral"
SUBJECTS = ["KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM"]
# three takes of everything, and as published two and four here and there: 30 29 32 31 31 30 30
EXTRA, LACKING = {"FE": 2, "HA": 1, "SA": 1}, {"DI": 1}


def names():
    """213 names as published, with the published number of each emotion."""
    found = []
    for place, subject in enumerate(SUBJECTS):
        for code in CODES:
            takes = 3 + (place < EXTRA.get(code, 0)) - (place < LACKING.get(code, 0))
            found += [f"{subject}.{code}{take + 1}.{len(found) + take + 1}.tiff" for take in range(takes)]
    return found


def gray(name):
    """The gray of a photo's upper half, which identifies it."""
    return 20 + int(name.split(".")[2])


def write(path, size=32):
    pixels = np.full((size, size), 10, np.uint8)
    pixels[: size // 2] = gray(path.name)
    pixels[:, : size // 4] = 0
    Image.fromarray(pixels).save(path)


@pytest.fixture(params=["", "jaffe", "jaffedbase"])
def home(tmp_path, request):
    root = tmp_path / "my dätä" / "jaffe"
    folder = root / request.param
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names()):
        write(folder / (name.upper() if number % 50 == 0 else name))
    for litter in (".DS_Store", "Thumbs.db", "._KA.AN1.1.tiff", "README", "README_FIRST.txt", "labels.txt"):
        (folder / litter).write_text("x")
    return root


@pytest.fixture
def one(tmp_path):
    """The same in the root folder only."""
    root = tmp_path / "jaffe"
    root.mkdir()
    for name in names():
        write(root / name, 16)
    return root


def load(root, *args, **options):
    return load_dataset("jaffe", root.parent, *args, **options)


def test_labels_subjects_and_pixels(home):
    ds = load(home, "subject", image_size=32)
    assert len(ds.table) == 213
    assert ds.deviation == ""
    assert ds.notes == []
    assert ds.image_shape == (32, 32, 1)
    assert ds.counts()["all"].drop("all").to_dict() == {
        "anger": 30,
        "disgust": 29,
        "fear": 32,
        "happiness": 31,
        "sadness": 31,
        "surprise": 30,
        "neutral": 30,
    }
    for row, of in ds.table.iterrows():
        subject, code, _ = of["photo"].split(".")
        assert of["subject"] == subject
        assert of["emotion"] == CODES[code[:2]] == ds.class_names[of["label"]]
        assert ds.store.array[row, 2, 20, 0] == gray(of["photo"])
        assert of["augmentation"] == "none"


def test_each_woman_is_left_out_once(one):
    tested = []
    for fold, subject in enumerate(SUBJECTS):
        ds = load(one, "subject", fold=fold, seed=fold)
        people = ds.table.groupby("split")["subject"].agg(set).to_dict()
        assert people["test"] == {subject}
        assert people["val"] == {SUBJECTS[(fold + 1) % 10]}
        assert people["train"] == set(SUBJECTS) - people["test"] - people["val"]
        tested += list(np.flatnonzero(ds.table["split"] == "test"))
    assert sorted(tested) == list(range(213))


def test_augmented_has_the_documents_sizes_and_no_photo_in_two_splits(one):
    ds = load(one)
    assert ds.protocol == "augmented"
    assert ds.counts().loc["all"].to_dict() == {"train": 935, "val": 140, "test": 260, "all": 1335}
    photos = ds.table.groupby("split")["photo"].agg(set)
    assert {name: len(group) for name, group in photos.items()} == {"train": 149, "val": 22, "test": 42}
    assert not (photos["train"] & photos["val"])
    assert not (photos["train"] & photos["test"])
    assert not (photos["val"] & photos["test"])
    assert not ds.table["name"].duplicated().any()
    assert not ds.table.duplicated(["photo", "augmentation"]).any()
    assert (ds.table["augmentation"] == "none").sum() == 213
    assert set(ds.table["augmentation"]) == set(AUGMENTATIONS)
    assert (ds.counts().drop("all")["val"] > 0).all()
    shares = ds.counts().drop("all")
    np.testing.assert_allclose(shares["test"] / 260, shares["all"] / 1335, atol=0.02)
    assert "1,335 of the 1,704 photos and altered copies are kept (935/140/260)" in ds.notes
    assert "test is 42 photos" in ds.notes[1]


def test_augmented_is_seeded_and_labels_stay_with_their_photos(one):
    first, again, other = load(one), load(one), load(one, seed=1)
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(first.store.array, again.store.array)
    plain = load(one, "subject").table.set_index("photo")["emotion"]
    assert (plain[first.table["photo"]].to_numpy() == first.table["emotion"].to_numpy()).all()


def test_the_documents_own_order_has_copies_on_both_sides_and_says_so(one):
    """Document [3] altered first and divided then: a student must see that this is no test on new photos."""
    ds = load(one, "random")
    assert ds.counts().loc["all"].to_dict() == {"train": 935, "val": 140, "test": 260, "all": 1335}
    photos = {name: set(part) for name, part in ds.table.groupby("split")["photo"]}
    test = ds.table[ds.table["split"] == "test"]
    known = int(test["photo"].isin(photos["train"]).sum())
    assert known > 200, "nearly every test image has a copy in train"
    assert ds.notes[0].startswith(
        f"copies of one photo are in several splits, as in document [3]: {known} of the 260 test images have a copy in "
    )
    assert "copies of one photo are in several splits" in dataset_spec("jaffe").protocols["random"]
    assert (ds.table["augmentation"] == "none").sum() == 213
    assert not ds.table["name"].duplicated().any()
    assert (ds.counts().drop("all")[["train", "val", "test"]] > 0).all(axis=None)
    assert ds.fingerprint() == load(one, "random").fingerprint() != load(one, "random", seed=1).fingerprint()
    clean = load(one, "augmented")
    assert set(clean.table["name"]) != set(ds.table["name"])
    assert clean.counts().loc["all"].to_dict() == ds.counts().loc["all"].to_dict(), "only the order differs"


def test_faces_are_cut_out_before_photos_are_altered(tmp_path):
    """A face in a dark scene: the crop has the face alone, also in a photo where the detector finds none."""
    root = tmp_path / "jaffe"
    root.mkdir()
    face = skimage.data.astronaut()[0:200:2, 124:324:2].mean(axis=2).astype(np.uint8)
    for number, code in enumerate(["AN", "DI", "FE", "HA", "SA", "SU", "NE"] * 3):
        scene = np.zeros((200, 200), np.uint8)
        if number != 5:
            scene[50:150, 50:150] = face
        Image.fromarray(scene).save(root / f"{SUBJECTS[number // 7]}.{code}1.{number + 1}.tiff")
    cut, whole = load(root, "subject", image_size=64), load(root, "subject", image_size=64, crop="none")
    assert (whole.store.array[0] == 0).mean() > 0.5
    assert (cut.store.array[0] == 0).mean() < 0.02
    assert cut.notes == [
        "faces are cut out of the photos, as in document [3]; 1 photos without a detected face are cut at "
        "the others' median place"
    ]
    assert whole.notes == []
    assert cut.fingerprint() != whole.fingerprint()
    np.testing.assert_array_equal(cut.store.array, load(root, "subject", image_size=64, crop="face").store.array)


def test_photos_without_a_face_stay_whole_or_are_refused(one):
    assert load(one, "subject").notes == []
    with pytest.raises(DataError, match="jaffe: no face is found in any photo; use crop='none'"):
        load(one, "subject", crop="face")


def test_altered_copies_are_the_photo_altered(one):
    ds = load(one, image_size=16)
    plain = ds.table.query("augmentation == 'none'").reset_index().set_index("photo")["index"]
    flipped = ds.table.query("augmentation == 'flip'")
    for row, photo in flipped["photo"].items():
        np.testing.assert_array_equal(ds.store.array[row], ds.store.array[plain[photo]][:, ::-1])
    for name in set(AUGMENTATIONS) - {"none"}:
        row = ds.table.index[ds.table["augmentation"] == name][0]
        assert (ds.store.array[row] != ds.store.array[plain[ds.table["photo"][row]]]).any()


def test_the_changes():
    pixels = np.zeros((41, 41, 1), np.uint8)
    pixels[10, 20] = 200  # straight above the middle
    moved = {name: np.argwhere(change(pixels).reshape(41, 41) > 40) for name, change in AUGMENTATIONS.items()}
    assert moved["left"][:, 1].mean() == pytest.approx(20 - 10 * np.sin(np.pi / 18), abs=0.7)
    assert moved["left"][:, 1].mean() + moved["right"][:, 1].mean() == pytest.approx(40, abs=0.5)
    assert moved["zoom"].mean(axis=0) == pytest.approx([20 - 10 / 0.85, 20], abs=0.6)
    assert moved["shift"].mean(axis=0) == pytest.approx([8, 18], abs=0.1)
    tones = np.array([[[0], [128], [228], [255]]], np.uint8)
    assert AUGMENTATIONS["bright"](tones).ravel().tolist() == [40, 168, 255, 255]
    assert AUGMENTATIONS["contrast"](tones).ravel().tolist() == [51, 128, 188, 204]


def test_a_smaller_copy_keeps_the_shares_and_says_so(one):
    for path in list(one.glob("KA.*")) + list(one.glob("*.NE*"))[1:]:
        path.unlink(missing_ok=True)
    ds = load(one)
    photos = ds.table.groupby("split")["photo"].nunique()
    total = photos.sum()
    assert photos["test"] == round(42 * total / 213)
    assert photos["val"] == round(22 * total / 213)
    assert len(ds.table) == pytest.approx(1335 * total / 213, abs=2)
    assert "this copy of JAFFE has" in ds.deviation
    assert "of 9 women, not 213 of 10" in ds.deviation
    with pytest.raises(InputError, match=r"fold: this copy has 9 subjects, allowed are 0..8"):
        load(one, "subject", fold=9)


def test_a_class_of_one_photo_stays_in_train(one):
    for path in sorted(one.glob("*.NE*"))[1:]:
        path.unlink()
    ds = load(one)
    assert ds.counts().loc["neutral", ["val", "test"]].tolist() == [0, 0]
    assert "too few images to split, all in train: neutral" in ds.notes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("KA.XX1.39.tiff", "unknown emotion XX; allowed are AN, DI, FE, HA, SA, SU, NE"),
        ("ZZ.AN1.39.tiff", "unknown subject ZZ; allowed are KA, KL"),
        ("portrait.TIFF", "has no name like KA.AN1.39.tiff"),
    ],
)
def test_unknown_names(one, name, message):
    Image.new("L", (16, 16)).save(one / name)
    with pytest.raises(DataError, match=f"{name}: {message}"):
        load(one)


def test_the_same_photo_twice(one):
    (one / "jaffe").mkdir()
    write(one / "jaffe" / "KA.AN1.1.TIFF", 16)
    with pytest.raises(DataError, match="the same photo as .*; move one of them away"):
        load(one)


def test_files_that_are_not_pictures_are_reported(one):
    (one / "ratings.doc").write_text("x")
    assert "1 files that are not pictures were not read" in load(one, "subject").notes


def test_missing_and_broken(tmp_path, one):
    with pytest.raises(MissingDataError, match="jaffe: no photo like KA.AN1.39.tiff is in .*How to get it: https"):
        load_dataset("jaffe", tmp_path / "none")
    (one / "KA.AN1.1.tiff").write_bytes(b"")
    with pytest.raises(DataError, match=r"KA.AN1.1.tiff: is empty \(0 bytes\)"):
        load(one)


@pytest.mark.parametrize(
    "options", [{"fold": 10}, {"fold": 1, "protocol": "augmented"}, {"image_size": 2}, {"crop": "eyes"}]
)
def test_wrong_options(one, options):
    with pytest.raises(InputError, match=next(iter(options))):
        load(one, **options)


def test_too_few_photos(one):
    for path in sorted(one.glob("*"))[3:]:
        path.unlink()
    with pytest.raises(DataError, match="jaffe augmented: 3 photos are too few for a val split"):
        load(one)
    with pytest.raises(DataError, match="jaffe subject: 1 subjects are too few"):
        load(one, "subject")


def test_check_tells_what_is_there(one):
    line = check_dataset("jaffe", one.parent)[0]
    assert "213 photos (anger 30, disgust 29, fear 32, happiness 31, sadness 31, surprise 30, neutral 30)" in line
