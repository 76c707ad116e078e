"""Evaluation: metrics of one run, comparison of many, tables. Arrays and frames in, frames out; no Keras."""

from . import comparison, metrics, tables

__all__ = ["comparison", "metrics", "tables"]
