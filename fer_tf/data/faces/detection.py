"""`detect_faces`: finds the faces in pictures of any size."""

import itertools
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from ...common.checks import InputError, check_range, check_whole
from ..images import convert
from .detectors import DETECTORS, SMALLEST, load_detector
from .geometry import Face

# Pictures with a shorter side than this (pixels) are enlarged to it: detectors miss faces under 20 px.
SHORTEST = 96
# Pictures up to this side (pixels) may be tight crops of a face. They get a frame of their own edge pixels, by this
# share of the shorter side. On 200 faces of FER2013 (48 px), Haar then finds 78 % instead of 69 %, MTCNN 90 % instead
# of 86 %.
CLOSE_UP, FRAME = 320, 0.2
# Pixels in a batch: MTCNN's first layers take about 60 bytes for each.
BATCH_PIXELS = 2**20
# Boxes of two searches of a picture that overlap by this share of their joint area are the same face.
SAME = 0.3
# Side in pixels of the parts of a picture in which small faces are searched.
TILE = 1024
# OpenCV's detectors keep state while they work, so only one thread may use them.
_LOCK = threading.Lock()


def detect_faces(
    images: Sequence[np.ndarray],
    detector: str = "mtcnn",
    min_size: float = 0,
    max_side: int = 1024,
    small_faces: bool = False,
    **options: Any,
) -> list[list[Face]]:
    """Finds the faces in pictures.

    Small pictures are enlarged and framed, large ones are made smaller. Boxes are in pixels of the original picture.
    Pictures that then have the same size go through MTCNN together.

    Args:
        images: list of uint8 [H, W, 1 or 3] (RGB), sizes may differ.
        detector: a key of `DETECTORS`.
        min_size: pixels; faces whose longer side is smaller are left out. A higher value takes less time. Detectors
            miss faces under about 20 pixels.
        max_side: pictures with a longer side are reduced to it. In a picture of 4096 px, max_side 1024 misses faces
            below about 80 px; a higher value takes more time.
        small_faces: True searches pictures that were reduced a second time, at their own size, for faces that are too
            small in the reduced picture. This takes long for large pictures.
        **options: the detector's own options, see `DETECTORS[detector].options`.
    Returns: a list of `Face` for each picture, the largest first; empty if there are no faces.
    Raises: `InputError` for a wrong argument, or if the detector's library or file is missing.
    """
    check_range("min_size", min_size, 0)
    check_whole("max_side", max_side, SHORTEST, 2**14)
    check_pictures(images)
    find = load_detector(detector, **options)
    if find is None:
        return [[Face((0.0, 0.0, float(image.shape[1]), float(image.shape[0])))] for image in images]
    faces_of: list[list[Face]] = [[] for _ in images]
    groups: dict[_View, list[int]] = {}
    for position, image in enumerate(images):
        groups.setdefault(_view(image.shape, max_side), []).append(position)
    for view, positions in groups.items():
        for shown, share in _passes(view, DETECTORS[detector].frame_from):
            for position, faces in _search(find, shown, images, positions, min_size, share):
                faces_of[position] = _with_others(faces_of[position], faces)
    for position, image in enumerate(images) if small_faces else ():
        if max(image.shape[:2]) > max_side:
            faces_of[position] = _with_small_faces(find, image, faces_of[position], min_size, max_side)
    return faces_of


def _passes(view, frame_from):
    """Pairs of a view to search and the share of it that a face must fill: see `Detector.frame_from`."""
    if not view.frame or not frame_from:
        return [(view, 0.0)]
    return [(replace(view, frame=0), 0.0), (view, frame_from)]


def _search(find, view, images, positions, min_size, share):
    """Yields pairs of a position and the faces of its picture.

    Args:
        find: from `load_detector`.
        view: how the pictures are shown.
        images, positions: all pictures, and the positions of those to search.
        min_size: pixels of the pictures; smaller faces are left out.
        share: faces whose side is a smaller share of the view's shorter side are not looked for.
    """
    least = max(SMALLEST, share * min(view.height, view.width))
    for batch in view.batches(positions):
        smallest = max(least, min_size * min(view.scales(images[position].shape) for position in batch))
        with _LOCK:
            results = find(np.stack([view.show(images[position]) for position in batch]), smallest)
        for position, faces in zip(batch, results, strict=True):
            yield position, view.faces_in(images[position].shape, faces, min_size)


