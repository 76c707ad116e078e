"""Figures of explanations: an empty map is marked in each of them."""

import numpy as np
import pytest

from fer_tf.emotions import EMOTIONS
from fer_tf.explain import empty_reason
from fer_tf.explain import plots as explain_plots
from fer_tf.predict.annotate import Shown, annotate

REASON = "nothing in the last map supports this class"


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 12, 10, 1), dtype=np.uint8)


def test_tiles_of_a_sheet_say_it(images, maps):
    figure = explain_plots.overlays(images, {"hirescam": maps, "drop": maps})
    texts = [" ".join(text.get_text().split()) for axis in figure.axes for text in axis.texts]
    assert texts == [f"empty: {REASON}", "empty: nothing supports this class"] * 2
    figure.canvas.draw()


def test_a_map_that_is_not_finite_is_drawn_in_gray(images, maps):
    shown = explain_plots.blended(images, maps).astype(int)
    is_gray = (shown.max(axis=-1) == shown.min(axis=-1)).all(axis=(1, 2))
    np.testing.assert_array_equal(is_gray, [False, True, True, False])


def test_a_marked_tile_has_white_letters_on_black():
    face = np.full((48, 52, 1), 128, np.uint8)
    marked = explain_plots.map_tile(face, np.zeros((48, 52)), 104, empty_reason("gradcam"))
    assert (face == 128).all()
    assert marked.shape == (96, 104, 3)
    assert (marked == 0).all(axis=-1).sum() > 500
    assert (marked > 200).all(axis=-1).sum() > 100
    assert (marked[:20] == 128).all()


def test_a_face_beside_its_map_and_annotated_copies_are_marked(images, maps):
    caption, shown = "happiness 0.90", []
    for item in maps[:2]:
        beside = np.asarray(explain_plots.face_beside_map(images[0], item, caption, side=120)).astype(int)
        face = Shown(0, None, np.full(8, 0.125), images[0], item, empty_reason("hirescam"))
        shown.append((beside[:120, 100:], annotate(images[0], [face], list(EMOTIONS)).astype(int)[:, -270:]))
    for marked, found in zip(shown[1], shown[0], strict=True):
        black, before = ((pixels == 0).all(axis=-1).sum() for pixels in (marked, found))
        assert black > before + 500
