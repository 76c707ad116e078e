"""Finds faces in pictures and cuts them out, with the same code for preparing datasets and for predicting.

`detect_faces` finds faces. `crop_face` cuts one out: square, turned until the eyes are level, with its aspect ratio.
`crop_faces` does both for many pictures. `DETECTORS` lists the detectors. `follow_or_search` is for
live frames.
"""

from .crops import FaceCrop, crop_faces
from .detection import detect_faces
from .detectors import DETECTORS, default_detector
from .following import follow_or_search
from .geometry import Face, crop_face

__all__ = [
    "DETECTORS",
    "Face",
    "FaceCrop",
    "crop_face",
    "crop_faces",
    "default_detector",
    "detect_faces",
    "follow_or_search",
]
