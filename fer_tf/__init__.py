"""fer_tf: a course kit for facial expression recognition with Keras and TensorFlow.

The names of the proposal's pseudocode are here; nothing heavy is imported before one of them is used.
"""

import importlib
import os

# TensorFlow's own notes about the processor; warnings and errors still come.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# TensorFlow turns oneDNN's convolutions on by itself only where it finds AVX-512 VNNI; without it a processor with AVX2
# trains these nets up to two and a half times faster with them (benchmarks/onednn.py). "0" from outside turns them off.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"
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
