"""Following faces through a film by where they are, and steadying what is said of them.

Whose face it is is never asked: a face that overlaps one of the frame before is taken for the same.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..common.checks import check_range

# Shared area over joint area from which two boxes are the same face's.
OVERLAP = 0.3
# Frames that a face may be missing, then it is a new one.
PATIENCE = 5


@dataclass
class Track:
    """A face that is followed: its `number`, last `box` (x, y, w, h), the `time` of that in seconds, its steadied
    `probabilities`, and for how many frames it has been `missing`."""

    number: int
    box: list
    time: float
    probabilities: list
    missing: int = 0


def overlaps(boxes, others):
    """Shared over joint area (IoU) of each box with each other one: float [N, M] of [N, 4] and [M, 4], x, y, w, h."""
    boxes, others = (np.asarray(some, float).reshape(-1, 4) for some in (boxes, others))
    starts = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    shared = np.clip(ends - starts, 0, None).prod(axis=2)
    joint = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None] - shared
    return np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0)


class Follower:
    """Numbers the faces of a film's frames and averages each one's probabilities over time.

    The average is exponential, p ← p + (1 - exp(-Δt / seconds)) (new - p): what was seen `seconds` ago has 1/e (37 %)
    of its weight left, whatever the frame rate. It starts with a face's first probabilities.

    Args:
        seconds: 0 leaves the probabilities as they are.
        state: of an earlier `Follower`, to go on from.
    """

    def __init__(self, seconds=0.0, state=None):
        self.seconds = check_range("smooth", seconds, 0)
        self.tracks = [Track(**track) for track in (state or {}).get("tracks", [])]
        self.count = (state or {}).get("count", 0)

    @property
    def state(self):
        """What to go on from, as a JSON value."""
        return {"tracks": [vars(track) for track in self.tracks], "count": self.count}

    def follow(self, boxes, time, probabilities):
        """One frame, in order of time.

        Args:
            boxes: [N, 4], x, y, w, h.
            time: seconds.
            probabilities: float [N, classes].
        Returns: list of the N faces' numbers, from 0 by first appearance; float [N, classes], averaged.
        """
        owner, seen, steadied = self._matched(boxes), [], np.array(probabilities, float)
        for face, (box, row) in enumerate(zip(boxes, steadied, strict=True)):
            track = owner.get(face)
            if track is None:
                track = Track(self.count, [], time, row.tolist())
                self.tracks.append(track)
                self.count += 1
            row[:] = self._averaged(track, time, row)
            track.box, track.time, track.probabilities = [float(side) for side in box], time, row.tolist()
            seen.append(track)
        self._forget(seen)
        return [track.number for track in seen], steadied

    def _matched(self, boxes):
        """dict number of the face -> its track, so that the sum of overlaps is the highest."""
        shares = overlaps([track.box for track in self.tracks], boxes)
        pairs = zip(*linear_sum_assignment(-shares), strict=True)
        return {int(face): self.tracks[row] for row, face in pairs if shares[row, face] >= OVERLAP}

    def _averaged(self, track, time, row):
        if not self.seconds:
            return row
        weight = -math.expm1(-max(0.0, time - track.time) / self.seconds)
        before = np.array(track.probabilities)
        return before + weight * (row - before)

    def _forget(self, seen):
        present = {track.number for track in seen}
        for track in self.tracks:
            track.missing = 0 if track.number in present else track.missing + 1
        self.tracks = [track for track in self.tracks if track.missing <= PATIENCE]
