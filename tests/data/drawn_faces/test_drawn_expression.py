"""Expressions: the truth follows the prototypes, and the face does what its action units say."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces import ACTION_UNITS, PROTOTYPES, draw_faces
from fer_tf.data.drawn_faces.geometry import MODEL, TRAIT_NAMES, face_points, side_strengths
from fer_tf.data.drawn_faces.units import UNIT_REGIONS
from fer_tf.emotions import EMOTIONS

BARE = {"difficulty": "easy", "person": 0, "jitter": 0, "companions": 0}  # nothing but the prototype
SAME = {"seed": 4, "start": 6, "identities": np.array([2])}


def shown(emotion, **settings):
    """One bare face of an emotion, always the same person in the same picture."""
    return draw_faces(1, emotions=[emotion], **{**BARE, **SAME, **settings})


def points(**units):
    """Control points of the mean face by curve name, its action units as given."""
    strengths = np.array([[units.get(unit, 0.0) for unit in ACTION_UNITS]])
    moved = face_points(np.zeros((1, len(TRAIT_NAMES))), side_strengths(strengths))[0]
    return {name: moved[span] for name, span in MODEL.spans.items()}


def face_of(emotion):
    return points(**PROTOTYPES[emotion])


def test_prototypes_are_emfacs():
    named = {
        "happiness": {"AU6", "AU12"},
        "sadness": {"AU1", "AU4", "AU15"},
        "surprise": {"AU1", "AU2", "AU5", "AU26"},
        "fear": {"AU1", "AU2", "AU4", "AU5", "AU20", "AU26"},
        "anger": {"AU4", "AU5", "AU7", "AU23"},
        "disgust": {"AU9", "AU15", "AU17"},
        "contempt": {"AU12L", "AU14L"},
        "neutral": set(),
    }
    assert {emotion: set(units) for emotion, units in PROTOTYPES.items()} == named
    assert set(PROTOTYPES) == set(EMOTIONS)
    assert set(UNIT_REGIONS) == set(ACTION_UNITS)


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("intensity", [0.3, 1.0])
def test_the_units_of_a_bare_face_are_its_prototype_times_the_intensity(emotion, intensity):
    row = shown(emotion, intensity=intensity).table.iloc[0]
    wanted = {unit: intensity * strength for unit, strength in PROTOTYPES[emotion].items()}
    mirrored = {unit[:-1] + "R" if unit.endswith("L") else unit: value for unit, value in wanted.items()}
    got = {unit: row[unit] for unit in ACTION_UNITS if row[unit] > 0}
    assert got == pytest.approx(wanted) or got == pytest.approx(mirrored)
    assert row.intensity == (0 if emotion == "neutral" else intensity)


def test_contempt_shows_on_either_side():
    table = draw_faces(40, size=16, emotions=["contempt"] * 40, blend=0).table
    left, right = table.AU14L > 0, table.AU14R > 0
    assert (left ^ right).all()
    assert left.any()
    assert right.any()


def test_blends_mix_in_the_partner():
    table = draw_faces(200, size=16, emotions=["anger"] * 200, **{**BARE, "blend": 1.0, "intensity": 1.0}).table
    joyful = table[table.blend == "happiness"]
    assert len(joyful) > 5
    assert (joyful.AU12 > 0.1).all()
    assert (joyful.AU4 < 1).all()
    assert (joyful.AU4 > 0.5).all()
    assert "neutral" not in set(table.blend)
    assert "anger" not in set(table.blend)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_no_intensity_is_the_neutral_face(emotion):
    neutral = draw_faces(1, emotions=["neutral"], difficulty="default", **SAME)
    none = draw_faces(1, emotions=[emotion], difficulty="default", intensity=0, **SAME)
    assert np.array_equal(none.images, neutral.images)


@pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
def test_stronger_expressions_are_further_from_neutral(emotion):
    neutral = shown("neutral").images.astype(int)
    far = [np.abs(shown(emotion, intensity=i).images - neutral).mean() for i in (0.15, 0.5, 1.0)]
    assert 0 < far[0] < far[1] < far[2]


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


def test_expression_masks_cover_what_moves():
    faces = {emotion: shown(emotion, masks=True, size=96) for emotion in EMOTIONS}
    masks = {emotion: face.expression_masks[0] for emotion, face in faces.items()}
    assert not masks["neutral"].any()
    mouth, brows = (slice(68, 78), slice(42, 54)), (slice(24, 34), slice(46, 50))
    assert masks["happiness"][mouth].all()
    assert not masks["happiness"][brows].any()
    assert masks["anger"][brows].mean() > 0.5
    assert masks["surprise"][mouth].all()
    for emotion in ("happiness", "surprise", "disgust", "contempt"):
        change = np.abs(faces[emotion].images[0, ..., 0].astype(int) - faces["neutral"].images[0, ..., 0]) > 40
        assert (change & masks[emotion]).sum() > 0.6 * change.sum(), emotion
        assert masks[emotion].mean() < 0.4


def test_contempt_marks_one_cheek():
    mask = shown("contempt", masks=True, size=96, yaw=0, roll=0, shift=0).expression_masks[0]
    left, right = mask[:, :48].sum(), mask[:, 48:].sum()
    assert max(left, right) > 1.4 * min(left, right)
