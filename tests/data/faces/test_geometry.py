"""A face is cut out level, unsquashed and in its place, also beyond the picture's edge."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.faces import Face, crop_face
from fer_tf.data.faces.geometry import POINTS, TEMPLATE, registered_square


def middle_of(mask):
    """Middle (x, y) of the true pixels, in pixels from the outer corner."""
    rows, columns = np.nonzero(mask)
    return columns.mean() + 0.5, rows.mean() + 0.5


def eyes_drawn(roll, shape=(300, 400), middle=(190, 140), apart=60):
    """A black picture with a white dot for each eye, turned by `roll` degrees, and its `Face`."""
    picture = np.zeros((*shape, 1), np.uint8)
    x, y = middle
    down = np.array([-math.sin(math.radians(roll)), math.cos(math.radians(roll))])
    across = np.array([math.cos(math.radians(roll)), math.sin(math.radians(roll))])
    eyes = [np.array(middle) - 20 * down + side * apart / 2 * across for side in (-1, 1)]
    for eye in eyes:
        cv2.circle(picture, tuple(int(round(16 * (value - 0.5))) for value in eye), 5 * 16, 255, -1, shift=4)
    return picture, Face((x - 50, y - 50, 100, 100), 1.0, *map(tuple, eyes))


@pytest.mark.parametrize("roll", [-60, -20, 0, 7, 35, 85])
@pytest.mark.parametrize("size", [48, 120, 300])
def test_eyes_lie_level_and_apart_as_before(roll, size):
    picture, face = eyes_drawn(roll)
    assert face.roll == pytest.approx(roll)
    bright = crop_face(picture, face, size, margin=0.2)[..., 0] > 100
    left, right = middle_of(bright[:, : size // 2]), middle_of(bright[:, size // 2 :])
    zoom = size / 140
    assert left[1] == pytest.approx(right[1], abs=max(1, zoom / 2))
    assert left[1] == pytest.approx(50 * zoom, abs=max(0.75, zoom))
    assert right[0] + size // 2 - left[0] == pytest.approx(60 * zoom, abs=max(1, zoom))


def test_without_alignment_or_eyes_nothing_is_turned():
    picture, face = eyes_drawn(30)
    straight = crop_face(picture, Face(face.box), 140)
    np.testing.assert_array_equal(crop_face(picture, face, 140, align="none"), straight)
    np.testing.assert_array_equal(straight, picture[70:210, 120:260])
    np.testing.assert_array_equal(crop_face(picture, Face(face.box, 1.0, face.left_eye), 140), straight)


def points_drawn(roll, side, middle, shape=(300, 400)):
    """A black picture with a dot at each point of a face in a turned square, and its `Face`; its box is elsewhere."""
    picture, turn = np.zeros((*shape, 1), np.uint8), np.radians(roll)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.array(middle) + side * (np.array(TEMPLATE) - 0.5) @ turned.T
    for point in points:
        cv2.circle(picture, tuple(int(round(16 * (value - 0.5))) for value in point), 3 * 16, 255, -1, shift=4)
    return picture, Face((10.0, 10.0, 60.0, 60.0), 1.0, *map(tuple, points))


@pytest.mark.parametrize(
    ("roll", "side", "middle"), [(0, 120, (200, 150)), (-25, 90, (130, 190)), (60, 200, (210, 140))]
)
@pytest.mark.parametrize("size", [48, 150])
def test_landmarks_come_to_the_places_of_the_template(roll, side, middle, size):
    picture, face = points_drawn(roll, side, middle)
    centre, found, turned = registered_square(face)
    np.testing.assert_allclose([*centre, found, turned], [*middle, side, roll], atol=1e-6)
    bright = crop_face(picture, face, size, 0, "landmarks") > 80
    spots = cv2.connectedComponentsWithStats(bright.astype(np.uint8))[3][1:]
    for place in TEMPLATE:
        assert np.abs((spots + 0.5) / size - place).max(axis=1).min() < 0.6 / size + 0.005


def test_a_margin_is_added_around_the_registered_square():
    picture, face = points_drawn(20, 100, (200, 150))
    inner = crop_face(picture, face, 180, 0.4, "landmarks")[40:140, 40:140]
    assert inner.max() > 200
    assert np.abs(inner.astype(int) - crop_face(picture, face, 100, 0, "landmarks")).mean() < 1


@pytest.mark.parametrize("change", [{"nose": None}, dict.fromkeys(POINTS, (50.0, 50.0))])
def test_a_face_that_cannot_be_registered_is_cut_out_by_its_box(change, rng):
    """A point is missing, or all points are in one place."""
    picture, face = rng.integers(0, 256, (300, 400, 1), dtype=np.uint8), points_drawn(20, 100, (200, 150))[1]
    face = replace(face, **change)
    assert registered_square(face) is None
    np.testing.assert_array_equal(crop_face(picture, face, 48, 0, "landmarks"), crop_face(picture, face, 48, 0))


def test_names_of_alignments_and_what_they_were_before():
    picture, face = eyes_drawn(30)
    np.testing.assert_array_equal(crop_face(picture, face, 140, align=True), crop_face(picture, face, 140))
    level = crop_face(picture, face, 140, align="none")
    np.testing.assert_array_equal(crop_face(picture, face, 140, align=False), level)
    with pytest.raises(InputError, match="align: allowed are eyes, landmarks, none; received 'nose'"):
        crop_face(picture, face, 140, align="nose")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("margin", [0, 0.25, 1])
def test_margin_and_aspect_ratio(channels, margin, rng):
    """The square takes the longer side and the margin of it on each side; nothing is squeezed."""
    picture = rng.integers(0, 256, (200, 220, channels), dtype=np.uint8)
    kept = picture.copy()
    face, side = Face((90, 70, 20, 40)), int(40 * (1 + 2 * margin))
    top, left = 90 - side // 2, 100 - side // 2
    wanted = picture[top : top + side, left : left + side]
    np.testing.assert_array_equal(crop_face(picture, face, side, margin), wanted)
    np.testing.assert_array_equal(picture, kept)
    small = crop_face(picture, face, side // 4, margin)
    assert small.shape == (side // 4, side // 4, channels)
    blocks = wanted.reshape(side // 4, 4, side // 4, 4, channels).mean(axis=(1, 3))
    np.testing.assert_allclose(small, blocks, atol=1)  # averaged: shrinking skips no pixel


@pytest.mark.parametrize("box", [(-10, -5, 30, 30), (85, 70, 30, 20), (-50, 10, 20, 20), (-20, -30, 150, 170)])
@pytest.mark.parametrize("channels", [1, 3])
def test_beyond_the_edge_its_pixels_are_repeated(box, channels, rng):
    picture = rng.integers(0, 256, (80, 100, channels), dtype=np.uint8)
    x, y, w, h = box
    side = max(w, h)
    left, top = int(x + w / 2 - side / 2), int(y + h / 2 - side / 2)
    rows = np.clip(np.arange(top, top + side), 0, 79)
    columns = np.clip(np.arange(left, left + side), 0, 99)
    np.testing.assert_array_equal(crop_face(picture, Face(box), side, margin=0), picture[rows][:, columns])


def test_pictures_too_wide_for_opencv_are_cut_all_the_same():
    picture = np.zeros((20, 40000, 3), np.uint8)
    picture[:, 39000:39020] = 255
    np.testing.assert_array_equal(crop_face(picture, Face((39000, 0, 20, 20)), 20, 0), np.full((20, 20, 3), 255))


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 5, -1), (math.nan, 0, 5, 5), (0, 0, math.inf, 5), (0, 0, 5)])
def test_wrong_box(box):
    with pytest.raises(InputError, match=r"face: its box must be \(x, y, w, h\), finite, w and h above 0"):
        crop_face(np.zeros((9, 9, 1), np.uint8), Face(box), 48)
