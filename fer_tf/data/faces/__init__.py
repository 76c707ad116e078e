"""Finds faces in pictures and cuts them out, with the same code for preparing datasets and for predicting.

`detect_faces` finds faces. `crop_face` cuts one out: square, with its aspect ratio, turned until the eyes are level, or
moved until eyes, nose and mouth are at fixed places. `crop_faces` does both for many pictures. `DETECTORS` lists the
detectors. `follow_or_search` is for live frames.
"""

from .crops import FaceCrop, crop_faces
from .detection import detect_faces
from .detectors import DETECTORS, check_alignment, default_detector
from .following import follow_or_search
from .geometry import ALIGNS, Face, crop_face

__all__ = [
    "ALIGNS",
    "DETECTORS",
    "Face",
    "FaceCrop",
    "check_alignment",
    "crop_face",
    "crop_faces",
    "default_detector",
    "detect_faces",
    "follow_or_search",
]
