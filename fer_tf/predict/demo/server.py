"""Serves the demo page with Tornado, which JupyterLab brings. It calls no other server and writes no pictures.

By default only this computer can reach the page. Only the page itself may send requests, and it loads nothing else.
"""

import asyncio
import contextlib
import functools
import json
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from ...common.checks import check_choice, check_range
from ...common.ports import address, is_loopback
from ...data.images import decode_data_url, read_image
from ...runs.about_model import model_lines
from ..pictures import sample_path
from ..recognizer import EmotionRecognizer
from ..try_it import as_html
from .answers import answer_frame, answer_picture, caught

# One request is predicted at a time. At most this many wait for it; further ones are refused.
WAITING = 8
# Bytes of a request in addition to its picture: names, and the state of a live view.
_ENVELOPE = 262_144
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Server": "fer-tf"}
_HEADERS |= {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"}
_POLICY = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Models:
    """The models of the page. The first is opened at once, each other one when it is chosen.

    Args:
        openers: dict name -> function that opens the model.
        max_mb: largest size of a picture in megabytes (10⁶ bytes), 0.01 to 200.
    Raises: `InputError` for another size.
    """

    def __init__(self, openers: Mapping[str, Callable[[], EmotionRecognizer]], max_mb: float = 10.0) -> None:
        self.openers, self.max_mb = openers, check_range("max_mb", max_mb, 0.01, 200)
        self.opened = functools.cache(lambda name: openers[name]())
        self.worker, self.waiting = ThreadPoolExecutor(1), 0
        self.answer({"model": next(iter(openers)), "sample": True})  # loads what is loaded on first use

    def answer(self, asked: dict) -> dict:
        """Answers a request of the page: a picture, the sample, a live frame, or what is known about a model."""
        recognizer = self.opened(check_choice("model", str(asked.get("model")), list(self.openers)))
        if not asked.keys() & {"sample", "picture"}:
            return {"about": model_lines(recognizer.model)}
        pixels = read_image(sample_path()) if "sample" in asked else decode_data_url(asked["picture"], self.max_mb)
        if "state" in asked:
            return answer_frame(recognizer, pixels, asked["state"])
        return answer_picture(recognizer, pixels)


@stream_request_body  # a request is checked before its body is read
class _Guarded(RequestHandler):
    """Refuses requests that are too large or do not come from the page. The browser may load nothing from elsewhere."""

    def set_default_headers(self):
        self.nonce, self.content, self.models = secrets.token_urlsafe(16), bytearray(), self.settings["models"]
        for name, value in {**_HEADERS, "Content-Security-Policy": _POLICY.format(self.nonce)}.items():
            self.set_header(name, value)

    def prepare(self):
        headers, names, limit = self.request.headers, self.settings["names"], self.settings["limit"]
        length = headers.get("Content-Length", "0")
        is_foreign = "Origin" in headers and headers["Origin"].partition("://")[2] != self.request.host
        if names and self.request.host_name not in names:
            raise HTTPError(403, reason="the page has another host name")
        if is_foreign or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise HTTPError(403, reason="only the page itself may send requests")
        if "Transfer-Encoding" in headers or not length.isdigit():
            raise HTTPError(411, reason="the request must have a content-length")
        if int(length) > limit:
            raise HTTPError(413, reason=f"the request is too large: at most {limit:,} bytes")

    def data_received(self, chunk):
        self.content += chunk

    def write_error(self, status_code, **_):
        self.reply({"message": self._reason, "is_fault": True})

    def reply(self, answer):
        self.finish(answer | {"html": as_html(answer)})


class _Page(_Guarded):
    def get(self):
        self.render("page.html", nonce=self.nonce, models=self.models.openers, max_mb=f"{self.models.max_mb:g}")


class _Predict(_Guarded):
    async def post(self):
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise HTTPError(415, reason="the request must be application/json")
        asked = None
        with contextlib.suppress(ValueError, RecursionError):
            asked = json.loads(self.content)
        if not isinstance(asked, dict):
            raise HTTPError(400, reason="the request must be a JSON object")
        if self.models.waiting > WAITING:
            raise HTTPError(503, reason="too many pictures are waiting; try again in a moment")
        self.models.waiting += 1
        coming = self.models.worker.submit(caught, lambda: self.models.answer(asked))
        try:
            self.reply(await asyncio.wrap_future(coming))
        finally:
            self.models.waiting -= 1


def make_app(models: Models, host: str = "127.0.0.1") -> Application:
    """Makes the application that answers the page's requests, to be served on the address `host`.

    On a loopback address, requests with another host name are refused, so that a page of another site cannot use this
    one under its own name (DNS rebinding).
    """
    names = {"127.0.0.1", "localhost", "[::1]", host} if is_loopback(host) else None
    settings: dict[str, Any] = {"default_handler_class": _Guarded, "log_function": lambda _: None}
    settings |= {"models": models, "names": names, "limit": round(models.max_mb * 1e6 * 4 / 3) + _ENVELOPE}
    return Application([("/", _Page), ("/predict", _Predict)], **settings)


async def answer_requests(app: Application, listening: socket.socket) -> None:
    """Answers requests to the application of `make_app` on the socket of `open_port`, until it is cancelled."""
    server = HTTPServer(app, max_body_size=2**62, body_timeout=60)  # `_Guarded` has a smaller limit, and says it
    server.add_sockets([listening])
    await asyncio.Event().wait()


def serve(app: Application, listening: socket.socket, open_browser: bool = True) -> None:
    """Answers requests until Ctrl-C."""
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address(listening)]).start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(answer_requests(app, listening))
