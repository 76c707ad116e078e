"""Experiments: every model that is trained, with its settings and their source."""

from .resolve import (
    SIZES,
    changed_since,
    default_size,
    differences,
    equal_steps,
    is_used,
    parse_overrides,
    resolve,
    settings_note,
)
from .settings import (
    ABOUT,
    OPTIMIZERS,
    PRECISIONS,
    SALIENCIES,
    SCHEDULES,
    SETTINGS,
    Experiment,
    Setting,
)
from .spaces import SPACES, Space, read_space
from .table import EXPERIMENTS

__all__ = [
    "ABOUT",
    "EXPERIMENTS",
    "Experiment",
    "OPTIMIZERS",
    "PRECISIONS",
    "SALIENCIES",
    "SCHEDULES",
    "SETTINGS",
    "SIZES",
    "SPACES",
    "Setting",
    "Space",
    "changed_since",
    "default_size",
    "differences",
    "equal_steps",
    "is_used",
    "parse_overrides",
    "read_space",
    "resolve",
    "settings_note",
]
