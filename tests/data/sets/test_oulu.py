"""Oulu-CASIA as far as its layout is known: frames of sequences, cameras and lights, folds by subject."""

import functools

import pytest
from folds import assert_folds_are_of_people
from oulu_copies import CROPPED, FOLDERS, ORIGINAL, PEOPLE, gray, load, write, write_oulu

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "my dätä" / "oulu"
    write_oulu(root)
    (root / CROPPED / "P001" / "Thumbs.db").write_text("x")
    (root / CROPPED / "P001" / "Anger" / "._000.jpeg").write_text("x")
    (root / CROPPED / "notes").mkdir()
    return root


def test_last_three_frames_carry_the_label_and_the_first_is_neutral(home):
    ds = load(home)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert len(ds.table) == 12 * 6 * 4
    for row, of in ds.table.iterrows():
        person, folder, frame = of["name"].removesuffix(".jpeg").split("/")[-3:]
        assert frame == of["frame"]
        assert frame in ("000", "003", "004", "005")
        assert (of["subject"], of["sequence"]) == (person, folder.lower())
        assert of["emotion"] == ("neutral" if frame == "000" else folder.lower()) == ds.class_names[of["label"]]
        assert abs(int(ds.store.array[row].mean()) - gray(person, folder, int(frame))) <= 1
    assert "1 folders are not people like P001 and are not read, for example notes" in ds.notes
    assert ds.deviation == "this copy of Oulu-CASIA has 72 sequences of 12 people, not 480 of 80"


def test_without_neutral_there_are_the_six_classes_of_the_papers(home):
    ds = load(home, neutral=False)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    assert set(ds.table["frame"]) == {"003", "004", "005"}


def test_folds_cover_every_row_once_and_share_no_subject(home):
    assert_folds_are_of_people(functools.partial(load, home), PEOPLE)


def test_camera_light_and_form_choose_the_folder(home):
    write_oulu(home, ORIGINAL, brighter=9)
    write_oulu(home, "OriginalImg/NI/Dark", frames=2, brighter=4)
    cropped, whole = load(home), load(home, form="original")
    assert whole.store.array.mean() == pytest.approx(cropped.store.array.mean() + 9, abs=0.5)
    assert any("faces are not cropped" in note for note in whole.notes)
    dark = load(home, camera="infrared", light="dark")
    assert len(dark.table) == 12 * 6 * 2
    assert any("72 sequences have fewer than 4 frames" in note for note in dark.notes)
    with pytest.raises(MissingDataError, match="no folder NI_Acropped/Strong or NI/Strong .*visible strong cropped"):
        load(home, camera="infrared")
    with pytest.raises(InputError, match="light: .*'dim'"):
        load(home, light="dim")


def test_a_sequence_of_one_frame_is_the_expression(tmp_path):
    write_oulu(tmp_path / "oulu", people=PEOPLE[:10], frames=1)
    ds = load(tmp_path / "oulu")
    assert "neutral" not in set(ds.table["emotion"])
    assert len(ds.table) == 60


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("P001/Boredom/000.jpeg", "Boredom: unknown emotion 'Boredom'"),
        ("P001/Contempt/000.jpeg", "Contempt: Oulu-CASIA has no contempt"),
        ("P001/Anger/landmarks.txt", "landmarks.txt: not a picture"),
    ],
)
def test_folders_and_files_that_do_not_belong_there(home, place, message):
    write(home / CROPPED / place, 10)
    with pytest.raises(DataError, match=message):
        load(home)


def test_missing_and_too_few(tmp_path):
    with pytest.raises(MissingDataError, match="oulu: no folder VL_Acropped/Strong or VL/Strong .*found: nothing"):
        load_dataset("oulu", tmp_path)
    with pytest.raises(MissingDataError, match="oulu: .*How to get it"):
        check_dataset("oulu", tmp_path)
    write_oulu(tmp_path / "oulu", people=PEOPLE[:4])
    with pytest.raises(DataError, match="oulu: .*4 subjects are too few for 10 folds"):
        load(tmp_path / "oulu")


def test_published_counts_are_no_deviation(home, monkeypatch):
    from fer_tf.data.sets import oulu

    monkeypatch.setattr(oulu, "PEOPLE", 12)
    monkeypatch.setattr(oulu, "SEQUENCES", 12 * len(FOLDERS))
    assert load(home).deviation == ""


def test_check_says_what_is_there(home):
    lines = check_dataset("oulu", home.parent)
    assert "visible, strong light, cropped: sequences of 12 people (anger 12, disgust 12" in lines[0]
    assert any("not 480 of 80" in line for line in lines)
