"""The window a spatial transformer samples, where it is known."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.explain import sampled_windows
from fer_tf.explain.plots import window_outlines
from fer_tf.models import build_model


def model_with_theta(values):
    model = build_model("deep_emotion", (48, 40, 1), 7, width=0.25)
    model.get_layer("theta").bias.assign(values)
    return model


def test_untrained_transformer_passes_the_whole_picture(rng):
    images = rng.integers(0, 256, (3, 48, 40, 1), dtype=np.uint8)
    theta, corners = sampled_windows(model_with_theta([1, 0, 0, 0, 1, 0]), images, batch_size=2)
    np.testing.assert_allclose(theta, [[1, 0, 0, 0, 1, 0]] * 3)
    np.testing.assert_allclose(corners, [[[0, 0], [39, 0], [39, 47], [0, 47]]] * 3, atol=1e-5)


def test_zoom_and_shift_are_seen_in_the_window(rng):
    """Half size, moved right by half the picture's half: x from the middle to the right edge."""
    images = rng.integers(0, 256, (1, 48, 40, 1), dtype=np.uint8)
    _, corners = sampled_windows(model_with_theta([0.5, 0, 0.5, 0, 0.5, 0]), images)
    np.testing.assert_allclose(corners[0], [[19.5, 11.75], [39, 11.75], [39, 35.25], [19.5, 35.25]], atol=1e-4)


def test_a_model_without_transformer_is_refused():
    with pytest.raises(InputError, match="model: cnn has no spatial transformer"):
        sampled_windows(build_model("cnn", width=0.1), np.zeros((1, 48, 48, 1)))


def test_a_window_is_drawn_whole_even_outside_its_picture():
    corners = np.array([[[-9, 5], [30, 5], [30, 20], [-9, 20]]], float)
    (axis,) = window_outlines(np.zeros((1, 48, 40, 1), np.uint8), corners, ["fear"]).axes
    outline, top = axis.lines
    np.testing.assert_allclose(outline.get_xydata(), [*corners[0], corners[0, 0]])
    np.testing.assert_allclose(top.get_xydata(), corners[0, :2])
    assert axis.get_xlim()[0] < -9
    assert axis.get_title() == "fear"
