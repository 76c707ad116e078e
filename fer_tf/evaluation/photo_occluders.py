"""Objects that cover photographed faces: sunglasses, a surgical mask, a hand.

They are shapes on a unit square that can be drawn at any size. Their places fit a face that fills its picture, as in
FER2013: eyes at two fifths of the height and the mouth at three quarters. Photographs have no marked eyes that would
give better places. Drawn faces have their own occluders.
"""

import functools

import cv2
import numpy as np

EYES, MOUTH = (0.5, 0.40), (0.5, 0.75)
_SIDE = 256  # shapes are drawn at this size and then averaged down, for soft edges and the right covered share
_SHIFT = 8  # bits of OpenCV's fixed-point coordinates


def _points(points):
    return np.round(np.asarray(points) * _SIDE * 2**_SHIFT).astype(np.int32)


def _ellipse(canvas, centre, radii, value, angle=0.0):
    centre, radii = tuple(map(int, _points(centre))), tuple(map(int, _points(radii)))
    cv2.ellipse(canvas, centre, radii, angle, 0, 360, value, -1, shift=_SHIFT)


def _line(canvas, first, last, width, value):
    first, last = (tuple(map(int, _points(point))) for point in (first, last))
    cv2.line(canvas, first, last, value, max(1, round(width * _SIDE)), shift=_SHIFT)


def _sunglasses(canvas, scale):
    """Two lenses with a bridge and arms; the lenses stay over the eyes when they grow."""
    across, down = 0.15 * scale, 0.11 * scale
    for side in (-1, 1):
        _line(canvas, (EYES[0], EYES[1] - 0.02), (EYES[0] + 0.6 * side, EYES[1] - 0.05), 0.02, 25)
    for side in (-1, 1):
        _ellipse(canvas, (EYES[0] + 0.19 * side, EYES[1]), (across, down), 25)
        _ellipse(canvas, (EYES[0] + 0.19 * side - 0.3 * across, EYES[1] - 0.4 * down), (across / 5, down / 5), 70)


def _mask(canvas, scale):
    """A surgical mask over the mouth, with three folds and straps."""
    right = [(0, -0.28), (0.12, -0.25), (0.34, -0.17), (0.31, 0.08), (0.15, 0.22), (0, 0.25)]
    outline = right + [(-x, y) for x, y in right[-2:0:-1]]
    for side in (-1, 1):
        for low, high in ((-0.16, -0.45), (0.07, -0.10)):
            near = MOUTH[0] + 0.33 * side * scale, MOUTH[1] + low * scale
            _line(canvas, near, (MOUTH[0] + 0.6 * side, MOUTH[1] + high), 0.012, 205)
    cv2.fillPoly(canvas, [_points(np.array(outline) * scale + MOUTH)], 205, shift=_SHIFT)
    for fold in (-0.09, 0.01, 0.11):
        ends = [(MOUTH[0] + side * 0.29 * scale, MOUTH[1] + fold * scale) for side in (-1, 1)]
        _line(canvas, *ends, 0.012 * scale, 165)


def _hand(canvas, scale):
    """A hand that covers mouth and cheek from the lower right: wrist, palm and four fingers with shadows between."""

    across, up = np.cos(np.deg2rad(110)), np.sin(np.deg2rad(110))

    def place(along, aside):  # distance from the middle of the palm to the finger tips, and to the right
        right, down = across * along + up * aside, across * aside - up * along
        return MOUTH[0] + 0.06 + scale * right, MOUTH[1] + 0.08 + scale * down

    _line(canvas, place(0, 0), place(-0.9, 0), 0.26 * scale, 150)
    _ellipse(canvas, place(0, 0), (0.19 * scale, 0.19 * scale), 160)
    for number, reach in enumerate((0.36, 0.43, 0.42, 0.34)):
        aside = 0.092 * (number - 1.5)
        _line(canvas, place(0.1, aside), place(reach, aside * 1.25), 0.105 * scale, 120)
        _line(canvas, place(0.1, aside), place(reach, aside * 1.25), 0.08 * scale, 165)


SHAPES = {"sunglasses": _sunglasses, "mask": _mask, "hand": _hand}


def _drawn(name, scale):
    """Brightness of the shape, uint8 [_SIDE, _SIDE]; 0 outside the shape."""
    canvas = np.zeros((_SIDE, _SIDE), np.uint8)
    SHAPES[name](canvas, scale)
    return canvas


def _scale(name, share):
    """The scale at which the shape covers this share of the picture, found by bisection."""
    low, high = 0.0, 4.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if (_drawn(name, middle) > 0).mean() < share else (low, middle)
    return high


@functools.lru_cache(maxsize=256)
def occluder(name: str, share: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An occluder that covers a share of a picture.

    Args:
        name: a key of `SHAPES`.
        share: share of the picture's area, 0..1; it must be more than the straps or arms need.
        height, width: size of the picture in pixels.
    Returns: cover float32 [height, width], from 0 (free) to 1 (covered), and shade float32 [height, width], the
        brightness 0..1 of the occluder where it covers. Both arrays are cached: do not write to them.
    """
    canvas = _drawn(name, _scale(name, share))
    cover = cv2.resize((canvas > 0).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    light = cv2.resize(canvas.astype(np.float32) / 255, (width, height), interpolation=cv2.INTER_AREA)
    shade = np.divide(light, cover, out=np.zeros_like(light), where=cover > 0)
    return cover, shade
