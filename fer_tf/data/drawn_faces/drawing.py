"""`draw_faces` draws faces with their truth; `expression_sheet` shows all emotions side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ...emotions import EMOTIONS
from .camera import Backdrop, Camera
from .difficulty import OCCLUDERS, Difficulty, resolve_difficulty
from .geometry import MODEL, TRAIT_NAMES, face_points, line_strengths, project, side_strengths
from .identity import BEARDS, HAIR_STYLES, draw_identities
from .light import Relief, Shadows, draw_lamps, head_shading, shine
from .masks import active_regions, expression_mask, face_mask
from .occluders import Occluders
from .painter import SUPERSAMPLE, FacePainter, Outlines
from .scene import (
    DEFAULT_POOL,
    draw_expressions,
    draw_numbers,
    draw_poses,
    pick_emotions,
    pick_identities,
    pick_occluders,
)
from .units import ACTION_UNITS

_BATCH = 256  # faces whose geometry is computed at once: it limits the memory and changes nothing else


@dataclass
class DrawnFaces:
    """Pictures and their truth, N rows each.

    Attributes:
        images: uint8 [N, size, size, channels], gray or RGB.
        table: DataFrame with emotion, identity, intensity, the ACTION_UNITS (0..1), yaw, pitch, roll (degrees: to the
            picture's right, up, clockwise), occluder, occluded (share of the face, 0..1), glasses, beard, blend (the
            second emotion, or "").
        occluder_masks, expression_masks, face_masks: bool [N, size, size], or None if they were not requested. The mask
            of
            the expression includes parts under the occluder: `expression & ~occluder` is the visible part.
    """

    images: np.ndarray
    table: pd.DataFrame
    occluder_masks: np.ndarray | None = None
    expression_masks: np.ndarray | None = None
    face_masks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)


def draw_faces(
    count: int,
    *,
    seed: int = 0,
    start: int = 0,
    size: int = 48,
    channels: int = 1,
    difficulty: str | Difficulty = "default",
    identities: int | Sequence[int] | np.ndarray | None = None,
    emotions: Sequence[str] | None = None,
    masks: bool = False,
    **overrides: Any,
) -> DrawnFaces:
    """Draws `count` faces. Image i depends only on (seed, start + i, difficulty) and on its emotion and identity.

    Args:
        count: number of images, 0 or more.
        seed, start: whole numbers; image i of start=0 is image 0 of start=i.
        size: side in pixels, 16 or more.
        channels: 1 (gray) or 3 (RGB).
        difficulty: "easy", "default", "hard" or a `Difficulty`.
        identities: None (a pool of 200), an int (size of the pool), or N identity numbers.
        emotions: None (drawn from CLASS_PRIOR), or N names.
        masks: True also returns the masks.
        **overrides: fields of the `Difficulty` (intensity=1.0, occluder="mask").
    Returns: `DrawnFaces`.
    Raises: `ValueError` for a wrong argument.
    """
    _check_counts(count, seed, start, size, channels)
    level = resolve_difficulty(difficulty, overrides)
    names = _checked_emotions(emotions, count)
    people = _checked_identities(identities, count)
    if count == 0:  # one picture is drawn for the shapes and columns, and dropped
        return _cut(_draw_batch(np.array([start]), seed, level, None, None, size, channels, masks), 0)
    batches = []
    for first in range(0, count, _BATCH):
        last = min(first + _BATCH, count)
        codes = None if names is None else names[first:last]
        ids = people if people is None or isinstance(people, int) else people[first:last]
        indices = np.arange(start + first, start + last)
        batches.append(_draw_batch(indices, seed, level, codes, ids, size, channels, masks))
    return _joined(batches)


def _draw_batch(indices, seed, level, codes, ids, size, channels, masks):
    """One batch as `DrawnFaces`."""
    draws = draw_numbers(indices, seed)
    codes = pick_emotions(draws) if codes is None else codes
    if ids is None or isinstance(ids, int):
        ids = pick_identities(draws, ids or DEFAULT_POOL)
    people = draw_identities(ids, seed, level)
    expression = draw_expressions(draws, codes, people.gains, level)
    studio = _Studio(draws, people, expression, level, size, channels)
    images, occluded, pictures = studio.shoot(masks)
    table = _truth(expression, people, studio, ids, occluded)
    return DrawnFaces(images, table, *pictures)


class _Studio:
    """Prepares everything to draw one batch; `shoot` then loops over the faces."""

    def __init__(self, draws, people, expression, level, size, channels):
        self.size, self.canvas, self.channels, self.count = size, SUPERSAMPLE * size, channels, len(expression.codes)
        self.pose = draw_poses(draws, level)
        self.active = active_regions(expression.units)
        lines = self._shape(draws, people, expression, level)
        self.painter = FacePainter(self.outlines, people, lines, channels)
        self._light(draws, expression, level, lines)
        self.backdrop, self.camera = Backdrop(draws, level, channels), Camera(draws, level, size)
        self.kinds = pick_occluders(draws, level)
        parts = self.outlines.parts
        self.occluders = Occluders(self.kinds, draws, parts, self.pose, people, size, self.canvas, channels)

    def _shape(self, draws, people, expression, level):
        """Sets the faces' outlines; returns the strengths of the fine lines [N, lines]."""
        strengths = side_strengths(expression.units)
        strengths = strengths * (1 + 0.1 * level.person * people.lopsided[:, None, None] * np.array([1, -1])[:, None])
        posed = project(_dressed(face_points(people.traits, strengths), people, draws), self.pose)
        lines = line_strengths(strengths, 0.75 + 0.6 * people.traits[:, TRAIT_NAMES.index("fold_depth")])
        self.outlines = Outlines(posed, self.pose, strengths, lines, people, self.canvas)
        return lines

    def _light(self, draws, expression, level, lines):
        """Sets the three light maps."""
        lamp, cheeks = draw_lamps(draws, level), expression.units[:, ACTION_UNITS.index("AU6")]
        self.shading = head_shading(lamp, self.pose, self.size)
        self.relief = Relief(self.outlines, lines, lamp, cheeks, self.size)
        self.shadows = Shadows(draws, level, self.size)

    def shoot(self, masks):
        """Draws all faces: (images, occluded share [N], (occluder, expression, face masks) or (None, None, None))."""
        n, size = self.count, self.size
        images, occluded = np.empty((n, size, size, self.channels), np.uint8), np.zeros(n)
        pictures = tuple(np.zeros((n, size, size), bool) for _ in range(3)) if masks else (None,) * 3
        for i in range(n):
            picture, cover = self._one(i)
            images[i] = picture.reshape(size, size, self.channels)
            if masks or cover is not None:
                face = face_mask(self.outlines.parts, i, size, self.canvas)
            if cover is not None:
                occluded[i] = (cover & face).sum() / max(1, face.sum())
            if masks:
                self._keep_masks(pictures, i, cover, face)
        return images, occluded, pictures

    def _one(self, i):
        """Picture i, [size, size(, 3)], and the mask of its occluder or None."""
        shape = (self.canvas, self.canvas) if self.channels == 1 else (self.canvas, self.canvas, 3)
        canvas = np.empty(shape, np.uint8)
        self.backdrop.behind(canvas, i)
        self.painter.face(canvas, i)
        picture = cv2.resize(canvas, (self.size, self.size), interpolation=cv2.INTER_AREA)
        picture = shine(shine(picture, self.relief.of(i)), self.shading[i])
        if self.shadows.on[i]:
            picture = shine(picture, self.shadows.of(i))
        cover = None
        if self.kinds[i]:
            picture, cover = self.occluders.cover(picture, i)
        return self.camera.take(picture, i), cover

    def _keep_masks(self, pictures, i, cover, face):
        occluder, expression, faces = pictures
        if cover is not None:
            occluder[i] = cover
        scale = self.outlines.scale[i]
        expression[i] = expression_mask(self.outlines.parts, i, self.active[i], scale, self.size, self.canvas)
        faces[i] = face


