"""Follows faces through a film by their position, and averages their probabilities over time.

It does not identify people: a face that overlaps a face of the frame before counts as the same one.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from ..common.checks import check_range
from .pictures import Faces

# Two boxes belong to the same face if their intersection over union is at least this.
OVERLAP = 0.3
# A face may be missing for this number of frames. If it appears later, it gets a new number.
PATIENCE = 5


@dataclass
class Track:
    """A face that is followed.

    Attributes:
        number: its number, from 0.
        box: its last box [x, y, w, h] in pixels.
        time: when it was last seen, in seconds.
        probabilities: its averaged probabilities, one per class, 0..1.
        missing: the number of frames since it was last seen.
    """

    number: int
    box: list[float]
    time: float
    probabilities: list[float]
    missing: int = 0


def overlaps(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Intersection over union (IoU) of boxes [N, 4] with other boxes [M, 4], x, y, w, h each: float [N, M], 0..1."""
    boxes, others = (np.asarray(array, float).reshape(-1, 4) for array in (boxes, others))
    starts = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    shared = np.clip(ends - starts, 0, None).prod(axis=2)
    joint = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None] - shared
    return np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0)


class Follower:
    """Numbers the faces of a film's frames and averages each one's probabilities over time.

    The average is exponential: p ← p + (1 - exp(-Δt / seconds)) (new - p). A value from `seconds` ago has 1/e (37 %) of
    its weight left, at any frame rate. The average starts with a face's first probabilities.

    Args:
        seconds: time constant of the average; 0 does not average.
        state: the state of an earlier `Follower` that this one continues, or None.
    Raises: `InputError` for negative `seconds`.
    """

    def __init__(self, seconds: float = 0.0, state: dict | None = None) -> None:
        self.seconds = check_range("smooth", seconds, 0)
        self.tracks = [Track(**track) for track in (state or {}).get("tracks", [])]
        self.count = (state or {}).get("count", 0)

    @property
    def state(self) -> dict:
        """The state from which another `Follower` can continue, a JSON value."""
        return {"tracks": [vars(track) for track in self.tracks], "count": self.count}

    def follow(
        self, boxes: Sequence[Sequence[float]], time: float, probabilities: ArrayLike
    ) -> tuple[list[int], np.ndarray]:
        """Adds one frame. Frames must come in order of time.

        Args:
            boxes: [N, 4], x, y, w, h, in pixels.
            time: time of the frame in seconds.
            probabilities: float [N, classes], 0..1.
        Returns: list of the N faces' numbers, from 0 in order of first appearance; float [N, classes], averaged.
        """
        matched, averaged = self._matched(boxes), np.array(probabilities, float)
        seen: list[Track] = []
        for face, (box, row) in enumerate(zip(boxes, averaged, strict=True)):
            track = matched.get(face)
            if track is None:
                track = Track(self.count, [], time, row.tolist())
                self.tracks.append(track)
                self.count += 1
            row[:] = self._averaged(track, time, row)
            track.box, track.time, track.probabilities = [float(side) for side in box], time, row.tolist()
            seen.append(track)
        for track in self.tracks:
            track.missing = 0 if track in seen else track.missing + 1
        self.tracks = [track for track in self.tracks if track.missing <= PATIENCE]
        return [track.number for track in seen], averaged

    def _matched(self, boxes):
        """dict position of the face in `boxes` -> its track; the assignment maximises the sum of overlaps."""
        shares = overlaps([track.box for track in self.tracks], boxes)
        pairs = zip(*linear_sum_assignment(-shares), strict=True)
        return {int(face): self.tracks[row] for row, face in pairs if shares[row, face] >= OVERLAP}

    def _averaged(self, track, time, row):
        if not self.seconds:
            return row
        weight = -math.expm1(-max(0.0, time - track.time) / self.seconds)
        before = np.array(track.probabilities)
        return before + weight * (row - before)


def follow_faces(faces: Faces, follower: Follower, detector: str) -> Faces:
    """Follows the faces of some frames and averages their probabilities.

    Args:
        faces: the recognised faces of the frames, in order of time.
        follower: it is changed by the frames.
        detector: with "none" the whole frame counts as a face.
    Returns: the faces with averaged probabilities; their rows have a `track`, None where no face was found.
    """
    averaged, tracks = faces.probabilities.astype(float), dict.fromkeys(range(len(faces.rows)))
    read_rows = [index for index, row in enumerate(faces.rows) if not row.get("error")]
    places = {index: place for place, index in enumerate(read_rows)}  # rows with an error have no probabilities
    for _, frame_rows in itertools.groupby(enumerate(faces.rows), lambda pair: pair[1]["picture"]):
        rows = dict(frame_rows)
        followed = [index for index, row in rows.items() if index in places and (row["detected"] or detector == "none")]
        boxes = [[rows[index][side] for side in "xywh"] for index in followed]
        time = next(iter(rows.values()))["time"]
        chosen = [places[index] for index in followed]
        numbers, averaged[chosen] = follower.follow(boxes, time, averaged[chosen])
        tracks.update(zip(followed, numbers, strict=True))
    rows_with_track = [{**row, "track": tracks[index]} for index, row in enumerate(faces.rows)]
    return Faces(rows_with_track, faces.crops, averaged)
