"""The forms of CK+: its sequences, crops and labels, and what is broken in them."""

import numpy as np
import pytest
from ckplus_copies import HEIGHT, WANTED, WIDTH, code_of, load, value, write_frame

from fer_tf.common.checks import DataError, MissingDataError
from fer_tf.data.sets.ckplus_forms import cut


def write_landmarks(root):
    for path in list((root / "cohn-kanade-images").rglob("S*.[pP]*")):
        place = np.linspace(0, 1, 68)
        points = np.stack([20 + 29 * place, 35 + 19 * place], axis=1)  # x 20..49, y 35..54
        target = root / "Landmarks" / path.parent.relative_to(root / "cohn-kanade-images")
        target.mkdir(parents=True, exist_ok=True)
        np.savetxt(target / f"{path.stem}_landmarks.txt", points, fmt="   %.7e")


def emotion_file(root, subject="S005", sequence=1):
    return next((root / "Emotion" / subject / f"{sequence:03d}").glob("S*_emotion.txt"))


def test_crops(ckplus_home):
    whole = load(ckplus_home)
    assert any("no Landmarks folder" in note for note in whole.notes)
    assert (whole.store.array[0] > value("S005", 0, 1) / 2).mean() == pytest.approx(900 / (HEIGHT * WIDTH), abs=0.03)
    with pytest.raises(MissingDataError, match="crop='landmarks' needs .*Landmarks, the folder of Landmarks.zip"):
        load(ckplus_home, crop="landmarks")
    write_landmarks(ckplus_home)
    near = load(ckplus_home, image_size=40, image_channels=3)
    assert near.image_shape == (40, 40, 3)
    assert not any("Landmarks" in note for note in near.notes)
    # the box is 29 × 1.4 = 41 px wide around (34.5, 44.5): the face of 30 × 30 fills its middle
    assert (near.store.array[0, ..., 0] > value("S005", 0, 1) / 2).mean() == pytest.approx(900 / 41**2, abs=0.03)
    face = near.store.array[0, 20, 20]
    assert face.tolist() == [value("S005", 0, 1)] * 3
    assert near.fingerprint() != load(ckplus_home, crop="none", image_size=40, image_channels=3).fingerprint()


def test_a_crop_beyond_the_picture_repeats_its_edge():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    np.testing.assert_array_equal(cut(pixels, (1, 0, 2))[..., 0], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(cut(pixels, (-1, 2, 2))[..., 0], [[8, 8], [8, 8]])


def test_landmarks_that_lack_or_are_broken(ckplus_home):
    write_landmarks(ckplus_home)
    broken = next((ckplus_home / "Landmarks" / "S005" / "001").glob("*_00000005_*"))
    broken.write_text("1 2\n3 4\n")
    with pytest.raises(DataError, match=r"S005_001_00000005_landmarks.txt: must hold 68 lines of x y"):
        load(ckplus_home)
    broken.write_text("x y\n")
    with pytest.raises(DataError, match=r"S005_001_00000005_landmarks.txt: is not a list of points"):
        load(ckplus_home)
    broken.unlink()
    with pytest.raises(MissingDataError, match=r"there is no .*S005_001_00000005_landmarks.txt \(1 are missing\)"):
        load(ckplus_home)
    assert len(load(ckplus_home, crop="none").table) == 80


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
def test_broken_emotion_file(ckplus_home, text, message):
    emotion_file(ckplus_home).write_text(text)
    with pytest.raises(DataError, match=rf"S005_001_00000006_emotion.txt: {message}"):
        load(ckplus_home)


def test_a_code_of_zero_is_a_neutral_peak(ckplus_home):
    emotion_file(ckplus_home).write_text("   0.0000000e+00\n")
    of = load(ckplus_home).table.query("subject == 'S005' and sequence == '001'")
    assert list(of["emotion"]) == ["neutral"] * 4


def test_two_labels_of_a_sequence(ckplus_home):
    (emotion_file(ckplus_home).parent / "S005_001_00000004_emotion.txt").write_text("3.0")
    with pytest.raises(DataError, match="a second label for the sequence of S005_001_00000004"):
        load(ckplus_home)


def test_a_label_outside_a_sequences_folder(ckplus_home):
    (ckplus_home / "Emotion" / "S005_001_00000004_emotion.txt").write_text("3.0")
    with pytest.raises(DataError, match="S005_001_00000004_emotion.txt: must be in a folder like .*001"):
        load(ckplus_home)


@pytest.mark.parametrize("whole", [True, False])
def test_a_labelled_sequence_without_its_pictures(ckplus_home, whole):
    folder = ckplus_home / "cohn-kanade-images" / "S022" / "001"
    for path in folder.glob("S*" if whole else "S*6.png"):
        path.unlink()
    with pytest.raises(MissingDataError, match=r"there is no .*S022_001_00000006.png, though .*S022_001.*labels it"):
        load(ckplus_home)


def test_short_sequences_give_what_they_have(ckplus_home):
    folder = ckplus_home / "cohn-kanade-images" / "S005"
    for frame in (1, 2, 3, 5):
        (folder / "001" / f"S005_001_{frame:08d}.png").unlink()
    for frame in range(1, 6):
        (folder / "002" / f"S005_002_{frame:08d}.png").unlink()
    ds = load(ckplus_home)
    of = ds.table.query("subject == 'S005'")
    assert list(of["sequence"]) == ["001", "001", "002"]
    assert list(of["emotion"]) == ["neutral", WANTED[code_of("S005", 0)], WANTED[code_of("S005", 1)]]
    assert any(note.startswith("2 labelled sequences have fewer than 4 frames") for note in ds.notes)


def test_frames_after_the_labelled_one_are_reported(ckplus_home):
    write_frame(ckplus_home / "cohn-kanade-images" / "S005" / "001" / "S005_001_00000007.png", 99)
    ds = load(ckplus_home)
    assert list(ds.table["frame"][:4]) == ["00000001", "00000005", "00000006", "00000007"]
    assert any(note.startswith("1 sequences continue after the labelled frame") for note in ds.notes)


def test_archives_unpacked_into_folders_of_their_own(ckplus_home):
    for archive, folder in (("Emotion_labels", "Emotion"), ("extended-cohn-kanade-images", "cohn-kanade-images")):
        (ckplus_home / archive).mkdir()
        (ckplus_home / folder).rename(ckplus_home / archive / folder)
        (ckplus_home / "__MACOSX" / folder).mkdir(parents=True)
    assert len(load(ckplus_home).table) == 80
