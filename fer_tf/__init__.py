"""fer_tf: a course kit for facial expression recognition with Keras and TensorFlow.

The names of the proposal's pseudocode can be imported from here. Heavy libraries are imported only when one is used.
"""

import importlib
import os

# Hides TensorFlow's notes about the processor. Warnings and errors are still shown.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# TensorFlow enables oneDNN's convolutions by default only on processors with AVX-512 VNNI. On a processor with AVX2
# they train these networks up to 2.5 times faster (benchmarks/onednn.py). Set the variable to "0" to disable them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.2.0"
__all__ = ["EMOTION_LABELS", "load_image", "load_model", "preprocess_image"]

_HOMES = {
    "EMOTION_LABELS": "emotions",
    "load_model": "saving",
    "load_image": "predict",
    "preprocess_image": "predict",
}


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    try:
        return importlib.import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__():
    return sorted([*globals(), *_HOMES])
