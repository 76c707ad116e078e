"""The served page: no picture is ever written, who is let in, and the page in a real browser."""

import asyncio
import http.client
import json
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import cv2
import numpy as np
import pytest
from fixtures import content_of, data_url

from fer_tf.common.checks import InputError
from fer_tf.common.ports import address, open_port
from fer_tf.data.images import read_image
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import sample_path
from fer_tf.predict.demo import server
from fer_tf.predict.demo.server import Models, answer_requests, make_app

CLASSES = list(EMOTIONS[:7])

# The names of browsers that packages bring; Playwright may have fetched one of its own.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FAKE_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
JSON = {"Content-Type": "application/json"}


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
def models(recognizer):
    return Models({"tiny": lambda: recognizer, "same": lambda: recognizer}, max_mb=1)


@pytest.fixture(scope="module")
def page(models):
    """The URL of the page, served on loopback by a thread of this process."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    with open_port("127.0.0.1", 0) as listening:

        async def answer():
            started.set()
            await answer_requests(make_app(models), listening)

        task = loop.create_task(answer())
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
        thread.start()
        assert started.wait(10)
        yield address(listening)
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def ask(url, body=None, headers=None):
    """(status, headers, text) of a request; a POST where there is a body."""
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or JSON), timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def predict(page, **request):
    """The page's answer to a request, a dict."""
    status, _, text = ask(f"{page}predict", {"model": "tiny", **request})
    assert status == 200, text
    return json.loads(text)


def test_the_page_answers_and_writes_no_file(page, scene, writes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = [content_of(scene), content_of(np.dstack([scene] * 3), "TIFF", compression="tiff_lzw"), b"nonsense"]
    predict(page, picture=data_url(contents[0]))  # what is loaded on first use has been loaded
    writes.on, writes.found = True, []
    messages = [predict(page, picture=data_url(content))["message"] for content in contents]
    live = predict(page, picture=data_url(contents[0]), state=None)
    again = predict(page, picture=data_url(contents[0]), state=live["state"])
    writes.on = False
    assert "2 faces" in messages[0]
    assert "2 faces" in messages[1]
    assert "not a picture" in messages[2]
    assert len(live["faces"]) == len(again["faces"]) == 2
    assert writes.found == []
    assert not list(tmp_path.iterdir())
    writes.on = True
    (tmp_path / "x").write_text("x")
    writes.on = False
    assert len(writes.found) == 1, "the watch sees what is written"


def test_the_sample_and_what_is_known_of_a_model(page, recognizer):
    answer = predict(page, sample=True)
    assert answer["message"].startswith("1 face found.")
    assert answer["bars"].keys() == set(recognizer.class_names)
    assert "anger, disgust" in predict(page)["about"][0]


def test_a_model_is_opened_when_it_is_chosen(recognizer):
    opened = []

    def missing():
        opened.append(1)
        raise InputError("model: the second is not there")

    models = Models({"first": lambda: recognizer, "second": missing})
    assert opened == []
    with pytest.raises(InputError, match="second is not there"):
        models.answer({"model": "second"})
    for wrong in ("third", None, ["first"]):
        with pytest.raises(InputError, match="model: allowed are first, second; received"):
            models.answer({"model": wrong})
    with pytest.raises(InputError, match="max_mb"):
        Models({"first": lambda: recognizer}, max_mb=0)


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"[1]", JSON, 400, "must be a JSON object"),
        (b"{", JSON, 400, "must be a JSON object"),
        (b"\xff", JSON, 400, "must be a JSON object"),
        (b"[" * 100_000, JSON, 400, "must be a JSON object"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "must be application/json"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "must be application/json"),
        (b"{}", {**JSON, "Origin": "http://evil.example"}, 403, "only the page itself"),
        (b"{}", {**JSON, "Origin": "null"}, 403, "only the page itself"),
        (b"{}", {**JSON, "Sec-Fetch-Site": "cross-site"}, 403, "only the page itself"),
        (b"{}", {**JSON, "Host": "evil.example"}, 403, "another host name"),
        (b"{}", {**JSON, "Host": "evil.example", "Origin": "http://evil.example"}, 403, "another host name"),
    ],
)
def test_only_json_of_the_page_itself_is_answered(page, body, headers, status, message):
    answer = ask(f"{page}predict", body, headers)
    assert answer[0] == status
    assert message in json.loads(answer[2])["message"]


