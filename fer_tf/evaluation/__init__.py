"""Evaluation: metrics of one run, comparison of many, errors, calibration, robustness, tables. Arrays and frames in,
frames out; no Keras."""

from . import (
    calibration,
    comparison,
    cross,
    document_tables,
    errors,
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
    "metrics",
    "rendering",
    "robustness",
    "significance",
    "subsets",
    "tables",
]
