"""Expressions: the truth follows the prototypes, and the face does what its action units say."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces import ACTION_UNITS, CLASS_PRIOR, PROTOTYPES, draw_faces
from fer_tf.data.drawn_faces.units import UNIT_REGIONS
from fer_tf.emotions import EMOTIONS

BARE = {"difficulty": "easy", "person": 0, "jitter": 0, "companions": 0}  # nothing but the prototype
SAME = {"seed": 4, "start": 6, "identities": np.array([2])}


def shown(emotion, **settings):
    """One bare face of an emotion, always the same person in the same picture."""
    return draw_faces(1, emotions=[emotion], **{**BARE, **SAME, **settings})


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


def test_seeds_draw_other_people_and_other_pictures():
    a, b = draw_faces(6, seed=1), draw_faces(6, seed=2)
    assert not any(np.array_equal(x, y) for x, y in zip(a.images, b.images, strict=True))


def test_classes_follow_the_prior():
    shares = draw_faces(2500, seed=0, size=16).table.emotion.value_counts(normalize=True)
    assert sum(CLASS_PRIOR.values()) == pytest.approx(1)
    assert min(CLASS_PRIOR.values()) >= 0.03
    for emotion, share in CLASS_PRIOR.items():  # five standard errors
        assert shares[emotion] == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 2500))
