"""DISFA in its publisher's layout: rules on action units, row by row, and frames that belong to their labels."""

import numpy as np
import pytest
from disfa_copies import FACES, WANTED, load, rows_of, write_labels, write_subject, write_video

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import stores
from fer_tf.data.sets import disfa
from fer_tf.data.sets.disfa_units import UNITS
from fer_tf.emotions import EMOTIONS


def test_frames_belong_to_their_labels(disfa_root):
    ds = load(disfa_root)
    assert ds.class_names == ("disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert ds.image_shape == (16, 16, 3)
    assert len(ds.table) == 6 * 18
    frames = ds.table["frame"].to_numpy()
    assert [ds.class_names[label] for label in ds.table["label"]] == [WANTED[(frame - 1) % 10] for frame in frames]
    pictures = ds.store.fetch(np.arange(len(frames))).mean(axis=(1, 2, 3))
    assert np.round((pictures - 8.5) / 8).astype(int).tolist() == (frames - 1).tolist()  # labels count from 1
    assert ds.table["time"].to_numpy() == pytest.approx((frames - 1) / 20)
    units = ds.table[[f"au{unit}" for unit in UNITS]].to_numpy()
    assert units.tolist() == rows_of([FACES[(frame - 1) % 10] for frame in frames]).tolist()
    assert ds.table["name"][1] == "LeftVideoSN001_comp.avi#2"


def test_every_frame_that_is_left_out_is_reported(disfa_root):
    notes = load(disfa_root).notes
    assert "18 of 180 frames dropped: they match two emotions' rules" in notes
    assert "18 of 180 frames dropped: they only show traces: no unit at 2 and not all at 0" in notes
    assert "36 of 180 frames dropped: they show units that match no emotion" in notes
    assert "neutral is 17% of the images: report balanced accuracy or macro F1 next to accuracy" in notes
    sparse = load(disfa_root, stride=10)
    assert sparse.table["frame"].tolist() == [1, 11, 21] * 6
    assert "162 of 180 labelled frames left out (stride=10)" in sparse.notes
    assert "classes without an image in train: disgust, fear" in sparse.notes[-1]


def test_anger_only_when_asked_for(disfa_root):
    assert not any("anger is among" in note for note in load(disfa_root).notes)
    ds = load(disfa_root, anger=True)
    assert ds.class_names == EMOTIONS[:7]
    assert ds.counts().loc["anger", "all"] == 18
    assert any("anger is among them" in note for note in ds.notes)


def test_people_stand_in_one_split_and_every_one_is_tested_once(disfa_root):
    tested = []
    for fold in range(3):
        people = load(disfa_root, fold=fold).table.groupby("split")["subject"].agg(set)
        assert people.map(len).to_dict() == {"train": 3, "val": 1, "test": 2}
        assert len(set.union(*people)) == 6
        tested += people["test"]
    assert len(set(tested)) == 6
    assert load(disfa_root).deviation == "this copy of DISFA has 6 people, not its 27"


def test_whole_set_has_the_usual_folds(tmp_path):
    disfa_root = tmp_path / "disfa"
    for subject in disfa.PUBLISHED:
        write_video(disfa_root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi", 2)
        write_labels(disfa_root, subject, FACES[:2])
    assert len(disfa.PUBLISHED) == 27
    ds = load(disfa_root, fold=1)
    people = ds.table.groupby("split")["subject"].agg(set)
    assert people["test"] == {f"SN{k:03d}" for k in (6, 11, 12, 13, 18, 21, 24, 28, 31)}
    assert len(people["val"]) == 3
    assert len(people["train"]) == 15
    assert ds.deviation == ""
    others = [load(disfa_root, seed=seed, fold=1).table.groupby("split")["subject"].agg(set) for seed in (1, 2, 3)]
    assert all(other["test"] == people["test"] for other in others)
    assert any(other["val"] != people["val"] for other in others)


def test_cameras_and_both_spellings_of_their_folders(disfa_root):
    for number in range(1, 7):
        write_subject(disfa_root, f"SN{number:03d}", camera="right")
    names = load(disfa_root, camera="right").table["name"]
    assert names.str.startswith("RightVideo").all()
    (disfa_root / "Videos_LeftCamera").rename(disfa_root / "Video_LeftCamera")
    video = disfa_root / "Video_LeftCamera" / "LeftVideoSN001_comp.avi"
    video.rename(video.with_name("LEFTVIDEOSN001_COMP.AVI"))
    assert load(disfa_root).table["name"][0] == "LEFTVIDEOSN001_COMP.AVI#1"
    (disfa_root / "Video_LeftCamera" / "LeftVideoSN001_comp.mp4").write_text("x")
    with pytest.raises(DataError, match="are both SN001's video"):
        load(disfa_root)


def test_video_shorter_than_its_labels(disfa_root):
    write_video(disfa_root / "Videos_LeftCamera" / "LeftVideoSN002_comp.avi", 13)
    ds = load(disfa_root)
    assert ds.table["frame"][ds.table["subject"] == "SN002"].tolist() == [1, 2, 3, 4, 5, 6, 11, 12, 13]
    assert (
        "9 of 18 labelled frames dropped: LeftVideoSN002_comp.avi ends before them or cannot be decoded there"
        in ds.notes
    )


def test_labels_shorter_than_their_video(disfa_root):
    write_labels(disfa_root, "SN002", FACES)
    ds = load(disfa_root)
    assert ds.table["frame"][ds.table["subject"] == "SN002"].tolist() == [1, 2, 3, 4, 5, 6]


def test_frames_whose_time_belongs_to_another_number_are_reported():
    found = {"index": np.arange(5), "time": np.array([0, 0.05, 0.1, 0.25, 0.3]), "fps": np.array([20.0])}
    (note,) = disfa._faults("x.avi", 5, found)
    assert note == "x.avi: 2 frames have times that do not fit their number; their labels may belong to other frames"
    assert disfa._faults("x.avi", 5, {**found, "time": np.arange(5) / 20 + 0.1}) == []


def test_decoded_frames_are_kept_until_the_video_changes(disfa_root, monkeypatch):
    calls = []
    read = disfa.read_frames

    def counting(path, **choice):
        calls.append(path.name)
        return read(path, **choice)

    monkeypatch.setattr(disfa, "read_frames", counting)
    first, again = load(disfa_root), load(disfa_root)
    assert len(calls) == 6
    assert np.array_equal(first.store.array, again.store.array)
    assert first.fingerprint() == again.fingerprint()
    assert len(load(disfa_root, image_size=20, image_channels=1).store.array) == 108
    assert len(calls) == 12
    write_video(disfa_root / "Videos_LeftCamera" / "LeftVideoSN003_comp.avi", 29)
    load(disfa_root)
    assert calls[12:] == ["LeftVideoSN003_comp.avi"]


def test_what_is_missing_is_named_with_how_to_get_it(disfa_root, tmp_path):
    with pytest.raises(MissingDataError, match="there is no ActionUnit_Labels/SN001 .*How to get it: https://mohammad"):
        load(tmp_path / "nothing" / "disfa")
    with pytest.raises(MissingDataError, match="there is no RightVideoSN001_comp.avi and so on"):
        load(disfa_root, camera="right")
    unit = disfa_root / "ActionUnit_Labels" / "SN005" / "SN005_au9.txt"
    unit.rename(disfa_root / "away.txt")
    with pytest.raises(MissingDataError, match=r"SN005_au9.txt is not there. How to get it"):
        load(disfa_root)
    (disfa_root / "away.txt").rename(unit)
    video = disfa_root / "Videos_LeftCamera" / "LeftVideoSN005_comp.avi"
    video.rename(disfa_root / "away.avi")
    with pytest.raises(MissingDataError, match="LeftVideoSN005_comp.avi is not there, though .*SN005 is"):
        load(disfa_root)
    write_video(disfa_root / "Videos_LeftCamera" / "LeftVideoSN007_comp.avi", 2)
    (disfa_root / "away.avi").rename(video)
    with pytest.raises(MissingDataError, match="SN007 is not there, though .*LeftVideoSN007_comp.avi is"):
        load(disfa_root)
    assert disfa.check(disfa_root)[1:] == [
        "left camera: 7 videos; video but no labels: SN007",
        "right camera: 0 videos",
    ]


def test_check_tells_label_files_of_another_layout(disfa_root):
    unit = disfa_root / "ActionUnit_Labels" / "SN001" / "SN001_au4.txt"
    lines = unit.read_text()
    unit.write_text("frame,intensity\n" + lines)
    with pytest.raises(DataError, match="SN001_au4.txt, line 1: must be frame 1 and its intensity"):
        disfa.check(disfa_root)
    unit.write_text(lines)
    (disfa_root / "ActionUnit_Labels" / "SN006" / "SN006_au26.txt").unlink()
    with pytest.raises(MissingDataError, match="SN006_au26.txt is not there"):
        disfa.check(disfa_root)


def test_broken_video_is_named(disfa_root, capfd):
    (disfa_root / "Videos_LeftCamera" / "LeftVideoSN005_comp.avi").write_text("no film")
    with pytest.raises(DataError, match="LeftVideoSN005_comp.avi: cannot be read as a video"):
        load(disfa_root)
    assert capfd.readouterr().err == ""


def test_too_few_people_and_no_emotion_at_all(tmp_path):
    for subject in ("SN001", "SN002"):
        write_subject(tmp_path / "disfa", subject)
    with pytest.raises(DataError, match="2 people cannot be split by subject; three or more are needed"):
        load(tmp_path / "disfa")
    for subject in ("SN001", "SN002"):
        write_labels(tmp_path / "disfa", subject, [{25: 3}] * 4)
    with pytest.raises(DataError, match="no frame of 2 people matches the rule of an emotion"):
        load(tmp_path / "disfa")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"camera": "middle"}, "camera: allowed are left, right; received 'middle'"),
        ({"fold": 3}, "fold: must be a number >= 0 and <= 2; received 3"),
        ({"stride": 0}, "stride: must be a number >= 1; received 0"),
        ({"anger": "yes"}, "anger: allowed are True, False; received 'yes'"),
        ({"image_size": 4}, "image_size: must be a number >= 8"),
        ({"image_channels": 2}, "image_channels: allowed are 1, 3"),
    ],
)
def test_wrong_options(disfa_root, options, message):
    with pytest.raises(InputError, match=message):
        load(disfa_root, **options)


