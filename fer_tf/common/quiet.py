"""Hides TensorFlow's start-up notes, which its C++ code writes directly to stderr."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discards everything that is written to stderr inside the block, including by C libraries and child processes.

    Exceptions are raised as usual. Use it only around code whose stderr output is known to be noise.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


def import_keras(wake: bool = True) -> ModuleType:
    """Imports Keras and starts its backend without their start-up notes.

    It also hides TensorFlow's advice about functions that are traced again. Each new model and each smaller last batch
    causes such a trace.

    Args:
        wake: start the backend now. With False it does not look for devices yet, and an accelerator's memory stays free
            for other processes.
    Returns: the module `keras`.
    """
    with quiet_stderr():
        import keras

        if wake:
            keras.ops.zeros(1)
    logging.getLogger("tensorflow").addFilter(_is_not_retracing_advice)  # adding the same filter twice has no effect
    return keras


def _is_not_retracing_advice(record):
    return "triggered tf.function retracing" not in record.getMessage()
