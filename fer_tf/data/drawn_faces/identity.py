"""Who is drawn: shape traits, colours, hair, glasses and beard of a numbered identity."""

from dataclasses import dataclass

import numpy as np

from .difficulty import Difficulty
from .geometry import TRAIT_NAMES
from .units import ACTION_UNITS

_STREAM = 2  # first word of an identity's seed; an image's is 1, so the two never share random numbers
HAIR_STYLES = ("short", "long", "bald", "fringe", "curly", "parted")
BEARDS = ("none", "stubble", "moustache", "full")

# Skin from dark to fair, RGB; hair and iris likewise. Chosen by eye.
_SKIN = np.array([(98, 66, 50), (134, 93, 70), (172, 125, 96), (203, 156, 126), (226, 184, 156), (240, 206, 184)])
_HAIR = np.array([(28, 22, 20), (48, 34, 27), (84, 56, 36), (128, 84, 48), (190, 150, 92), (150, 147, 144)])
_IRIS = np.array([(52, 33, 22), (84, 56, 34), (88, 96, 60), (74, 104, 134), (92, 112, 124)])
_HAIR_SHARES = (0.26, 0.5, 0.68, 0.80, 0.92, 1.0)  # cumulative


@dataclass
class Identities:
    """The identities of N faces, one row of each array for a face."""

    traits: np.ndarray  # [N, traits] about -1..1, columns TRAIT_NAMES
    gains: np.ndarray  # [N, units] -1..1, how strongly this person shows a unit
    lopsided: np.ndarray  # [N] -1..1, how much more the person's left side moves than the right side
    skin: np.ndarray  # [N, 3] RGB 0..255, as are hair, brow, iris, cloth and frame
    hair: np.ndarray
    brow: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    frame: np.ndarray
    lip_red: np.ndarray  # [N] 0..1, how much the lips stand out
    style: np.ndarray  # [N] index into HAIR_STYLES
    beard: np.ndarray  # [N] index into BEARDS
    glasses: np.ndarray  # [N] bool
    iris_size: np.ndarray  # [N] radius in face units


def draw_identities(ids: np.ndarray, seed: int, level: Difficulty) -> Identities:
    """The identities with some numbers. They depend only on (seed, number) and on the level's glasses, beard and
    person.

    Args:
        ids: int [N], numbers of identities.
        seed: whole number.
        level: `Difficulty`.
    Returns: `Identities` with N rows.
    """
    numbers, where = np.unique(ids, return_inverse=True)
    width = len(TRAIT_NAMES) + len(ACTION_UNITS) + 16
    rows = [np.random.default_rng([_STREAM, seed, int(number)]).random(width) for number in numbers]
    return _from_uniform(np.stack(rows)[where.reshape(-1)], level)


def _from_uniform(u, level):
    traits, gains, rest = np.split(u, [len(TRAIT_NAMES), len(TRAIT_NAMES) + len(ACTION_UNITS)], axis=1)
    traits = (traits * 2 - 1) * _trait_spread(level.person)
    skin = _blend(_SKIN, rest[:, 0]) + (rest[:, 1:2] - 0.5) * (8, 4, -6)
    hair = _HAIR[np.searchsorted(_HAIR_SHARES, rest[:, 2], side="right").clip(0, 5)] * (0.85 + 0.3 * rest[:, 3:4])
    has_beard = rest[:, 4] < level.beard
    beard = np.where(has_beard, 1 + (rest[:, 5] * 3).astype(int), 0)
    style = np.searchsorted((0.34, 0.56, 0.64, 0.78, 0.88, 1.0), rest[:, 6], side="right").clip(0, 5)
    style = np.where(has_beard & (style == 1), 0, style)
    grey = rest[:, 7:8]
    return Identities(
        traits=traits,
        gains=gains * 2 - 1,
        lopsided=rest[:, 15] * 2 - 1,
        skin=skin.clip(40, 250),
        hair=hair,
        brow=np.minimum(hair * 0.75, skin * 0.55),  # brows stay darker than the skin, so that expressions stay visible
        iris=_blend(_IRIS, rest[:, 8]),
        cloth=np.stack([rest[:, 9], rest[:, 10], rest[:, 11]], axis=1) * 190 + 25,
        frame=20 + 50 * grey + 60 * (grey > 0.8) * (1.0, 0.7, 0.3),
        lip_red=rest[:, 12],
        style=style,
        beard=beard,
        glasses=rest[:, 13] < level.glasses,
        iris_size=0.080 + 0.012 * rest[:, 14],
    )


def _trait_spread(person):
    """Traits that look like an expression at rest (brow tilt, mouth curve, lid opening) are scaled by `person`."""
    like_expression = ("brow_tilt", "mouth_curve", "eye_open", "brow_height")
    return np.array([person if name in like_expression else 1.0 for name in TRAIT_NAMES])


def _blend(colours, position):
    """Colours [N, 3] along the list, position 0..1."""
    at = position * (len(colours) - 1)
    low = at.astype(int).clip(0, len(colours) - 2)
    return colours[low] + (colours[low + 1] - colours[low]) * (at - low)[:, None]
