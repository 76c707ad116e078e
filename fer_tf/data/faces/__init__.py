"""Finding faces in pictures and cutting them out: the same code for preparing datasets and for predicting.

`detect_faces` says where faces are, `crop_face` cuts one out (square, turned until the eyes lie level, aspect ratio
kept), `crop_faces` does both for many pictures. `DETECTORS` lists what there is.
"""

from .crops import FaceCrop, crop_faces
from .detection import detect_faces
from .detectors import DETECTORS, default_detector
from .geometry import Face, crop_face

__all__ = ["DETECTORS", "Face", "FaceCrop", "crop_face", "crop_faces", "default_detector", "detect_faces"]
