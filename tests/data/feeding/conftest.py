"""Fixtures of the tests of feeding."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.data.base import ArrayImages, FileImages, Split

NAMES = ("anger", "disgust", "fear")


@pytest.fixture
def splits(tmp_path, rng):
    """The same 20 images as an array split and as a streamed one."""
    images = rng.integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    paths = [tmp_path / f"{row}.png" for row in range(20)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    labels, rows = rng.integers(0, 3, 20), np.arange(20)
    return [Split(store, rows, labels, NAMES) for store in (ArrayImages(images), FileImages(paths, (12, 12), 1))]
