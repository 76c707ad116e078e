"""Detectors: which one is taken, what each needs, and how YuNet's answers are read."""

import cv2
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.faces import DETECTORS, default_detector, detect_faces
from fer_tf.data.faces import detectors as detectors_module
from fer_tf.data.faces.detectors import Detector
from fer_tf.data.images import read_image
from fer_tf.predict import sample_path

BLACK = np.zeros((99, 99, 1), np.uint8)


def test_opencv_without_cascades(monkeypatch, fresh):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(InputError, match="detector haar: .*haarcascade_frontalface_alt2.xml.*pip install 'opencv"):
        detect_faces([BLACK], "haar")


def test_cascade_files_gone(monkeypatch, fresh, tmp_path):
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(InputError, match="detector haar: .*haarcascade_frontalface_alt2.xml.*pip install 'opencv"):
        detect_faces([BLACK], "haar")


@pytest.mark.parametrize("detector", ["haar", "mtcnn"])
def test_a_smallest_face_leaves_out_smaller_ones(detector):
    """The astronaut's face has a box of about 107 px, and half of it in the picture next to it."""
    picture = read_image(sample_path(), channels=3)
    both = np.full((512, 800, 3), 128, np.uint8)
    both[:, :512], both[:256, 520:776] = picture, cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)
    found = {size: sorted(face.box[0] for face in detect_faces([both], detector, min_size=size)[0]) for size in (0, 80)}
    assert [place > 512 for place in found[0]] == [False, True]
    assert [place > 512 for place in found[80]] == [False]
    np.testing.assert_allclose(found[80], found[0][:1], atol=12)


@pytest.mark.parametrize(
    ("file", "absent", "expected"),
    [
        (True, "mtcnn", "yunet"),
        (False, None, "mtcnn"),
        (False, "mtcnn", "haar"),
        (False, "lz4", "haar"),
        (False, "joblib", "haar"),
    ],
)
def test_default_detector(monkeypatch, tmp_path, file, absent, expected):
    monkeypatch.setattr(detectors_module, "find_spec", lambda name: None if name == absent else name)
    monkeypatch.delenv("FER_TF_YUNET", raising=False)
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path))
    if file:
        (tmp_path / "face_detection_yunet_2023mar.onnx").write_text("stand-in")
    assert default_detector() == expected


def test_detectors_are_loaded_once(monkeypatch, fresh):
    loads = []
    spec = Detector(lambda level: loads.append(level) or list, "counts", {"level": 1})
    monkeypatch.setitem(DETECTORS, "counting", spec)
    load = detectors_module.load_detector
    assert load("counting") is load("counting") is load("counting", level=1) is not None
    load("counting", level=2)
    assert loads == [1, 2]


def test_yunet_without_its_file(monkeypatch, fresh, tmp_path):
    monkeypatch.delenv("FER_TF_YUNET", raising=False)
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path))
    with pytest.raises(
        InputError, match="there is no .*_2023mar.onnx; get face_detection_yunet_2023mar.onnx .*model_fi"
    ):
        detect_faces([BLACK], "yunet")
    with pytest.raises(InputError, match="there is no .*gone.onnx; get face_detection_yunet_2023mar.onnx"):
        detect_faces([BLACK], "yunet", model_file=tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    monkeypatch.setenv("FER_TF_YUNET", str(tmp_path / "text.onnx"))
    with pytest.raises(InputError, match="text.onnx is not a YuNet model"):
        detect_faces([BLACK], "yunet")


class StandInYuNet:
    """Answers as cv2.FaceDetectorYN does: rows of box, five points (the person's right eye first), score."""

    @classmethod
    def create(cls, path, config, size, threshold):
        return cls()

    def setInputSize(self, size):
        self.size = size

    def detect(self, picture):
        assert self.size == picture.shape[1::-1]
        blue, _, red = picture[-1, -1]
        assert (blue, red) == (3, 1)  # BGR
        if picture[0, 0, 0] == 255:
            return 1, None
        return 1, np.array([[20, 30, 50, 60, 32, 50, 58, 48, 45, 60, 35, 75, 55, 75, 0.9]], np.float32)


def test_yunets_answers_are_read(monkeypatch, fresh, tmp_path):
    monkeypatch.setattr(cv2, "FaceDetectorYN", StandInYuNet)
    (tmp_path / "model.onnx").write_text("stand-in")
    picture = np.full((400, 500, 3), (1, 2, 3), np.uint8)
    empty = picture.copy()
    empty[0, 0] = 255
    found = detect_faces([empty, picture], "yunet", model_file=str(tmp_path / "model.onnx"))
    assert found[0] == []
    (face,) = found[1]
    assert face.box == (20, 30, 50, 60)
    points = {"left_eye": (32, 50), "right_eye": (58, 48), "nose": (45, 60)}
    assert face.points == {**points, "left_mouth": (35, 75), "right_mouth": (55, 75)}
    assert face.score == pytest.approx(0.9)


def test_the_table_lists_what_is_offered():
    assert list(DETECTORS) == ["mtcnn", "haar", "yunet", "none"]
    assert all(spec.title for spec in DETECTORS.values())
