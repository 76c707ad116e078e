"""Masks of drawn faces: the regions that carry the expression, and the face."""

import numpy as np

from fer_tf.data.drawn_faces import draw_faces
from fer_tf.emotions import EMOTIONS

BARE = {"difficulty": "easy", "person": 0, "jitter": 0, "companions": 0}  # nothing but the prototype
SAME = {"seed": 4, "start": 6, "identities": np.array([2])}


def shown(emotion, **settings):
    """One bare face of an emotion, always the same person in the same picture."""
    return draw_faces(1, emotions=[emotion], **{**BARE, **SAME, **settings})


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


def test_the_face_mask_is_the_middle_of_the_picture():
    masks = draw_faces(10, difficulty="easy", masks=True).face_masks
    assert masks[:, 16:40, 16:32].all()
    assert 0.3 < masks.mean() < 0.8
