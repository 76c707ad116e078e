"""Reads Keras files, also those of Keras 2 whose layers have an argument that Keras 3 no longer knows.

If Keras cannot load a file, the error says Keras's reason, the layer, and the version of Keras that wrote the file.
"""

import contextlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from ..common.checks import ModelFileError

# Keras 2 wrote `groups: 1` for these layers. They have no groups, and Keras 3 refuses the word.
WITHOUT_GROUPS = (
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
)
# How Keras names a layer that it cannot make.
_LAYER = re.compile(r"Error when deserializing class '(\w+)' using config=\{.*?'name': '([^']*)'", re.DOTALL)
_LONGEST = 300


def read_keras(path: Path) -> Any:
    """Reads a model with Keras, not compiled.

    Args:
        path: a `.h5`, `.hdf5` or `.keras` file.
    Returns: what the file holds, as a rule a `keras.Model`.
    Raises: `ModelFileError` with Keras's reason, the layer, and the version of Keras that wrote the file.
    """
    old = {} if path.suffix == ".keras" else {name: _without_groups(name) for name in WITHOUT_GROUPS}
    try:
        return keras.models.load_model(path, custom_objects=old, compile=False)
    except Exception as error:  # Keras raises anything from KeyError to RuntimeError on a broken file
        raise ModelFileError(f"{path}: cannot be loaded as a Keras model ({_reason(error)}{_versions(path)})") from None


def _without_groups(name):
    """A stand-in for a layer's class: it makes the layer of this name, and drops `groups` if it is 1."""

    class Old:
        @classmethod
        def from_config(cls, config):
            kept = {key: value for key, value in config.items() if key != "groups" or value != 1}
            return getattr(keras.layers, name).from_config(kept)

    return Old


def last_line(error: Exception) -> str:
    """The last line of an error's message, at most 300 characters; the error's type if it has no message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else type(error).__name__


def _reason(error):
    """Keras's reason with the layer that it is about: the innermost one, as models pass on their layers' errors."""
    reason = last_line(error).removeprefix("Exception encountered: ")
    if isinstance(error, KeyError):  # its message is only the key
        reason = f"KeyError: {reason}"
    layers = _LAYER.findall(str(error))
    return f"layer {layers[-1][1]!r} ({layers[-1][0]}): {reason}" if layers else reason


def _versions(path):
    """Which Keras wrote a file, and which other one reads it, as the end of a sentence; "" if the file is silent."""
    with contextlib.suppress(OSError, KeyError, ValueError, zipfile.BadZipFile):
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            with h5py.File(path, "r") as file:
                version = file.attrs["keras_version"]
        version = version.decode() if isinstance(version, bytes) else version
        here = "" if version == keras.__version__ else f", this is Keras {keras.__version__}"
        return f"; the file was written by Keras {version}{here}"
    return ""
