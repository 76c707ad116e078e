"""The place of a face in a picture, and cutting it out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ...common.checks import InputError, check_choice, check_range, check_whole
from ..images import resize

Point = tuple[float, float]
# The points of a face that detectors give, in the order of MTCNN and YuNet. Left is the left of the picture.
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
# What `crop_face` does with the points.
ALIGNS = ("eyes", "landmarks", "none")
# Where "landmarks" puts the points, as shares of the crop's side: the medians of MTCNN's points in 3,518 training faces
# of FER2013, made symmetric (benchmarks/alignment.py --template). The models that ship have learned from such faces.
TEMPLATE = ((0.31, 0.38), (0.69, 0.38), (0.5, 0.6), (0.35, 0.78), (0.65, 0.78))


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the upright picture. (0, 0) is the outer corner of the top left pixel.

    Attributes:
        box: (x, y, w, h), floats. It may be partly outside the picture (x or y below 0): a face that is cut off at the
            edge keeps its true centre and size.
        score: how sure the detector is, 0..1; NaN if it has no score.
        left_eye: (x, y) of the eye on the left in the picture (the person's right eye), None if it was not found.
        right_eye: (x, y) of the eye on the right in the picture, or None.
        nose: (x, y) of its tip, or None.
        left_mouth, right_mouth: (x, y) of the mouth's corners on the left and on the right in the picture, or None.
    """

    box: tuple[float, float, float, float]
    score: float = math.nan
    left_eye: Point | None = None
    right_eye: Point | None = None
    nose: Point | None = None
    left_mouth: Point | None = None
    right_mouth: Point | None = None

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]

    def moved(self, right: float, down: float) -> "Face":
        """The same face in a picture in which everything is this number of pixels further right and down."""
        return self.mapped(lambda x, y: (x + right, y + down), (1.0, 1.0))

    def mapped(self, place: Callable[[float, float], Point], scales: Point) -> "Face":
        """The same face in a picture that was moved and resized.

        Args:
            place: function (x, y) -> where this point is now, in pixels.
            scales: factors of the box's width and height.
        """
        points = {name: spot and place(*spot) for name, spot in self.points.items()}
        x, y, w, h = self.box
        return Face((*place(x, y), w * scales[0], h * scales[1]), self.score, **points)

    @property
    def points(self) -> dict[str, Any]:
        """dict name of `POINTS` -> (x, y), or None where it was not found."""
        return {name: getattr(self, name) for name in POINTS}

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


def crop_face(image: np.ndarray, face: Face, size: int, margin: float = 0.2, align: str | bool = "eyes") -> np.ndarray:
    """Cuts a face out as a square. The aspect ratio is kept; outside the picture, its edge pixels are repeated.

    The square has the centre of the box. Its side is the longer side of the box, plus `margin` of it on both sides.
    With align="landmarks" the points of the face decide instead of the box, see `registered_square`.

    Args:
        image: uint8 [H, W, 1 or 3].
        face: a `Face` of this picture.
        size: side of the result in pixels.
        margin: 0..2, share of the box's longer side that is added on every side. FER2013's own pictures have no margin:
            in them, the median longer side of MTCNN's and Haar's boxes is 48 px.
        align: "eyes" turns the picture around the box's centre until the eyes are level (if they are known).
            "landmarks" turns, scales and moves it until the five points are nearest to `TEMPLATE`. A face without them
            is cut out as with "eyes". "none" turns nothing. True and False are "eyes" and "none".
    Returns: uint8 [size, size, C].
    Raises: `InputError` for a wrong argument or box.
    """
    check_whole("size", size, 1, 4096)
    check_range("margin", margin, 0, 2)
    _check_box(face.box)
    (x, y), side, roll = _square(face, check_align(align))
    side *= 1 + 2 * margin
    surroundings, (left, top) = _surroundings(image, (x, y), side)
    # Cut at the picture's own resolution or above, then averaged to the size: a direct warp would skip pixels.
    fine = size * max(1, math.ceil(side / size))
    # OpenCV counts from the middle of the first pixel
    centre = (x - left - 0.5, y - top - 0.5)
    turn = cv2.getRotationMatrix2D(centre, roll, fine / side)
    turn[:, 2] += fine / 2 - 0.5 - np.array(centre)  # type: ignore[arg-type]
    square = cv2.warpAffine(surroundings, turn, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return resize(square.reshape(fine, fine, image.shape[2]), (size, size))


def check_align(align: str | bool) -> str:
    """Returns a value of `ALIGNS`; True is "eyes" and False is "none", as before there were names."""
    if isinstance(align, bool):
        return "eyes" if align else "none"
    return check_choice("align", align, ALIGNS)


def _square(face, align):
    """(centre, side, degrees) of the square to cut out."""
    registered = registered_square(face) if align == "landmarks" else None
    x, y, w, h = face.box
    return registered or ((x + w / 2, y + h / 2), max(w, h), 0.0 if align == "none" else face.roll)


def registered_square(face: Face) -> tuple[Point, float, float] | None:
    """The square in which the face's five points are nearest to `TEMPLATE` (least squares, Umeyama 1991).

    The similarity transform from the points to the template turns, scales and moves. It cannot stretch, so a face that
    is seen from the side stays one.

    Args:
        face: a `Face`.
    Returns: the square's centre (x, y) and side in pixels, and the degrees by which its upper edge goes down to the
        right; None if a point is missing, or if all points are in one place.
    """
    points = np.array([spot for spot in face.points.values() if spot is not None], float)
    if len(points) < len(POINTS) or not np.isfinite(points).all():
        return None
    from skimage.transform import estimate_transform  # here, because it takes a second to import

    # from the template to the picture: its scale is then the side of the square
    found = estimate_transform("similarity", np.array(TEMPLATE), points)
    if not found or not np.isfinite(found.params).all() or not found.scale > 0:
        return None
    [centre] = found([[0.5, 0.5]])
    return (float(centre[0]), float(centre[1])), float(found.scale), math.degrees(found.rotation)


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
