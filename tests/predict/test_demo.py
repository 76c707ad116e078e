"""The demo page: what it answers, that no picture is ever written, who is let in, and the page in a real browser."""

import base64
import http.client
import io
import json
import os
import re
import shutil
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import cv2
import numpy as np
import pytest
from fixtures import BROKEN, assert_refused, run_cli
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.common.files import write_json
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.demo.answers import COLUMNS, Demo, model_lines, read_upload
from fer_tf.predict.demo.page import CAUTION
from fer_tf.predict.demo.server import address, import_gradio, is_loopback, make_app, open_port
from fer_tf.saving import describe, load_model

pytestmark = pytest.mark.extras

CLASSES = list(EMOTIONS[:7])
# The names of browsers that packages bring; Playwright may have fetched one of its own.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, detector="haar")


@pytest.fixture(scope="module")
def demo(recognizer):
    return Demo(recognizer, max_mb=1)


@pytest.fixture(scope="module")
def scene():
    """uint8 [200, 420]: two drawn faces, the larger on the right."""
    large, small = (
        draw_faces(1, seed=seed, size=side, difficulty="easy", emotions=["neutral"]).images[0, ..., 0]
        for seed, side in ((1, 140), (2, 100))
    )
    pixels = np.full((200, 420), 128, np.uint8)
    pixels[40:140, 30:130], pixels[30:170, 240:380] = small, large
    return pixels


def content_of(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def data_url(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


def shown_pictures(text):
    """The pictures that HTML holds, uint8 [H, W, 3] each."""
    parts = text.split("data:image/jpeg;base64,")[1:]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(part.split('"')[0])))) for part in parts]


# answers


def test_a_picture_is_answered_as_predict_does(demo, recognizer, scene):
    answer = demo.picture(data_url(content_of(scene)))
    expected = recognizer.predict(scene)
    assert "2 faces found" in answer.message
    assert expected.loc[0, "label"] in answer.message
    assert list(answer.bars) == CLASSES
    np.testing.assert_allclose(list(answer.bars.values()), expected.loc[0, CLASSES].astype(float), atol=1e-6)
    assert [len(row) for row in answer.table] == [len(COLUMNS)] * 2
    for row, (_, wanted) in zip(answer.table, expected.iterrows(), strict=True):
        assert [row[0] - 1, row[1], *row[3:7]] == wanted[["face", "label", "x", "y", "w", "h"]].tolist()


def test_the_picture_bears_boxes_and_the_map_tells_its_layer(demo, scene):
    answer = demo.picture(data_url(content_of(scene)))
    (shown,) = shown_pictures(answer.annotated)
    assert shown.shape == (200, 420, 3), "the picture alone, without the panel of bars"
    assert np.abs(np.ptp(shown.astype(int), axis=2)).max() > 50, "boxes are coloured, the scene is gray"
    (beside,) = shown_pictures(answer.map)
    assert beside.shape[1] > 1.6 * beside.shape[0], "the face and, next to it, its map"
    assert demo.layer
    assert f"layer {demo.layer}" in answer.map


def test_without_a_face_the_whole_picture_is_taken_and_it_says_so(demo):
    answer = demo.picture(data_url(content_of(np.full((60, 80), 128, np.uint8))))
    assert "No face found: the whole picture" in answer.message
    assert answer.table[0][3:] == [0, 0, 80, 60, "no: whole picture"]


def test_a_turned_photograph_comes_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_upload(data_url(content_of(np.zeros((40, 60), np.uint8), "JPEG", exif=exif))).shape == (60, 40, 1)


@pytest.mark.parametrize("fault", ["empty", "text", "half a jpeg", "half a png", "head of a jpeg"])
def test_a_broken_picture_is_a_message_and_no_traceback(demo, fault, tmp_path, capsys):
    content = BROKEN[fault](tmp_path / "broken.jpg").read_bytes()
    answer = demo.picture(data_url(content))
    assert 'role="alert"' in answer.message
    assert "icture" in answer.message
    assert answer[1:] == ("", None, "", None)
    assert capsys.readouterr().err == ""
    shown, state = demo.frame(data_url(content))
    assert 'role="alert"' in shown
    assert state["tracks"] == []


