"""Model files: saving, loading and exporting. A name is imported when it is used: exported models need no Keras."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .declaration import Declaration
    from .keras_files import (
        FACENET2EXPNET,
        declared_model,
        describe,
        find_model,
        load_model,
        model_info,
        model_shape,
        read_description,
        save_facenet2expnet,
        save_model,
    )

__all__ = [
    "FACENET2EXPNET",
    "Declaration",
    "declared_model",
    "describe",
    "find_model",
    "load_model",
    "model_info",
    "model_shape",
    "read_description",
    "save_facenet2expnet",
    "save_model",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".declaration" if name == "Declaration" else ".keras_files", __name__), name)
