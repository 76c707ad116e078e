"""What each image shows: its random numbers are drawn once and become expression, pose, light and disturbances.

Every quantity has its own column of random numbers. So an override of one quantity (for example the occluder) does not
change the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...emotions import EMOTIONS
from .difficulty import OCCLUDERS, Difficulty
from .geometry import Pose
from .units import ACTION_UNITS, CLASS_PRIOR, COMPANIONS, PROTOTYPES

_STREAM = 1  # first word of an image's seed; identities have another
_NAMES = (
    *("emotion", "identity", "intensity", "side", "blend", "partner", "blend_weight"),
    *("yaw", "yaw2", "pitch", "pitch2", "roll", "roll2", "shift_x", "shift_y", "zoom", "gaze_x", "gaze_y"),
    *("light_x", "light_y", "light", "shadow", "shadow_angle", "shadow_at", "shadow_dark"),
    *("bright", "contrast", "blur", "noise", "jpeg", "quality", "background", "occlude", "occluder"),
)
_COLUMN = {name: i for i, name in enumerate(_NAMES)}
_GROUPS = {"jitter": len(ACTION_UNITS), "companion": len(ACTION_UNITS), "backdrop": 24, "occlusion": 16}
DEFAULT_POOL = 200  # size of the pool of identities, if none is given


@dataclass
class Draws:
    """Uniform random numbers for N images.

    Attributes:
        numbers: float [N, columns], 0..1; `of(name)` is one quantity, `group(name)` a group of them.
        generators: each image's own generator for what follows (the grain).
    """

    numbers: np.ndarray
    generators: list[np.random.Generator]

    def of(self, name: str) -> np.ndarray:
        """The numbers of one quantity, float [N], 0..1."""
        return self.numbers[:, _COLUMN[name]]

    def group(self, name: str) -> np.ndarray:
        """The numbers of a group of quantities, float [N, n], 0..1; `KeyError` for an unknown group."""
        at = len(_NAMES)
        for group, count in _GROUPS.items():
            if group == name:
                return self.numbers[:, at : at + count]
            at += count
        raise KeyError(name)

    def between(self, name: str, bounds: tuple[float, float]) -> np.ndarray:
        """The numbers of one quantity, scaled to the bounds (low, high), float [N]."""
        return bounds[0] + (bounds[1] - bounds[0]) * self.of(name)

    def symmetric(self, name: str, limit: float) -> np.ndarray:
        """The mean of two draws, scaled to -limit..limit, float [N]: values near 0 are most common."""
        return limit * (self.of(name) + self.of(name + "2") - 1)


def draw_numbers(indices: Sequence[int] | np.ndarray, seed: int) -> Draws:
    """The random numbers of the images `indices`, int [N]. They depend only on (seed, index)."""
    width = len(_NAMES) + sum(_GROUPS.values())
    generators = [np.random.default_rng([_STREAM, seed, int(index)]) for index in indices]
    return Draws(np.stack([generator.random(width) for generator in generators]), generators)


def _unit_table(strength_of):
    """[emotions, units] of a number for every unit; 0 if the emotion lacks it."""
    return np.array([[strength_of(emotion).get(unit, 0.0) for unit in ACTION_UNITS] for emotion in EMOTIONS])


_PROTOTYPE = _unit_table(PROTOTYPES.get)
_COMPANION = _unit_table(lambda emotion: {unit: pair[0] for unit, pair in COMPANIONS[emotion].items()})
_COMPANION_SHARE = _unit_table(lambda emotion: {unit: pair[1] for unit, pair in COMPANIONS[emotion].items()})
_CUMULATIVE_PRIOR = np.cumsum([CLASS_PRIOR[emotion] for emotion in EMOTIONS])
_MIRRORED = [
    ACTION_UNITS.index(u[:-1] + {"L": "R", "R": "L"}[u[-1]]) if u[-1] in "LR" else i for i, u in enumerate(ACTION_UNITS)
]


def pick_emotions(draws: Draws) -> np.ndarray:
    """Codes into EMOTIONS, int [N], drawn by the class prior."""
    return np.searchsorted(_CUMULATIVE_PRIOR, draws.of("emotion"), side="right").clip(0, len(EMOTIONS) - 1)


def pick_identities(draws: Draws, pool: int) -> np.ndarray:
    """Identity numbers from 0..pool-1, int [N]."""
    return (draws.of("identity") * pool).astype(int)


@dataclass
class Expression:
    """The expressions of N faces.

    Attributes:
        codes: int [N] into EMOTIONS.
        intensity: float [N], 0..1 (0 for neutral).
        partner: int [N], code of a second emotion, or -1.
        units: float [N, units], strengths 0..1.
    """

    codes: np.ndarray
    intensity: np.ndarray
    partner: np.ndarray
    units: np.ndarray


def draw_expressions(draws: Draws, codes: np.ndarray, gains: np.ndarray, level: Difficulty) -> Expression:
    """The strengths of the action units: prototype times intensity, companions, a second emotion, and personal
        differences.

    Args:
        draws: random numbers of N images.
        codes: int [N] into EMOTIONS.
        gains: float [N, units], -1..1, how strongly each person shows each unit.
        level: `Difficulty`.
    Returns: `Expression`.
    """
    neutral = codes == EMOTIONS.index("neutral")
    intensity = np.where(neutral, 0.0, draws.between("intensity", level.intensity))
    scale = intensity[:, None]
    along = _COMPANION[codes] * (draws.group("companion") < _COMPANION_SHARE[codes] * level.companions)
    units = scale * np.maximum(_PROTOTYPE[codes], scale * along)
    partner, weight = _partners(draws, codes, neutral, level)
    units = (1 - weight) * units + weight * scale * _PROTOTYPE[partner]
    units = units * (1 + 0.2 * level.person * gains + 0.2 * level.jitter * (2 * draws.group("jitter") - 1))
    mirrored = draws.of("side")[:, None] < 0.5
    units = np.where(mirrored, units[:, _MIRRORED], units).clip(0, 1)
    return Expression(codes, intensity, np.where(weight[:, 0] > 0, partner, -1), units)


def _partners(draws, codes, neutral, level):
    """A second emotion's code [N], never the first one, and its weight [N, 1], 0 without a blend."""
    count = len(EMOTIONS)
    partner = (codes + 1 + (draws.of("partner") * (count - 1)).astype(int)) % count
    blended = (draws.of("blend") < level.blend) & ~neutral & (partner != EMOTIONS.index("neutral"))
    return partner, np.where(blended, draws.between("blend_weight", level.blend_weight), 0.0)[:, None]


def draw_poses(draws: Draws, level: Difficulty) -> Pose:
    """The heads' poses and places in the frame."""
    return Pose(
        yaw=draws.symmetric("yaw", level.yaw),
        pitch=draws.symmetric("pitch", level.pitch),
        roll=draws.symmetric("roll", level.roll),
        shift_x=level.shift * (2 * draws.of("shift_x") - 1),
        shift_y=level.shift * (2 * draws.of("shift_y") - 1),
        zoom=draws.between("zoom", level.zoom),
    )


def pick_occluders(draws: Draws, level: Difficulty) -> np.ndarray:
    """Codes into OCCLUDERS, int [N]; 0 is none."""
    if level.occluder is not None:
        return np.full(len(draws.numbers), OCCLUDERS.index(level.occluder))
    kinds = 1 + (draws.of("occluder") * (len(OCCLUDERS) - 1)).astype(int)
    return np.where(draws.of("occlude") < level.occlusion, kinds, 0)
