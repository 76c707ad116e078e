"""A film's summary: shares of time, the clearest moments, and a csv for each track."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from stopping import stop_in

from fer_tf.data.faces import detect_faces, following
from fer_tf.data.images import read_image
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer, collect_files, sample_path
from fer_tf.predict.film_summary import Moments, clock, shares_of_time
from fer_tf.predict.pictures import Faces
from fer_tf.predict.predict_files import Options, predict_files, timelines_folder

CLASSES = list(EMOTIONS[:7])
COUNT, FPS = 20, 10


@pytest.fixture
def film(tmp_path):
    """Two seconds of the astronaut's face, which moves to the right and is gone after 1.5 s."""
    frame = read_image(sample_path(), channels=3)[:256, 100:356, ::-1]
    writer = cv2.VideoWriter(
        str(tmp_path / "film.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), FPS, (320, 256)
    )
    for number in range(COUNT):
        picture = np.full((256, 320, 3), 128, np.uint8)
        if number < 15:
            picture[:, 2 * number : 2 * number + 256] = frame
        writer.write(picture)
    writer.release()
    return tmp_path / "film.mp4"


@pytest.fixture
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, 4, "mtcnn")


@pytest.fixture
def searched(monkeypatch):
    """Counts the frames in which faces are searched."""
    counted = []

    def count(images, *given, **options):
        counted.extend(images)
        return detect_faces(images, *given, **options)

    monkeypatch.setattr(following, "detect_faces", count)
    return counted


def test_faces_are_followed_between_two_searches(recognizer, film, searched, tmp_path):
    predict_files(recognizer, [film], tmp_path / "followed.csv", progress=False)
    assert len(searched) == 4, "at 0, 0.5, 1 and 1.5 s, when the face is gone"
    predict_files(recognizer, [film], tmp_path / "searched.csv", Options(search=0), progress=False)
    assert len(searched) == 4, "the recogniser searches all frames"
    followed, found = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("followed", "searched"))
    followed, found = (table[table["face"] == 0] for table in (followed, found))
    assert found["detected"].tolist() == [True] * 15 + [False] * 5 == followed["detected"].tolist()
    assert followed["track"].dropna().unique().tolist() == [0]
    sides = ["x", "y", "w", "h"]
    assert np.abs(found[sides].to_numpy() - followed[sides].to_numpy()).max() <= 0.1 * found["h"].max()
    assert followed["score"][:15].min() > 0.9


def test_a_stopped_film_follows_the_same_faces_when_it_is_resumed(recognizer, film, tmp_path):
    predict_files(recognizer, [film], tmp_path / "whole.csv", progress=False)
    stop_in(recognizer, [film], tmp_path / "stopped.csv", after=2)
    predict_files(recognizer, [film], tmp_path / "stopped.csv", progress=False)
    assert (tmp_path / "stopped.csv").read_text() == (tmp_path / "whole.csv").read_text()
    names = ("whole", "stopped")
    whole, stopped = (timelines_folder(tmp_path / f"{name}.csv") / "000001-film" for name in names)
    assert (whole / "moments.csv").read_text() == (stopped / "moments.csv").read_text(), "the moments before the stop"


def test_a_film_gets_a_summary_its_moments_and_a_csv_for_each_track(recognizer, film, tmp_path):
    out = tmp_path / "scores.csv"
    predict_files(recognizer, [film], out, progress=False)
    folder = timelines_folder(out) / "000001-film"
    frame = pd.read_csv(out).dropna(subset=["track"])
    track = pd.read_csv(folder / "track-0.csv")
    assert track["time"].tolist() == pytest.approx(frame["time"].tolist())
    np.testing.assert_allclose(track[CLASSES], frame[CLASSES])
    summary = pd.read_csv(folder / "summary.csv", index_col="track")
    assert summary.index.tolist() == ["0", "all"]
    assert summary.loc["all", "seconds"] == pytest.approx(1.5)
    assert summary.loc["all", CLASSES].to_dict() == pytest.approx(
        {name: (frame["label"] == name).mean() for name in CLASSES}, abs=1e-6
    )
    moments = pd.read_csv(folder / "moments.csv").set_index("label")
    for label, rows in frame.groupby("label"):
        assert moments.loc[label, "confidence"] == pytest.approx(rows["confidence"].max(), abs=1e-6)
        assert moments.loc[label, "time"] == pytest.approx(rows.loc[rows["confidence"].idxmax(), "time"], abs=1e-6)
        assert read_image(folder / moments.loc[label, "file"]).shape == (96, 96, 3)
    assert np.ptp(read_image(folder / "summary.png", channels=3).astype(int), axis=2).max() > 100, "coloured bars"
    said = []
    assert collect_files([tmp_path], [out], said.append) == [film], "nothing of it is predicted later"


def test_shares_count_seconds_and_not_frames():
    """A face is happy for 0.1 s in two frames, then sad for 0.8 s in one; another is sad in the last frame, 0.1 s."""
    table = pd.DataFrame({"time": [0, 0.05, 0.1, 0.9, 0.9], "track": [0, 0, 0, None, 1]})
    table["label"] = ["happiness", "happiness", "sadness", "anger", "sadness"]
    shares = shares_of_time(table, ["sadness", "happiness", "anger"]).set_index("track")
    last = np.median([0.05, 0.05, 0.8])
    assert shares["seconds"].tolist() == pytest.approx([0.9, last, 0.9 + last])
    assert shares.loc[0, ["sadness", "happiness", "anger"]].tolist() == pytest.approx([8 / 9, 1 / 9, 0])
    assert shares.loc["all", "sadness"] == pytest.approx((0.8 + last) / (0.9 + last))


def test_a_film_of_one_frame_and_a_film_without_a_face_have_shares():
    one = pd.DataFrame({"time": [0.0, 0.0], "track": [0, 1], "label": ["anger", "fear"]})
    assert shares_of_time(one, ["anger", "fear"])["anger"].tolist() == [1, 0, 0.5]
    none = pd.DataFrame({"time": [0.0, 1.0], "track": [None, None], "label": ["anger", "fear"]})
    assert len(shares_of_time(none, ["anger", "fear"])) == 0


def test_the_clearest_moment_is_the_highest_probability_of_a_followed_face():
    rows = [{"error": "", "time": time, "track": track} for time, track in ((0.0, 0), (1.0, 0), (2.0, None))]
    crops = np.stack([np.full((8, 8, 1), value, np.uint8) for value in (0, 100, 200)])
    moments = Moments(["anger", "fear"])
    moments.add(Faces(rows, crops, np.array([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])))
    again = Moments(["anger", "fear"], json.loads(json.dumps(moments.state)))
    again.add(Faces([rows[0]], crops[:1], np.array([[0.65, 0.35]])))
    assert {name: moment["time"] for name, moment in again.best.items()} == {"anger": 1.0}


def test_times_are_written_as_a_player_shows_them():
    assert [clock(time) for time in (0, 9.96, 75.25, 3675)] == ["0:00.0", "0:09.9", "1:15.2", "1:01:15.0"]
