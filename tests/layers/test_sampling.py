"""Sampling against NumPy and OpenCV: a warp that is off by half a pixel trains, but learns another thing."""

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from fer_tf.layers import affine_sample, sample

IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)


def numpy_bilinear(image, x, y):
    """Bilinear reading of Jaderberg 2015, eq. 5, pixel by pixel: sum over all pixels of the tent kernel."""
    height, width = image.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    out = np.zeros((*x.shape, image.shape[2]))
    for place in np.ndindex(x.shape):
        across = np.maximum(0, 1 - np.abs(x[place] - columns))
        down = np.maximum(0, 1 - np.abs(y[place] - rows))
        out[place] = np.einsum("h,w,hwc->c", down, across, image)
    return out


def test_matches_the_papers_formula_also_outside(rng):
    images = rng.random((2, 6, 7, 3)).astype(np.float32)
    x, y = rng.uniform(-2, 9, (2, 5, 4)).astype(np.float32), rng.uniform(-2, 8, (2, 5, 4)).astype(np.float32)
    expected = np.stack([numpy_bilinear(image, *grid) for image, *grid in zip(images, x, y, strict=True)])
    np.testing.assert_allclose(np.asarray(sample(images, x, y)), expected, atol=1e-5)


def test_edge_fill_repeats_the_border(rng):
    images = rng.random((1, 4, 5, 1)).astype(np.float32)
    x, y = np.full((1, 1, 1), 99, np.float32), np.full((1, 1, 1), -7, np.float32)
    assert float(np.asarray(sample(images, x, y, fill="edge"))[0, 0, 0, 0]) == pytest.approx(images[0, 0, 4, 0])


@pytest.mark.parametrize("shape", [(3, 48, 48, 1), (2, 31, 40, 3)])
def test_identity_returns_the_images(rng, shape):
    images = rng.uniform(0, 255, shape).astype(np.float32)
    warped = affine_sample(images, np.tile(IDENTITY, (shape[0], 1)))
    np.testing.assert_allclose(np.asarray(warped), images, atol=1e-6)


@pytest.mark.parametrize(("degrees", "shift"), [(30, (0, 0)), (0, (0.25, -0.1)), (-50, (0.1, 0.2))])
def test_agrees_with_opencv_on_the_interior(rng, degrees, shift):
    image = cv2.GaussianBlur(rng.random((41, 41)).astype(np.float32), (0, 0), 2)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    theta = np.array([[cosine, -sine, shift[0], sine, cosine, shift[1]]], np.float32)
    half = 20
    matrix = theta.reshape(2, 3).copy().astype(np.float64)
    matrix[:, 2] = matrix[:, 2] * half + half - matrix[:, :2] @ [half, half]
    expected = cv2.warpAffine(image, matrix, (41, 41), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    warped = np.asarray(affine_sample(image[None, ..., None], theta))[0, ..., 0]
    inside = cv2.warpAffine(np.ones_like(image), matrix, (41, 41), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) == 1
    assert inside.sum() > 500
    # OpenCV rounds its positions to 1/32 pixel
    np.testing.assert_allclose(warped[inside], expected[inside], atol=0.01)


def test_theta_gradient_matches_finite_differences(rng):
    tf = pytest.importorskip("tensorflow")
    image = cv2.GaussianBlur(rng.random((17, 17)), (0, 0), 2)[None, ..., None].astype(np.float32)
    theta = tf.Variable([[0.9, 0.13, 0.07, -0.11, 0.95, -0.04]])
    weights = rng.random((1, 17, 17, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        score = ops.sum(affine_sample(image, theta) * weights)
    gradient = tape.gradient(score, theta).numpy()[0]
    for index in range(6):
        step = np.zeros(6, np.float32)
        step[index] = 1e-3
        difference = [
            np.sum(np.asarray(affine_sample(image, theta.numpy() + sign * step)) * weights) for sign in (1, -1)
        ]
        assert gradient[index] == pytest.approx((difference[0] - difference[1]) / 2e-3, rel=0.05, abs=0.05)


def test_compiles_by_xla():
    tf = pytest.importorskip("tensorflow")
    assert keras.backend.backend() == "tensorflow"
    images = np.ones((2, 9, 9, 1), np.float32)
    warped = tf.function(affine_sample, jit_compile=True)(images, np.tile(IDENTITY, (2, 1)))
    np.testing.assert_allclose(np.asarray(warped), images, atol=1e-6)
