"""Cameras: one row per face and frame, an end by time or Ctrl-C, and what is said when there is no picture."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
from fixtures import film_frames, write_face
from stopping import stop_in

from fer_tf.common.checks import DataError, InputError
from fer_tf.data.video import read_frames
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.films import Camera
from fer_tf.predict.predict_files import Options, predict_files

CLASSES = list(EMOTIONS[:7])


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=5, detector="none")


def predicted(recognizer, cameras, out, **options):
    summary = predict_files(recognizer, cameras, out, Options(**options), progress=False)
    return pd.read_csv(out), summary


def scores(frame):
    return frame[CLASSES].to_numpy(float)


class Capture:
    """A camera that gives this number of frames, ten per second by its own clock, and then fails."""

    def __init__(self, count, is_open=True, on_frame=lambda index: None):
        self.frames, self.is_open, self.on_frame = list(film_frames(count)), is_open, on_frame
        self.now, self.index, self.released = 100.0, -1, False

    def isOpened(self):
        return self.is_open

    def read(self):
        self.index += 1
        self.now += 0.1
        self.on_frame(self.index)
        is_there = self.index < len(self.frames)
        return is_there, self.frames[self.index] if is_there else None

    def release(self):
        self.released = True

    def camera(self, **options):
        return Camera(2, open_capture=lambda number: self, clock=lambda: self.now, **options)


def test_a_camera_is_predicted_frame_by_frame(recognizer, tmp_path):
    capture = Capture(7)
    frame, summary = predicted(recognizer, [capture.camera()], tmp_path / "out.csv", annotate=tmp_path / "marked")
    assert summary.cut_short == [("webcam:2", "stopped giving pictures")]
    assert set(frame["path"]) == {"webcam:2"}
    frame = frame[frame["error"].isna()]
    assert frame["frame"].tolist() == list(range(7))
    np.testing.assert_allclose(frame["time"], 0.1 * np.arange(1, 8), atol=1e-6)
    expected = recognizer.predict([picture[..., ::-1] for picture in capture.frames])
    np.testing.assert_allclose(scores(frame), scores(expected), atol=1e-6)
    assert capture.released
    assert summary.timelines
    assert len(list(read_frames(next((tmp_path / "marked").glob("*.mp4"))))) == 7


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"seconds": 0.55}, [0, 1, 2, 3, 4]), ({"every": 3}, [0, 3, 6, 9]), ({"fps": 5}, [0, 2, 4, 6, 8, 10])],
)
def test_a_camera_stops_in_time_and_leaves_frames_out(options, wanted):
    assert [picture.frame for picture in Capture(11).camera(**options)] == wanted


def test_frames_that_fail_now_and_then_do_not_end_a_camera():
    capture = Capture(5)
    real, fails = capture.read, iter([True, False, True, True, False, False, True])
    capture.read = lambda: (False, None) if next(fails, False) else real()
    assert [picture.frame for picture in capture.camera()] == [0, 1, 2, 3, 4]


def test_ctrl_c_brings_a_camera_to_its_end_and_keeps_everything(recognizer, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    capture = Capture(500, on_frame=lambda index: os.kill(os.getpid(), signal.SIGINT) if index == 3 else None)
    face = write_face(tmp_path / "a.png")
    frame, summary = predicted(recognizer, [capture.camera(), face], tmp_path / "out.csv", annotate=tmp_path / "marked")
    assert len(frame) == 5
    assert frame["path"].iloc[-1] == str(face), "what comes after the camera is done too"
    assert sorted(os.listdir(tmp_path / "marked")) == ["000001-webcam_2.mp4", "000002-a.jpg"]
    assert signal.getsignal(signal.SIGINT) is before
    assert capture.released
    assert not summary.failed


@pytest.mark.slow  # depends on when the signal arrives: it failed once on a busy machine
def test_a_second_ctrl_c_stops_at_once():
    capture = Capture(500, on_frame=lambda index: os.kill(os.getpid(), signal.SIGINT))

    def interrupt():
        for _ in capture.camera():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert capture.released


def test_a_camera_that_is_not_there_has_its_row(recognizer, tmp_path):
    capture = Capture(0, is_open=False)
    frame, summary = predicted(recognizer, [capture.camera()], tmp_path / "out.csv")
    assert summary.failed == [("webcam:2", "there is no camera with this number, or it is in use")]
    assert len(frame) == 1
    assert capture.released


def test_a_camera_without_a_picture_has_failed(recognizer, tmp_path):
    """As Linux's second device of a camera, or one that may not be used."""
    frame, summary = predicted(recognizer, [Capture(0).camera()], tmp_path / "out.csv")
    assert summary.failed == [("webcam:2", "is open but gives no picture; is it a camera, and is its use allowed?")]
    assert len(frame) == 1
    with pytest.raises(DataError, match="webcam:2: is open but gives no picture"):  # each read may wait for seconds
        list(Capture(0).camera(seconds=0.3))


def test_a_camera_s_rows_begin_anew(recognizer, tmp_path):
    stop_in(recognizer, [Capture(5).camera()], tmp_path / "out.csv", after=2)
    frame, _ = predicted(recognizer, [Capture(3).camera(seconds=0.35)], tmp_path / "out.csv")
    assert len(frame) == 3
    kept = pd.read_csv(tmp_path / "out.csv.part1.old")
    assert kept["frame"].tolist() == [0, 1], "what was seen before the stop is not thrown away"


@pytest.mark.parametrize("bad", [-1, "0", 1.5])
def test_camera_numbers_are_checked(bad):
    with pytest.raises(InputError, match="webcam"):
        Camera(bad)
