"""From numbers to polygons: the linear shape model, the pose of the head, and fixed-point pixel coordinates.

All functions work on a batch of faces. N is the number of faces, K the number of the model's control points.
"""

from dataclasses import dataclass

import numpy as np

from .moves import MOVES, TRAITS
from .shapes import CURVES, EXTRA_DEPTH, LINES, SILHOUETTES, STILL
from .units import ACTION_UNITS

SHIFT = 4  # polygons are drawn with coordinates in 1/16 of a canvas pixel
HALF_FRAME = 1.06  # face units from the frame's middle to its edge at zoom 1
TRAIT_NAMES = tuple(TRAITS)
_MIDDLE_Y = 0.0  # the face height in the frame's middle
_OFF_TIES = 1e-6  # round numbers (pose 0) are ties, which rounding errors would decide differently on other machines
_CAMERA = 7.0  # distance of the camera in face units: weak perspective
_LINE_STEPS = 2  # samples between neighbouring points of a fine line
_TAPER = np.sin(np.linspace(0.12, np.pi - 0.12, 3 * _LINE_STEPS + 1)) ** 0.7


def _layout(layout, half, sign):
    """Half a list of points (sign -1) or displacements as {suffix: full array [k, 2]}; mirrored ones have x with the
    other sign.
    """
    half = np.asarray(half, float)
    mirror = half * (-1, 1)
    if layout == "sided":
        return {".L": half, ".R": mirror}
    on_midline = sign[0] == 0
    if layout == "across":
        return {"": np.concatenate([mirror[:0:-1] if on_midline else mirror[::-1], half])}
    return {"": np.concatenate([half, mirror[-2:0:-1]])}


def _samples(layout, count, steps):
    """The Catmull-Rom matrix [m, count]: it turns control points into `steps` samples for each segment."""
    closed = layout == "ring"
    matrix = np.zeros((count if closed else count - 1, steps, count))
    if count == 1:
        return np.eye(1)
    for segment in range(len(matrix)):
        for step in range(steps):
            t = step / steps
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            for weight, at in zip(weights, range(segment - 1, segment + 3), strict=True):
                _add_point(matrix[segment, step], at, 0.5 * weight, count, closed)
    matrix = matrix.reshape(-1, count)
    return matrix if closed else np.concatenate([matrix, np.eye(count)[-1:]])


def _add_point(row, at, weight, count, closed):
    """Adds a control point's weight to a row. Beyond the end of an open curve, the point is the mirrored neighbour."""
    if closed or 0 <= at < count:
        row[at % count] += weight
    else:
        end, inner = (0, 1) if at < 0 else (count - 1, count - 2)
        row[end] += 2 * weight
        row[inner] -= weight


def _all_curves():
    """Every curve and line as (name, layout, steps, half points)."""
    curves = [(name, layout, steps, points) for name, (layout, steps, points) in CURVES.items()]
    return curves + [(name, spec[0], _LINE_STEPS, spec[1]) for name, spec in LINES.items()]


class _Model:
    """The compiled tables: mean points, bases of units and traits, depths and sampling matrices."""

    def __init__(self):
        self.spans, self.matrices, points, depths, flags = {}, {}, [], [], []
        at = 0
        for name, layout, steps, half in _all_curves():
            sign = np.asarray(half, float)[:, 0]
            extra = np.zeros((len(half), 2))
            extra[:, 1] = EXTRA_DEPTH.get(name, 0.0)
            extras = _layout(layout, extra, sign)
            for suffix, full in _layout(layout, half, sign).items():
                self.spans[name + suffix] = slice(at, at + len(full))
                self.matrices[name + suffix] = _samples(layout, len(full), steps)
                at += len(full)
                points.append(full)
                depths.append(_depth(name, full) + extras[suffix][:, 1])
                flags.append(np.full(len(full), 2 if name in STILL else name in SILHOUETTES, int))
        self.mean = np.concatenate(points)  # [K, 2]
        self.depth = np.concatenate(depths)  # [K]
        flags = np.concatenate(flags)
        self.silhouette, self.still = flags == 1, flags == 2
        self.unit_basis = np.stack([self._unit_rows(mover, side) for side in "LR" for mover in MOVES])
        self.trait_basis = np.stack([self._trait_row(*TRAITS[name]) for name in TRAIT_NAMES])

    def _unit_rows(self, mover, side):
        """One side's displacements [K, 2] of one mover; points on the midline get half from each side."""
        row = np.zeros_like(self.mean)
        for curve, steps in MOVES[mover].items():
            layout, half = _spec(curve)
            sign = np.asarray(half, float)[:, 0]
            for suffix, moved in _layout(layout, steps, sign).items():
                row[self.spans[curve + suffix]] += moved
        x = self.mean[:, :1]
        weight = np.where(x == 0, 0.5, (x > 0) == (side == "L"))
        return row * weight

    def _trait_row(self, curves, field):
        """A trait's displacements [K, 2]: its field on |x|, mirrored for the other half."""
        row = np.zeros_like(self.mean)
        x, y = np.abs(self.mean[:, 0]), self.mean[:, 1]
        moved = np.stack(field(x, y), axis=1) * np.stack([np.sign(self.mean[:, 0]), np.ones(len(x))], axis=1)
        for name, span in self.spans.items():
            if curves is None or name.split(".")[0] in curves:
                row[span] = moved[span]
        row[self.still] = 0
        return row


