"""Evaluation: metrics of one run, comparison of runs, errors, calibration, robustness and tables.

Functions take arrays and frames and return frames. This folder does not import Keras.
"""

from . import (
    calibration,
    comparison,
    cross,
    document_tables,
    errors,
    intervals,
    metrics,
    robustness,
    significance,
    subsets,
    tables,
)

__all__ = [
    "calibration",
    "comparison",
    "cross",
    "document_tables",
    "errors",
    "intervals",
    "metrics",
    "robustness",
    "significance",
    "subsets",
    "tables",
]
