"""A face is followed from frame to frame between two searches."""

import json

import numpy as np
import pytest

from fer_tf.data.faces import Face, detect_faces, follow_or_search, following
from fer_tf.data.faces.geometry import registered_square
from fer_tf.data.images import read_image
from fer_tf.predict import sample_path


@pytest.fixture(scope="module")
def astronaut():
    """uint8 [480, 640, 3]: a photograph of a face, as a camera would show it."""
    frame = np.full((480, 640, 3), 90, np.uint8)
    frame[:, 80:560] = read_image(sample_path(), channels=3, size=(480, 480))
    return frame


@pytest.fixture
def searches(monkeypatch):
    """Counts the searches for faces."""
    counted = []

    def count(*given, **options):
        counted.append(1)
        return detect_faces(*given, **options)

    monkeypatch.setattr(following, "detect_faces", count)
    return counted


def test_a_moving_face_is_followed_without_a_search(astronaut, searches):
    state, middles = None, []
    for step in range(20):
        frame = np.roll(astronaut, (2 * step, 6 * step), axis=(0, 1))
        [face], state = follow_or_search(frame, "haar", state, step / 25)
        state = json.loads(json.dumps(state, allow_nan=False))  # as it goes through the page
        x, y, w, h = face.box
        middles.append((x + w / 2 - 6 * step, y + h / 2 - 2 * step))
    assert len(searches) == 1
    assert np.ptp(middles, axis=0).max() < 0.06 * w, "the box stays on the face"


def test_films_are_searched_now_and_then_also_without_a_face(astronaut, searches):
    blank, state = np.full_like(astronaut, 128), None
    for step in range(11):
        faces, state = follow_or_search(blank, "haar", state, step / 10, 0.5, 0.5)
    assert (faces, len(searches)) == ([], 3)
    for step in range(11):
        [face], state = follow_or_search(astronaut, "mtcnn", state, 2 + step / 10, 0.5, 0.5)
        state = json.loads(json.dumps(state, allow_nan=False))
        assert face.score > 0.9, "a followed face keeps the score of its search"
    assert len(searches) == 6


def test_the_points_move_with_the_face():
    face = Face((10, 20, 40, 40), 0.9, (20, 35), (40, 35), (30, 42), (24, 50), (36, 50))
    moved = following._moved(face, 5, -5, 0.5)
    assert moved.box == (25, 25, 20, 20)
    assert list(moved.points.values()) == [(30, 32.5), (40, 32.5), (35, 36), (32, 40), (38, 40)]


def test_a_followed_face_can_be_registered(astronaut, searches):
    _, state = follow_or_search(astronaut, "mtcnn", None, 0.0)
    state = json.loads(json.dumps(state, allow_nan=False))
    [face], _ = follow_or_search(np.roll(astronaut, 10, axis=1), "mtcnn", state, 0.04)
    assert len(searches) == 1
    (before, side, _), (after, later, _) = (
        registered_square(each) for each in (detect_faces([astronaut], "mtcnn")[0][0], face)
    )
    np.testing.assert_allclose(np.subtract(after, before), (10, 0), atol=2)
    assert later == pytest.approx(side, rel=0.07)


def test_a_lost_face_an_empty_frame_and_an_old_search_are_searched(astronaut, searches):
    _, state = follow_or_search(astronaut, "haar", None, 0.0)
    assert len(follow_or_search(astronaut, "haar", state, 0.1)[0]) == 1
    assert len(searches) == 1
    blank = np.full_like(astronaut, 128)
    faces, state_without = follow_or_search(blank, "haar", state, 0.2)
    assert faces == []
    follow_or_search(blank, "haar", state_without, 0.3)
    follow_or_search(astronaut, "haar", state, following.SEARCH_SECONDS)
    follow_or_search(astronaut, "haar", state, -1.0)  # the clock of another server
    assert len(searches) == 5