def _spec(curve):
    return (CURVES[curve][0], CURVES[curve][2]) if curve in CURVES else (LINES[curve][0], LINES[curve][1])


def _depth(name, points):
    """Depth [k] (towards the camera) of points on the head's ellipsoid, without a feature's own relief."""
    x, y = points.T
    if name in SILHOUETTES:
        return 0.14 + 0.28 * np.clip((y - 0.2) / 0.8, 0, 1) * np.clip(1.4 - np.abs(x) / 0.5, 0, 1)
    if name in ("ear", "temple", "strap"):
        return np.where(np.abs(x) > 0.6, -0.12, 0.45)
    return 0.62 * np.sqrt(np.clip(1 - (x / 0.80) ** 2 - (y / 1.35) ** 2, 0.04, 1))


MODEL = _Model()
_UNIT_AT = {unit: i for i, unit in enumerate(ACTION_UNITS)}


def side_strengths(units: np.ndarray) -> np.ndarray:
    """The strength of every mover on the person's left and right side.

    Args:
        units: float [N, units], 0..1.
    Returns: float [N, 2, movers], clipped to 0..1.2.
    """

    def unit(name, side):
        total = units[:, _UNIT_AT[name]]
        return total + units[:, _UNIT_AT[name + side]] if name + side in _UNIT_AT else total

    sides = []
    for side in "LR":
        own = {name: unit(name, side) for name in MOVES if name in _UNIT_AT}
        own["lower"] = own["AU4"] * (1 - 0.85 * own["AU1"])
        own["oblique"] = own["AU4"] * own["AU1"] * (1 - 0.8 * unit("AU2", side))
        own["grin"] = own["AU12"] * own["AU25"]
        sides.append(np.stack([own[name] for name in MOVES], axis=1))
    return np.clip(np.stack(sides, axis=1), 0, 1.2)


