"""Films: one row per face and frame with its time, faces followed and smoothed, the annotated film, the timeline, and
resuming in the middle."""

import json
import os

import cv2
import numpy as np
import pandas as pd
import pytest
from fixtures import cut, film_frames, run_cli, write_face
from PIL import Image
from stopping import stop_in

from fer_tf.common.checks import InputError
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.data.video import read_frames
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict import predict_files as predict_files_module
from fer_tf.predict.films import LONGEST_PAUSE, FileFilm, FilmWriter, written_film
from fer_tf.predict.predict_files import FileStream, Options, predict_files, timelines_folder
from fer_tf.predict.tracking import Follower

CLASSES = list(EMOTIONS[:7])
COUNT, FPS = 24, 10


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=5, detector="none")


def write_film(path, frames=None):
    codes = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "MJPG"}
    frames = list(frames or film_frames())
    size = frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codes[path.suffix]), FPS, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "film.avi")


def predicted(recognizer, films, out, **options):
    summary = predict_files(recognizer, films, out, Options(**options), progress=False)
    return pd.read_csv(out), summary


def scores(frame):
    return frame[CLASSES].to_numpy(float)


# rows


def test_every_frame_has_its_row_with_what_its_picture_would_get(recognizer, film, tmp_path):
    frame, summary = predicted(recognizer, [film], tmp_path / "out.csv")
    assert list(frame.columns) == recognizer.film_columns
    assert recognizer.film_columns == ["path", "frame", "time", "track", *recognizer.columns[1:]]
    assert frame["frame"].tolist() == list(range(COUNT))
    assert frame["time"].tolist() == [k / FPS for k in range(COUNT)]
    assert set(frame["track"]) == {0}
    assert set(frame["path"]) == {str(film)}
    assert summary[:2] == ([], [])
    expected = recognizer.predict([picture.image for picture in read_frames(film)])
    np.testing.assert_allclose(scores(frame), scores(expected), atol=1e-6)
    assert frame["label"].tolist() == expected["label"].tolist()


@pytest.mark.parametrize(
    ("pace", "wanted"),
    [({"every": 7}, [0, 7, 14, 21]), ({"fps": 2.5}, [0, 4, 8, 12, 16, 20]), ({"fps": 100}, list(range(COUNT)))],
)
def test_frames_are_left_out_as_asked(recognizer, film, tmp_path, pace, wanted):
    frame, _ = predicted(recognizer, [film], tmp_path / "out.csv", **pace)
    assert frame["frame"].tolist() == wanted


def test_pictures_and_films_go_into_one_csv_in_order(recognizer, film, tmp_path):
    face, other = write_face(tmp_path / "a.png"), write_film(tmp_path / "b.mkv", film_frames(3))
    lost, broken = tmp_path / "lost.mp4", tmp_path / "text.avi"
    broken.write_text("no film")
    frame, summary = predicted(recognizer, [face, lost, film, face.parent, broken, other, face], tmp_path / "o.csv")
    runs = frame.groupby((frame["path"] != frame["path"].shift()).cumsum())
    assert [(rows["path"].iloc[0], len(rows)) for _, rows in runs] == [
        (str(path), count)
        for path, count in ((face, 1), (lost, 1), (film, COUNT), (tmp_path, 1), (broken, 1), (other, 3), (face, 1))
    ]
    assert frame["frame"].isna().sum() == 5
    assert frame["label"].isna().sum() == 3
    assert [path for path, _ in summary.failed] == [str(lost), str(tmp_path), str(broken)]
    assert summary.failed[0][1] == "no such file"
    assert "cannot be read as a video" in summary.failed[2][1]
    np.testing.assert_allclose(scores(frame.iloc[[0, -1]]), scores(recognizer.predict([face, face])), atol=1e-6)


def test_a_film_cut_short_gives_what_it_has_and_says_so(recognizer, tmp_path):
    film = cut(write_film(tmp_path / "film.avi", film_frames(size=(96, 128))), 0.6)
    frame, summary = predicted(recognizer, [film], tmp_path / "out.csv")
    read = frame["label"].notna().sum()
    assert 5 < read < COUNT
    assert frame["frame"][:read].tolist() == list(range(read))
    assert summary.failed == []
    assert summary.cut_short == [(str(film), frame["error"].iloc[-1])]
    assert f"its header claims {COUNT} frames, {read} can be decoded" in frame["error"].iloc[-1]


def test_a_film_cut_short_is_known_after_a_stop(recognizer, tmp_path):
    """What is known of earlier files is in the position, in the middle of the film and after it."""
    film = cut(write_film(tmp_path / "film.avi", film_frames(size=(96, 128))), 0.6)
    stream = FileStream(recognizer, [film])
    positions = [json.loads(json.dumps(position)) for _, position in stream.batches()]
    assert len(stream.cut_short) == 1
    assert "frame" in positions[0]
    for position in positions:
        resumed = FileStream(recognizer, [film])
        list(resumed.batches(position))
        assert resumed.cut_short == stream.cut_short


