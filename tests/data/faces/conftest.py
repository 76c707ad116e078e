"""Fixtures of the tests on finding faces."""

import pytest

from fer_tf.data.faces import detectors as detectors_module


@pytest.fixture
def fresh():
    """No detector is kept from or for other tests."""
    detectors_module._loaded.cache_clear()
    yield
    detectors_module._loaded.cache_clear()