def face_points(traits: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """The control points of faces before they are posed.

    Args:
        traits: float [N, T], about -1..1.
        strengths: float [N, 2, movers].
    Returns: float [N, K, 2] in face units.
    """
    count, model = len(traits), MODEL
    moved = strengths.reshape(count, -1) @ model.unit_basis.reshape(len(model.unit_basis), -1)
    shaped = traits @ model.trait_basis.reshape(len(model.trait_basis), -1)
    return model.mean + (moved + shaped).reshape(count, -1, 2)


@dataclass
class Pose:
    """The direction and place of each head, arrays [N].

    Attributes:
        yaw, pitch, roll: degrees; +yaw looks to the picture's right, +pitch up, +roll turns clockwise in the picture.
        shift_x, shift_y: in half frames.
        zoom: relative size.
    """

    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray
    zoom: np.ndarray


def project(points: np.ndarray, pose: Pose) -> np.ndarray:
    """Turns and moves control points.

    Args:
        points: float [N, K, 2] in face units.
        pose: `Pose` of N faces.
    Returns: float [N, K, 2] in frame coordinates, -1..1 from edge to edge.
    """
    yaw, pitch, roll = (np.deg2rad(angle)[:, None] for angle in (pose.yaw, pose.pitch, pose.roll))
    x, y, z = points[..., 0], points[..., 1], MODEL.depth
    flat = MODEL.silhouette
    turned = np.where(flat, x, x * np.cos(yaw)) + z * np.sin(yaw)
    depth = np.where(flat, z, z * np.cos(yaw) - x * np.sin(yaw))
    tilted = np.where(flat, y, y * np.cos(pitch)) - depth * np.sin(pitch)
    near = _CAMERA / (_CAMERA - np.where(flat, 0.2, depth))
    x2, y2 = turned * near - 0.3 * np.sin(yaw), tilted * near + 0.3 * np.sin(pitch) - _MIDDLE_Y
    x3, y3 = x2 * np.cos(roll) - y2 * np.sin(roll), x2 * np.sin(roll) + y2 * np.cos(roll)
    still = MODEL.still
    x3, y3 = np.where(still, x - 0.2 * np.sin(roll), x3), np.where(still, y - _MIDDLE_Y, y3)
    scale = (pose.zoom / HALF_FRAME)[:, None]
    return np.stack([x3 * scale + pose.shift_x[:, None], y3 * scale + pose.shift_y[:, None]], axis=2)


def to_fixed(frame_points: np.ndarray, canvas: int) -> np.ndarray:
    """Frame coordinates (-1..1) as fixed-point pixels, int32, of a canvas with a side of `canvas` pixels."""
    pixels = (frame_points + 1) * (canvas / 2) - 0.5
    return np.rint(pixels * (1 << SHIFT) + _OFF_TIES).astype(np.int32)


def curves_of(posed: np.ndarray, canvas: int) -> dict[str, np.ndarray]:
    """Every curve, sampled and in fixed point, without the fine lines.

    Args:
        posed: float [N, K, 2] of `project`.
        canvas: side of the canvas in pixels.
    Returns: dict name -> int32 [N, m, 2].
    """
    curves = {}
    for name, matrix in MODEL.matrices.items():
        if name.split(".")[0] not in LINES:
            curves[name] = to_fixed(matrix @ posed[:, MODEL.spans[name]], canvas)
    return curves


LINE_NAMES = tuple(name for name in MODEL.spans if name.split(".")[0] in LINES)
_LINE_AT = np.concatenate([np.arange(MODEL.spans[name].start, MODEL.spans[name].stop) for name in LINE_NAMES])
_LINE_WIDTH = np.array([LINES[name.split(".")[0]][2] for name in LINE_NAMES])
_LINE_MATRIX = _samples("sided", 4, _LINE_STEPS)


def line_strengths(strengths: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """How dark each fine line is.

    Args:
        strengths: float [N, 2, movers].
        depth: float [N], depth of the lines at rest.
    Returns: float [N, lines], 0..1.
    """
    movers = list(MOVES)
    columns = []
    for name in LINE_NAMES:
        _, _, _, rest, weights = LINES[name.split(".")[0]]
        side = {"L": strengths[:, 0], "R": strengths[:, 1]}.get(name[-1], strengths.mean(axis=1))
        columns.append(rest * depth + sum(w * side[:, movers.index(unit)] for unit, w in weights.items()))
    return np.clip(np.stack(columns, axis=1), 0, 1)


def line_polygons(posed: np.ndarray, strengths: np.ndarray, zoom: np.ndarray, canvas: int) -> np.ndarray:
    """The fine lines as tapered polygons in fixed point; strong lines are wider.

    Args:
        posed: float [N, K, 2] of `project`.
        strengths: float [N, lines] of `line_strengths`.
        zoom: float [N].
        canvas: side of the canvas in pixels.
    Returns: int32 [N, lines, points, 2].
    """
    centre = _LINE_MATRIX @ posed[:, _LINE_AT].reshape(len(posed), len(LINE_NAMES), 4, 2)
    along = np.gradient(centre, axis=2)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=3) / (np.linalg.norm(along, axis=3, keepdims=True) + 1e-9)
    width = _LINE_WIDTH * (0.7 + 0.6 * strengths) * (zoom / HALF_FRAME)[:, None]
    offset = normal * (width[:, :, None] * _TAPER)[..., None]
    return to_fixed(np.concatenate([centre + offset, (centre - offset)[:, :, ::-1]], axis=2), canvas)
