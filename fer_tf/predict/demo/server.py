"""Serving the demo page: on this computer alone unless told otherwise, no call to the internet, no picture written.

Gradio is an optional package. Its statistics, its history of runs in the browser and its upload of files are switched
off, and the browser is told to load nothing from elsewhere.
"""

import contextlib
import ipaddress
import os
import socket
import threading
import webbrowser

from ...common.checks import InputError, check_whole
from ...saving.runtimes import required
from .answers import Demo
from .page import build_page, look

PACKAGE = "gradio>=6,<7"
_SWITCHED_OFF = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
# The addresses that the page asks for. Gradio has many more, some of which store files or fetch from elsewhere.
_API = "/gradio_api"
_READ = {
    "/",
    "/config",
    "/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
    f"{_API}/theme.css",
    f"{_API}/startup-events",
    f"{_API}/queue/data",
}
_READ_BELOW = ("/static/", "/assets/", f"{_API}/heartbeat/")
_SENT = {f"{_API}/queue/join", f"{_API}/cancel", f"{_API}/reset"}
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors 'self'; "
    "base-uri 'self'"
)
# Beside the picture a request has some names and numbers.
_ENVELOPE = 65_536


def import_gradio():
    """Gradio with all that calls home switched off; `InputError` where it is not installed, or too old or too new."""
    os.environ.update(_SWITCHED_OFF)
    gradio = required("gradio", f'"{PACKAGE}"')
    if gradio.__version__.split(".")[0] != "6":
        raise InputError(f'gradio: version 6 is needed, {gradio.__version__} installed: `pip install "{PACKAGE}"`')
    return gradio


def is_loopback(host):
    """True where only this computer can reach the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_app(recognizer, max_mb, host="127.0.0.1"):
    """The application that answers the page's requests, for any ASGI server.

    Args:
        recognizer: `fer_tf.predict.recognizer.EmotionRecognizer`.
        max_mb: megabytes (10⁶ bytes) of a picture.
        host: address that it is served on; on loopback, requests for other names are refused, so that no foreign page
            can pass for this one.
    """
    gradio = import_gradio()
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    demo = Demo(recognizer, max_mb)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app = gradio.mount_gradio_app(app, build_page(demo), path="/", footer_links=[], **look(gradio))
    app.add_middleware(Guard, limit=round(demo.max_mb * 1e6 * 4 / 3) + _ENVELOPE)
    if is_loopback(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host])
    return app


class Guard:
    """ASGI middleware: lets in what the page asks for, in bodies that are not too large, and forbids calls elsewhere.

    Args:
        app: the application behind it.
        limit: bytes of a request's body.
    """

    def __init__(self, app, limit):
        self.app, self.limit = app, limit

    async def __call__(self, scope, receive, send):
        """Answers a request; see ASGI."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused:
            await _answer(send, *refused)
            return

        async def guarded(message):
            if message["type"] == "http.response.start":
                own = [(b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self.app(scope, receive, guarded)

    def _refusal(self, scope):
        """(status, text) where the request is not let in, before its body is read."""
        headers, path = dict(scope["headers"]), scope["path"]
        is_read = scope["method"] in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_BELOW))
        if not is_read and not (scope["method"] == "POST" and path in _SENT):
            return 403, "the page has no such address: it takes no files and gives none"
        if b"transfer-encoding" in headers:
            return 411, "the request must tell its length"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            return 413, f"the request is too large: at most {self.limit:,} bytes"
        return None


async def _answer(send, status, text):
    content = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def open_port(host, port):
    """A listening socket; `InputError` where the address cannot be had."""
    check_whole("port", port, 0, 65535)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"host, port: {host}:{port} cannot be opened ({error.strerror}); give another --port"
        ) from None


def serve(app, listening, open_browser=True):
    """Answers requests on a socket of `open_port` until Ctrl-C.

    Args:
        app: of `make_app`.
        listening: the socket.
        open_browser: show the page in the person's browser.
    """
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address(listening)]).start()
    with contextlib.suppress(KeyboardInterrupt):  # which the server raises again after its end
        server.run(sockets=[listening])


def address(listening):
    """The URL of a listening socket, for this computer's browser."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:  # all addresses: none that a browser can open
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
