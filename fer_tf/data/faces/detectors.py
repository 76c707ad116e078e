"""The face detectors: `DETECTORS[name].make(**options)` returns a function (batch, smallest) -> lists of `Face`.

A batch is uint8 [N, H, W, 3], RGB, and faces are in its pixels, as is the side of the smallest face to look for. Call
`detect_faces` instead: it brings pictures to one size, and boxes back to the original pictures.
"""

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...common.checks import InputError, check_choice, check_names, check_range, check_whole
from ...common.paths import models_root
from .geometry import Face, check_align
from .mtcnn import find_faces, load_networks

# The smallest face that MTCNN and the Haar cascades look for, in pixels of the picture that they get.
SMALLEST = 20
# uint8 [N, H, W, 3] and the side of the smallest face in pixels -> a list of `Face` for each picture.
Find = Callable[[np.ndarray, float], list[list[Face]]]


@dataclass(frozen=True)
class Detector:
    """A line of the `DETECTORS` table.

    Attributes:
        make: function(**options) that loads the detector. It returns the function (batch, smallest) -> list of lists of
            `Face`, or None.
        title: one line for lists.
        options: dict of its options and their defaults.
        has_points: True if it gives all of `POINTS` for each face.
        frame_from: `detect_faces` puts a frame around small pictures, for faces that fill them. With a value above 0
            these pictures are searched without the frame, and then with it, for faces whose side is at least this share
            of the picture's shorter side. 0 searches once, with the frame.
    """

    make: Callable[..., Find | None]
    title: str
    options: dict[str, Any] = field(default_factory=dict)
    has_points: bool = False
    frame_from: float = 0.0


def _make_mtcnn(threshold):
    """MTCNN (Zhang et al. 2016); score: its last network's probability of a face."""
    check_range("threshold", threshold, 0, 1)
    try:
        networks = load_networks()
    except (ImportError, ValueError) as error:  # joblib raises a ValueError if lz4 is missing
        raise InputError(
            f"detector mtcnn: cannot be loaded ({str(error).splitlines()[0]}); it needs the weights of `pip install "
            "mtcnn`; or choose detector 'haar', which only needs OpenCV"
        ) from None
    return lambda batch, smallest: find_faces(networks, batch, threshold, smallest)


def _make_haar(neighbours):
    """The cascades of Viola and Jones (2001) from OpenCV; they give no score.

    Of the three frontal cascades this is `frontalface_alt2`. On ordinary pictures without people it had no false
    alarms, where `frontalface_default` took coins for faces. It is also the fastest on small crops.
    """
    check_whole("neighbours", neighbours, 0, 100)
    return functools.partial(_find_haar, _cascade("frontalface_alt2"), _cascade("eye"), neighbours)


def _cascade(name):
    folder = Path(getattr(getattr(cv2, "data", None), "haarcascades", ""))
    path = folder / f"haarcascade_{name}.xml"
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise InputError(
            f"detector haar: OpenCV {cv2.__version__} does not contain {path.name} (5.0 removed the cascades); "
            "`pip install 'opencv-python-headless>=4.10,<5'`"
        )
    return cv2.CascadeClassifier(str(path))


def _find_haar(faces, eyes, neighbours, batch, smallest):
    faces_of = []
    for picture in batch:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        side = round(smallest)
        boxes = faces.detectMultiScale(gray, 1.1, neighbours, minSize=(side, side))
        faces_of.append([_haar_face(gray, tuple(map(float, box)), eyes) for box in boxes])
    return faces_of


_EYE_VIEW = 160  # px to which a face is resized for the eye search; the smallest eyes have 20 px


def _haar_face(gray, box, eyes):
    """A `Face` with its eyes, if a likely pair is found in the upper part of the box."""
    x, y, w, h = box
    upper = gray[int(y) : int(y + 0.6 * h), int(x) : int(x + w)]
    zoom = _EYE_VIEW / w
    upper = cv2.resize(upper, None, fx=zoom, fy=zoom)
    spots = eyes.detectMultiScale(upper, 1.2, 2, minSize=(20, 20), maxSize=(70, 70))
    middles = [((ex + ew / 2) / _EYE_VIEW, (ey + eh / 2) / _EYE_VIEW) for ex, ey, ew, eh in spots]
    pair = _eye_pair(middles)
    return Face(box, math.nan, *[(x + ex * w, y + ey * w) for ex, ey in pair] if pair else (None, None))


