"""DISFA's label files, and the emotions that follow from action units."""

import numpy as np
import pytest
from disfa_copies import FACES, WANTED, load, rows_of

from fer_tf.common.checks import DataError, InputError
from fer_tf.data.sets.disfa_units import UNITS, emotions_of
from fer_tf.emotions import EMOTIONS


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
def test_broken_label_files(disfa_root, old, new, message):
    path = disfa_root / "ActionUnit_Labels" / "SN004" / "SN004_au12.txt"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rf"SN004_au12.txt.*{message.split('au12.txt')[-1]}"):
        load(disfa_root)


def test_label_files_of_other_systems(disfa_root):
    path = disfa_root / "ActionUnit_Labels" / "SN004" / "SN004_au12.txt"
    before = load(disfa_root).table
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace(",", ", ").replace("\n", "\r\n").encode() + b"\r\n")
    assert load(disfa_root).table.equals(before)
    path.write_text("")
    with pytest.raises(DataError, match="SN004_au12.txt: is empty"):
        load(disfa_root)
