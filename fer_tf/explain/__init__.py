"""What models look at."""

from .attention import sampled_windows

__all__ = ["sampled_windows"]
