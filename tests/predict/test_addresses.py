"""Addresses instead of files: pictures and films are downloaded and predicted, everything else gets its reason."""

import os
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pandas as pd
import pytest
from fixtures import content_of, film_frames, run_cli

from fer_tf.common.checks import DataError, InputError
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer, addresses, collect_files, load_image
from fer_tf.predict.films import Camera, _open_camera
from fer_tf.predict.inputs import is_film
from fer_tf.predict.predict_files import predict_files

CLASSES = list(EMOTIONS[:7])
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=5, detector="none")


class _Site(BaseHTTPRequestHandler):
    def do_GET(self):
        status, headers, body = self.server.pages.get(self.path, (404, {}, b"no"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A web server on this computer: (address, dict path -> (status, headers, body)). Downloads go to an empty folder,
    which must be empty again afterwards."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        server.pages = {}
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", server.pages
        server.shutdown()
        thread.join()
    assert os.listdir(tmp_path / "temporary") == []


def film_content(folder):
    path = folder / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for frame in film_frames(6):
        writer.write(frame)
    writer.release()
    return path.read_bytes()


def test_a_picture_on_the_web_is_predicted_like_its_file(site, recognizer, capsys, tiny_model_path):
    home, pages = site
    pages["/a%20b.PNG?size=2"] = (200, {"Content-Type": "image/png"}, content_of(PIXELS))
    pages["/moved"] = (302, {"Location": f"{home}/a%20b.PNG?size=2"}, b"")
    frame = recognizer.predict([f"{home}/a b.PNG?size=2", f"{home}/moved"])
    assert frame["path"].tolist() == [f"{home}/a b.PNG?size=2", f"{home}/moved"]
    expected = recognizer.predict(PIXELS)
    np.testing.assert_allclose(
        frame[CLASSES].to_numpy(float), expected[CLASSES].to_numpy(float).repeat(2, 0), atol=1e-6
    )
    np.testing.assert_array_equal(load_image(f"{home}/moved")[..., 0], PIXELS)
    answer = run_cli(capsys, "predict", f"{home}/moved", "--model", tiny_model_path, "--no-detect")
    assert answer.code == 0
    assert f"{home}/moved" in answer.out


def test_a_film_on_the_web_is_predicted_frame_by_frame(site, recognizer, tmp_path):
    home, pages = site
    pages["/film.avi"] = (200, {"Content-Type": "video/x-msvideo"}, film_content(tmp_path))
    files = collect_files([f"{home}/film.avi"])
    predict_files(recognizer, files, tmp_path / "out.csv", progress=False)
    frame = pd.read_csv(tmp_path / "out.csv")
    assert frame["path"].unique().tolist() == [f"{home}/film.avi"]
    assert frame["time"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (None, "the server answers 404 Not Found"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"), "is a web page; give the address of the pic"),
        ((200, {"Content-Length": "999999999"}, b"x"), "is larger than 0.002 MB; download it yourself"),
        ((200, {}, b"x" * 5000), "is larger than 0.002 MB; download it yourself"),
        ((200, {"Content-Length": "700"}, b"x" * 500), "the download ended early, 200 bytes are missing"),
        ((200, {}, b"some text"), "is not a picture that can be read"),
        ((200, {}, b""), "is empty (0 bytes)"),
        ((200, {}, b"%!PS-Adobe"), "is PostScript"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "the server answers 302"),
    ],
)
def test_what_a_server_cannot_give_is_the_row_s_error(site, recognizer, monkeypatch, page, message):
    home, pages = site
    monkeypatch.setattr("fer_tf.predict.pictures.PICTURE_BYTES", 2000)
    if page:
        pages["/a.png"] = page
    frame = recognizer.predict([f"{home}/a.png", PIXELS])
    assert message in frame["error"][0]
    assert "temporary" not in frame["error"][0]
    assert frame["error"][1] == "", "the others are still predicted"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9/a.png", "cannot be reached (Connection refused)"),
        ("http://127.0.0.1:9/film.mp4", "cannot be reached (Connection refused)"),
        ("https://[::1/a.png", "cannot be downloaded"),
        ("http://", "cannot be"),
        ("ftp://127.0.0.1/a.png", "ftp:// addresses are not read; allowed are http, https, rtsp and rtmp"),
        ("s3://bucket/a.mp4", "s3:// addresses are not read"),
        ("rtsp://127.0.0.1:9/live", "is a stream"),
    ],
)
def test_other_addresses_say_what_is_wrong(recognizer, tmp_path, monkeypatch, address, message):
    monkeypatch.setenv("no_proxy", "*")
    files = collect_files([address])
    predict_files(recognizer, files, tmp_path / "out.csv", progress=False)
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert frame["path"].tolist() == [address], "not https:/example.com"
    assert message in frame["error"][0]


