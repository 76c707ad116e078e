"""Things in front of the face: sunglasses, a surgical mask, a hand, hair, a block, the edge of the picture."""

import cv2
import numpy as np

from .difficulty import OCCLUDERS
from .geometry import HALF_FRAME, SHIFT, Pose, to_fixed
from .identity import Identities
from .painter import paint
from .scene import Draws

_AA = cv2.LINE_AA
_HAND_TARGETS = np.array([(0.0, 0.42), (0.34, -0.02), (-0.34, -0.02), (0.36, 0.40), (-0.36, 0.40)])  # face units


class Occluders:
    """The occluders of a batch. `cover(picture, i)` returns the picture with face i's occluder, and its mask."""

    def __init__(
        self,
        kinds: np.ndarray,
        draws: Draws,
        parts: dict[str, np.ndarray],
        pose: Pose,
        people: Identities,
        size: int,
        canvas: int,
        channels: int,
    ) -> None:
        self.names = [OCCLUDERS[kind] for kind in kinds]
        self.parts, self.pose, self.people = parts, pose, people
        self.size, self.canvas, self.channels = size, canvas, channels
        self.u = draws.group("occlusion")

    def cover(self, picture: np.ndarray, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws the occluder of face i.

        Args:
            picture: uint8 [size, size] or [size, size, 3].
            i: number of the face in the batch.
        Returns: the picture with the occluder, and its mask, bool [size, size].
        """
        layers = _Layers(picture, self.canvas)
        getattr(self, "_" + self.names[i])(layers, i)
        return layers.flattened(self.size)

    def _colour(self, rgb):
        return paint(rgb, self.channels)

    def _place(self, i, points):
        """Face coordinates [n, 2] of a frontal head as fixed-point canvas pixels, with face i's roll, zoom and
        shift.
        """
        roll = np.deg2rad(self.pose.roll[i])
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        shift = (self.pose.shift_x[i], self.pose.shift_y[i])
        return to_fixed(np.asarray(points) @ turn * (self.pose.zoom[i] / HALF_FRAME) + shift, self.canvas)

    def _pixels(self, i, width):
        return max(1, int(width * self.pose.zoom[i] / HALF_FRAME * self.canvas / 2 + 0.5))

    def _sunglasses(self, layers, i):
        u = self.u[i]
        dark = self._colour(np.array([18, 18, 22]) + 40 * u[0])
        for side in (".L", ".R"):
            lens = self.parts["lens" + side][i].astype(float)
            lens = np.rint(lens.mean(axis=0) + (lens - lens.mean(axis=0)) * (1.05 + 0.18 * u[1])).astype(np.int32)
            layers.fill(lens, dark)
            layers.line(self.parts["temple" + side][i], dark, self._pixels(i, 0.05))
            shine = np.rint(lens.mean(axis=0) + (lens[1:4] - lens.mean(axis=0)) * 0.6).astype(np.int32)
            layers.line(shine, self._colour([90 + 60 * u[2]] * 3), 1)
        layers.line(self.parts["glasses_bridge"][i], dark, self._pixels(i, 0.06))

    def _mask(self, layers, i):
        u = self.u[i]
        cloth = np.array([(150, 190, 205), (225, 228, 230), (40, 42, 48), (205, 190, 200)][int(u[0] * 4)], float)
        for side in (".L", ".R"):
            layers.line(self.parts["strap" + side][i], self._colour(cloth * 0.85), self._pixels(i, 0.03))
        layers.fill(self.parts["mask"][i], self._colour(cloth))
        for pleat in ("pleat", "pleat2"):
            layers.line(self.parts[pleat][i], self._colour(cloth * 0.84), self._pixels(i, 0.025))

    def _hand(self, layers, i):
        """Forearm, palm, four fingers and a thumb as thick rounded strokes, each with a dark outline."""
        u = self.u[i]
        target = _HAND_TARGETS[int(u[0] * len(_HAND_TARGETS))] + 0.12 * (u[1:3] - 0.5)
        side = np.sign(target[0]) if abs(target[0]) > 0.1 else np.sign(u[3] - 0.5)
        angle = np.deg2rad(20 + 45 * u[4])
        along = np.array([-side * np.sin(angle), -np.cos(angle)])  # from the wrist to the fingers
        across = np.array([-along[1], along[0]])
        palm = target - 0.18 * along
        thumb = palm + side * across * 0.22
        spread = 0.04 + 0.06 * u[5]
        strokes = [(palm - 0.15 * along, palm - 2.0 * along, 0.34)]
        for finger, length in enumerate((0.46, 0.56, 0.52, 0.40)):
            base = palm + across * (finger - 1.5) * 0.118
            strokes.append((base, base + length * along + across * (finger - 1.5) * spread, 0.13))
        strokes.append((palm - 0.12 * along, palm + 0.02 * along, 0.52))  # over the roots of the fingers
        strokes.append((thumb - 0.1 * along, thumb + 0.24 * along + side * across * 0.14, 0.15))
        skin = self.people.skin[i]
        for start, end, width in strokes:
            points = self._place(i, [start, end])
            layers.line(points, self._colour(skin * 0.55), self._pixels(i, width) + 2)
            layers.line(points, self._colour(skin * 0.92), self._pixels(i, width))

    def _hair(self, layers, i):
        """A strand of hair that falls from the parting over one eye, with lighter and darker lines."""
        u = self.u[i]
        side = 1 if u[0] < 0.5 else -1
        inner, low = 0.02 + 0.10 * u[1], 0.15 + 0.75 * u[2]
        edge = [(-0.10, -1.05), (inner, -0.6), (inner + 0.06, -0.25), (inner + 0.16, 0.1), (0.34 + 0.1 * u[3], low)]
        outer = [(0.62, low + 0.15), (0.80, 0.0), (0.80, -0.5), (0.5, -1.05)]
        side_edge = [outer[-1], (0.8, -0.6), (0.8, -0.3), (0.8, 0.1), outer[0]]
        layers.fill(self._place(i, np.array(edge + outer) * (side, 1)), self._colour(self.people.hair[i]))
        for strand in range(6):
            t = (strand + 0.5) / 6
            middle = np.array(edge) * (1 - t) + np.array(side_edge) * t
            tone = self.people.hair[i] * (0.85 if strand % 2 else 1.15) + 4
            layers.line(self._place(i, middle * (side, 1)), self._colour(tone), max(1, self._pixels(i, 0.03)))

    def _block(self, layers, i):
        u = self.u[i]
        centre = self._place(i, [(0.9 * u[0] - 0.45, 1.0 * u[1] - 0.4)])[0] / (1 << SHIFT)
        half = (0.14 + 0.14 * u[2:4]) * self.canvas
        low, high = np.rint((centre - half) / 2) * 2, np.rint((centre + half) / 2) * 2
        layers.box(low.astype(int), high.astype(int), self._colour(255 * u[4:7] if u[7] < 0.5 else 255 * u[[4, 4, 4]]))

    def _edge(self, layers, i):
        """The crop extends over the picture's edge: a strip is padding, black or gray."""
        u = self.u[i]
        width = int(round((0.18 + 0.22 * u[0]) * self.size)) * (self.canvas // self.size)
        low, high = np.array([0, 0]), np.array([self.canvas, self.canvas])
        axis, far = int(u[1] * 2), u[2] < 0.5
        if far:
            low[axis] = self.canvas - width
        else:
            high[axis] = width
        layers.box(low, high, self._colour([0, 0, 0] if u[3] < 0.7 else [128, 128, 128]))


class _Layers:
    """The picture enlarged to the canvas, and the mask of what is drawn on it."""

    def __init__(self, picture, canvas):
        self.picture = cv2.resize(picture, (canvas, canvas), interpolation=cv2.INTER_NEAREST)
        self.mask = np.zeros((canvas, canvas), np.uint8)

    def fill(self, points, colour):
        cv2.fillPoly(self.picture, [points], colour, _AA, SHIFT)
        cv2.fillPoly(self.mask, [points], 255, _AA, SHIFT)

    def line(self, points, colour, width):
        cv2.polylines(self.picture, [points], False, colour, width, _AA, SHIFT)
        cv2.polylines(self.mask, [points], False, 255, width, _AA, SHIFT)

    def box(self, low, high, colour):
        low, high = np.clip(low, 0, None), np.clip(high, 0, None)
        self.picture[low[1] : high[1], low[0] : high[0]] = colour
        self.mask[low[1] : high[1], low[0] : high[0]] = 255

    def flattened(self, size):
        shape = (size, size)
        picture = cv2.resize(self.picture, shape, interpolation=cv2.INTER_AREA)
        return picture, cv2.resize(self.mask, shape, interpolation=cv2.INTER_AREA) > 63