@pytest.mark.parametrize("wrong", [None, 7, "", "x", "data:image/png;base64", "data:image/png,abc", ["a"]])
def test_what_is_no_data_url_is_a_message(demo, wrong):
    assert "No picture was received" in demo.picture(wrong).message


def test_postscript_is_never_run(demo):
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    assert "not a picture that can be read" in demo.picture(data_url(program)).message


def test_too_many_bytes_are_refused_before_they_are_decoded(demo, monkeypatch):
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    message = demo.picture("data:image/png;base64," + "A" * 1_400_000).message
    assert "has 1.1 MB; at most 1 MB are allowed" in message


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    bomb = content_of(np.zeros((3000, 3000), np.uint8))
    assert len(bomb) < 50_000
    for limit in (8_000_000, 1_000_000):  # Pillow itself only warns of the first
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"more than {limit:,} pixels"):
            read_upload(data_url(bomb))


def test_a_fault_of_the_model_is_a_message_and_noted(demo, scene, monkeypatch, capsys):
    def fail(_):
        raise RuntimeError("out of memory at <b>")

    monkeypatch.setattr(demo.recognizer, "recognise", fail)
    assert "could not be predicted (RuntimeError)" in demo.picture(data_url(content_of(scene))).message
    assert "out of memory" in capsys.readouterr().err


def test_a_model_without_layers_still_answers(recognizer, scene):
    class Closed:
        fer_tf_info, name = recognizer.model.fer_tf_info, "closed"
        input_shape, output_shape = recognizer.model.input_shape, recognizer.model.output_shape
        predict_on_batch = staticmethod(recognizer.model.predict_on_batch)

        @property
        def layers(self):
            raise InputError("model: closed.onnx has no layers to look into")

    answer = Demo(EmotionRecognizer(Closed(), detector="haar")).picture(data_url(content_of(scene)))
    assert "no layers to look into" in answer.map
    assert list(answer.bars) == CLASSES


# live


def test_live_labels_are_averaged_and_faces_keep_their_numbers(recognizer, scene, monkeypatch):
    demo, shares, seen = Demo(recognizer), np.eye(7)[[[0, 1], [6, 1]]], []
    real = recognizer.recognise
    frames = iter(shares)
    monkeypatch.setattr(recognizer, "recognise", lambda given: real(given)._replace(probabilities=next(frames)))
    blank = np.zeros((9, 400, 3), np.uint8)
    monkeypatch.setattr(
        "fer_tf.predict.demo.answers.drawing.annotate", lambda _, faces, *__, **___: seen.append(faces) or blank
    )
    url, state = data_url(content_of(scene)), None
    for now in (0.0, 0.1):
        shown, state = demo.frame(url, state, now)
        state = json.loads(json.dumps(state))  # as it goes through the page
    assert [face.number for face in seen[0]] == [face.number for face in seen[1]] == [0, 1]
    np.testing.assert_allclose(seen[1][0].probabilities[[0, 6]], [np.exp(-0.1), 1 - np.exp(-0.1)])
    assert f"1 {CLASSES[0]}, 2 {CLASSES[1]}" in shown, "one frame does not turn a label over"


def test_a_frame_without_a_face_says_so(demo):
    shown, state = demo.frame(data_url(content_of(np.full((90, 90), 128, np.uint8))))
    assert "No face found" in shown
    assert state == {"tracks": [], "count": 0}


# what is said of the model


