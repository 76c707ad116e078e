"""Keeping TensorFlow's start-up notes (written by its C++ part, past Python) off the screen."""

import contextlib
import logging
import os
import sys


@contextlib.contextmanager
def quiet_stderr():
    """Drops what is written to the process's stderr inside the block, also by libraries and child processes.

    Exceptions pass as ever; only use it around code whose stderr is known to be noise.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def import_keras(wake=True):
    """Imports Keras and wakes its backend without their notes; what comes after is then silent too.

    With wake=False the backend does not look at the devices yet, so an accelerator's memory stays free for others.

    So is TensorFlow's advice on functions that are traced again: each new model and each last, smaller batch does that.
    """
    with quiet_stderr():
        import keras

        if wake:
            keras.ops.zeros(1)
    logging.getLogger("tensorflow").addFilter(_is_no_advice_on_tracing)  # the same one a second time is no second one
    return keras


def _is_no_advice_on_tracing(record):
    return "triggered tf.function retracing" not in record.getMessage()