def _with_others(faces, more):
    """The faces and those of `more` that overlap none of them, the largest first."""
    new = [face for face in more if all(face.overlap(known) < SAME for known in faces)]
    return sorted([*faces, *new], key=lambda face: -face.area)


def _with_small_faces(find, image, faces, min_size, max_side):
    """The faces of a picture and those that are found in parts of it, at its own size, the largest first."""
    largest = 2 * SMALLEST * max(image.shape[:2]) / max_side  # larger ones were seen in the reduced picture
    sides = [min(TILE, side) for side in image.shape[:2]]
    view = _View(*sides, 0)
    small = []
    for top, left in itertools.product(*map(_starts, image.shape[:2], sides, [math.ceil(largest)] * 2)):
        part = image[top : top + sides[0], left : left + sides[1]]
        for _ in view.batches([0]):
            with _LOCK:
                [results] = find(view.show(part)[None], max(SMALLEST, min_size))
            small += [face.moved(left, top) for face in view.faces_in(part.shape, results, min_size)]
    found = list(faces)
    for face in sorted(small, key=lambda face: -face.area):  # a face that a part cuts comes after the whole face
        if max(face.box[2:]) <= largest and not any(_is_middle_in(face, other) for other in found):
            found.append(face)
    return sorted(found, key=lambda face: -face.area)


def _is_middle_in(face, other):
    x, y, w, h = face.box
    left, top, width, height = other.box
    return left <= x + w / 2 <= left + width and top <= y + h / 2 <= top + height


def _starts(length, side, shared):
    """Where parts of a length start that cover it, with at least `shared` pixels in common; the last ends with it."""
    count = max(1, math.ceil((length - shared) / max(1, side - shared)))
    return [round((length - side) * number / max(1, count - 1)) for number in range(count)]


def check_pictures(images: Iterable[np.ndarray]) -> None:
    """Raises `InputError` unless each of `images` is uint8 [H, W, 1 or 3] and not empty."""
    for position, image in enumerate(images):
        shape, dtype = np.shape(image), getattr(image, "dtype", type(image).__name__)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise InputError(f"images: each must be uint8 [H, W, 1 or 3]; number {position} is {dtype} {list(shape)}")


@dataclass(frozen=True)
class _View:
    """How a picture is shown to a detector: resized to (height, width), then framed by `frame` pixels."""

    height: int
    width: int
    frame: int

    @property
    def shape(self):
        return self.height + 2 * self.frame, self.width + 2 * self.frame

    def scales(self, shape):
        """How many pixels of this view a pixel of a picture of this shape has, in the direction that has fewer."""
        return min(self.height / shape[0], self.width / shape[1])

    def batches(self, positions):
        """The positions in groups of at most `BATCH_PIXELS`; no groups if the view is too small for a face."""
        step = max(1, BATCH_PIXELS // (self.shape[0] * self.shape[1]))
        fits = min(self.shape) >= SMALLEST
        return [positions[start : start + step] for start in range(0, len(positions), step)] if fits else []

    def show(self, image):
        """uint8 [H, W, 1 or 3] → uint8 [*self.shape, 3]."""
        picture = convert(image[None], (self.height, self.width), 3)[0]
        return cv2.copyMakeBorder(picture, *[self.frame] * 4, cv2.BORDER_REPLICATE)

    def faces_in(self, shape, faces, min_size):
        """The faces in pixels of the original picture of this shape, largest first, without those in the frame."""
        faces = [self._back(face, shape[1] / self.width, shape[0] / self.height) for face in faces]
        faces = [face for face in faces if np.isfinite(face.box).all() and min(face.box[2:]) > 0]
        large_enough = [face for face in faces if max(face.box[2:]) >= min_size and _is_inside(face, shape)]
        return sorted(large_enough, key=lambda face: -face.area)

    def _back(self, face, across, down):
        return face.mapped(lambda x, y: ((x - self.frame) * across, (y - self.frame) * down), (across, down))


def _view(shape, max_side):
    shorter, longer = sorted(shape[:2])
    scale = min(max(1, SHORTEST / shorter), max_side / longer)
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    return _View(height, width, round(FRAME * min(height, width)) if longer <= CLOSE_UP else 0)


def _is_inside(face, shape):
    """True if the middle of the face is inside the picture."""
    x, y, w, h = face.box
    return 0 <= x + w / 2 <= shape[1] and 0 <= y + h / 2 <= shape[0]
