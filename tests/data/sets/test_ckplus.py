"""CK+ in its publisher's layout and its copies: codes, frames, folds without a shared subject, crops by landmarks."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.data.sets.ckplus_forms import cut

WANTED = {0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
CSV_WANTED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
SUBJECTS = [f"S{number:03d}" for number in (5, 10, 11, 14, 22, 26, 37, 42, 55, 74, 502, 999)]
FRAMES = 6
HEIGHT, WIDTH = 98, 128


def value(subject, sequence, frame):
    """The gray of a picture's face, which identifies it."""
    return 20 + SUBJECTS.index(subject) * 10 + sequence * 50 + frame


def write_frame(path, gray, colour=False):
    """A scene of black with a bright square, the face, left of the middle."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[30:60, 20:50] = gray
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("RGB") if colour else image).save(path)


def code_of(subject, sequence):
    return (SUBJECTS.index(subject) + 4 * sequence) % 7 + 1


@pytest.fixture
def home(tmp_path):
    """Two sequences a subject; those of number 2 of the last four subjects without label, as most folders are."""
    root = tmp_path / "my dätä" / "ckplus"
    for place, subject in enumerate(SUBJECTS):
        for sequence in (0, 1):
            key = f"{subject}/{sequence + 1:03d}"
            for frame in range(1, FRAMES + 1):
                stem = f"{subject}_{sequence + 1:03d}_{frame:08d}"
                suffix = ".PNG" if place == 3 else ".png"
                write_frame(
                    root / "cohn-kanade-images" / key / f"{stem}{suffix}", value(subject, sequence, frame), place == 10
                )
            (root / "Emotion" / key).mkdir(parents=True)
            (root / "cohn-kanade-images" / key / ".DS_Store").write_text("x")
            if sequence == 0 or place < 8:
                label = f"   {code_of(subject, sequence):.7e}\n"
                (root / "Emotion" / key / f"{stem}_emotion.txt").write_text(label)
    for litter in ("Thumbs.db", "._S005_001_00000006_emotion.txt"):
        (root / "Emotion" / "S005" / litter).write_text("x")
    (root / "cohn-kanade-images" / "S005" / "001" / "._x.png").write_text("x")
    return root


def write_landmarks(root):
    for path in list((root / "cohn-kanade-images").rglob("S*.[pP]*")):
        place = np.linspace(0, 1, 68)
        points = np.stack([20 + 29 * place, 35 + 19 * place], axis=1)  # x 20..49, y 35..54
        target = root / "Landmarks" / path.parent.relative_to(root / "cohn-kanade-images")
        target.mkdir(parents=True, exist_ok=True)
        np.savetxt(target / f"{path.stem}_landmarks.txt", points, fmt="   %.7e")


def emotion_file(root, subject="S005", sequence=1):
    return next((root / "Emotion" / subject / f"{sequence:03d}").glob("S*_emotion.txt"))


def load(root, *args, **options):
    return load_dataset("ckplus", root.parent, *args, **options)


def test_last_three_frames_carry_the_label_and_the_first_is_neutral(home):
    ds = load(home, crop="center", image_size=98)
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


def test_without_neutral_there_are_seven_classes(home):
    ds = load(home, neutral=False)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")
    assert len(ds.table) == 20 * 3
    assert set(ds.table["frame"]) == {"00000004", "00000005", "00000006"}


def test_published_counts_are_no_deviation(home, monkeypatch):
    from fer_tf.data.sets import ckplus_forms

    labelled = [code_of(s, q) for p, s in enumerate(SUBJECTS) for q in (0, 1) if q == 0 or p < 8]
    counts = {WANTED[code]: labelled.count(code) for code in set(labelled)}
    for name, known in (("SEQUENCES", 24), ("SUBJECTS", 12), ("PUBLISHED", counts)):
        monkeypatch.setattr(ckplus_forms, name, known)
    assert load(home).deviation == ""


def test_folds_cover_every_row_once_and_share_no_subject(home):
    tested = []
    for fold in range(10):
        ds = load(home, fold=fold, seed=fold)
        people = ds.table.groupby("split")["subject"].agg(set).to_dict()
        assert people["test"] == set(SUBJECTS[fold::10])
        assert people["val"] == set(SUBJECTS[(fold + 1) % 10 :: 10])
        assert people["train"] == set(SUBJECTS) - people["test"] - people["val"]
        tested += list(np.flatnonzero(ds.table["split"] == "test"))
    assert sorted(tested) == list(range(len(ds.table)))
    same = [load(home, fold=3, seed=seed).fingerprint() for seed in (0, 7)]
    assert same[0] == same[1] != load(home, fold=4).fingerprint()


def test_random_says_what_it_mixes_and_has_no_folds(home):
    ds = load(home, "random")
    assert ds.counts().loc["all"].to_dict() == {"train": 64, "val": 8, "test": 8, "all": 80}
    splits = ds.table.groupby(["subject", "sequence"])["split"].nunique()
    assert (splits > 1).any()
    assert any("frames of one sequence are in several splits" in note for note in ds.notes)
    assert list(ds.table["split"]) != list(load(home, "random", seed=1).table["split"])
    with pytest.raises(InputError, match="fold: only the protocol subject has folds; received 2"):
        load(home, "random", fold=2)


def test_crops(home):
    whole = load(home)
    assert any("no Landmarks folder" in note for note in whole.notes)
    assert (whole.store.array[0] > value("S005", 0, 1) / 2).mean() == pytest.approx(900 / (HEIGHT * WIDTH), abs=0.03)
    with pytest.raises(MissingDataError, match="crop='landmarks' needs .*Landmarks, the folder of Landmarks.zip"):
        load(home, crop="landmarks")
    write_landmarks(home)
    near = load(home, image_size=40, image_channels=3)
    assert near.image_shape == (40, 40, 3)
    assert not any("Landmarks" in note for note in near.notes)
    # the box is 29 × 1.4 = 41 px wide around (34.5, 44.5): the face of 30 × 30 fills its middle
    assert (near.store.array[0, ..., 0] > value("S005", 0, 1) / 2).mean() == pytest.approx(900 / 41**2, abs=0.03)
    face = near.store.array[0, 20, 20]
    assert face.tolist() == [value("S005", 0, 1)] * 3
    assert near.fingerprint() != load(home, crop="none", image_size=40, image_channels=3).fingerprint()


def test_a_crop_beyond_the_picture_repeats_its_edge():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    np.testing.assert_array_equal(cut(pixels, (1, 0, 2))[..., 0], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(cut(pixels, (-1, 2, 2))[..., 0], [[8, 8], [8, 8]])


def test_landmarks_that_lack_or_are_broken(home):
    write_landmarks(home)
    broken = next((home / "Landmarks" / "S005" / "001").glob("*_00000005_*"))
    broken.write_text("1 2\n3 4\n")
    with pytest.raises(DataError, match=r"S005_001_00000005_landmarks.txt: must hold 68 lines of x y"):
        load(home)
    broken.write_text("1 2\n" * 67 + "1e300 2\n")
    with pytest.raises(DataError, match=r"S005_001_00000005_landmarks.txt: must hold 68 lines of x y in pixels"):
        load(home)
    broken.write_text("x y\n")
    with pytest.raises(DataError, match=r"S005_001_00000005_landmarks.txt: is not a list of points"):
        load(home)
    broken.unlink()
    with pytest.raises(MissingDataError, match=r"there is no .*S005_001_00000005_landmarks.txt \(1 are missing\)"):
        load(home)
    assert len(load(home, crop="none").table) == 80


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold one code 0..7; it holds nothing"),
        ("   3.0000000e+00\n   4.0000000e+00\n", "must hold one code 0..7; it holds 3.0000000e[+]00 4.0000000e[+]00"),
        ("   8.0000000e+00\n", "unknown code 8.0000000e[+]00; allowed are 0..7"),
        ("3.5", "unknown code 3.5"),
        ("nan", "unknown code nan"),
        ("anger", "unknown code anger"),
    ],
)
def test_broken_emotion_file(home, text, message):
    emotion_file(home).write_text(text)
    with pytest.raises(DataError, match=rf"S005_001_00000006_emotion.txt: {message}"):
        load(home)


def test_a_code_of_zero_is_a_neutral_peak(home):
    emotion_file(home).write_text("   0.0000000e+00\n")
    of = load(home).table.query("subject == 'S005' and sequence == '001'")
    assert list(of["emotion"]) == ["neutral"] * 4


def test_two_labels_of_a_sequence(home):
    (emotion_file(home).parent / "S005_001_00000004_emotion.txt").write_text("3.0")
    with pytest.raises(DataError, match="a second label for the sequence of S005_001_00000004"):
        load(home)


def test_a_label_outside_a_sequences_folder(home):
    (home / "Emotion" / "S005_001_00000004_emotion.txt").write_text("3.0")
    with pytest.raises(DataError, match="S005_001_00000004_emotion.txt: must be in a folder like .*001"):
        load(home)


@pytest.mark.parametrize("whole", [True, False])
def test_a_labelled_sequence_without_its_pictures(home, whole):
    folder = home / "cohn-kanade-images" / "S022" / "001"
    for path in folder.glob("S*" if whole else "S*6.png"):
        path.unlink()
    with pytest.raises(MissingDataError, match=r"there is no .*S022_001_00000006.png, though .*S022_001.*labels it"):
        load(home)


def test_short_sequences_give_what_they_have(home):
    folder = home / "cohn-kanade-images" / "S005"
    for frame in (1, 2, 3, 5):
        (folder / "001" / f"S005_001_{frame:08d}.png").unlink()
    for frame in range(1, 6):
        (folder / "002" / f"S005_002_{frame:08d}.png").unlink()
    ds = load(home)
    of = ds.table.query("subject == 'S005'")
    assert list(of["sequence"]) == ["001", "001", "002"]
    assert list(of["emotion"]) == ["neutral", WANTED[code_of("S005", 0)], WANTED[code_of("S005", 1)]]
    assert any(note.startswith("2 labelled sequences have fewer than 4 frames") for note in ds.notes)


def test_frames_after_the_labelled_one_are_reported(home):
    write_frame(home / "cohn-kanade-images" / "S005" / "001" / "S005_001_00000007.png", 99)
    ds = load(home)
    assert list(ds.table["frame"][:4]) == ["00000001", "00000005", "00000006", "00000007"]
    assert any(note.startswith("1 sequences continue after the labelled frame") for note in ds.notes)


def test_missing_folders_say_how_to_get_them(home, tmp_path):
    with pytest.raises(MissingDataError, match=r"ckplus: none of cohn-kanade-images/, CK\+48/ and ckextended.csv"):
        load_dataset("ckplus", tmp_path)
    (home / "Emotion").rename(home / "old")
    with pytest.raises(MissingDataError, match="there is no .*Emotion, the folder of Emotion_labels.zip"):
        load(home)
    (home / "old").rename(home / "Emotion")
    (home / "cohn-kanade-images").rename(home / "old")
    with pytest.raises(MissingDataError, match="there is no .*cohn-kanade-images. How to get it"):
        load(home)


def test_archives_unpacked_into_folders_of_their_own(home):
    for archive, folder in (("Emotion_labels", "Emotion"), ("extended-cohn-kanade-images", "cohn-kanade-images")):
        (home / archive).mkdir()
        (home / folder).rename(home / archive / folder)
        (home / "__MACOSX" / folder).mkdir(parents=True)
    assert len(load(home).table) == 80


@pytest.mark.parametrize("options", [{"fold": 10}, {"fold": -1}, {"crop": "face"}, {"image_channels": 2}])
def test_wrong_options(home, options):
    with pytest.raises(InputError, match=next(iter(options))):
        load(home, **options)


def test_too_few_subjects_for_folds(home):
    for subject in SUBJECTS[3:]:
        for part in ("Emotion", "cohn-kanade-images"):
            (home / part / subject).rename(home / part / f".{subject}")
    with pytest.raises(DataError, match="3 subjects are too few for 10 folds; use protocol='random'"):
        load(home)


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


def test_the_publishers_form_goes_before_copies(home):
    (home / "ckextended.csv").write_text("emotion,pixels,Usage\n")
    ds = load(home)
    assert len(ds.table) == 80
    assert "also in the folder and not read: ckextended.csv" in ds.notes


def test_check_tells_what_is_there(home, csv_copy):
    lines = check_dataset("ckplus", home.parent)
    assert "80 images of labelled sequences; Landmarks is not there" in lines[0]
    assert any("4 of 24 sequences have no label" in line for line in lines)
    assert "48×48 csv copy" in check_dataset("ckplus", csv_copy.parent)[0]


def test_check_tells_the_copies(folder_copy):
    assert check_dataset("ckplus", folder_copy.parent)[0].endswith("72 images of the 48×48 folder copy")
    (folder_copy / "CK+48").rename(folder_copy / "old")
    (folder_copy / "ckextended.csv").write_text("emotion,pixels,Usage\n9,1 2 3,Training\n")
    with pytest.raises(DataError, match="ckextended.csv, line 2: unknown emotion '9'"):
        check_dataset("ckplus", folder_copy.parent)
