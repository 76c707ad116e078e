"""Action units: what each of them moves in a face."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces import ACTION_UNITS, PROTOTYPES
from fer_tf.data.drawn_faces.geometry import MODEL, TRAIT_NAMES, face_points, side_strengths
from fer_tf.emotions import EMOTIONS


def points(**units):
    """Control points of the mean face by curve name, its action units as given."""
    strengths = np.array([[units.get(unit, 0.0) for unit in ACTION_UNITS]])
    moved = face_points(np.zeros((1, len(TRAIT_NAMES))), side_strengths(strengths))[0]
    return {name: moved[span] for name, span in MODEL.spans.items()}


def face_of(emotion):
    return points(**PROTOTYPES[emotion])


def test_mouth_corners_rise_in_happiness_and_fall_in_sadness():
    heights = {emotion: -face_of(emotion)["lip_up"][[0, -1], 1] for emotion in ("happiness", "neutral", "sadness")}
    assert (heights["happiness"] > heights["neutral"] + 0.08).all()
    assert (heights["sadness"] < heights["neutral"] - 0.08).all()


def test_contempt_lifts_one_corner_only():
    rise = face_of("neutral")["lip_up"][[0, -1], 1] - face_of("contempt")["lip_up"][[0, -1], 1]
    assert rise[0] == pytest.approx(0)
    assert rise[1] > 0.1  # the person's left is the picture's right


def test_surprise_and_fear_open_the_mouth_and_fear_widens_it():
    def opening(emotion):
        face = face_of(emotion)
        width = face["lip_up"][-1, 0] - face["lip_up"][0, 0]
        return face["lip_low"][3, 1] - face["lip_up"][3, 1], width

    (gap_s, width_s), (gap_f, width_f), (gap_n, _) = map(opening, ("surprise", "fear", "neutral"))
    assert gap_s > gap_f > gap_n + 0.08
    assert width_f > 1.3 * width_s


def test_brows_rise_in_surprise_knit_in_anger_and_slant_in_sadness():
    brow = {emotion: face_of(emotion)["brow_top.L"] for emotion in EMOTIONS}
    assert (brow["surprise"][:, 1] < brow["neutral"][:, 1] - 0.08).all()
    assert brow["anger"][0, 1] > brow["neutral"][0, 1] + 0.08
    assert brow["anger"][0, 0] < brow["neutral"][0, 0] - 0.04
    slant = {e: brow[e][3, 1] - brow[e][0, 1] for e in ("sadness", "neutral", "anger")}
    assert slant["sadness"] > slant["neutral"] + 0.1 > slant["anger"] + 0.15


def test_eyes_widen_in_fear_and_narrow_in_happiness():
    def opening(emotion):
        face = face_of(emotion)
        return (face["lid_low.R"] - face["lid_up.R"])[2, 1]

    assert opening("fear") > 1.3 * opening("neutral") > 1.5 * opening("happiness") > 0


def test_disgust_lifts_the_nose_and_the_upper_lip():
    lifted = points(AU9=1.0)
    rest = points()
    for curve in ("nostril.L", "ala.R", "lip_top"):
        assert lifted[curve][1, 1] < rest[curve][1, 1] - 0.03


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_every_unit_moves_something_and_only_its_own_side(unit):
    moved = np.concatenate([points(**{unit: 1.0})[name] - points()[name] for name in MODEL.spans])
    right_of_picture = MODEL.mean[:, 0] > 0
    assert np.abs(moved).max() > 0.03
    if unit[-1] in "LR":
        other = ~right_of_picture & (MODEL.mean[:, 0] != 0) if unit[-1] == "L" else right_of_picture
        assert np.abs(moved[other]).max() == 0
    else:
        assert np.abs(moved[right_of_picture]).max() == pytest.approx(np.abs(moved[MODEL.mean[:, 0] < 0]).max())
