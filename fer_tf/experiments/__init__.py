"""Experiments: every model that is trained, with its settings and their source."""

from .classical import CLASSICAL, ClassicalExperiment
from .resolve import (
    SIZES,
    changed_settings,
    changed_since,
    default_size,
    differences,
    equal_steps,
    parse_overrides,
    resolve,
    settings_note,
)
from .settings import ABOUT, SALIENCIES, SETTINGS, Experiment, Setting
from .spaces import SPACES, Space, read_space
from .table import EXPERIMENTS

__all__ = [
    "ABOUT",
    "CLASSICAL",
    "ClassicalExperiment",
    "EXPERIMENTS",
    "Experiment",
    "SALIENCIES",
    "SETTINGS",
    "SIZES",
    "SPACES",
    "Setting",
    "Space",
    "changed_settings",
    "changed_since",
    "default_size",
    "differences",
    "equal_steps",
    "parse_overrides",
    "read_space",
    "resolve",
    "settings_note",
]
