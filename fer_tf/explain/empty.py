"""Empty maps: maps without any information. Figures mark them as empty and never draw them as a plain picture."""

import numpy as np

_NO_CHANGE = "no pixel changes the score of this class"
_IN_MAP = "nothing in the last map supports this class"
_REASONS = {
    "cam": _IN_MAP,
    "gradcam": _IN_MAP,
    "hirescam": _IN_MAP,
    "occlusion": "no blanked square matters",
    "integrated_gradients": _NO_CHANGE,
    "smoothgrad": _NO_CHANGE,
    "attention": "no region counts",
}


def is_empty(maps: np.ndarray) -> np.ndarray:
    """Which maps are empty: 0 everywhere, or with a value that is not finite.

    Args:
        maps: float [..., H, W].
    Returns: bool [...].
    """
    maps = np.asarray(maps)
    return ~(np.isfinite(maps).all(axis=(-2, -1)) & maps.any(axis=(-2, -1)))


def empty_reason(method: str = "") -> str:
    """The caption of an empty map, such as "empty: nothing in the last map supports this class".

    Args:
        method: one of `METHODS`, or a title that begins with one ("gradcam, scrambled").
    Returns: text.
    """
    reasons = [reason for name, reason in _REASONS.items() if method.startswith(name)]
    return f"empty: {reasons[0] if reasons else 'nothing supports this class'}"