def test_more_than_memory_holds_is_refused_before_anything_is_decoded(disfa_root, monkeypatch):
    monkeypatch.setattr(disfa, "MEMORY_LIMIT", 10_000)
    monkeypatch.setattr(disfa, "read_frames", None)
    with pytest.raises(InputError, match="stride, image_size: 108 frames of 16×16×3 take .* take a larger stride"):
        load(disfa_root)
    assert stores.MEMORY_LIMIT > 10_000


def test_spec_offers_what_load_takes():
    assert disfa.SPEC.options == {
        "camera": "left",
        "fold": 0,
        "stride": 10,
        "anger": False,
        "image_size": 96,
        "image_channels": 3,
        "targets": "expression",
    }
    assert all(part in disfa.SPEC.how_to_get for part in ("{root}", "https://"))


def test_action_units_as_second_output(disfa_root):
    """Intensities 0..5 become 0..1; a unit is present from 2 of 5 on, as in the rules for emotions."""
    ds = load(disfa_root, targets="expression+action_units")
    assert ds.second == ("action_units", tuple(f"AU{unit}" for unit in UNITS), 0.4)
    frames = ds.table["frame"].to_numpy()[ds.test.rows]
    expected = rows_of([FACES[(frame - 1) % 10] for frame in frames]) / 5
    np.testing.assert_allclose(ds.test.values, expected, atol=1e-6)
    assert ds.table["au12"].max() == 5, "the files' own intensities stay in the table"
    with pytest.raises(InputError, match="targets: allowed are expression, expression"):
        load(disfa_root, targets="expression+valence_arousal")
