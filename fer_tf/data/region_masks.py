"""Where brows, eyes, nose, mouth, cheeks and chin of drawn faces lie, as pictures."""

import numpy as np

# The drawing code's fingerprint is a part of every drawn set's: what only reads its shapes stays outside of it.
from .drawn_faces.difficulty import resolve_difficulty
from .drawn_faces.drawing import _Studio
from .drawn_faces.identity import draw_identities
from .drawn_faces.masks import expression_mask
from .drawn_faces.scene import draw_expressions, draw_numbers, pick_emotions, pick_identities
from .drawn_faces.units import REGIONS

FACE_REGIONS = ("brows", "eyes", "nose", "mouth", "cheeks", "chin")


def region_masks(
    indices: np.ndarray, seed: int, difficulty: str, identities: int, size: int = 48
) -> dict[str, np.ndarray]:
    """The regions of drawn faces, whatever expression they show and whatever covers them.

    Args:
        indices: int [N], `start + i` of `draw_faces`.
        seed, difficulty, size: see `draw_faces`.
        identities: size of the pool of identities.
    Returns: dict region -> bool [N, size, size]; regions may overlap a little.
    """
    indices = np.asarray(indices, int)
    found = {name: np.zeros((len(indices), size, size), bool) for name in FACE_REGIONS}
    if not len(indices):
        return found
    level, draws = resolve_difficulty(difficulty, {}), draw_numbers(indices, seed)
    people = draw_identities(pick_identities(draws, identities), seed, level)
    expression = draw_expressions(draws, pick_emotions(draws), people.gains, level)
    studio = _Studio(draws, people, expression, level, size, 1)
    for name, masks in found.items():
        only = np.array([region == name for region in REGIONS])
        for i, scale in enumerate(studio.outlines.scale):
            masks[i] = expression_mask(studio.outlines.parts, i, only, scale, size, studio.canvas)
    return found
