"""The truth as masks: where the face is, and which of its parts carry the expression."""

import cv2
import numpy as np

from .geometry import SHIFT
from .units import ACTION_UNITS, ACTIVE, REGIONS, UNIT_REGIONS

_PAD = 0.05  # a region extends this far, in face units, beyond the marks in it

# region -> groups of parts; the convex hull of each group is filled
_GROUPS = {
    "brows": (("brow.L", "brow.R"),),
    "eyes": (("eye.L", "bag.L"), ("eye.R", "bag.R")),
    "nose": (("nose_side.L", "nose_side.R", "nostril.L", "nostril.R"),),
    "mouth": (("lips",),),
    "cheeks": (("cheek.L",), ("cheek.R",)),
    "chin": (("chin",),),
    "cheek.L": (("cheek.L",),),
    "cheek.R": (("cheek.R",),),
}


def active_regions(units: np.ndarray) -> np.ndarray:
    """Which regions carry the expression, bool [N, regions], from the strengths of the units, float [N, units]."""
    table = np.array([[region in UNIT_REGIONS[unit] for region in REGIONS] for unit in ACTION_UNITS])
    return (units >= ACTIVE).astype(int) @ table.astype(int) > 0


def face_mask(parts: dict[str, np.ndarray], i: int, size: int, canvas: int) -> np.ndarray:
    """The head of face i without ears and hair, bool [size, size]; see `expression_mask`."""
    drawn = np.zeros((canvas, canvas), np.uint8)
    cv2.fillPoly(drawn, [parts["head"][i]], 255, cv2.LINE_AA, SHIFT)
    return _reduced(drawn, size)


def expression_mask(
    parts: dict[str, np.ndarray], i: int, active: np.ndarray, scale: float, size: int, canvas: int
) -> np.ndarray:
    """The active regions of face i.

    Args:
        parts: dict name -> int32 [N, m, 2] of `Outlines`.
        i: number of the face in the batch.
        active: bool [regions].
        scale: canvas pixels for each face unit.
        size, canvas: sides of mask and canvas in pixels.
    Returns: bool [size, size].
    """
    drawn = np.zeros((canvas, canvas), np.uint8)
    width = max(1, int(2 * _PAD * scale))
    for region, on in zip(REGIONS, active, strict=True):
        for group in _GROUPS[region] if on else ():
            hull = cv2.convexHull(np.concatenate([parts[name][i] for name in group]))
            cv2.fillPoly(drawn, [hull], 255, cv2.LINE_AA, SHIFT)
            cv2.polylines(drawn, [hull], True, 255, width, cv2.LINE_AA, SHIFT)
    return _reduced(drawn, size)


def _reduced(drawn, size):
    return cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA) > 127
