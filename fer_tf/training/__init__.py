"""Training: one run, folds, searches and queues of runs."""

from ..runs.datasets import load_for
from .run import fine_tune, run_experiment, run_folds, run_settings

__all__ = ["fine_tune", "load_for", "run_experiment", "run_folds", "run_settings"]
