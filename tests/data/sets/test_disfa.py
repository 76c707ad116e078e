"""DISFA in its publisher's layout: rules on action units, row by row, and frames that belong to their labels."""

import cv2
import numpy as np
import pytest

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import load_dataset, stores
from fer_tf.data.sets import disfa
from fer_tf.data.sets.disfa_units import UNITS, emotions_of
from fer_tf.emotions import EMOTIONS

FRAMES = 30
# The units of each frame, in turn; every row of ten has five emotions (and neutral), a trace and two that are dropped
FACES = [
    {},
    {6: 2, 12: 5, 25: 3},
    {1: 2, 2: 2, 5: 2, 26: 2},
    {1: 3, 2: 3, 4: 3, 20: 2},
    {1: 2, 4: 2, 15: 2},
    {9: 3, 17: 2},
    {12: 1},
    {1: 2, 2: 2, 4: 2, 5: 2, 25: 2},
    {4: 2, 5: 2, 17: 2},
    {25: 4},
]
WANTED = ["neutral", "happiness", "surprise", "fear", "sadness", "disgust", None, None, None, None]


def rows_of(faces):
    return np.array([[face.get(unit, 0) for unit in UNITS] for face in faces])


def write_video(path, frames):
    """Frame k (from 0) has brightness 10 + 8 k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 10 + 8 * index, np.uint8))
    writer.release()


def write_labels(root, subject, faces):
    folder = root / "ActionUnit_Labels" / subject
    folder.mkdir(parents=True, exist_ok=True)
    for unit, column in zip(UNITS, rows_of(faces).T, strict=True):
        lines = [f"{frame},{value}" for frame, value in enumerate(column, start=1)]
        (folder / f"{subject}_au{unit}.txt").write_text("\n".join(lines) + "\n")


def write_subject(root, subject, frames=FRAMES, camera="left"):
    folder = "Videos_LeftCamera" if camera == "left" else "Video_RightCamera"
    write_video(root / folder / f"{camera.title()}Video{subject}_comp.avi", frames)
    write_labels(root, subject, [FACES[frame % 10] for frame in range(FRAMES)])


@pytest.fixture
def root(tmp_path):
    """Six people of 30 frames, in a folder of another script, with the litter that systems leave."""
    root = tmp_path / "données 数据" / "disfa"
    for number in range(1, 7):
        write_subject(root, f"SN{number:03d}")
    for place in ("Videos_LeftCamera/Thumbs.db", "Videos_LeftCamera/._LeftVideoSN001_comp.avi"):
        (root / place).write_text("x")
    (root / "Videos_LeftCamera" / "readme.txt").write_text("x")
    (root / "ActionUnit_Labels" / ".DS_Store").write_text("x")
    (root / "ActionUnit_Labels" / "SN001" / "Thumbs.db").write_text("x")
    return root


def load(root, seed=0, **options):
    return load_dataset("disfa", root.parent, seed=seed, **{"stride": 1, "image_size": 16, **options})


@pytest.mark.parametrize(
    ("face", "emotion", "with_anger"),
    [
        ({}, "neutral", "neutral"),
        ({6: 2, 12: 2}, "happiness", "happiness"),
        ({6: 5, 12: 5, 25: 5, 26: 3}, "happiness", "happiness"),
        ({6: 2, 12: 1}, None, None),
        ({12: 5}, None, None),
        ({6: 2, 9: 2, 12: 2}, "happiness", "happiness"),
        ({1: 2, 2: 2, 5: 2, 25: 2}, "surprise", "surprise"),
        ({1: 2, 2: 2, 5: 2, 26: 2}, "surprise", "surprise"),
        ({1: 2, 2: 2, 5: 2}, None, None),
        ({1: 2, 2: 2, 5: 1, 26: 2}, None, None),
        ({1: 2, 2: 2, 4: 2, 5: 2}, "fear", "fear"),
        ({1: 2, 2: 2, 4: 2, 20: 2}, "fear", "fear"),
        ({1: 2, 2: 2, 4: 2}, None, None),
        ({1: 2, 2: 2, 4: 2, 5: 2, 25: 2}, None, None),  # fear and surprise
        ({1: 2, 2: 2, 4: 2, 20: 2, 15: 2}, None, None),  # fear and sadness
        ({1: 2, 4: 2, 15: 2}, "sadness", "sadness"),
        ({1: 2, 4: 2, 17: 2}, "sadness", "sadness"),
        ({1: 2, 4: 2}, None, None),
        ({1: 2, 4: 2, 17: 2, 6: 2, 12: 2}, None, None),  # sadness and happiness
        ({9: 2}, "disgust", "disgust"),
        ({9: 2, 4: 2}, "disgust", "disgust"),
        ({9: 2, 17: 2}, "disgust", "disgust"),
        ({9: 2, 4: 2, 17: 5, 25: 1}, "disgust", "disgust"),
        ({9: 2, 25: 2}, None, None),
        ({9: 1, 4: 2, 17: 2}, None, None),
        ({4: 2, 5: 2, 17: 2}, None, "anger"),
        ({4: 2, 5: 2}, None, None),
        ({1: 2, 4: 2, 5: 2, 17: 2}, "sadness", None),  # with anger: two
        (dict.fromkeys(UNITS, 1), None, None),
        (dict.fromkeys(UNITS, 5), None, None),
        ({20: 1}, None, None),
    ],
)
def test_rules(face, emotion, with_anger):
    for anger, wanted in ((False, emotion), (True, with_anger)):
        codes, counts = emotions_of(rows_of([face]), anger)
        assert codes.tolist() == [EMOTIONS.index(wanted) if wanted else -1]
        assert sum(counts.values()) == (wanted is None)


def test_rules_take_many_frames_and_say_why_they_drop():
    codes, counts = emotions_of(rows_of(FACES * 3))
    assert codes.tolist() == [EMOTIONS.index(name) if name else -1 for name in WANTED] * 3
    assert counts == {"two_rules": 3, "trace": 3, "no_rule": 6}
    codes, counts = emotions_of(rows_of(FACES), anger=True)
    assert codes[8] == 0
    assert counts == {"two_rules": 1, "trace": 1, "no_rule": 1}
    codes, counts = emotions_of(np.zeros((0, 12), int))
    assert len(codes) == 0
    assert counts == {"two_rules": 0, "trace": 0, "no_rule": 0}
    with pytest.raises(InputError, match=r"units: must be \[N, 12\].* received shape \(3, 11\)"):
        emotions_of(np.zeros((3, 11)))


def test_frames_belong_to_their_labels(root):
    ds = load(root)
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


def test_every_frame_that_is_left_out_is_reported(root):
    notes = load(root).notes
    assert "18 of 180 frames dropped: they match two emotions' rules" in notes
    assert "18 of 180 frames dropped: they only show traces: no unit at 2 and not all at 0" in notes
    assert "36 of 180 frames dropped: they show units that match no emotion" in notes
    assert "neutral is 17% of the images: report balanced accuracy or macro F1 next to accuracy" in notes
    sparse = load(root, stride=10)
    assert sparse.table["frame"].tolist() == [1, 11, 21] * 6
    assert "162 of 180 labelled frames left out (stride=10)" in sparse.notes
    assert "classes without an image in train: disgust, fear" in sparse.notes[-1]


def test_anger_only_when_asked_for(root):
    assert not any("anger is among" in note for note in load(root).notes)
    ds = load(root, anger=True)
    assert ds.class_names == EMOTIONS[:7]
    assert ds.counts().loc["anger", "all"] == 18
    assert any("anger is among them" in note for note in ds.notes)


def test_people_stand_in_one_split_and_every_one_is_tested_once(root):
    tested = []
    for fold in range(3):
        people = load(root, fold=fold).table.groupby("split")["subject"].agg(set)
        assert people.map(len).to_dict() == {"train": 3, "val": 1, "test": 2}
        assert len(set.union(*people)) == 6
        tested += people["test"]
    assert len(set(tested)) == 6
    assert load(root).deviation == "this copy of DISFA has 6 people, not its 27"


def test_whole_set_has_the_usual_folds(tmp_path):
    root = tmp_path / "disfa"
    for subject in disfa.PUBLISHED:
        write_video(root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi", 2)
        write_labels(root, subject, FACES[:2])
    assert len(disfa.PUBLISHED) == 27
    ds = load(root, fold=1)
    people = ds.table.groupby("split")["subject"].agg(set)
    assert people["test"] == {f"SN{k:03d}" for k in (6, 11, 12, 13, 18, 21, 24, 28, 31)}
    assert len(people["val"]) == 3
    assert len(people["train"]) == 15
    assert ds.deviation == ""
    others = [load(root, seed=seed, fold=1).table.groupby("split")["subject"].agg(set) for seed in (1, 2, 3)]
    assert all(other["test"] == people["test"] for other in others)
    assert any(other["val"] != people["val"] for other in others)


def test_cameras_and_both_spellings_of_their_folders(root):
    for number in range(1, 7):
        write_subject(root, f"SN{number:03d}", camera="right")
    names = load(root, camera="right").table["name"]
    assert names.str.startswith("RightVideo").all()
    (root / "Videos_LeftCamera").rename(root / "Video_LeftCamera")
    video = root / "Video_LeftCamera" / "LeftVideoSN001_comp.avi"
    video.rename(video.with_name("LEFTVIDEOSN001_COMP.AVI"))
    assert load(root).table["name"][0] == "LEFTVIDEOSN001_COMP.AVI#1"
    (root / "Video_LeftCamera" / "LeftVideoSN001_comp.mp4").write_text("x")
    with pytest.raises(DataError, match="are both SN001's video"):
        load(root)


def test_video_shorter_than_its_labels(root):
    write_video(root / "Videos_LeftCamera" / "LeftVideoSN002_comp.avi", 13)
    ds = load(root)
    assert ds.table["frame"][ds.table["subject"] == "SN002"].tolist() == [1, 2, 3, 4, 5, 6, 11, 12, 13]
    assert (
        "9 of 18 labelled frames dropped: LeftVideoSN002_comp.avi ends before them or cannot be decoded there"
        in ds.notes
    )


def test_labels_shorter_than_their_video(root):
    write_labels(root, "SN002", FACES)
    ds = load(root)
    assert ds.table["frame"][ds.table["subject"] == "SN002"].tolist() == [1, 2, 3, 4, 5, 6]


def test_frames_whose_time_belongs_to_another_number_are_reported():
    found = {"index": np.arange(5), "time": np.array([0, 0.05, 0.1, 0.25, 0.3]), "fps": np.array([20.0])}
    (note,) = disfa._faults("x.avi", 5, found)
    assert note == "x.avi: 2 frames have times that do not fit their number; their labels may belong to other frames"
    assert disfa._faults("x.avi", 5, {**found, "time": np.arange(5) / 20 + 0.1}) == []


def test_decoded_frames_are_kept_until_the_video_changes(root, monkeypatch):
    calls = []
    read = disfa.read_frames

    def counting(path, **choice):
        calls.append(path.name)
        return read(path, **choice)

    monkeypatch.setattr(disfa, "read_frames", counting)
    first, again = load(root), load(root)
    assert len(calls) == 6
    assert np.array_equal(first.store.array, again.store.array)
    assert first.fingerprint() == again.fingerprint()
    assert len(load(root, image_size=20, image_channels=1).store.array) == 108
    assert len(calls) == 12
    write_video(root / "Videos_LeftCamera" / "LeftVideoSN003_comp.avi", 29)
    load(root)
    assert calls[12:] == ["LeftVideoSN003_comp.avi"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7,1", "7,6", "line 7: unknown intensity '6'; allowed are 0..5"),
        ("7,1", "7,", "line 7: unknown intensity ''"),
        ("7,1", "8,1", "line 7: must be frame 7 and its intensity; received '8,1'"),
        ("7,1\n", "", "line 7: must be frame 7 and its intensity; received '8,0'"),
        ("7,1", "seven", "line 7: must be frame 7 and its intensity; received 'seven'"),
        ("1,0", "0,0", "line 1: must be frame 1 and its intensity; received '0,0'"),
        ("30,0\n", "", "au12.txt: labels 29 frames, but SN004_au1.txt 30"),
    ],
)
def test_broken_label_files(root, old, new, message):
    path = root / "ActionUnit_Labels" / "SN004" / "SN004_au12.txt"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rf"SN004_au12.txt.*{message.split('au12.txt')[-1]}"):
        load(root)


def test_label_files_of_other_systems(root):
    path = root / "ActionUnit_Labels" / "SN004" / "SN004_au12.txt"
    before = load(root).table
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace(",", ", ").replace("\n", "\r\n").encode() + b"\r\n")
    assert load(root).table.equals(before)
    path.write_text("")
    with pytest.raises(DataError, match="SN004_au12.txt: is empty"):
        load(root)


def test_what_is_missing_is_named_with_how_to_get_it(root, tmp_path):
    with pytest.raises(MissingDataError, match="there is no ActionUnit_Labels/SN001 .*How to get it: https://mohammad"):
        load(tmp_path / "nothing" / "disfa")
    with pytest.raises(MissingDataError, match="there is no RightVideoSN001_comp.avi and so on"):
        load(root, camera="right")
    unit = root / "ActionUnit_Labels" / "SN005" / "SN005_au9.txt"
    unit.rename(root / "away.txt")
    with pytest.raises(MissingDataError, match=r"SN005_au9.txt is not there. How to get it"):
        load(root)
    (root / "away.txt").rename(unit)
    video = root / "Videos_LeftCamera" / "LeftVideoSN005_comp.avi"
    video.rename(root / "away.avi")
    with pytest.raises(MissingDataError, match="LeftVideoSN005_comp.avi is not there, though .*SN005 is"):
        load(root)
    write_video(root / "Videos_LeftCamera" / "LeftVideoSN007_comp.avi", 2)
    (root / "away.avi").rename(video)
    with pytest.raises(MissingDataError, match="SN007 is not there, though .*LeftVideoSN007_comp.avi is"):
        load(root)
    assert disfa.check(root)[1:] == [
        "left camera: 7 videos; video but no labels: SN007",
        "right camera: 0 videos",
    ]


def test_check_tells_label_files_of_another_layout(root):
    unit = root / "ActionUnit_Labels" / "SN001" / "SN001_au4.txt"
    lines = unit.read_text()
    unit.write_text("frame,intensity\n" + lines)
    with pytest.raises(DataError, match="SN001_au4.txt, line 1: must be frame 1 and its intensity"):
        disfa.check(root)
    unit.write_text(lines)
    (root / "ActionUnit_Labels" / "SN006" / "SN006_au26.txt").unlink()
    with pytest.raises(MissingDataError, match="SN006_au26.txt is not there"):
        disfa.check(root)


def test_broken_video_is_named(root, capfd):
    (root / "Videos_LeftCamera" / "LeftVideoSN005_comp.avi").write_text("no film")
    with pytest.raises(DataError, match="LeftVideoSN005_comp.avi: cannot be read as a video"):
        load(root)
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
def test_wrong_options(root, options, message):
    with pytest.raises(InputError, match=message):
        load(root, **options)


def test_more_than_memory_holds_is_refused_before_anything_is_decoded(root, monkeypatch):
    monkeypatch.setattr(disfa, "MEMORY_LIMIT", 10_000)
    monkeypatch.setattr(disfa, "read_frames", None)
    with pytest.raises(InputError, match="stride, image_size: 108 frames of 16×16×3 take .* take a larger stride"):
        load(root)
    assert stores.MEMORY_LIMIT > 10_000


def test_spec_offers_what_load_takes():
    assert disfa.SPEC.options == {
        "camera": "left",
        "fold": 0,
        "stride": 10,
        "anger": False,
        "image_size": 96,
        "image_channels": 3,
    }
    assert all(spec in disfa.SPEC.how_to_get for spec in ("{root}", "https://"))
