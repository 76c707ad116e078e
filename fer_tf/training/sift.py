"""A bag of SIFT words: the features of the "Bag of Words" row of document [3]'s table, in a plain form.

SIFT (Lowe 2004) describes a patch by its gradients. The descriptors of many training patches are grouped by k-means
(Csurka et al. 2004); each centre is a *word*. A picture is described by how often each word is in each part of it
(Lazebnik, Schmid & Ponce 2006). Document [3] quotes Ionescu, Popescu & Grozea (2013) with 67.40 % on FER2013. They have
many more words, and they learn a machine for each test picture from its nearest training pictures. Neither is done
here.
"""

import cv2
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from ..common.checks import InputError, check_whole
from .svm import describe_images

# Pixels between the centres of two patches.
STEP = 4
# OpenCV's sizes of a keypoint; its patch has six times this side: 12 and 24 px.
SIZES = (2.0, 4.0)
# Parts of the picture that count words separately: the whole of it, and a grid of 4 by 4.
GRIDS = (1, 4)
# Descriptors that the words are learned from: more take longer and change little.
LEARNED_FROM = 30_000
LENGTH = 128
SMALLEST = 24


def sift_words(images: np.ndarray, count: int, seed: int = 0, progress: bool = True) -> np.ndarray:
    """Learns words from pictures by k-means (scikit-learn's mini-batches).

    Args:
        images: uint8 [N, H, W, 1 or 3], 0..255, or a `Split`; give training images only.
        count: K, the number of words, at least 2.
        seed: of the pictures that are taken and of the first centres.
        progress: a bar after some seconds.
    Returns: float32 [K, 128].
    Raises: `InputError` for a wrong count, pictures that are too small, or fewer descriptors than words.
    """
    check_whole("words", count, low=2)
    keypoints = _keypoints(images)
    taken = min(len(images), -(-LEARNED_FROM // len(keypoints)))
    rows = np.sort(np.random.default_rng(seed).choice(len(images), taken, replace=False))
    fetch = images.fetch if hasattr(images, "fetch") else np.asarray(images).__getitem__
    sample = describe_images(
        fetch(rows), lambda gray: _descriptors(gray, keypoints), len(keypoints) * LENGTH, "SIFT", progress
    ).reshape(-1, LENGTH)
    if len(sample) < count:
        raise InputError(f"words: must be at most the {len(sample)} patches of the training images; received {count}")
    machine = MiniBatchKMeans(count, batch_size=4096, n_init=1, max_iter=20, random_state=seed)
    return machine.fit(sample).cluster_centers_.astype(np.float32)


def sift_features(images: np.ndarray, words: np.ndarray, progress: bool = True) -> np.ndarray:
    """Which words are in which part of each picture.

    Each patch counts for its nearest word, in each grid of `GRIDS`. The square roots of the counts are scaled to length
    one: a word that fills half of a face does not drown the others.

    Args:
        images: as for `sift_words`.
        words: float32 [K, 128] of `sift_words`.
        progress: a bar after some seconds.
    Returns: float32 [N, K · (1 + 16)].
    """
    keypoints = _keypoints(images)
    height, width = _sides(images)
    counted = [_cells(keypoints, height, width, grid) for grid in GRIDS]

    def describe(gray):
        # OpenCV's search: NumPy's product of such small matrices waits for its threads on a busy processor
        found = _descriptors(gray, keypoints)
        nearest = cv2.batchDistance(found, words, cv2.CV_32F, normType=cv2.NORM_L2, K=1)[1]
        parts = [
            np.bincount(cells * len(words) + nearest.ravel(), minlength=grid**2 * len(words))
            for grid, cells in zip(GRIDS, counted, strict=True)
        ]
        roots = np.sqrt(np.concatenate(parts))
        return roots / np.linalg.norm(roots)

    return describe_images(images, describe, len(words) * sum(grid**2 for grid in GRIDS), "SIFT words", progress)


def _sides(images):
    """(height, width) of the images, refused where they are too small for the patches."""
    shape = images.store.shape if hasattr(images, "fetch") else np.shape(images)[1:]
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape[:2]) < SMALLEST:
        raise InputError(f"images: must be [N, H, W, 1 or 3] with sides from {SMALLEST}; received {tuple(shape)} each")
    return shape[:2]


def _keypoints(images):
    """The upright patches of a picture: a grid of centres, at each size."""
    height, width = _sides(images)
    return [
        cv2.KeyPoint(float(x), float(y), size, 0.0)
        for size in SIZES
        for y in range(STEP, height - STEP + 1, STEP)
        for x in range(STEP, width - STEP + 1, STEP)
    ]


def _descriptors(gray, keypoints):
    """SIFT descriptors of one picture, float32 [number of keypoints, 128]."""
    return cv2.SIFT_create().compute(gray, keypoints)[1]


def _cells(keypoints, height, width, grid):
    """The part of the picture that each keypoint is in, int [number of keypoints], 0 to grid² - 1."""
    return np.array([int(point.pt[1] * grid / height) * grid + int(point.pt[0] * grid / width) for point in keypoints])
