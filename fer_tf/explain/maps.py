"""What all maps share: their scale, and empty maps, which figures mark as empty and never draw as a plain picture."""

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


def scaled(maps: np.ndarray) -> np.ndarray:
    """Maps, float [N, H, W] and not negative, each divided by its largest value: 0..1; a map of zeros stays zero."""
    highest = maps.max(axis=(1, 2), initial=0, keepdims=True)
    return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)


def is_empty(maps: np.ndarray) -> np.ndarray:
    """Which maps, float [..., H, W], are 0 everywhere or have a value that is not finite: bool [...]."""
    maps = np.asarray(maps)
    return ~(np.isfinite(maps).all(axis=(-2, -1)) & maps.any(axis=(-2, -1)))


def empty_reason(method: str = "") -> str:
    """The caption of an empty map, such as "empty: nothing in the last map supports this class".

    `method` is one of `METHODS`, or a title that begins with one ("gradcam, scrambled").
    """
    reasons = [reason for name, reason in _REASONS.items() if method.startswith(name)]
    return f"empty: {reasons[0] if reasons else 'nothing supports this class'}"
