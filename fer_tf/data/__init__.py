"""Datasets: `load_dataset(name)` returns a `FaceDataset`, and `DATASETS` lists all names.

A name is imported when it is used: finding a face in a picture needs no dataset.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import DatasetSpec, FaceDataset, Split, TrainingData
    from .loading import (
        DATASETS,
        check_dataset,
        dataset_spec,
        has_same_pictures,
        has_same_rows,
        is_known,
        join_datasets,
        load_dataset,
        parse_options,
    )

__all__ = [
    "DATASETS",
    "DatasetSpec",
    "FaceDataset",
    "Split",
    "TrainingData",
    "check_dataset",
    "dataset_spec",
    "has_same_pictures",
    "has_same_rows",
    "is_known",
    "join_datasets",
    "load_dataset",
    "parse_options",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".base" if name in ("DatasetSpec", "FaceDataset", "Split", "TrainingData") else ".loading"
    return getattr(importlib.import_module(home, __name__), name)
