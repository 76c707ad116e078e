"""Serves the demo page. It makes no calls to the internet and writes no pictures.

By default only this computer can reach the page. Gradio is an optional package. Its statistics, its history of runs in
the browser and its file upload are disabled, and the browser may not load anything from other servers.
"""

import contextlib
import ipaddress
import os
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING

from ...common.checks import InputError, check_whole
from ...saving.runtimes import required
from ..recognizer import EmotionRecognizer
from .answers import Demo
from .page import build_page, look

if TYPE_CHECKING:
    import fastapi

PACKAGE = "gradio>=6,<7"
_SWITCHED_OFF = {
    **{f"GRADIO_{name}": "False" for name in ("ANALYTICS_ENABLED", "RUN_HISTORY", "MCP_SERVER", "SSR_MODE", "SHARE")},
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
# The addresses that the page uses. Gradio has many more, and some of them store files or load from other servers.
_API = "/gradio_api"
_READ = {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
_READ |= {f"{_API}/{name}" for name in ("theme.css", "startup-events", "queue/data")}
_READ_BELOW = ("/static/", "/assets/", f"{_API}/heartbeat/")
_SENT = {f"{_API}/queue/join", f"{_API}/cancel", f"{_API}/reset"}
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors 'self'; "
    "base-uri 'self'"
)
# Bytes of a request in addition to its picture: some names and numbers.
_ENVELOPE = 65_536


def import_gradio() -> ModuleType:
    """Imports Gradio with all its calls to other servers disabled.

    Raises: `InputError` if Gradio 6 is not installed.
    """
    os.environ.update(_SWITCHED_OFF)
    gradio = required("gradio", f'"{PACKAGE}"')
    if gradio.__version__.split(".")[0] != "6":
        raise InputError(f'gradio: version 6 is needed, {gradio.__version__} installed: `pip install "{PACKAGE}"`')
    return gradio


def is_loopback(host: str) -> bool:
    """True if only this computer can reach the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_app(recognizer: EmotionRecognizer, max_mb: float, host: str = "127.0.0.1") -> "fastapi.FastAPI":
    """Makes the application that answers the page's requests, for any ASGI server.

    Args:
        recognizer: the model and its detector.
        max_mb: largest size of a picture in megabytes (10⁶ bytes), 0.01 to 200.
        host: address that it is served on. For a loopback address, requests with another host name are refused, so that
            a page of another site cannot use this one under its own name.
    Raises: `InputError` if Gradio 6 is not installed, or for another size.
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
    """ASGI middleware that accepts only the page's own requests of limited size, and forbids calls to other servers.

    Args:
        app: the ASGI application that answers accepted requests.
        limit: largest size of a request's body in bytes.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: dict, receive: Callable, send: Callable[[dict], Awaitable[None]]) -> None:
        """Answers a request; see the ASGI specification for the arguments."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused:
            from starlette.responses import PlainTextResponse

            status, text = refused
            await PlainTextResponse(text, status, {"connection": "close"})(scope, receive, send)
            return

        async def guarded(message):
            if message["type"] == "http.response.start":
                added = [(b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self.app(scope, receive, guarded)

    def _refusal(self, scope):
        """(status, text) if the request is refused, else None. The body is not read for this."""
        headers, path = dict(scope["headers"]), scope["path"]
        is_read = scope["method"] in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_BELOW))
        if not is_read and not (scope["method"] == "POST" and path in _SENT):
            return 403, "the page has no such address: it accepts no files and serves none"
        if b"transfer-encoding" in headers:
            return 411, "the request must have a content-length"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            return 413, f"the request is too large: at most {self.limit:,} bytes"
        return None


def open_port(host: str, port: int) -> socket.socket:
    """Opens a listening socket on an address (IPv4, IPv6 or a name) and a port, 0 to 65535; 0 takes any free port.

    Raises: `InputError` if the address cannot be opened.
    """
    check_whole("port", port, 0, 65535)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"host, port: {host}:{port} cannot be opened ({error.strerror}); give another --port"
        ) from None


def serve(app: "fastapi.FastAPI", listening: socket.socket, open_browser: bool = True) -> None:
    """Answers requests to the application of `make_app` on the socket of `open_port`, until Ctrl-C."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [address(listening)]).start()
    with contextlib.suppress(KeyboardInterrupt):  # the server raises it again after it has stopped
        server.run(sockets=[listening])


def address(listening: socket.socket) -> str:
    """The URL of a listening socket, for a browser on this computer."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:  # it means all addresses, and a browser cannot open it
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
