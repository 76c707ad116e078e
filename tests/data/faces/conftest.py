"""Fixtures of the tests on finding faces."""

import pytest
from fixtures import rectangles

from fer_tf.data.drawn_faces import draw_faces
from fer_tf.data.faces import DETECTORS
from fer_tf.data.faces import detectors as detectors_module
from fer_tf.data.faces.detectors import Detector


@pytest.fixture
def fresh():
    """No detector is kept from or for other tests."""
    detectors_module._loaded.cache_clear()
    yield
    detectors_module._loaded.cache_clear()


@pytest.fixture(scope="module")
def people():
    """Four drawn faces that look straight ahead, uint8 [4, 96, 96, 1]."""
    return draw_faces(4, seed=0, size=96, difficulty="easy", emotions=["neutral"] * 4).images


@pytest.fixture
def spots(monkeypatch, fresh):
    """A detector "spots" whose faces are the white rectangles of a picture; lists the shapes of its batches."""
    shapes = []

    def find(batch, smallest):
        shapes.append(batch.shape)
        return [rectangles(picture) for picture in batch]

    monkeypatch.setitem(DETECTORS, "spots", Detector(lambda: find, "white rectangles"))
    return shapes