def test_the_page_tells_data_and_measured_accuracy(fresh_home, tiny_model_path):
    model = load_model(tiny_model_path)
    assert "not recorded" in " ".join(model_lines(model))
    about = {"run": "cnn-fer2013-official-seed9", "fingerprint": "f", "dataset": "fer2013", "protocol": "official"}
    model.fer_tf_info = describe(model, CLASSES, about)
    assert "test accuracy is not recorded" in " ".join(model_lines(model))
    record = fresh_home / "reports/runs/cnn-fer2013-official-seed9"
    write_json(record / "record.json", {"fingerprint": "f"})
    write_json(record / "metrics.json", {"fingerprint": "f", "test": {"n": 3589, "accuracy": 0.6154}})
    text = " ".join(model_lines(model))
    assert "cnn-fer2013-official-seed9" in text
    assert "fer2013 (official)" in text
    assert "3,589 test images: 61.5 %" in text
    model.fer_tf_info = describe(model, CLASSES, {**about, "fingerprint": "another"})
    assert "61.5" not in " ".join(model_lines(model)), "the record is of another training"
    model.fer_tf_info = describe(model, CLASSES, {"dataset": "synthetic"})
    assert "real ones is worth nothing" in " ".join(model_lines(model))


def test_the_page_tells_what_was_declared(tiny_model_path):
    model = load_model(tiny_model_path)
    model.fer_tf_info = describe(model, CLASSES, {"declared": {"pixels": "-1..1", "channels": "gray", "guess": True}})
    text = " ".join(model_lines(model))
    assert "Declared by the user: pixels -1..1 (a guess: check it against the model's training), channels gray" in text


# served


class Writes:
    """Notes what Python code of this process opens to write, makes, moves or links while it is `on`."""

    def __init__(self):
        self.on, self.found = False, []
        sys.addaudithook(self._note)

    def _note(self, event, given):
        if not self.on:
            return
        is_open = event == "open" and isinstance(given[0], str | bytes) and _writes(given)
        if is_open or event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "shutil.move", "tempfile.mkstemp"):
            self.found.append((event, given[0]))


def _writes(given):
    path, mode, flags = given
    by_flags = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    return os.fsdecode(path) != os.devnull and (by_flags or any(sign in (mode or "") for sign in "wax+"))


@pytest.fixture(scope="module")
def writes():
    return Writes()