def test_a_file_address_is_the_file(tmp_path):
    (tmp_path / "ä b.png").write_bytes(content_of(PIXELS))
    assert collect_files([(tmp_path / "ä b.png").as_uri()]) == [tmp_path / "ä b.png"]


def test_passwords_do_not_get_into_the_csv(recognizer, tmp_path):
    files = ["http://me:secret@127.0.0.1:9/a.png", "http://me:secret@127.0.0.1:9/a.mp4"]
    predict_files(recognizer, files, tmp_path / "out.csv", progress=False)
    text = (tmp_path / "out.csv").read_text()
    assert "secret" not in text
    assert text.count("http://me:***@127.0.0.1:9/a.") == 2


def test_lists_may_name_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("path\nhttps://example.com/a.jpg\nb.png\n")
    found = collect_files(["list.csv"])
    assert [str(file) for file in found] == ["https://example.com/a.jpg", "b.png"]


def test_films_are_known_by_the_path_of_their_address():
    assert is_film("https://example.com/a.MP4?x=1.png")
    assert not is_film("https://example.com/a.png?x=.mp4")


# streams


def test_streams_are_told_from_files():
    streams = ["rtsp://x/y", "RTMP://x/y.png", "https://x/live.m3u8?key=1"]
    assert all(map(addresses.is_stream, streams))
    assert not any(map(addresses.is_stream, ["https://x/a.mp4", "a.m3u8", "rtsp:/x", 3]))


def test_opencv_reads_a_stream_like_a_camera(site, recognizer, tmp_path):
    home, pages = site
    pages["/film.avi"] = (200, {}, film_content(tmp_path))
    camera = Camera("rtsp://me:secret@x/live", open_capture=lambda _: _open_camera(f"{home}/film.avi"))
    predict_files(recognizer, [camera], tmp_path / "out.csv", progress=False)
    frame = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert frame["path"].unique().tolist() == ["rtsp://me:***@x/live"]
    assert frame["frame"].tolist()[:6] == list("012345")
    assert "stopped giving pictures" in frame["error"].iloc[-1]


def test_a_stream_that_does_not_answer_says_so(capsys, tmp_path, tiny_model_path):
    out = tmp_path / "out.csv"
    answer = run_cli(capsys, "predict", "rtsp://127.0.0.1:9/live", "--out", out, "--model", tiny_model_path)
    assert answer.code == 1
    assert "rtsp://127.0.0.1:9/live: cannot be opened: no answer within 10 seconds, or not a stream" in answer.err


def test_a_stream_needs_a_csv(capsys):
    answer = run_cli(capsys, "predict", "rtsp://127.0.0.1:9/live")
    assert answer.code == 2
    assert "webcam and streams: need --out, the csv to write" in answer.err


def test_a_camera_takes_no_other_address():
    with pytest.raises(InputError, match="a camera's number or the address of a stream; received 'a.mp4'"):
        Camera("a.mp4")
    with pytest.raises(DataError, match="is a stream; in Python, fer_tf.predict.films.Camera reads it"):
        load_image("rtsp://127.0.0.1:9/live")
