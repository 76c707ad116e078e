"""What is hidden from the screen, and that nothing else is."""

import logging

import pytest

from fer_tf.common.quiet import import_keras

ADVICE = "5 out of the last 5 calls to <function f> triggered tf.function retracing. Tracing is expensive"


def test_advice_on_tracing_is_dropped_and_other_warnings_are_not():
    """Both as TensorFlow gives them: through its logger, at the level of a warning."""
    tf = pytest.importorskip("tensorflow")
    shown = []
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())
    logger = tf.get_logger()
    logger.addHandler(handler)
    try:
        for _ in range(2):
            import_keras()
        logger.warning(ADVICE)
        logger.warning("weights are %s", "broken")
        logger.error("out of memory")
        retraced(tf)
    finally:
        logger.removeHandler(handler)
    assert shown == ["weights are broken", "out of memory"]


def retraced(tf):
    """One function that is traced again at every call, so often that TensorFlow warns."""
    doubled = tf.function(lambda value: 2 * value)
    for value in range(12):
        doubled(value)
