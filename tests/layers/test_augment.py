"""Augmentation: each change does only what its name says, and depends only on its draws."""

import numpy as np
import pytest

from fer_tf.layers import DRAWS, Augmentation, augment, mix

SIDE = 24


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (6, SIDE, SIDE, 1), dtype=np.uint8)


def draws(count=6, **fixed):
    """Neutral draws (one half: no change in the signed ones, no flip), single ones set."""
    values = np.full((count, len(DRAWS)), 0.5, np.float32)
    for name, value in fixed.items():
        values[:, DRAWS.index(name)] = value
    return values


def run(images, settings, **fixed):
    return np.asarray(augment(images, draws(len(images), **fixed), settings))


def test_nothing_on_changes_nothing(images):
    np.testing.assert_array_equal(run(images, Augmentation()), images.astype(np.float32))


def test_neutral_draws_change_nothing(images):
    settings = Augmentation(rotation=30, zoom=0.3, shift=0.2, brightness=0.5, contrast=0.5, perspective=0.2)
    np.testing.assert_allclose(run(images, settings), images, atol=1e-3)


def test_flip_mirrors_half_of_the_draws(images):
    settings = Augmentation(flip=True)
    np.testing.assert_allclose(run(images, settings, flip=0.49), images[:, :, ::-1], atol=1e-3)
    np.testing.assert_allclose(run(images, settings, flip=0.51), images, atol=1e-3)


def test_shift_moves_by_its_share_of_the_side(images):
    moved = run(images, Augmentation(shift=0.25), shift_x=1.0)
    np.testing.assert_allclose(moved[:, :, : SIDE - 6], images[:, :, 6:], atol=1e-3)


def test_rotation_by_a_right_angle(images):
    np.testing.assert_allclose(
        run(images, Augmentation(rotation=90), rotation=1.0), np.rot90(images, 1, (1, 2)), atol=1e-2
    )


def test_zoom_in_shows_the_middle_larger(images):
    blob = np.zeros((1, SIDE, SIDE, 1), np.uint8)
    blob[:, 9:15, 9:15] = 255
    grown = run(blob, Augmentation(zoom=0.5), zoom=1.0)
    assert grown.sum() / blob.sum() == pytest.approx(1.5**2, rel=0.1)


def test_brightness_and_contrast_formulas(images):
    bright = run(images, Augmentation(brightness=0.1), brightness=1.0)
    np.testing.assert_allclose(bright, np.clip(images + 25.5, 0, 255), atol=1e-3)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    flat = run(images, Augmentation(contrast=0.4), contrast=0.0)
    np.testing.assert_allclose(flat, mean + 0.6 * (images - mean), atol=1e-3)


def test_colour_scales_channels_on_their_own(rng):
    images = rng.integers(0, 100, (2, 8, 8, 3), dtype=np.uint8)
    tinted = run(images, Augmentation(color=0.5), red=1.0, blue=0.0)
    np.testing.assert_allclose(tinted, images * np.array([1.5, 1.0, 0.5]), atol=1e-3)


@pytest.mark.parametrize("area", [0.0, 0.5, 1.0])
def test_erase_covers_its_share_with_the_mean(images, area):
    erased = run(images, Augmentation(erase=1.0), erase=0.0, erase_area=area)
    covered = (erased != images).mean(axis=(1, 2, 3))
    assert np.all(np.abs(covered - (0.02 + 0.18 * area)) < 0.03)
    untouched = run(images, Augmentation(erase=0.3), erase=0.31, erase_area=area)
    np.testing.assert_array_equal(untouched, images.astype(np.float32))


def test_a_picture_does_not_depend_on_its_company(images, rng):
    settings = Augmentation(rotation=20, zoom=0.2, shift=0.1, flip=True, brightness=0.2, contrast=0.2, erase=0.5)
    values = rng.random((6, len(DRAWS))).astype(np.float32)
    together = np.asarray(augment(images, values, settings))
    alone = np.asarray(augment(images[2:3], values[2:3], settings))
    np.testing.assert_allclose(together[2:3], alone, atol=1e-3)
    assert together.min() >= 0
    assert together.max() <= 255


def test_mixup_is_the_weighted_sum(images):
    mixed = np.asarray(mix(images, images[::-1], np.full(6, 0.3)))
    np.testing.assert_allclose(mixed, 0.3 * images + 0.7 * images[::-1], atol=1e-3)
