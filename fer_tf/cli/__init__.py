"""The command line. Commands import what they need when they run, so `--help` is fast."""

# ruff: noqa: I001 (in the order of --help)
from .common import app

from . import runs  # noqa: F401
from . import queue  # noqa: F401
from . import search  # noqa: F401
from . import predict  # noqa: F401
from . import explain  # noqa: F401
from . import demo  # noqa: F401
from . import export  # noqa: F401
from . import data  # noqa: F401

__all__ = ["app"]
