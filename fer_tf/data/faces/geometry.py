"""The place of a face in a picture, and cutting it out."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ...common.checks import InputError, check_range, check_whole
from ..images import resize


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the upright picture. (0, 0) is the outer corner of the top left pixel.

    Attributes:
        box: (x, y, w, h), floats. It may be partly outside the picture (x or y below 0): a face that is cut off at the
            edge keeps its true centre and size.
        score: how sure the detector is, 0..1; NaN if it has no score.
        left_eye: (x, y) of the eye on the left in the picture (the person's right eye), None if it was not found.
        right_eye: (x, y) of the eye on the right in the picture, or None.
    """

    box: tuple[float, float, float, float]
    score: float = math.nan
    left_eye: tuple[float, float] | None = None
    right_eye: tuple[float, float] | None = None

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]

    def moved(self, right: float, down: float) -> "Face":
        """The same face in a picture in which everything is this number of pixels further right and down."""

        def point(spot):
            return spot and (spot[0] + right, spot[1] + down)

        x, y, w, h = self.box
        return Face((x + right, y + down, w, h), self.score, point(self.left_eye), point(self.right_eye))

    def overlap(self, other: "Face") -> float:
        """Intersection over union (IoU) of the boxes of two faces of one picture, 0..1."""
        (x1, y1, w1, h1), (x2, y2, w2, h2) = self.box, other.box
        across, down = min(x1 + w1, x2 + w2) - max(x1, x2), min(y1 + h1, y2 + h2) - max(y1, y2)
        shared = max(0.0, across) * max(0.0, down)
        return shared / (self.area + other.area - shared) if shared else 0.0

    @property
    def roll(self) -> float:
        """Degrees by which the line from the left to the right eye goes down; 0 if the eyes are not known."""
        if self.left_eye is None or self.right_eye is None:
            return 0.0
        (x1, y1), (x2, y2) = self.left_eye, self.right_eye
        return math.degrees(math.atan2(y2 - y1, x2 - x1))


def crop_face(image: np.ndarray, face: Face, size: int, margin: float = 0.2, align: bool = True) -> np.ndarray:
    """Cuts a face out as a square. The aspect ratio is kept; outside the picture, its edge pixels are repeated.

    The square has the centre of the box. Its side is the longer side of the box, plus `margin` of it on both sides.

    Args:
        image: uint8 [H, W, 1 or 3].
        face: a `Face` of this picture.
        size: side of the result in pixels.
        margin: 0..2, share of the box's longer side that is added on every side. FER2013's own pictures have no margin:
            in them, the median longer side of MTCNN's and Haar's boxes is 48 px.
        align: True turns the picture around the box's centre until the eyes are level (if they are known).
    Returns: uint8 [size, size, C].
    Raises: `InputError` for a wrong argument or box.
    """
    check_whole("size", size, 1, 4096)
    check_range("margin", margin, 0, 2)
    _check_box(face.box)
    x, y, w, h = face.box
    side = max(w, h) * (1 + 2 * margin)
    surroundings, (left, top) = _surroundings(image, (x + w / 2, y + h / 2), side)
    # Cut at the picture's own resolution or above, then averaged to the size: a direct warp would skip pixels.
    fine = size * max(1, math.ceil(side / size))
    # OpenCV counts from the middle of the first pixel
    centre = (x + w / 2 - left - 0.5, y + h / 2 - top - 0.5)
    turn = cv2.getRotationMatrix2D(centre, face.roll if align else 0.0, fine / side)
    turn[:, 2] += fine / 2 - 0.5 - np.array(centre)  # type: ignore[arg-type]
    square = cv2.warpAffine(surroundings, turn, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return resize(square.reshape(fine, fine, image.shape[2]), (size, size))


def _check_box(box):
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise InputError(f"face: its box must be (x, y, w, h), finite, w and h above 0; received {tuple(box)}")


def _surroundings(image, centre, side):
    """The part of the picture that the square covers when turned by any angle, and the part's corner (x, y).

    OpenCV cannot warp pictures over 32,767 px wide; this part is small.
    """
    reach = side / math.sqrt(2) + 2
    spans = []
    for middle, length in zip(centre, (image.shape[1], image.shape[0]), strict=True):
        start = min(max(math.floor(middle - reach), 0), length - 1)
        spans.append((start, min(max(math.ceil(middle + reach), start + 1), length)))
    (left, right), (top, bottom) = spans
    return image[top:bottom, left:right], (left, top)
