"""Stopping a prediction in its middle, for tests of going on."""

from unittest import mock

import pytest

from fer_tf.predict.predict_files import predict_files


class Stopped(Exception):
    """Somebody pulled the plug."""


def stopping(recognizer, after):
    """In the block the recogniser classifies `after` batches, then raises `Stopped`."""
    real, calls = recognizer._probabilities, iter(range(after))

    def some(crops):
        if next(calls, None) is None:
            raise Stopped
        return real(crops)

    return mock.patch.object(recognizer, "_probabilities", some)


def stop_in(recognizer, files, out, after=1, options=None):
    """Predicts files to a csv until `after` batches are classified."""
    with stopping(recognizer, after), pytest.raises(Stopped):
        predict_files(recognizer, files, out, options, progress=False)
