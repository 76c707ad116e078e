"""Occluders, the camera and the light: each does its part and nothing else."""

import cv2
import numpy as np
import pytest

from fer_tf.data.drawn_faces import OCCLUDERS, draw_faces

CLEAR = {"blur": 0, "noise": 0, "jpeg": 0}  # nothing after the occluder that would spread it over the picture
KINDS = OCCLUDERS[1:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_occluder_changes_the_pixels_of_its_mask_and_no_others(kind, channels):
    plain = draw_faces(12, seed=9, channels=channels, occluder="none", **CLEAR)
    hidden = draw_faces(12, seed=9, channels=channels, occluder=kind, masks=True, **CLEAR)
    changed = (plain.images != hidden.images).any(axis=-1)
    grown = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) for mask in hidden.occluder_masks]) > 0
    assert not (changed & ~grown).any()  # the edge's antialiased pixel is the mask's neighbour
    assert (changed & hidden.occluder_masks).sum() > 0.8 * hidden.occluder_masks.sum()
    assert (hidden.table.occluder == kind).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_occluded_share_is_the_masks_share_of_the_face(kind):
    faces = draw_faces(12, seed=9, occluder=kind, masks=True)
    share = (faces.occluder_masks & faces.face_masks).sum(axis=(1, 2)) / faces.face_masks.sum(axis=(1, 2))
    assert faces.table.occluded.to_numpy() == pytest.approx(share)
    assert 0.02 < share.mean() < 0.7


def test_only_the_occluder_differs_in_an_ablation():
    drawn = {kind: draw_faces(8, seed=9, occluder=kind).table for kind in OCCLUDERS}
    for table in drawn.values():
        columns = [c for c in table if c not in ("occluder", "occluded")]
        assert table[columns].equals(drawn["none"][columns])


def test_masks_hide_the_mouth_and_sunglasses_the_eyes():
    level = {"difficulty": "easy", "yaw": 0, "pitch": 0, "roll": 0, "shift": 0, "size": 96, "masks": True}
    mouths = draw_faces(6, emotions=["surprise"] * 6, occluder="mask", **level).occluder_masks
    eyes = draw_faces(6, occluder="sunglasses", **level).occluder_masks
    assert mouths[:, 66:76, 42:54].all()
    assert not mouths[:, 20:40, 42:54].any()
    assert eyes[:, 40:44, 30:36].all()
    assert not eyes[:, 60:80].any()


def test_the_share_of_occluded_images_is_the_levels():
    table = draw_faces(600, size=16, occlusion=0.5).table
    assert (table.occluder != "none").mean() == pytest.approx(0.5, abs=0.1)
    assert set(table.occluder) == set(OCCLUDERS)
    assert (draw_faces(50, size=16, occlusion=0).table.occluder == "none").all()
