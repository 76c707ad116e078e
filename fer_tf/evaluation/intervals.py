"""Intervals of shares."""

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
