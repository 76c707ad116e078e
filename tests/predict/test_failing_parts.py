"""A detector or a reader that fails on one picture: only this picture's row has an error, all others are predicted."""

import numpy as np
import pandas as pd
import pytest
from fixtures import film_frames, write_face

from fer_tf.common.checks import InputError
from fer_tf.data import faces
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.explain_files import FileExplainer
from fer_tf.predict.films import Camera
from fer_tf.predict.predict_files import Options, predict_files

CLASSES = list(EMOTIONS[:7])
POISON = (31, 33)  # the size of the picture that the detector cannot bear
MESSAGE = "the face detector haar fails on it (RuntimeError: bad\\ntensor)"


@pytest.fixture
def recognizer(tiny_model_path, monkeypatch):
    real = faces.crop_faces

    def failing(images, *arguments, **options):
        if any(image.shape[:2] == POISON for image in images):
            raise RuntimeError("bad\ntensor")
        return real(images, *arguments, **options)

    monkeypatch.setattr(faces, "crop_faces", failing)
    return EmotionRecognizer(tiny_model_path, batch_size=3, detector="haar")


@pytest.fixture
def paths(tmp_path):
    return [write_face(tmp_path / f"{row}.png", row, POISON if row in (1, 5) else (40, 40)) for row in range(7)]


def test_a_failing_detector_costs_the_row_of_one_picture(recognizer, paths, tmp_path):
    summary = predict_files(
        recognizer, paths, tmp_path / "out.csv", Options(annotate=tmp_path / "marked"), progress=False
    )
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert frame["path"].tolist() == list(map(str, paths))
    assert frame["error"].tolist() == ["", MESSAGE, "", "", "", MESSAGE, ""]
    assert summary.failed == [(str(paths[1]), MESSAGE), (str(paths[5]), MESSAGE)]
    whole = EmotionRecognizer(recognizer.model, detector="haar").predict([paths[0], *paths[2:5], paths[6]])
    read = frame[frame["error"] == ""][CLASSES].to_numpy(float)
    np.testing.assert_allclose(read, whole[CLASSES].to_numpy(float), atol=1e-5)


def test_the_others_are_still_explained(recognizer, paths, tmp_path):
    table = FileExplainer(recognizer).write(paths, tmp_path / "maps", progress=False)
    assert table["error"].tolist() == ["", MESSAGE, "", "", "", MESSAGE, ""]
    assert (table["file"] != "").sum() == 5


class Capture:
    """A camera of eight frames, some of which the detector cannot bear."""

    def __init__(self, poisoned=(), failing=()):
        self.frames, self.index, self.poisoned, self.failing = list(film_frames(8)), -1, poisoned, failing

    def isOpened(self):
        return True

    def read(self):
        self.index += 1
        if self.index in self.failing:
            raise RuntimeError("no memory")
        if self.index >= len(self.frames):
            return False, None
        frame = self.frames[self.index]
        return True, frame[: POISON[0], : POISON[1]] if self.index in self.poisoned else frame

    def release(self):
        pass


def test_a_failing_detector_costs_the_row_of_one_frame(recognizer, paths, tmp_path):
    camera = Camera(open_capture=lambda _: Capture(poisoned=(2, 3)))
    summary = predict_files(recognizer, [camera, paths[0]], tmp_path / "out.csv", progress=False)
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    frames = frame[frame["frame"] != ""]
    assert frames["error"].tolist() == ["", "", MESSAGE, MESSAGE, "", "", "", ""]
    assert (frames["label"] != "").tolist() == [True, True, False, False, True, True, True, True]
    assert summary.failed == []
    assert ("webcam:0", MESSAGE) in summary.cut_short


def test_a_failing_reader_ends_its_film_only(recognizer, paths, tmp_path):
    camera = Camera(open_capture=lambda _: Capture(failing=(3,)))
    predict_files(recognizer, [camera, paths[0]], tmp_path / "out.csv", progress=False)
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert frame["path"].tolist() == ["webcam:0"] * 4 + [str(paths[0])]
    assert frame["error"].tolist() == ["", "", "", "its reader fails (RuntimeError: no memory)", ""]


def test_a_detector_that_cannot_be_loaded_stops_the_job(tiny_model_path, paths):
    with pytest.raises(InputError, match="detector yunet: there is no "):
        EmotionRecognizer(tiny_model_path, detector="yunet").predict(paths)