@pytest.fixture(scope="module")
def page(recognizer):
    """The URL of the page, served on loopback by a thread of this process."""
    pytest.importorskip("gradio", reason="the demo needs Gradio, an optional package")
    import uvicorn

    with open_port("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app(recognizer, 1), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield address(listening)
        server.should_exit = True
        thread.join()


@pytest.fixture
def launch():
    """Opens Chromium with options: Playwright's own where it is there, else the machine's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright, an optional package: make extras")
    with sync_api.sync_playwright() as play:
        found = [play.chromium.executable_path, *map(shutil.which, BROWSERS)]
        path = next((each for each in found if each and os.path.exists(each)), None)
        if not path:
            pytest.skip("no Chromium: apt-get install chromium, or python -m playwright install chromium, brings one")
        yield lambda *options: play.chromium.launch(executable_path=path, args=["--no-sandbox", *options])


def ask(url, body=None, headers=None):
    """(status, headers, text) of a request; a POST where there is a body."""
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"content-type": "application/json", **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def send_picture(page, data, event="picture"):
    """What the page's own event comes to, the last message of its queue, a dict."""
    config = json.loads(ask(f"{page}config")[2])
    number = next(each["id"] for each in config["dependencies"] if any(event in at for at in each["targets"]))
    values = [None] * len(config["dependencies"][number]["inputs"])
    body = {"data": values, "event_data": {"data": data}, "fn_index": number, "session_hash": f"s{id(data)}"}
    status, _, text = ask(f"{page}gradio_api/queue/join", body)
    assert status == 200, text
    stream = ask(f"{page}gradio_api/queue/data?session_hash={body['session_hash']}")[2]
    messages = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
    return next(message for message in messages if message["msg"] == "process_completed")


def test_the_page_answers_and_writes_no_file(page, scene, writes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures = [content_of(scene), content_of(np.dstack([scene] * 3), "TIFF", compression="tiff_lzw"), b"nonsense"]
    send_picture(page, data_url(pictures[0]))  # what is loaded on first use has been loaded
    writes.on, writes.found = True, []
    answers = [send_picture(page, data_url(content)) for content in pictures]
    live = send_picture(page, data_url(pictures[0]), "frame")
    writes.on = False
    assert all(answer["success"] for answer in (*answers, live))
    texts = [answer["output"]["data"][0] for answer in answers]
    assert "2 faces" in texts[0]
    assert "2 faces" in texts[1]
    assert "not a picture" in texts[2]
    assert "data:image/jpeg" in live["output"]["data"][0]
    assert writes.found == []
    assert not list(tmp_path.iterdir())
    writes.on = True
    (tmp_path / "x").write_text("x")
    writes.on = False
    assert len(writes.found) == 1, "the watch sees what is written"


@pytest.mark.parametrize(
    "path",
    [
        "upload",
        "upload/",
        "component_server",
        "run/picture",
        "api/picture",
        "call/picture",
        "vibe-code",
        "process_recording",
        "%75pload",
    ],
)
def test_ways_into_gradio_that_the_page_does_not_need_are_closed(page, path, writes):
    part = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
    writes.on, writes.found = True, []
    status, _, text = ask(f"{page}gradio_api/{path}", part, {"content-type": "multipart/form-data; boundary=b"})
    writes.on = False
    assert (status, writes.found) == (403, [])
    assert "accepts no files" in text


@pytest.mark.parametrize("path", ["file=/etc/hostname", "proxy=https://x.hf.space/", "deep_link", "info", "runs"])
def test_files_and_other_addresses_are_not_served(page, path):
    assert ask(f"{page}gradio_api/{path}")[0] == 403


def test_a_body_above_the_limit_is_refused_unread(page):
    where = urllib.parse.urlsplit(page)
    answers = []
    for header in (("content-length", "1500000"), ("transfer-encoding", "chunked")):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        connection.putrequest("POST", f"{where.path}gradio_api/queue/join")
        connection.putheader(*header)
        connection.endheaders()  # and no body: the answer does not wait for it
        answer = connection.getresponse()
        answers.append((answer.status, answer.read().decode()))
        connection.close()
    assert [status for status, _ in answers] == [413, 411]
    assert "too large: at most 1,398,869 bytes" in answers[0][1]


def test_the_page_calls_nobody_and_passes_for_no_other(page):
    status, headers, text = ask(page)
    assert status == 200
    assert CAUTION in text
    assert "default-src 'self'" in headers["content-security-policy"]
    config = json.loads(ask(f"{page}config")[2])
    assert config["analytics_enabled"] is False
    assert "googleapis" not in text + json.dumps(config)
    assert ask(page, headers={"host": "evil.example"})[0] == 400


def test_one_prediction_at_a_time_and_a_short_queue(recognizer):
    pytest.importorskip("gradio", reason="the demo needs Gradio, an optional package")
    from fer_tf.predict.demo.page import WAITING, build_page

    blocks = build_page(Demo(recognizer))
    asked = [each for each in blocks.fns.values() if each.fn is not None]
    assert {(each.concurrency_limit, each.concurrency_id) for each in asked} == {(1, "model")}
    assert len(asked) == 2
    assert blocks._queue.max_size == WAITING


def test_in_a_browser_a_picture_gets_its_bars_and_a_fault_its_message(page, scene, launch):
    browser = launch()
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    faults, asked = [], []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page)
    tab.wait_for_selector("text=not about what a person feels", timeout=60_000)
    give = "input[type=file]"
    tab.set_input_files(give, [{"name": "a.png", "mimeType": "image/png", "buffer": content_of(scene)}])
    tab.wait_for_selector("text=2 faces found", timeout=60_000)
    tab.wait_for_selector("figure img", timeout=60_000)
    for name in CLASSES:
        assert tab.locator(".label, .confidence-set", has_text=name).count()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.set_input_files(give, [{"name": "a.png", "mimeType": "image/png", "buffer": b"nonsense"}])
    tab.wait_for_selector("[role=alert] >> text=not a picture", timeout=60_000)
    assert tab.locator("figure img").count() == 0
    tab.set_input_files(give, [{"name": "a.png", "mimeType": "image/png", "buffer": b"x" * 1_100_000}])
    tab.wait_for_selector("text=has 1.1 MB; at most 1 MB", timeout=10_000)
    kept = tab.evaluate("indexedDB.databases().then(found => found.length)")
    browser.close()
    assert not faults
    assert not kept
    assert not [url for url in asked if not url.startswith((page, "data:", "blob:"))]


def test_in_a_browser_the_camera_is_followed_until_it_is_stopped(page, scene, launch, tmp_path):
    """Chromium's camera shows a film here: one frame, again and again."""
    (tmp_path / "scene.mjpeg").write_bytes(content_of(cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB), "JPEG", quality=95))
    browser = launch(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'scene.mjpeg'}",
    )
    tab = browser.new_page()
    faults, frames = [], []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda request: frames.append(1) if "data:image" in (request.post_data or "") else None)
    tab.goto(page)
    tab.get_by_role("tab", name="Live").click(timeout=60_000)
    tab.click("text=Start the webcam")
    answer = tab.locator(".fer-result img[src^='data:image/jpeg']:visible")
    answer.wait_for(timeout=60_000)
    assert re.fullmatch(rf"1 ({'|'.join(CLASSES)}), 2 ({'|'.join(CLASSES)})", answer.get_attribute("alt"))
    for _ in range(60):  # answer by answer the next frame is sent
        if len(frames) > 3:
            break
        tab.wait_for_timeout(1000)
    assert len(frames) > 3
    tab.click("text=Stop")
    tab.wait_for_timeout(1000)
    stopped = len(frames)
    tab.wait_for_timeout(2000)
    assert len(frames) == stopped
    assert not faults
    browser.close()


