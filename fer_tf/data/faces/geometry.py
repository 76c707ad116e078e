"""A face's place in a picture, and cutting it out."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ...common.checks import InputError, check_range, check_whole
from ..images import resize


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the upright picture; (0, 0) is the outer corner of the top left pixel.

    Attributes:
        box: (x, y, w, h), floats. It may hang over the picture's edge (x or y below 0): a face that is cut off there
            keeps its true centre and size.
        score: how sure the detector is, 0..1; NaN where it does not tell.
        left_eye: (x, y) of the eye on the left in the picture (the person's right one), None where it was not found.
        right_eye: (x, y) of the eye on the right in the picture, or None.
    """

    box: tuple
    score: float = math.nan
    left_eye: tuple | None = None
    right_eye: tuple | None = None

    @property
    def area(self):
        """Square pixels of the box."""
        return self.box[2] * self.box[3]

    @property
    def roll(self):
        """Degrees by which the line from left to right eye falls to the right; 0 where the eyes are not known."""
        if self.left_eye is None or self.right_eye is None:
            return 0.0
        (x1, y1), (x2, y2) = self.left_eye, self.right_eye
        return math.degrees(math.atan2(y2 - y1, x2 - x1))


def crop_face(image, face, size, margin=0.2, align=True):
    """Cuts a face out as a square; the aspect ratio is kept, beyond the picture its edge pixels are repeated.

    The square stands on the box's centre; its side is the box's longer side and `margin` of it on either side.

    Args:
        image: uint8 [H, W, 1 or 3].
        face: a `Face` of this picture.
        size: side of the result in pixels.
        margin: 0..2, a share of the box's longer side added on every side. FER2013's own pictures have none: the
            longer side of MTCNN's and Haar's boxes in them is 48 px in the middle.
        align: turn the picture about the box's centre until the eyes lie level (where they are known).
    Returns: uint8 [size, size, C].
    """
    check_whole("size", size, 1, 4096)
    check_range("margin", margin, 0, 2)
    _check_box(face.box)
    x, y, w, h = face.box
    side = max(w, h) * (1 + 2 * margin)
    part, (left, top) = _surroundings(image, (x + w / 2, y + h / 2), side)
    # Cut at the picture's own resolution or above, then averaged down: a direct warp would skip pixels.
    fine = size * max(1, math.ceil(side / size))
    # OpenCV counts from the middle of the first pixel
    centre = (x + w / 2 - left - 0.5, y + h / 2 - top - 0.5)
    turn = cv2.getRotationMatrix2D(centre, face.roll if align else 0.0, fine / side)
    turn[:, 2] += fine / 2 - 0.5 - np.array(centre)
    square = cv2.warpAffine(part, turn, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return resize(square.reshape(fine, fine, image.shape[2]), (size, size))


def _check_box(box):
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise InputError(f"face: its box must be (x, y, w, h), finite, w and h above 0; received {tuple(box)}")


def _surroundings(image, centre, side):
    """The part of the picture that a square of any turn touches, and its corner (x, y).

    OpenCV refuses to warp pictures over 32,767 px wide; the part is small.
    """
    reach = side / math.sqrt(2) + 2
    spans = []
    for middle, length in zip(centre, (image.shape[1], image.shape[0]), strict=True):
        start = min(max(math.floor(middle - reach), 0), length - 1)
        spans.append((start, min(max(math.ceil(middle + reach), start + 1), length)))
    (left, right), (top, bottom) = spans
    return image[top:bottom, left:right], (left, top)