def test_the_page_itself_is_let_in(page):
    origin = {**JSON, "Origin": page.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert ask(f"{page}predict", {"model": "tiny"}, origin)[0] == 200


@pytest.mark.parametrize("path", ["upload", "static/page.html", "../server.py", "predict"])
def test_other_addresses_serve_nothing(page, path):
    assert ask(page + path)[0] == 405
    assert ask(page, headers={"Host": "evil.example"})[0] == 403


def test_a_body_above_the_limit_is_refused_unread(page):
    where = urllib.parse.urlsplit(page)
    answers = []
    for header in (("content-length", "2500000"), ("transfer-encoding", "chunked"), ("content-length", "-1")):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        connection.putrequest("POST", "/predict")
        connection.putheader(*header)
        connection.endheaders()  # and no body: the answer does not wait for it
        answer = connection.getresponse()
        answers.append((answer.status, answer.read().decode()))
        connection.close()
    assert [status for status, _ in answers] == [413, 411, 411]
    assert "too large: at most 1,595,477 bytes" in answers[0][1]


def test_the_browser_may_load_nothing_and_no_page_may_frame_it(page):
    for status, headers, text in (ask(page), ask(f"{page}nothing")):
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert ("not about what a person feels" in text) == (status == 200)
    nonces = [ask(page)[1]["content-security-policy"] for _ in range(2)]
    assert nonces[0] != nonces[1]
    assert "http" not in ask(page)[2].replace("over https", ""), "the page names no other server"


def test_names_of_models_cannot_add_to_the_page(recognizer):
    async def served():
        from tornado.httpclient import AsyncHTTPClient

        with open_port("127.0.0.1", 0) as listening:
            app = make_app(Models({"<script>x</script>": lambda: recognizer}))
            task = asyncio.create_task(answer_requests(app, listening))
            text = (await AsyncHTTPClient().fetch(address(listening))).body.decode()
            task.cancel()
            return text

    text = asyncio.run(served())
    assert "<script>x" not in text
    assert "&lt;script&gt;x" in text


def test_one_prediction_at_a_time_and_a_short_queue(page, models, monkeypatch):
    running, most, release = [], [], threading.Event()

    def slow(asked):
        running.append(1)
        most.append(len(running))
        release.wait(30)
        running.pop()
        return {"message": "done"}

    monkeypatch.setattr(models, "answer", slow)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(f"{page}predict", {})[0])) for _ in range(11)]
    for thread in threads:
        thread.start()
    while statuses.count(503) < 2:  # one runs and `WAITING` wait
        time.sleep(0.01)
    release.set()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert sorted(statuses) == [200] * (server.WAITING + 1) + [503] * 2


# in a browser


@pytest.fixture(scope="module")
def launch():
    """Opens Chromium with options: Playwright's own where it is there, else the machine's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright, an optional package: make extras")
    with sync_api.sync_playwright() as play:
        found = [play.chromium.executable_path, *map(shutil.which, BROWSERS)]
        path = next((each for each in found if each and os.path.exists(each)), None)
        if not path:
            pytest.skip("no Chromium: apt-get install chromium, or python -m playwright install chromium, brings one")
        yield lambda *options: play.chromium.launch(executable_path=path, args=["--no-sandbox", *options])


@pytest.fixture(scope="module")
def browser(launch, tmp_path_factory):
    """Chromium whose camera shows one frame with one face, again and again."""
    film = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    frame = np.full((480, 640, 3), 90, np.uint8)
    frame[:, 80:560] = read_image(sample_path(), channels=3, size=(480, 480))
    film.write_bytes(cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    browser = launch(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}")
    yield browser
    browser.close()


@pytest.fixture
def tab(browser, page):
    """The page in a tab. Its faults, and requests to other servers, fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
    tab, faults, asked = context.new_page(), [], []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: asked.append(request.url))
    tab.set_default_timeout(15_000)
    tab.goto(page)
    tab.wait_for_selector("#about0 li", state="attached")
    yield tab
    context.close()
    assert not faults
    assert not [url for url in asked if not url.startswith((page, "data:"))]


def give(tab, content):
    tab.set_input_files("#file", [{"name": "a.png", "mimeType": "image/png", "buffer": content}])