def _dressed(points, people, draws):
    """Moves the control points [N, K, 2] of hair and eyes in place, for hair style and gaze."""
    span = MODEL.spans["hairline"]
    x = MODEL.mean[span, 0]
    fall = {"fringe": 0.16 * np.cos(x * 2.2), "parted": 0.13 * x, "long": 0.05 * np.cos(x * 2.2)}
    for style, offset in fall.items():
        points[people.style == HAIR_STYLES.index(style), span, 1] += offset
    gaze = np.stack([0.05 * (draws.of("gaze_x") - 0.5), 0.025 * (draws.of("gaze_y") - 0.5)], axis=1)
    for side in (".L", ".R"):
        points[:, MODEL.spans["iris" + side]] += gaze[:, None]
    return points


def _truth(expression, people, studio, ids, occluded):
    """The table of `DrawnFaces`."""
    columns = {
        "emotion": [EMOTIONS[code] for code in expression.codes],
        "identity": np.asarray(ids, int),
        "intensity": expression.intensity,
        **dict(zip(ACTION_UNITS, expression.units.T, strict=True)),
        "yaw": studio.pose.yaw,
        "pitch": studio.pose.pitch,
        "roll": studio.pose.roll,
        "occluder": [OCCLUDERS[kind] for kind in studio.kinds],
        "occluded": occluded,
        "glasses": people.glasses,
        "beard": [BEARDS[kind] for kind in people.beard],
        "blend": [EMOTIONS[code] if code >= 0 else "" for code in expression.partner],
    }
    return pd.DataFrame(columns)


