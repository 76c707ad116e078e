"""Where images are: in memory, or in files."""

import numpy as np
import pytest
from PIL import Image

from fer_tf.common.checks import InputError
from fer_tf.data import base, stores
from fer_tf.data.stores import ArrayImages, FileImages, JoinedImages, image_store, joined_store


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


def test_stores_of_one_kind_become_one_of_that_kind(files):
    held = ArrayImages(np.zeros((3, 20, 20, 1), np.uint8))
    whole, boxed = FileImages(files, (8, 8), 1), FileImages(files[:2], (8, 8), 1, np.full((2, 4), 10))
    assert joined_store([held, held]).array.shape == (6, 20, 20, 1)
    assert joined_store([whole, whole]).boxes is None
    both = joined_store([whole, boxed])
    assert isinstance(both, FileImages)
    wanted = np.concatenate([whole.fetch(np.arange(6)), boxed.fetch(np.arange(2))])
    np.testing.assert_array_equal(both.fetch(np.arange(8)), wanted)


def test_pictures_in_memory_and_on_disk_are_fetched_in_order(files):
    held = ArrayImages(np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(20, 1).repeat(20, 2))
    disk = FileImages(files, (20, 20), 1)
    both = joined_store([held, disk])
    assert isinstance(both, JoinedImages)
    assert len(both) == 9
    assert both.streamed
    order = np.array([8, 0, 3, 2, 2])
    wanted = np.concatenate([held.array, disk.fetch(np.arange(6))])[order]
    np.testing.assert_array_equal(both.fetch(order), wanted)
    some = both.taken(order)
    assert len(some) == 5
    np.testing.assert_array_equal(some.fetch(np.arange(5)), wanted)
    assert [len(store) for store in some.stores] == [2, 2], "it holds no other image"
    nested = joined_store([some, held])
    np.testing.assert_array_equal(nested.fetch(np.array([0, 5])), [wanted[0], held.array[0]])
    assert both.converted((10, 8), 3).fetch(order).shape == (5, 10, 8, 3)
    assert b"".join(map(bytes, both.described())) != b"".join(map(bytes, some.described()))
