"""KDEF in its publisher's layout: names, angles, folds in which both sessions of a person stay together."""

import functools

import pytest
from folds import assert_folds_are_of_people
from kdef_copies import CODES, PEOPLE, gray, load, write, write_kdef

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "my dätä" / "kdef"
    write_kdef(root)
    write(root / "KDEF_and_AKDEF" / "AKDEF" / "FAFS.JPG", 100)  # an average of all faces
    write(root / "KDEF_and_AKDEF" / "KDEF" / "AF06" / "AF31V.JPG", 100)  # a damaged name, as published
    (root / "KDEF_and_AKDEF" / "ReadThis.txt").write_text("x")
    (root / "KDEF_and_AKDEF" / "KDEF" / "Thumbs.db").write_text("x")
    return root


def test_labels_people_and_pixels(home):
    ds = load(home, image_size=28)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert len(ds.table) == 12 * 2 * 7
    for row, of in ds.table.iterrows():
        name = of["name"].rsplit("/", 1)[1]
        session, person, code = name[0], name[1:4], name[4:6]
        assert (of["session"], of["subject"], of["angle"]) == (session, person, "straight")
        assert of["emotion"] == CODES[code] == ds.class_names[of["label"]]
        assert abs(int(ds.store.array[row, 14, 14, 0]) - gray(session, person, code)) <= 2
    assert any("2 pictures without a name like AF01ANS.JPG are left out" in note for note in ds.notes)
    assert ds.deviation == "this copy of KDEF has 336 pictures of 12 people, not 4,900 of 70"


def test_both_sessions_of_a_person_are_in_one_split(home):
    assert_folds_are_of_people(functools.partial(load, home), PEOPLE)


def test_random_says_that_people_are_in_every_split(home):
    ds = load(home, "random")
    assert (ds.table.groupby("subject")["split"].nunique() > 1).any()
    assert "each person is in every split: scores are much higher than on new faces" in ds.notes
    with pytest.raises(InputError, match="fold: only the protocol subject has folds; received 2"):
        load(home, "random", fold=2)


def test_views_choose_the_angles(home):
    assert len(load(home, views="half").table) == len(load(home, views="all").table) == 336
    assert set(load(home, views="half").table["angle"]) == {"straight", "half left"}
    write(home / "AF01ANFL.JPG", 50)
    assert len(load(home, views="half").table) == 336
    assert len(load(home, views="all").table) == 337


def test_the_middle_is_cut_out(home):
    whole, face = (load(home, crop=crop, image_size=28).store.array[0] for crop in ("none", "center"))
    assert (whole[:2] < 10).all()
    assert (face > 20).mean() == pytest.approx(20 * 20 / 28**2, abs=0.02)
    assert (whole > 20).mean() < (face > 20).mean()


def test_black_pictures_are_left_out(home):
    write(home / "KDEF_and_AKDEF" / "KDEF" / "AF01" / "AF01ANS.JPG", 5)
    ds = load(home)
    assert len(ds.table) == len(ds.store.array) == 12 * 2 * 7 - 1
    assert any("1 pictures show nothing and are left out, for example" in note for note in ds.notes)


def test_published_counts_are_no_deviation(home, monkeypatch):
    from fer_tf.data.sets import kdef

    monkeypatch.setattr(kdef, "PUBLISHED", 340)  # the damaged names of a few published files
    monkeypatch.setattr(kdef, "PEOPLE", 12)
    assert load(home).deviation == ""


def test_missing_doubled_and_too_few(tmp_path):
    with pytest.raises(MissingDataError, match="kdef: no picture like AF01ANS.JPG .*no picture.*https://kdef.se"):
        load_dataset("kdef", tmp_path)
    root = tmp_path / "kdef"
    write(root / "anger" / "me.jpg", 50)
    with pytest.raises(MissingDataError, match="1 pictures have other names, such as me.jpg"):
        load(root)
    write_kdef(root, angles=("S",), people=PEOPLE[:3], codes=("AN",))
    with pytest.raises(DataError, match="kdef subject: 3 subjects are too few for 10 folds"):
        load(root)
    with pytest.raises(InputError, match="views: .*'front'"):
        load(root, views="front")
    write(root / "again" / "af01ans.jpg", 50)
    with pytest.raises(DataError, match="AF01ANS.JPG: the same picture as|af01ans.jpg: the same picture as"):
        load(root)


def test_a_copy_without_the_wanted_angle(tmp_path):
    write_kdef(tmp_path / "kdef", angles=("HL",), people=PEOPLE[:1], codes=("AN",))
    with pytest.raises(DataError, match="has no picture of the angles straight; views: straight"):
        load(tmp_path / "kdef")


def test_check_says_what_is_there(home):
    lines = check_dataset("kdef", home.parent)
    assert "336 pictures of 12 people (anger 48, disgust 48" in lines[0]
    assert lines[1] == "angles: full left 0, half left 168, straight 168, half right 0, full right 0"
    assert any("not 4,900 of 70" in line for line in lines)
