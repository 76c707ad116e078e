"""Confidence intervals of shares, and shares as text."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

Z = float(norm.ppf(0.975))


def wilson(hits: float, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share (Wilson 1927).

    Args:
        hits: 0 to count. It may be a fraction, as ties give; SciPy's `proportion_ci` takes only whole numbers.
        count: number of trials.
    Returns: (low, high), within 0..1; (nan, nan) if there is no trial.
    """
    if not count:
        return np.nan, np.nan
    share, spread = hits / count, Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    # rounding must not push an end past the share itself, which then would lie outside its own interval
    return max(0.0, min(float(middle - half), share)), min(1.0, max(float(middle + half), share))


def percent_interval(interval: Sequence[float]) -> str:
    """An interval of shares 0..1 as text in per cent: "40.0 to 90.0"."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def percent_mean(shares: Sequence) -> str:
    """The mean of shares 0..1 as text in per cent: "65.0 ± 7.1", with the standard deviation if there are several.

    Args:
        shares: N numbers, or N rows with a share for each class, whose means are joined: "61/55". "" for N = 0.
    """
    values = 100 * np.array(shares, float)
    if not len(values):
        return ""
    if values.ndim > 1:
        return "/".join(f"{mean:.0f}" for mean in values.mean(axis=0))
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{spread}"