_ARRAYS = ("images", "occluder_masks", "expression_masks", "face_masks")


def _cut(faces, count):
    """The first `count` faces."""
    kept = [None if getattr(faces, name) is None else getattr(faces, name)[:count] for name in _ARRAYS]
    return DrawnFaces(kept[0], faces.table.iloc[:count], *kept[1:])


def _joined(batches):
    stacked = [
        None if getattr(batches[0], name) is None else np.concatenate([getattr(batch, name) for batch in batches])
        for name in _ARRAYS
    ]
    table = pd.concat([batch.table for batch in batches], ignore_index=True)
    return DrawnFaces(stacked[0], table, *stacked[1:])


def _check_counts(count, seed, start, size, channels):
    for name, value, low in (("count", count, 0), ("seed", seed, 0), ("start", start, 0), ("size", size, 16)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
            raise ValueError(f"{name} must be a whole number of at least {low}, got {value!r}")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (gray) or 3 (RGB), got {channels!r}")


def _checked_emotions(emotions, count):
    """Codes [N] of the named emotions, or None."""
    if emotions is None:
        return None
    names = [emotions] if isinstance(emotions, str) else list(emotions)
    if len(names) != count:
        raise ValueError(f"emotions must be None or one name for each of the {count} images, got {len(names)}")
    for name in names:
        if name not in EMOTIONS:
            raise ValueError(f"emotions must be among {EMOTIONS}, got {name!r}")
    return np.array([EMOTIONS.index(name) for name in names], int)


def _checked_identities(identities, count):
    """None, the size of the pool, or identity numbers [N]."""
    if identities is None:
        return None
    if isinstance(identities, (int, np.integer)) and not isinstance(identities, bool):
        if identities < 1:
            raise ValueError(f"identities must be a pool of at least 1, got {identities!r}")
        return int(identities)
    numbers = np.asarray(identities)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu" or (count and numbers.min() < 0):
        raise ValueError(f"identities must be None, a pool's size or {count} whole numbers from 0, got {identities!r}")
    return numbers


def expression_sheet(
    size: int = 96, identities: int = 6, seed: int = 0, intensity: float = 1.0, channels: int = 1, **overrides: Any
) -> tuple[np.ndarray, list[str]]:
    """A sheet of all emotions, with a column for each emotion and a row for each identity, without disturbances.

    Args:
        size: side of a face in pixels.
        identities: number of rows.
        seed: of the identities.
        intensity: strength of the expressions, 0..1.
        channels: 1 (gray) or 3 (RGB).
        **overrides: fields of the `Difficulty`.
    Returns: uint8 [rows * size, columns * size], or [..., 3] with channels=3; list of the emotions by column.
    """
    clean = {"person": 0, "jitter": 0, "blur": 0, "noise": 0, "exposure": 0, "background": 0}
    names = list(EMOTIONS) * identities
    numbers = np.repeat(np.arange(identities), len(EMOTIONS))
    faces = draw_faces(
        len(names),
        seed=seed,
        size=size,
        channels=channels,
        difficulty="easy",
        identities=numbers,
        emotions=names,
        intensity=intensity,
        **{**clean, **overrides},
    )
    grid = faces.images.reshape(identities, len(EMOTIONS), size, size, channels)
    sheet = grid.transpose(0, 2, 1, 3, 4).reshape(identities * size, len(EMOTIONS) * size, channels)
    return (sheet[..., 0] if channels == 1 else sheet), list(EMOTIONS)
