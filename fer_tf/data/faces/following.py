"""Follows faces from one frame to the next, so that a live view need not search every frame.

A search may take longer than a frame. Between two searches a face is looked for near its last place only: its
gray pixels at the last search are compared with the frame there (normalised cross-correlation). They stay the same
until the next search, so errors do not add up.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .detection import detect_faces
from .geometry import Face

# Side of the remembered pixels. The frame is resized until the face has this size in it.
SIDE = 40
# How far a face may move between two frames, as a share of its box.
REACH = 0.5
# Changes of size that are tried. Another size must match better by `GAIN`, so that a still face keeps its size.
SCALES, GAIN = (1.0, 0.94, 1.06), 0.01
# A face is lost if the correlation of its pixels with the frame is lower.
LEAST = 0.6
# Seconds between two searches.
SEARCH_SECONDS = 1.0


@dataclass(frozen=True)
class Followed:
    """A face that is followed.

    Attributes:
        face: its last place.
        pixels: uint8 [SIDE, SIDE], its gray pixels at the last search.
    """

    face: Face
    pixels: np.ndarray

    @classmethod
    def start(cls, frame: np.ndarray, face: Face) -> "Followed":
        """Remembers a face that a search has found in a frame, uint8 [H, W, 1 or 3]."""
        x, y, w, h = face.box
        return cls(face, _view(_gray(frame), (x + w / 2, y + h / 2), (w, h), 0))

    def step(self, frame: np.ndarray) -> "Followed | None":
        """Looks for the face in the next frame, uint8 [H, W, 1 or 3]. Returns None if it is lost."""
        (x, y, w, h), gray = self.face.box, _gray(frame)
        best, place = -1.0, (0.0, 0.0, 1.0)
        for scale in SCALES:
            size = (w * scale, h * scale)
            nearby = _view(gray, (x + w / 2, y + h / 2), size, REACH)
            scores = cv2.matchTemplate(nearby, self.pixels, cv2.TM_CCOEFF_NORMED)
            _, score, _, (column, row) = cv2.minMaxLoc(scores)
            if np.isfinite(score) and score > best + GAIN:
                middle = (scores.shape[0] - 1) / 2
                best, place = score, ((column - middle) / SIDE * size[0], (row - middle) / SIDE * size[1], scale)
        return Followed(_moved(self.face, *place), self.pixels) if best >= LEAST else None

    @property
    def state(self) -> dict:
        """The face as a JSON value. A score that is not known is None, because JSON has no NaN."""
        place = {"box": self.face.box, **self.face.points}
        score = None if math.isnan(self.face.score) else self.face.score
        return {**place, "score": score, "pixels": base64.b64encode(self.pixels.tobytes()).decode()}

    @classmethod
    def restore(cls, state: dict) -> "Followed":
        """The face of a `state`."""
        pixels = np.frombuffer(base64.b64decode(state["pixels"]), np.uint8).reshape(SIDE, SIDE)
        place = {name: value for name, value in state.items() if name != "pixels"}
        return cls(Face(**{**place, "score": math.nan if state["score"] is None else state["score"]}), pixels)


def _gray(frame):
    return frame[..., 0] if frame.shape[2] == 1 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _view(gray, centre, size, reach):
    """The part of a picture around a face, with `reach` more on each side, resized until the face has `SIDE` pixels."""
    side = round(SIDE * (1 + 2 * reach))
    zoom = SIDE / size[0], SIDE / size[1]
    kernel = [min(255, max(1, round(1 / factor))) for factor in zoom]
    spans = []  # the rest of the picture need not be blurred
    for middle, face_side, extra, length in zip(centre, size, kernel, gray.shape[::-1], strict=True):
        around = face_side * (0.5 + reach) + extra + 2
        start = min(max(math.floor(middle - around), 0), length - 1)
        spans.append((start, min(max(math.ceil(middle + around), start + 1), length)))
    (left, right), (top, bottom) = spans
    # OpenCV counts from the middle of the first pixel
    shift = [
        side / 2 - 0.5 - factor * (middle - start - 0.5)
        for factor, middle, start in zip(zoom, centre, (left, top), strict=True)
    ]
    matrix = np.array([[zoom[0], 0, shift[0]], [0, zoom[1], shift[1]]])
    blurred = cv2.blur(gray[top:bottom, left:right], kernel)  # a warp alone would skip pixels
    return cv2.warpAffine(blurred, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _moved(face, right, down, scale):
    """The face at its new place: its middle is moved by (right, down) pixels, its size changed by `scale`."""
    x, y, w, h = face.box
    middle = x + w / 2, y + h / 2

    def place(x, y):
        return middle[0] + right + (x - middle[0]) * scale, middle[1] + down + (y - middle[1]) * scale

    return face.mapped(place, (scale, scale))


def follow_or_search(
    frame: np.ndarray,
    detector: str,
    state: Mapping | None,
    now: float,
    seconds: float = SEARCH_SECONDS,
    seconds_empty: float = 0.0,
    **options: Any,
) -> tuple[list[Face], dict | None]:
    """The faces of a frame: followed from the frame before, or found by a search.

    A frame is searched if it is the first, if a face is lost, and `seconds` after the last search.

    Args:
        frame: uint8 [H, W, 1 or 3].
        detector: a key of `DETECTORS`.
        state: the state that the frame before returned; None for the first.
        now: time of the frame in seconds.
        seconds: time between two searches.
        seconds_empty: time between two searches as long as there is no face.
        **options: options of `detect_faces`.
    Returns: list of `Face`, largest first at the last search; the state for the next frame, a JSON value.
    """
    last = state or {"faces": [], "searched": -math.inf}
    gray = _gray(frame)[..., None]  # once for all faces
    followed = [Followed.restore(each).step(gray) for each in last["faces"]]
    kept = [each for each in followed if each]
    rest = seconds if kept else seconds_empty
    if len(kept) < len(followed) or not 0 <= now - last["searched"] < rest:
        [faces] = detect_faces([frame], detector, **options)
        kept, last = [Followed.start(gray, face) for face in faces], {"searched": now}
    return [each.face for each in kept], {"faces": [each.state for each in kept], "searched": last["searched"]}
