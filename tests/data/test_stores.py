"""Where images are: in memory, or in files."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import InputError
from fer_tf.data import base, stores
from fer_tf.data.stores import FileImages, image_store


@pytest.fixture
def files(tmp_path, rng):
    paths = [tmp_path / f"{row}.png" for row in range(6)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(path)
    return paths


def test_small_sets_are_held_and_large_ones_streamed(files, monkeypatch):
    assert not image_store(files, (20, 20), 1).streamed
    monkeypatch.setattr(stores, "MEMORY_LIMIT", 100)
    store = image_store(files, (20, 20), 1)
    assert store.streamed
    split = base.Split(store, np.arange(6), np.zeros(6, int), ("anger",))
    assert list(split.paths) == files
    with pytest.raises(InputError, match=r"6 streamed images do not fit memory; use fetch\(positions\)"):
        _ = split.images
    np.testing.assert_array_equal(split.fetch([4])[0, ..., 0], np.asarray(Image.open(files[4])))


def test_streamed_store_converts_while_reading(files):
    assert FileImages(files, (20, 20), 1).converted((10, 8), 3).fetch([1, 2]).shape == (2, 10, 8, 3)