# the command


def test_gradio_is_asked_for_by_name(capsys, fresh_home, monkeypatch, tiny_model_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "gradio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    answer = run_cli(capsys, "demo", "--model", tiny_model_path, "--no-browser")
    assert_refused(answer, "gradio", 'pip install "gradio>=6,<7"')


def test_another_version_of_gradio_is_refused(monkeypatch):
    monkeypatch.setattr("fer_tf.predict.demo.server.required", lambda *_: type("Old", (), {"__version__": "5.49.1"}))
    with pytest.raises(InputError, match="version 6 is needed, 5.49.1 installed"):
        import_gradio()


def test_a_port_in_use_is_reported_in_one_line():
    with open_port("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(InputError, match=f"port: 127.0.0.1:{port} cannot be opened .*; give another"):
            open_port("127.0.0.1", port)


def test_only_loopback_counts_as_this_computer():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.5", "box.local", "")))


def test_serving_to_others_warns(capsys, fresh_home, tiny_model_path, monkeypatch):
    pytest.importorskip("gradio", reason="the demo needs Gradio, an optional package")
    monkeypatch.setattr("fer_tf.predict.demo.server.serve", lambda *_: None)
    common = ("demo", "--model", tiny_model_path, "--detector", "haar", "--port", 0, "--no-browser")
    own, open_to_all = run_cli(capsys, *common), run_cli(capsys, *common, "--host", "0.0.0.0")
    assert own.code == open_to_all.code == 0
    assert "http://127.0.0.1:" in own.out
    assert own.err == ""
    assert "anyone on the network can open the page and send pictures" in open_to_all.err
