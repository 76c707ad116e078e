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


def test_the_face_mask_is_the_middle_of_the_picture():
    masks = draw_faces(10, difficulty="easy", masks=True).face_masks
    assert masks[:, 16:40, 16:32].all()
    assert 0.3 < masks.mean() < 0.8


@pytest.mark.parametrize(
    "setting", [{"blur": 2}, {"noise": 20}, {"jpeg": 1}, {"light": 1}, {"shadow": 1}, {"exposure": 1}, {"roll": 30}]
)
def test_every_disturbance_disturbs(setting):
    none = {"difficulty": "easy", **CLEAR, "light": 0, "shadow": 0, "exposure": 0, "roll": 0}
    before = draw_faces(6, **none).images.astype(int)
    after = draw_faces(6, **{**none, **setting}).images.astype(int)
    assert (np.abs(after - before).mean(axis=(1, 2, 3)) > 0.1).all()


def test_noise_has_the_spread_asked_for():
    before = draw_faces(6, difficulty="easy", noise=0).images.astype(int)
    grain = draw_faces(6, difficulty="easy", noise=10).images.astype(int) - before
    inside = (before > 60) & (before < 200)
    assert grain[inside].std() == pytest.approx(10, rel=0.1)
    assert abs(grain[inside].mean()) < 1


def test_the_head_turns_the_way_the_table_says():
    def darkest_eye_column(yaw_of_interest):
        faces = draw_faces(
            80, difficulty="easy", size=64, yaw=30, emotions=["neutral"] * 80, glasses=0, shift=0, roll=0
        )
        turned = faces.table.yaw * np.sign(yaw_of_interest) > 8
        mouth_rows = 255.0 - faces.images[turned.to_numpy(), 44:52, 16:48, 0].mean(axis=0)
        weight = mouth_rows - mouth_rows.min()
        return (weight * np.arange(32)).sum() / weight.sum()

    assert darkest_eye_column(1) > darkest_eye_column(-1) + 1