# faces followed


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory):
    """A film of two drawn faces: the smaller moves right and is away in frames 8 and 9; nobody in the last three."""
    large, small = (
        draw_faces(1, seed=seed, size=side, difficulty="easy", emotions=["neutral"]).images[0, ..., 0]
        for seed, side in ((1, 140), (2, 100))
    )
    frames = []
    for index in range(15):
        pixels = np.full((200, 420), 128, np.uint8)
        if index < 12:
            pixels[30:170, 240:380] = large
            if index not in (8, 9):
                pixels[40:140, 30 + 4 * index : 130 + 4 * index] = small
        frames.append(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    return write_film(tmp_path_factory.mktemp("films") / "two.avi", frames)


def test_faces_are_followed_and_a_frame_without_one_is_predicted_whole(recognizer, two_faces, tmp_path):
    finder = EmotionRecognizer(recognizer.model, 4, "haar")
    frame, _ = predicted(finder, [two_faces], tmp_path / "out.csv", smooth=1.0)
    nobody = frame[frame["frame"] >= 12]
    assert not nobody["detected"].any()
    assert nobody["track"].isna().all()
    assert len(nobody) == 3
    seen = frame[frame["detected"]]
    assert seen.loc[seen["x"] > 200, "track"].tolist() == [0] * 12
    small = seen[seen["x"] < 200]
    assert small["track"].unique().tolist() == [1]
    assert set(small["frame"]) <= {*range(8), 10, 11}
    whole = EmotionRecognizer(recognizer.model, detector="none").predict(list(read_frames(two_faces))[-1].image)
    np.testing.assert_allclose(scores(nobody.iloc[[-1]]), scores(whole), atol=1e-5)


def test_probabilities_are_steadied_and_the_label_is_theirs(recognizer, film, tmp_path):
    raw, _ = predicted(recognizer, [film], tmp_path / "raw.csv")
    steady, _ = predicted(recognizer, [film], tmp_path / "steady.csv", smooth=0.5)
    follower = Follower(0.5)
    expected = [
        follower.follow([[0, 0, 64, 48]], row.time, scores(raw.iloc[[place]]))[1][0]
        for place, row in enumerate(raw.itertuples())
    ]
    np.testing.assert_allclose(scores(steady), expected, atol=2e-6)
    assert np.abs(np.diff(scores(steady), axis=0)).sum() < 0.7 * np.abs(np.diff(scores(raw), axis=0)).sum()
    assert steady["label"].tolist() == np.array(CLASSES)[np.argmax(expected, axis=1)].tolist()
    np.testing.assert_allclose(steady["confidence"], np.max(expected, axis=1), atol=2e-6)


# going on


def test_a_stopped_film_goes_on_in_its_middle_as_if_nothing_had_been(recognizer, film, tmp_path):
    face = write_face(tmp_path / "a.png")
    files = [face, film, face]
    predicted(recognizer, files, tmp_path / "whole.csv", smooth=0.7)
    stop_in(recognizer, files, tmp_path / "out.csv", after=4, options=Options(smooth=0.7))
    half = (tmp_path / "out.csv.part").read_text()
    assert len(half.splitlines()) == 1 + 1 + 15
    remarks = []
    predict_files(recognizer, files, tmp_path / "out.csv", Options(smooth=0.7), progress=False, say=remarks.append)
    assert remarks == [f"{tmp_path / 'out.csv'}: resumes after 1 of 3 files"]
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_a_stopped_film_with_copies_is_done_again(recognizer, film, tmp_path):
    face, options = write_face(tmp_path / "a.png"), Options(annotate=tmp_path / "marked")
    stop_in(recognizer, [face, film], tmp_path / "out.csv", after=4, options=options)
    assert os.listdir(tmp_path / "marked") == ["000001-a.jpg"], "half a film is none"
    frame, _ = predicted(recognizer, [face, film], tmp_path / "out.csv", annotate=tmp_path / "marked")
    assert frame["frame"].tolist()[1:] == list(range(COUNT))
    assert len(list(read_frames(tmp_path / "marked" / "000002-film.mp4"))) == COUNT


# annotated films and timelines


def test_the_annotated_film_has_the_frames_in_their_time_and_the_panel(recognizer, two_faces, tmp_path):
    finder = EmotionRecognizer(recognizer.model, 4, "haar")
    options = {"annotate": tmp_path / "marked", "explain": "occlusion", "fps": 5}
    predicted(finder, [two_faces], tmp_path / "out.csv", **options)
    reader = read_frames(tmp_path / "marked" / "000001-two.mp4")
    frames = list(reader)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(8) / 5)
    assert reader.complaint == ""
    assert {frame.image.shape for frame in frames} == {frames[0].image.shape}
    assert frames[0].image.shape[1] > 420 + 200
    box = frames[0].image[30:170, 240:380].astype(int)
    assert np.ptp(box, axis=2).max() > 60 > np.ptp(frames[-1].image[:, :420].astype(int), axis=2).max(), "a box"