def _eye_pair(middles):
    """The pair nearest to the usual places of eyes (0.30 and 0.70 across, 0.38 down, in box widths), or None."""
    likely = [
        (abs(x1 - 0.3) + abs(x2 - 0.7) + abs(y1 - 0.38) + abs(y2 - 0.38), (x1, y1), (x2, y2))
        for x1, y1 in middles
        for x2, y2 in middles
        if 0.25 < x2 - x1 < 0.6 and abs(y2 - y1) < 0.5 * (x2 - x1)
    ]
    return min(likely)[1:] if likely else None


YUNET_FILE = "face_detection_yunet_2023mar.onnx"


def yunet_file(model_file: str | os.PathLike[str] | None = None) -> Path:
    """Where YuNet's file is looked for: `model_file`, else $FER_TF_YUNET, else the folder models/."""
    return Path(model_file or os.environ.get("FER_TF_YUNET") or models_root() / YUNET_FILE)


def _make_yunet(model_file, threshold):
    """YuNet (Wu, Peng & Yu 2023) by OpenCV; score: its own, 0..1."""
    check_range("threshold", threshold, 0, 1)
    path = yunet_file(model_file)
    if not path.is_file():
        raise InputError(
            f"detector yunet: there is no {path}; get {YUNET_FILE} from "
            "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet and put it into models/, or "
            "name it with model_file= or the environment variable FER_TF_YUNET"
        )
    if not hasattr(cv2, "FaceDetectorYN"):
        raise InputError(f"detector yunet: OpenCV {cv2.__version__} has no FaceDetectorYN; 4.8 and later have it")
    try:
        network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold)
    except cv2.error as error:
        raise InputError(f"detector yunet: {path} is not a YuNet model ({error.err or error})") from None
    return functools.partial(_find_yunet, network)


def _find_yunet(network, batch, smallest):
    network.setInputSize((batch.shape[2], batch.shape[1]))
    faces_of = []
    for picture in batch:
        _, rows = network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        faces_of.append([_yunet_face(row) for row in (rows if rows is not None else [])])
    return faces_of


def _yunet_face(row):
    """A `Face` from a row of YuNet: x, y, w, h, five points (the person's right eye first), score."""
    values = [float(value) for value in row]
    points = [tuple(values[start : start + 2]) for start in range(4, 14, 2)]
    return Face(tuple(values[:4]), values[14], *points)


def _make_none():
    """Returns None: without a detector, the whole picture is the face."""


DETECTORS = {
    "mtcnn": Detector(
        _make_mtcnn, "MTCNN: three small networks, eyes, nose, mouth and score", {"threshold": 0.8}, has_points=True
    ),
    "haar": Detector(
        _make_haar,
        "Haar cascades of OpenCV: frontal faces, sometimes eyes, no score",
        {"neighbours": 3},
        frame_from=0.5,
    ),
    "yunet": Detector(
        _make_yunet,
        "YuNet by OpenCV: fast, eyes, nose, mouth and score; needs its model file",
        {"model_file": None, "threshold": 0.9},
        has_points=True,
    ),
    "none": Detector(_make_none, "the whole picture is the face"),
}


def default_detector() -> str:
    """ "yunet" if its file is there, else "mtcnn" if its package is installed, else "haar"."""
    if yunet_file().is_file():
        return "yunet"
    return "mtcnn" if all(find_spec(package) for package in ("mtcnn", "lz4", "joblib")) else "haar"


def check_alignment(align: str | bool, detector: str) -> str:
    """Returns a value of `ALIGNS`, see `crop_face`.

    Raises: `InputError` for another value, or for "landmarks" with a detector that does not give all points.
    """
    align = check_align(align)
    if align == "landmarks" and not DETECTORS[check_choice("detector", detector, DETECTORS)].has_points:
        able = " or ".join(name for name, spec in DETECTORS.items() if spec.has_points)
        raise InputError(
            f"align: landmarks needs a detector that finds eyes, nose and mouth: {able}; received detector {detector}"
        )
    return align


def load_detector(name: str, **options: Any) -> Find | None:
    """Loads a detector. Then it is kept in memory.

    Args:
        name: a key of `DETECTORS`.
        **options: the detector's own options.
    Returns: function (uint8 [N, H, W, 3], side of the smallest face in pixels) -> a list of `Face` for each picture;
        None for "none".
    Raises: `InputError` for a wrong argument, or if a library or file is missing.
    """
    defaults = DETECTORS[check_choice("detector", name, DETECTORS)].options
    check_names(f"options of detector {name}", options, defaults)
    if name == "yunet":
        options = {**options, "model_file": yunet_file(options.get("model_file"))}
    return _loaded(name, **{**defaults, **options})


@functools.lru_cache(maxsize=8)
def _loaded(name, **options):
    return DETECTORS[name].make(**options)
