"""Masks of the brows, eyes, nose, mouth, cheeks and chin of drawn faces."""

import numpy as np

# The fingerprint of every drawn dataset covers the drawing code. This file only reads shapes, so it stays outside.
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
    """The regions of drawn faces. They do not depend on the expression or on occluders.

    Args:
        indices: int [N], `start + i` of `draw_faces`.
        seed, difficulty: see `draw_faces`.
        identities: size of the pool of identities.
        size: side of the pictures in pixels.
    Returns: dict region -> bool [N, size, size]; regions may overlap a little.
    """
    indices = np.asarray(indices, int)
    masks_of = {name: np.zeros((len(indices), size, size), bool) for name in FACE_REGIONS}
    if not len(indices):
        return masks_of
    level, draws = resolve_difficulty(difficulty, {}), draw_numbers(indices, seed)
    people = draw_identities(pick_identities(draws, identities), seed, level)
    expression = draw_expressions(draws, pick_emotions(draws), people.gains, level)
    studio = _Studio(draws, people, expression, level, size, 1)
    for name, of_region in masks_of.items():
        only = np.array([region == name for region in REGIONS])
        for i, scale in enumerate(studio.outlines.scale):
            of_region[i] = expression_mask(studio.outlines.parts, i, only, scale, size, studio.canvas)
    return masks_of