def test_a_timeline_is_drawn_for_every_film(recognizer, film, two_faces, tmp_path):
    finder = EmotionRecognizer(recognizer.model, 4, "haar")
    out = tmp_path / "scores.csv"
    _, summary = predicted(finder, [film, write_face(tmp_path / "a.png"), two_faces], out)
    folder = timelines_folder(out)
    assert folder.name == "scores-timelines"
    assert summary.timelines == [folder / "000001-film", folder / "000003-two"]
    assert sorted(os.listdir(folder)) == [
        f"{name}{kind}" for name in ("000001-film", "000003-two") for kind in ("", ".png", ".svg")
    ]
    picture = np.asarray(Image.open(folder / "000003-two.png").convert("RGB")).astype(int)
    assert np.ptp(picture, axis=2).max() > 100, "coloured lines"


def test_the_writer_keeps_the_time_by_repeating_and_leaving_out(tmp_path):
    pictures = [np.full((40, 61, 3), 10 + 25 * number, np.uint8) for number in range(8)]
    with written_film(tmp_path / "a.mp4", 10) as film:
        for picture, time in zip(pictures, (5.0, 5.1, 5.4, 5.41, 5.5, 5.6, 5.7, 5e9), strict=True):
            film.add(picture, time)
    means = [frame.image.mean() for frame in read_frames(tmp_path / "a.mp4")]
    shown = np.round((np.array(means) - 10) / 25).astype(int).tolist()
    pause = round(10 * LONGEST_PAUSE)
    assert shown == [0, 1, 1, 1, 3, 4, 5] + [6] * pause + [7]


def test_no_film_is_left_of_nothing_or_of_a_fault(tmp_path):
    with written_film(tmp_path / "a.mp4", 10):
        pass

    def fail():
        with written_film(tmp_path / "a.mp4", 10) as film:
            film.add(np.zeros((8, 8, 3), np.uint8), 0.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_pictures_of_another_size_are_brought_to_the_films(tmp_path):
    with written_film(tmp_path / "a.mp4", 10) as film:
        for side in (40, 80, 31):
            film.add(np.full((side, side, 3), 200, np.uint8), side / 10)
    assert {frame.image.shape for frame in read_frames(tmp_path / "a.mp4")} == {(40, 40, 3)}


@pytest.mark.parametrize(("fps", "written"), [(0.01, 1), (1000, 120), (25, 25)])
def test_rates_are_brought_into_what_players_take(tmp_path, fps, written):
    assert FilmWriter(tmp_path / "a.mp4", fps).fps == written


# the command


def test_the_command_predicts_a_film(capsys, film, tmp_path, tiny_model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ("film.avi", "--no-detect", "--model", tiny_model_path, "--every", 4, "--smooth", 1)
    monkeypatch.setattr(predict_files_module, "find_ffmpeg", lambda: None)
    answer = run_cli(capsys, "predict", *given, "--out", "s.csv", "--annotate", "marked")
    assert answer.code == 0
    assert answer.err == "ffmpeg is not installed, so the copies of films have no sound\n"
    assert "s-timelines/000001-film.png" in answer.out
    assert "s-timelines/000001-film/summary.png" in answer.out
    assert "1 of 1 files predicted" in answer.out
    assert os.listdir("marked") == ["000001-film.mp4"]
    table = run_cli(capsys, "predict", *given)
    assert table.code == 0
    assert len(table.out.splitlines()) == 7
    assert " 2.0000 " in table.out


def test_the_command_tells_of_a_film_cut_short_and_of_no_camera(capsys, tmp_path, tiny_model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cut(write_film(tmp_path / "film.avi", film_frames(size=(96, 128))), 0.6)
    given = ("film.avi", "--no-detect", "--model", tiny_model_path)
    answer = run_cli(capsys, "predict", *given, "--out", "s.csv")
    assert answer.code == 0
    assert answer.err.startswith("partly read: film.avi: its header claims 24 frames")
    assert answer.err == run_cli(capsys, "predict", *given).err
    answer = run_cli(capsys, "predict", *given[1:], "--webcam", 999, "--out", "s.csv")
    assert answer.code == 1
    assert answer.err == "not read: webcam:999: there is no camera with this number, or it is in use\n"


def test_a_film_of_huge_frames_is_refused(film, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="film.avi: its frames have more than 1,000 pixels"):
        FileFilm(film)
