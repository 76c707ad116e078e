"""Faces are found at any size, in batches and alone, and handed out as crops; what is missing is named."""

import math

import cv2
import numpy as np
import pytest
from fixtures import black, paste, rectangles

from fer_tf.common.checks import InputError
from fer_tf.data.faces import DETECTORS, Face, crop_faces, detect_faces
from fer_tf.data.faces.detectors import Detector

REAL = ("haar", "mtcnn")


def centre(face):
    x, y, w, h = face.box
    return x + w / 2, y + h / 2


def overlap(face, box):
    """Intersection over union."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = face.box, box
    across = min(x1 + w1, x2 + w2) - max(x1, x2)
    down = min(y1 + h1, y2 + h2) - max(y1, y2)
    common = max(across, 0) * max(down, 0)
    return common / (w1 * h1 + w2 * h2 - common)


# finding


@pytest.mark.parametrize("detector", REAL)
def test_small_crops_and_gray_and_rgb(detector, people):
    crops = [cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)[..., None] for face in people]
    found = detect_faces([*crops, np.repeat(crops[0], 3, axis=2)], detector)
    assert [len(some) for some in found] == [1] * 5
    for (face,) in found:
        assert overlap(face, (0, 0, 48, 48)) > 0.4
        assert 8 < face.left_eye[0] < 24 < face.right_eye[0] < 40
        assert 10 < face.left_eye[1] < 30
        assert abs(face.roll) < 12
        assert math.isnan(face.score) if detector == "haar" else 0.8 <= face.score <= 1
    np.testing.assert_allclose(found[4][0].box, found[0][0].box, atol=0.01)


@pytest.mark.parametrize("detector", REAL)
@pytest.mark.parametrize("zoom", [1, 3])
def test_several_faces_the_largest_first(detector, zoom, people):
    """Also in a picture that is shrunk for detection: the boxes come in its own pixels."""
    scene = np.full((400, 700, 1), 128, np.uint8)
    scene = paste(paste(scene, people[0], 30, 40, 160), people[0], 300, 60, 300)
    scene = np.repeat(np.repeat(scene, zoom, axis=0), zoom, axis=1)
    (found,) = detect_faces([scene], detector)
    assert len(found) == 2
    for face, (x, y, side) in zip(found, [(300, 60, 300), (30, 40, 160)], strict=True):
        assert overlap(face, (x * zoom, y * zoom, side * zoom, side * zoom)) > 0.4
        assert math.dist(centre(face), ((x + side / 2) * zoom, (y + side / 2) * zoom)) < 0.15 * side * zoom


@pytest.mark.parametrize("detector", REAL)
def test_batches_change_nothing(detector, people):
    """A picture's faces do not depend on its neighbours, of its size or another, with a face or without."""
    flat = np.full((96, 96, 1), 128, np.uint8)
    wide = paste(np.full((96, 140, 1), 90, np.uint8), people[2], 30, 0, 96)
    pictures = [flat, people[0], wide, people[1], flat]
    together = detect_faces(pictures, detector)
    assert [len(some) for some in together] == [0, 1, 1, 1, 0]
    for position, some in enumerate(together):
        (alone,) = detect_faces(pictures[position : position + 1], detector)
        np.testing.assert_allclose([face.box for face in some], [face.box for face in alone], atol=0.01)


@pytest.mark.parametrize("detector", [*REAL, "none"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (1, 3000, 1), (12, 9, 3), (60, 61, 1)])
def test_pictures_without_a_face(detector, shape):
    picture = np.full(shape, 99, np.uint8)
    (found,) = detect_faces([picture], detector)
    assert found == ([Face((0, 0, shape[1], shape[0]))] if detector == "none" else [])
    ((crop,),) = crop_faces([picture], 24, detector)
    assert not crop.detected
    assert crop.face is None
    np.testing.assert_array_equal(crop.image, np.full((24, 24, shape[2]), 99))


@pytest.mark.parametrize("detector", [*REAL, "none"])
def test_empty_list(detector):
    assert detect_faces([], detector) == []
    assert crop_faces([], 48, detector) == []


@pytest.mark.parametrize(
    ("shape", "box", "seen"),
    [
        ((600, 800), (200, 100, 160, 240), (600, 800)),  # as it is
        ((1200, 2048), (400, 200, 320, 480), (600, 1024)),  # halved
        ((83, 4000), (3600, 20, 200, 40), (21, 1024)),  # shrunk by 3.95 down and 3.91 across
        ((48, 48), (8, 12, 20, 24), (96 + 38, 96 + 38)),  # doubled, framed by 19
        ((160, 200), (40, 60, 80, 50), (160 + 64, 200 + 64)),  # framed by 32
    ],
)
def test_boxes_and_eyes_come_back_in_the_pictures_pixels(spots, shape, box, seen):
    (found,) = detect_faces([black(*shape, 1, box)], "spots")
    assert spots == [(1, *seen, 3)]
    (face,) = found
    np.testing.assert_allclose(face.box, box, atol=max(1, max(shape) / 1024))
    x, y, w, h = face.box
    np.testing.assert_allclose([face.left_eye, face.right_eye], [(x + w / 4, y + h / 4), (x + 3 * w / 4, y + h / 4)])
    assert face.score == 0.5


