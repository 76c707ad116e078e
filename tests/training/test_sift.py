"""A bag of SIFT words: counts against their definition, and words that are learned once and stay as they are."""

import cv2
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.base import ArrayImages, Split
from fer_tf.training import sift, svm
from fer_tf.training.sift import sift_features, sift_words


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 48, 48, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def words(images):
    return sift_words(images, 8, progress=False)


def test_each_patch_counts_for_its_nearest_word_in_its_part_of_the_picture(images, words):
    """Every patch, word and part by hand: the whole picture, then a grid of 4 by 4 from the top left."""
    counts = np.zeros((17, len(words)))
    describer = cv2.SIFT_create()
    for size in sift.SIZES:
        for y in range(sift.STEP, 48 - sift.STEP + 1, sift.STEP):
            for x in range(sift.STEP, 48 - sift.STEP + 1, sift.STEP):
                patch = [cv2.KeyPoint(float(x), float(y), size, 0.0)]
                descriptor = describer.compute(images[2, ..., 0], patch)[1][0]
                word = np.linalg.norm(words - descriptor, axis=1).argmin()
                counts[0, word] += 1
                counts[1 + 4 * (y // 12) + x // 12, word] += 1
    expected = np.sqrt(counts.ravel())
    np.testing.assert_allclose(sift_features(images, words)[2], expected / np.linalg.norm(expected), atol=1e-5)


def test_a_face_that_is_brighter_has_the_same_words(images, words):
    """SIFT's descriptors are normalised: light alone does not change what is seen."""
    dim = images // 4 + 20
    changed = np.abs(sift_features(dim, words) - sift_features(dim + 60, words))
    assert changed.max() < 0.02


def test_words_depend_on_their_pictures_and_seed_alone(images, words):
    np.testing.assert_array_equal(sift_words(images, 8, progress=False), words)
    assert (sift_words(images, 8, seed=1, progress=False) != words).any()
    assert (sift_words(images[:3], 8, progress=False) != words).any()
    assert words.shape == (8, sift.LENGTH)


def test_a_picture_does_not_depend_on_its_company_or_batch(images, words, monkeypatch):
    together = sift_features(images, words)
    np.testing.assert_array_equal(sift_features(images[2:3], words)[0], together[2])
    monkeypatch.setattr(svm, "BATCH", 2)
    split = Split(ArrayImages(images), np.array([4, 1, 2]), np.zeros(3, int), ("anger",))
    np.testing.assert_array_equal(sift_features(split, words), together[[4, 1, 2]])
    np.testing.assert_array_equal(sift_features(np.repeat(images, 3, axis=-1), words), together)
    assert sift_features(images[:0], words).shape == (0, 17 * 8)


@pytest.mark.parametrize("shape", [(2, 20, 48, 1), (2, 48, 48), (2, 48, 48, 2)])
def test_pictures_that_are_too_small_are_refused(shape, words):
    for call in (lambda images: sift_words(images, 8), lambda images: sift_features(images, words)):
        with pytest.raises(InputError, match="images: must be .* sides from 24; received"):
            call(np.zeros(shape, np.uint8))


def test_a_number_of_words_that_cannot_be_learned_is_refused(images):
    with pytest.raises(InputError, match="words: must be"):
        sift_words(images, 1)
    with pytest.raises(InputError, match="words: must be at most the 242 patches of the training images; received 243"):
        sift_words(images[:1], 243, progress=False)
