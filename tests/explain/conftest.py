"""What tests of maps share."""

import pytest


@pytest.fixture(scope="module")
def untraced():
    """Models compute as they are written: where each is asked once or twice, tracing takes longer than its answers."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