def test_pictures_of_one_size_go_together_within_bounds(spots):
    pictures = [black(48, 48), black(400, 500), black(48, 48, 3), black(400, 500), *[black(1000, 1000)] * 2]
    detect_faces(pictures, "spots")
    assert spots == [(2, 134, 134, 3), (2, 400, 500, 3), (1, 1000, 1000, 3), (1, 1000, 1000, 3)]


def test_order_and_smallest_size(spots):
    boxes = [(10, 10, 30, 20), (100, 50, 90, 120), (400, 200, 50, 60), (50, 300, 8, 8)]
    picture = black(400, 500, 1, *boxes)
    wanted = [boxes[1], boxes[2], boxes[0], boxes[3]]
    assert [face.box for face in detect_faces([picture], "spots")[0]] == wanted
    assert [face.box for face in detect_faces([picture], "spots", min_size=30)[0]] == wanted[:3]
    assert [face.box for face in detect_faces([picture], "spots", min_size=31)[0]] == wanted[:2]


def test_small_faces_are_searched_at_the_pictures_own_size_if_asked_for(monkeypatch, fresh):
    """A detector that sees squares from 20 px on: in the picture, reduced to a third, only those from 60 px on."""

    def find(batch, smallest):
        return [[face for face in rectangles(picture) if face.box[2] >= smallest] for picture in batch]

    monkeypatch.setitem(DETECTORS, "spots", Detector(lambda: find, "white rectangles"))
    large, small, corner = (900, 300, 400, 400), (1001, 1000, 50, 50), (3042, 2060, 30, 30)
    picture = black(2100, 3072, 1, large, small, corner)
    assert len(detect_faces([picture], "spots")[0]) == 1
    [found] = detect_faces([picture], "spots", small_faces=True)
    for face, box in zip(found, (large, small, corner), strict=True):
        np.testing.assert_allclose(face.box, box, atol=2)
    assert len(detect_faces([picture], "spots", small_faces=True, min_size=40)[0]) == 2


def test_a_smallest_face_is_given_in_the_pictures_pixels(monkeypatch, fresh):
    asked = []
    monkeypatch.setitem(
        DETECTORS, "asked", Detector(lambda: lambda batch, smallest: asked.append(smallest) or [[]] * len(batch), "")
    )
    detect_faces([black(1024, 2048), black(500, 600), black(48, 48)], "asked", min_size=100)
    assert asked == [50, 100, 200]
    detect_faces([black(500, 600)], "asked")
    assert asked[3] == 20


def test_a_face_in_the_frame_alone_is_none(spots):
    """The frame repeats the edge: white pixels there become a rectangle that hangs over it."""
    (found,) = detect_faces([black(48, 48, 1, (0, 0, 4, 30))], "spots")
    assert found == []  # 4 px wide, with 19 / 2 px of frame next to it: its middle is outside
    (found,) = detect_faces([black(48, 48, 1, (0, 10, 30, 30))], "spots")
    np.testing.assert_allclose(found[0].box, (-9.5, 10, 39.5, 30), atol=1)


# what is wrong or missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "dlib"}, "detector: allowed are mtcnn, haar, yunet, none; received 'dlib'"),
        (
            {"detector": "haar", "threshold": 0.5},
            "options of detector haar: unknown 'threshold'; allowed are neighbours",
        ),
        ({"detector": "none", "x": 1}, "options of detector none: unknown 'x'; allowed are none"),
        ({"detector": "haar", "neighbours": -1}, "neighbours: must be a number >= 0 and <= 100; received -1"),
        ({"detector": "mtcnn", "threshold": 2}, "threshold: must be a number >= 0 and <= 1; received 2"),
        ({"min_size": -1}, "min_size: must be a number >= 0; received -1"),
        ({"max_side": 50}, "max_side: must be a number >= 96"),
        ({"size": 0}, "size: must be a number >= 1"),
        ({"margin": -0.1}, "margin: must be a number >= 0"),
        ({"select": "best"}, "select: allowed are largest, all; received 'best'"),
        ({"missing": "drop"}, "missing: allowed are whole, skip, error; received 'drop'"),
    ],
)
def test_wrong_arguments(change, message):
    with pytest.raises(InputError) as caught:
        crop_faces(**{"images": [black(9, 9)], "size": 48, "detector": "none", **change})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9)), np.zeros((9, 9, 1)), np.zeros((0, 9, 3), np.uint8), "a.png", np.zeros((9, 9, 4), np.uint8)],
)
def test_wrong_pictures(image):
    with pytest.raises(InputError, match=r"images: each must be uint8 \[H, W, 1 or 3\]; number 1 is"):
        detect_faces([black(9, 9), image], "none")
