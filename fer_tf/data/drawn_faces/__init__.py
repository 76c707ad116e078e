"""Parametric drawn faces with known truth: FACS action units, pose, identity, occluders. See `draw_faces`."""

from .difficulty import DIFFICULTIES, OCCLUDERS, Difficulty
from .drawing import DrawnFaces, draw_faces, expression_sheet
from .units import ACTION_UNITS, CLASS_PRIOR, PROTOTYPES

__all__ = [
    "ACTION_UNITS",
    "CLASS_PRIOR",
    "DIFFICULTIES",
    "OCCLUDERS",
    "PROTOTYPES",
    "Difficulty",
    "DrawnFaces",
    "draw_faces",
    "expression_sheet",
]
