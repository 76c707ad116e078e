"""Fixtures of several test files on explanations."""

import numpy as np
import pytest


@pytest.fixture
def maps(rng):
    """Four maps: the second is zero, the third holds a value that is not finite."""
    maps = rng.random((4, 12, 10)).astype(np.float32)
    maps[1], maps[2, 3, 3] = 0, np.nan
    return maps
