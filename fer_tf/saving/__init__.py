"""Model files: saving, loading and exporting."""

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
