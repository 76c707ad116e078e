"""The face detectors: `DETECTORS[name].make(**options)` returns a function batch -> a list of `Face` for each picture.

A batch is uint8 [N, H, W, 3], RGB, and faces are in its pixels. Call `detect_faces` instead: it brings pictures to one
size, and boxes back to the original pictures.
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
from ...common.quiet import import_keras, quiet_stderr
from .geometry import Face

# The smallest face that MTCNN and the Haar cascades look for, in pixels of the picture that they get.
SMALLEST = 20


@dataclass(frozen=True)
class Detector:
    """A line of the `DETECTORS` table.

    Attributes:
        make: function(**options) that loads the detector. It returns the function batch -> list of lists of `Face`, or
            None.
        title: one line for lists.
        options: dict of its options and their defaults.
    """

    make: Callable[..., Callable[[np.ndarray], list[list[Face]]] | None]
    title: str
    options: dict[str, Any] = field(default_factory=dict)


def _make_mtcnn(threshold):
    """MTCNN (Zhang et al. 2016); score: its last network's probability of a face."""
    check_range("threshold", threshold, 0, 1)
    try:
        if import_keras().config.backend() != "tensorflow":
            raise ImportError("Keras is not on its TensorFlow backend")
        with quiet_stderr():
            from mtcnn import MTCNN

            network = MTCNN()
    except (ImportError, ValueError) as error:  # joblib raises a ValueError if lz4 is missing
        raise InputError(
            f"detector mtcnn: cannot be loaded ({str(error).splitlines()[0]}); it needs TensorFlow as Keras's backend "
            f"and `pip install mtcnn`; or choose detector 'haar', which only needs OpenCV"
        ) from None
    return functools.partial(_find_mtcnn, network, threshold)


def _find_mtcnn(network, threshold, batch):
    # The pictures of a batch must have one size: mtcnn 1.0.0 moves the boxes of padded pictures to a wrong place after
    # a picture without a face. Its min_face_size must stay at 20: above, its smallest scales are too small and it finds
    # nothing. Corners come back as floats, unclipped, with `output_type="numpy"`; "json" rounds them.
    with quiet_stderr():  # TensorFlow warns about every batch without a candidate
        rows = network.detect_faces(
            list(batch), box_format="xyxy", output_type="numpy", fit_to_image=False, threshold_onet=threshold
        )
    return [[_mtcnn_face(row) for row in rows[rows[:, 0] == position]] for position in range(len(batch))]


def _mtcnn_face(row):
    """A `Face` from a row of MTCNN: picture, corners, score, five x (left eye, right eye, nose, mouth), five y."""
    x1, y1, x2, y2, score = map(float, row[1:6])
    eyes = [(float(row[6 + eye]), float(row[11 + eye])) for eye in (0, 1)]
    return Face((x1, y1, x2 - x1, y2 - y1), score, *eyes)


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


def _find_haar(faces, eyes, neighbours, batch):
    faces_of = []
    for picture in batch:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        boxes = faces.detectMultiScale(gray, 1.1, neighbours, minSize=(SMALLEST, SMALLEST))
        faces_of.append([_haar_face(gray, tuple(map(float, box)), eyes) for box in boxes])
    return faces_of


_EYE_VIEW = 160  # px to which a face is resized for the eye search; the smallest eyes have 20 px


def _haar_face(gray, box, eyes):
    """A `Face` with its eyes, if a likely pair is found in the upper part of the box."""
    x, y, w, h = box
    upper = gray[int(y) : int(y + 0.6 * h), int(x) : int(x + w)]
    zoom = _EYE_VIEW / w
    upper = cv2.resize(upper, None, fx=zoom, fy=zoom)
    spots = eyes.detectMultiScale(upper, 1.1, 4, minSize=(20, 20), maxSize=(70, 70))
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


def _make_yunet(model_file, threshold):
    """YuNet (Wu, Peng & Yu 2023) by OpenCV; score: its own, 0..1."""
    check_range("threshold", threshold, 0, 1)
    path = model_file or os.environ.get("FER_TF_YUNET")
    if not path or not Path(path).is_file():
        raise InputError(
            f"detector yunet: {f'there is no {path}' if path else 'no model file was given'}; get {YUNET_FILE} from "
            "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet and name it with "
            "model_file= or the environment variable FER_TF_YUNET"
        )
    if not hasattr(cv2, "FaceDetectorYN"):
        raise InputError(f"detector yunet: OpenCV {cv2.__version__} has no FaceDetectorYN; 4.8 and later have it")
    try:
        network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold)
    except cv2.error as error:
        raise InputError(f"detector yunet: {path} is not a YuNet model ({error.err or error})") from None
    return functools.partial(_find_yunet, network)


def _find_yunet(network, batch):
    network.setInputSize((batch.shape[2], batch.shape[1]))
    faces_of = []
    for picture in batch:
        _, rows = network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        faces_of.append([_yunet_face(row) for row in (rows if rows is not None else [])])
    return faces_of


def _yunet_face(row):
    """A `Face` from a row of YuNet: x, y, w, h, five points (the person's right eye first), score."""
    values = [float(value) for value in row]
    return Face(tuple(values[:4]), values[14], tuple(values[4:6]), tuple(values[6:8]))


def _make_none():
    """Returns None: without a detector, the whole picture is the face."""


DETECTORS = {
    "mtcnn": Detector(_make_mtcnn, "MTCNN: three small networks, eyes and score; needs TensorFlow", {"threshold": 0.8}),
    "haar": Detector(_make_haar, "Haar cascades of OpenCV: frontal faces, sometimes eyes, no score", {"neighbours": 3}),
    "yunet": Detector(
        _make_yunet,
        "YuNet by OpenCV: fast, eyes and score; needs its model file",
        {"model_file": None, "threshold": 0.9},
    ),
    "none": Detector(_make_none, "the whole picture is the face"),
}


def default_detector() -> str:
    """ "mtcnn" if it can be used (installed, Keras on TensorFlow), else "haar"."""
    installed = all(find_spec(package) for package in ("mtcnn", "lz4", "tensorflow"))
    return "mtcnn" if installed and import_keras().config.backend() == "tensorflow" else "haar"


def load_detector(name: str, **options: Any) -> Callable[[np.ndarray], list[list[Face]]] | None:
    """Loads a detector. This takes seconds the first time; then it is kept in memory.

    Args:
        name: a key of `DETECTORS`.
        **options: the detector's own options.
    Returns: function uint8 [N, H, W, 3] -> a list of `Face` for each picture; None for "none".
    Raises: `InputError` for a wrong argument, or if a library or file is missing.
    """
    defaults = DETECTORS[check_choice("detector", name, DETECTORS)].options
    check_names(f"options of detector {name}", options, defaults)
    if name == "yunet":
        options = {**options, "model_file": options.get("model_file") or os.environ.get("FER_TF_YUNET")}
    return _loaded(name, **{**defaults, **options})


@functools.lru_cache(maxsize=8)
def _loaded(name, **options):
    return DETECTORS[name].make(**options)
