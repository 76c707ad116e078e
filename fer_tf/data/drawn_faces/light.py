"""Light on the painted face: the head as a rounded body, the relief of its parts, and a cast shadow.

Light maps are uint8, and 128 means unchanged. They multiply the painted picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .difficulty import Difficulty
from .geometry import SHIFT, Pose
from .painter import Outlines
from .scene import Draws

UNCHANGED = 128


@dataclass
class Lamp:
    """Direction that the light comes from, x right and y down, times its unevenness: arrays [N]."""

    x: np.ndarray
    y: np.ndarray


def draw_lamps(draws: Draws, level: Difficulty) -> Lamp:
    """Lamps in all directions except straight from below."""
    amount = level.light * draws.of("light")
    return Lamp(amount * (2 * draws.of("light_x") - 1), amount * (1.3 * draws.of("light_y") - 1))


def head_shading(lamp: Lamp, pose: Pose, size: int) -> np.ndarray:
    """The light on the rounded head.

    It is a quadratic function of the picture's coordinates: Lambert's law on a sphere, with the square root expanded.

    Args:
        lamp, pose: of N faces.
        size: side of the picture in pixels.
    Returns: uint8 [N, size, size].
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = (grid.ravel() for grid in np.meshgrid(axis, axis, indexing="ij"))
    basis = np.stack([np.ones_like(x), x, y, x * x + y * y])
    rim = -0.16 - 0.1 * (np.abs(lamp.x) + np.abs(lamp.y))
    u, v = pose.shift_x, pose.shift_y
    linear_x, linear_y = 0.5 * lamp.x - 2 * rim * u, 0.5 * lamp.y - 2 * rim * v
    constant = 1.03 - 0.5 * (lamp.x * u + lamp.y * v) + rim * (u * u + v * v)
    shade = np.stack([constant, linear_x, linear_y, rim], axis=1) @ basis
    return np.rint(shade.clip(0.35, 1.5) * UNCHANGED + 1e-6).astype(np.uint8).reshape(-1, size, size)


# part -> (light at rest, change for each lamp.x, change for each lamp.y); parts on the person's right mirror the x term
_RELIEF = {
    "socket": (0.92, 0.04, 0.06),
    "cheek": (1.03, 0.12, -0.02),
    "nose_side": (0.88, 0.30, 0.0),
    "nose_tip": (1.06, 0.0, -0.05),
    "under_nose": (0.86, 0.0, 0.14),
    "under_lip": (0.86, 0.0, 0.14),
    "chin": (1.05, 0.0, 0.02),
}


class Relief:
    """Soft light and shade of the parts of a face: `of(i)` is a light map, uint8 [size, size]."""

    def __init__(
        self, outlines: Outlines, line_strengths: np.ndarray, lamp: Lamp, cheeks: np.ndarray, size: int
    ) -> None:
        parts = outlines.parts
        self.size, self.patches, self.lines = size, [], outlines.lines
        self.fold_levels = np.rint((1 - 0.3 * line_strengths) * UNCHANGED).astype(int).tolist()
        self.folds = [np.flatnonzero(row > 0.2).tolist() for row in line_strengths]
        self.blur = 0.022 * size
        for name, (rest, by_x, by_y) in _RELIEF.items():
            for suffix, sign in ((".L", 1), (".R", -1), ("", 0)):
                if name + suffix in parts:
                    value = rest + sign * by_x * lamp.x + by_y * lamp.y + (0.10 * cheeks if name == "cheek" else 0)
                    levels = np.rint(value * UNCHANGED).astype(int).clip(0, 255).tolist()
                    self.patches.append((parts[name + suffix], levels))

    def of(self, i: int) -> np.ndarray:
        """The light map of face i, uint8 [size, size]."""
        canvas = np.full((self.size, self.size), UNCHANGED, np.uint8)
        for polygons, levels in self.patches:
            # one more bit of shift halves the coordinates: the map has the size of the picture, not of the canvas
            cv2.fillPoly(canvas, [polygons[i]], levels[i], cv2.LINE_8, SHIFT + 1)
        for at in self.folds[i]:
            cv2.fillPoly(canvas, [self.lines[i, at]], self.fold_levels[i][at], cv2.LINE_8, SHIFT + 1)
        return cv2.GaussianBlur(canvas, (0, 0), self.blur)


class Shadows:
    """Cast shadows: half planes with a soft edge. `on[i]` says whether face i has one, `of(i)` is its light map."""

    def __init__(self, draws: Draws, level: Difficulty, size: int) -> None:
        self.on = (draws.of("shadow") < level.shadow).tolist()
        self.size = size
        angle = 2 * np.pi * draws.of("shadow_angle")
        self.normal = np.round(np.stack([np.cos(angle), np.sin(angle)], axis=1), 6)
        self.at = 0.5 * draws.of("shadow_at")
        self.dark = 0.5 + 0.3 * draws.of("shadow_dark")

    def of(self, i: int) -> np.ndarray:
        """The light map of the shadow on face i, uint8 [size, size]."""
        axis = ((np.arange(self.size) + 0.5) / self.size * 2 - 1).astype(np.float32)
        inside = self.normal[i, 0] * axis[None, :] + self.normal[i, 1] * axis[:, None] - self.at[i]
        share = np.clip(inside * 8 + 0.5, 0, 1)
        return np.rint((1 - (1 - self.dark[i]) * share) * UNCHANGED).astype(np.uint8)


def shine(picture: np.ndarray, light: np.ndarray) -> np.ndarray:
    """A picture under a light map.

    Args:
        picture: uint8 [H, W] or [H, W, 3].
        light: uint8 [H, W], 128 is unchanged.
    Returns: uint8, same shape as the picture.
    """
    if picture.ndim == 3:
        light = cv2.merge([light, light, light])
    return cv2.multiply(picture, light, scale=1 / UNCHANGED)