DROP = """(content, kind) => {
  const file = new File([Uint8Array.from(content)], 'a.png', { type: 'image/png' }), given = new DataTransfer();
  given.items.add(file);
  const target = document.getElementById('drop');
  const about = { bubbles: true, cancelable: true };
  if (kind === 'drop') target.dispatchEvent(new DragEvent('drop', { ...about, dataTransfer: given }));
  else target.dispatchEvent(new ClipboardEvent('paste', { ...about, clipboardData: given }));
}""".replace("(content, kind)", "([content, kind])")


@pytest.mark.extras
def test_in_a_browser_a_picture_gets_its_bars_and_a_fault_its_message(tab, scene):
    give(tab, content_of(scene))
    tab.wait_for_selector("#answer0 >> text=2 faces found")
    assert tab.locator("#answer0 img").count() == 2, "the picture and its map"
    assert tab.locator("#answer0 progress").count() == 7
    assert "2 faces found" in tab.inner_text("#status")
    give(tab, b"nonsense")
    tab.wait_for_selector("[role=alert] >> text=not a picture")
    assert tab.locator("#answer0 img").count() == 0
    give(tab, b"x" * 1_100_000)
    tab.wait_for_selector("text=has 1.1 MB; at most 1 MB")
    assert tab.evaluate("() => indexedDB.databases().then(found => found.length)") == 0


@pytest.mark.extras
@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_in_a_browser_a_picture_can_be_dropped_and_pasted(tab, scene, kind):
    tab.evaluate(DROP, [list(content_of(scene)), kind])
    tab.wait_for_selector("#answer0 >> text=2 faces found")


@pytest.mark.extras
def test_in_a_browser_the_keyboard_is_enough(tab):
    order = []
    for _ in range(6):
        tab.keyboard.press("Tab")
        order.append(tab.evaluate("() => document.activeElement.id || document.activeElement.tagName"))
    assert order == ["model0", "model1", "file", "sample", "camera", "SUMMARY"]
    tab.focus("#model1")
    tab.keyboard.press("s")  # the model "same"
    tab.focus("#sample")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#answer1 >> text=1 face found")
    tab.wait_for_selector("#answer0 >> text=1 face found")
    assert tab.inner_text("#name1") == "same"
    for name in ("Model", "Compare with", "Choose a picture"):
        assert tab.get_by_label(name, exact=True).count() == 1
    unnamed = tab.evaluate("() => [...document.images].filter(image => !image.alt).length")
    assert unnamed == 0
    assert tab.get_by_role("progressbar", name="anger").count() == 2


@pytest.mark.extras
def test_in_a_browser_the_camera_is_followed_until_it_is_stopped(tab):
    frames = []
    tab.on("request", lambda request: frames.append(1) if '"state"' in (request.post_data or "") else None)
    tab.click("#camera")
    tab.wait_for_selector("#answer0 >> text=/^1 \\w+$/")
    while len(frames) < 10:  # answer by answer the next frame is sent
        tab.wait_for_timeout(100)
    assert "1 " in tab.inner_text("#status")
    assert tab.locator("#answer0 progress").count() == 7
    drawn = "() => document.getElementById('boxes').getContext('2d').getImageData(0, 0, 640, 480).data.some(x => x)"
    assert tab.evaluate(drawn), "a box on the video"
    tab.click("text=Stop the camera")
    tab.wait_for_timeout(500)
    stopped = len(frames)
    tab.wait_for_timeout(1000)
    assert len(frames) == stopped
    assert tab.is_hidden("#video")
    tab.click("text=Start the camera")
    tab.wait_for_selector("#boxes")
    tab.click("text=Take a picture")
    tab.wait_for_selector("#answer0 >> text=1 face found")
    assert tab.is_hidden("#video")


@pytest.mark.extras
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_it_fits_phones_and_desktops_in_light_and_dark(tab, width, scheme):
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    tab.select_option("#model1", "same")
    tab.click("#sample")
    tab.wait_for_selector("#answer1 td")
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= width
    lefts = [tab.locator(f"#result{place}").bounding_box()["x"] for place in (0, 1)]
    assert (lefts[0] == lefts[1]) == (width == 390), "models are compared next to each other where there is room"
    ground = tab.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 27)"}[scheme]
