"""draw_faces: what comes back, and that each image depends on its seed and index alone."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from fer_tf.data.drawn_faces import ACTION_UNITS, OCCLUDERS, draw_faces, expression_sheet
from fer_tf.emotions import EMOTIONS


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (48, 1), (48, 3), (97, 3)])
def test_images_have_the_size_asked_for_and_are_not_blank(size, channels):
    faces = draw_faces(4, size=size, channels=channels)
    assert faces.images.shape == (4, size, size, channels)
    assert faces.images.dtype == np.uint8
    assert (faces.images.reshape(4, -1).std(axis=1) > 8).all()
    assert faces.face_masks is None
    assert faces.occluder_masks is None
    assert faces.expression_masks is None


def test_the_table_tells_the_truth_of_every_image():
    faces = draw_faces(300, seed=3)
    table = faces.table
    expected = {"emotion", "identity", "intensity", "yaw", "pitch", "roll", "occluder", "occluded", "glasses", "beard"}
    assert expected | set(ACTION_UNITS) | {"blend"} == set(table.columns)
    assert len(table) == 300
    assert set(table.emotion) <= set(EMOTIONS)
    assert set(table.occluder) <= set(OCCLUDERS)
    assert table[[*ACTION_UNITS, "intensity", "occluded"]].stack().between(0, 1).all()
    assert (table.occluded[table.occluder == "none"] == 0).all()
    assert (table.blend != table.emotion).all()
    assert set(table.blend) <= {"", *EMOTIONS}
    assert table.yaw.abs().max() <= 25
    assert table.yaw.std() > 5


def test_no_faces_is_an_empty_set_with_all_columns():
    faces = draw_faces(0, masks=True)
    assert faces.images.shape == (0, 48, 48, 1)
    assert len(faces.table) == 0
    assert "AU12" in faces.table
    assert faces.face_masks.shape == (0, 48, 48)


def test_image_i_is_image_0_of_start_i():
    many = draw_faces(270, seed=5, masks=True)  # more than one batch
    one = draw_faces(1, seed=5, start=263, masks=True)
    assert np.array_equal(many.images[263], one.images[0])
    assert many.table.iloc[263].equals(one.table.iloc[0])
    assert np.array_equal(many.expression_masks[263], one.expression_masks[0])


def test_masks_do_not_change_the_images():
    assert np.array_equal(draw_faces(12, masks=True).images, draw_faces(12).images)


def test_two_processes_draw_the_same_bytes():
    code = (
        "import hashlib; from fer_tf.data.drawn_faces import draw_faces;"
        "f = draw_faces(40, seed=11, channels=3, difficulty='hard', masks=True);"
        "print(hashlib.sha256(f.images.tobytes() + f.occluder_masks.tobytes() + f.table.to_csv().encode()).hexdigest())"
    )
    settings = {"capture_output": True, "text": True, "check": True}
    settings["env"] = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [subprocess.run([sys.executable, "-c", code], **settings) for _ in range(2)]
    here = draw_faces(40, seed=11, channels=3, difficulty="hard", masks=True)
    own = here.images.tobytes() + here.occluder_masks.tobytes() + here.table.to_csv().encode()
    assert {run.stdout.strip() for run in runs} == {hashlib.sha256(own).hexdigest()}


def test_gray_is_the_luminance_of_rgb():
    settings = {"count": 6, "difficulty": "easy", "noise": 0, "blur": 0, "seed": 2}
    gray = draw_faces(**settings).images[..., 0].astype(float)
    rgb = draw_faces(**settings, channels=3).images
    assert np.abs(rgb @ np.array([0.299, 0.587, 0.114]) - gray).mean() < 2


def test_sizes_show_the_same_scene():
    settings = {"count": 4, "difficulty": "easy", "noise": 0, "blur": 0, "seed": 2}
    small, large = draw_faces(**settings).images[..., 0], draw_faces(**settings, size=144).images[..., 0]
    reduced = large.reshape(4, 48, 3, 48, 3).mean(axis=(2, 4))
    assert np.abs(reduced - small).mean() < 6


def test_harder_levels_are_harder():
    tables = {level: draw_faces(300, size=16, difficulty=level).table for level in ("easy", "default", "hard")}
    for column, of in (("yaw", lambda t: t.yaw.abs().mean()), ("occluded", lambda t: t.occluded.mean())):
        values = [of(table) for table in tables.values()]
        assert values == sorted(values), column
        assert values[0] < values[2], column
    shown = [table.intensity[table.emotion != "neutral"].mean() for table in tables.values()]
    assert shown == sorted(shown, reverse=True)


def test_the_sheet_has_emotions_in_columns_and_identities_in_rows():
    sheet, names = expression_sheet(size=32, identities=2)
    assert sheet.shape == (64, 8 * 32)
    assert sheet.dtype == np.uint8
    assert names == list(EMOTIONS)
    assert expression_sheet(size=32, identities=1, channels=3)[0].shape == (32, 256, 3)
