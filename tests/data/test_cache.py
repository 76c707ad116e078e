"""Arrays kept in parts: written once, read from the disk, damaged files are written again, no crash without a cache."""

import numpy as np
import pytest

from fer_tf.data.cache import cached_parts

WHOLE = np.arange(60, dtype=np.float32).reshape(10, 3, 2)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Parts:
    """Gives the rows four at a time and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        yield from (WHOLE[start : start + 4] for start in range(0, 10, 4))


def kept(parts, shape=WHOLE.shape):
    return cached_parts("maps", "f" * 64, shape, np.float16, parts)


def test_parts_are_joined_once_and_then_read_from_the_disk(cache):
    parts = Parts()
    first, second = kept(parts), kept(parts)
    assert parts.asked == 1
    assert isinstance(second, np.memmap)
    assert second.dtype == np.float16
    np.testing.assert_array_equal(first, WHOLE)
    np.testing.assert_array_equal(second[[7, 2]], WHOLE[[7, 2]])
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 0


@pytest.mark.parametrize("damage", [lambda raw: raw[:-7], lambda raw: b"", lambda raw: b"no array at all"])
def test_a_damaged_file_is_made_anew(cache, damage):
    parts = Parts()
    kept(parts)
    (path,) = cache.glob("maps-*.npy")
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(kept(parts), WHOLE)
    assert parts.asked == 2
    assert list(cache.iterdir()) == [path]


def test_without_a_cache_the_array_is_held_in_memory(cache):
    cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be written .*held in memory"):
        found = kept(Parts())
    np.testing.assert_array_equal(found, WHOLE)
    assert found.dtype == np.float16


def test_a_fault_while_computing_leaves_no_half_file(cache):
    def broken():
        yield WHOLE[:4]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        kept(broken)
    assert not list(cache.glob("**/*.npy"))
