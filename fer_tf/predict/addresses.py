"""Pictures and films on the web: an address is downloaded into a temporary file, which is read like any other file."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..common.checks import DataError
from ..common.text import one_line, shown_path

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WEB = ("http", "https")
_STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps")
# Files that list the pieces of a stream.
_PLAYLISTS = (".m3u8", ".mpd")
# The largest downloads, in bytes.
PICTURE_BYTES, FILM_BYTES = 50_000_000, 1_000_000_000
# Seconds without an answer, and seconds for a whole download.
SILENCE, LONGEST = 20, 600
_BLOCK = 2**16


def is_address(name: object) -> bool:
    """True for text such as `https://example.com/a.jpg`."""
    return isinstance(name, str) and bool(_ADDRESS.match(name))


def is_stream(name: object) -> bool:
    """True for the address of a stream, which OpenCV opens like a camera: rtsp, rtmp, or a playlist on the web."""
    if not isinstance(name, str) or not is_address(name):
        return False
    return _scheme(name) in _STREAMS or (_scheme(name) in _WEB and address_suffix(name) in _PLAYLISTS)


def address_suffix(address: str) -> str:
    """The suffix of the file that an address names, in small letters: `.jpg` for `https://x/a.JPG?size=2`."""
    try:
        return Path(urlsplit(address).path).suffix.lower()
    except ValueError:  # not a valid address: reading it says so
        return ""


def shown_name(file: str | os.PathLike[str]) -> str:
    """The path or address as text that any csv can hold. The password of an address is left out."""
    text = shown_path(file)
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", text) if is_address(text) else text


@contextlib.contextmanager
def local_copy(file: Any, limit: int) -> Iterator[Any]:
    """Gives the path of a file on this computer: the download of an address, or anything else as it is.

    The download is deleted after the block. A `DataError` in the block names the address instead of the download.

    Args:
        file: an address, a path, or any other value, which is given back.
        limit: the largest download in bytes.
    Raises: `DataError` for an address that cannot be read: another kind of address, a stream, a server that does not
        answer or refuses, a web page, or a file above the limit.
    """
    if not is_address(file):
        yield file
        return
    shown = shown_name(file)
    with tempfile.TemporaryDirectory(prefix="fer_tf_") as folder:
        path = Path(folder, f"download{address_suffix(file)[:10]}")
        fault = _unsupported(file) or _downloaded(file, path, limit)
        if fault:
            raise DataError(f"{shown}: {one_line(fault)}")
        try:
            yield path
        except DataError as error:
            raise DataError(str(error).replace(str(path), shown)) from None


def _scheme(address):
    return address.partition(":")[0].lower()


def _unsupported(address):
    """Why this kind of address is not downloaded, or ""."""
    if is_stream(address):
        return "is a stream; in Python, fer_tf.predict.films.Camera reads it"
    is_web = _scheme(address) in _WEB
    return "" if is_web else f"{_scheme(address)}:// addresses are not read; allowed are http, https, rtsp and rtmp"


def _downloaded(address, path, limit):
    """Downloads an address into a file; returns what is wrong with it, or ""."""
    import http.client  # here, because files on disk need none of it
    import urllib.request
    from urllib.error import HTTPError, URLError

    try:
        request = urllib.request.Request(quote(address, safe="%/:=&?~#+!$,;'@()*[]"), headers={"User-Agent": "fer_tf"})
        with urllib.request.urlopen(request, timeout=SILENCE) as answer, open(path, "wb") as file:
            return _refused(answer, limit) or _copied(answer, file, limit)
    except HTTPError as error:
        return f"the server answers {error.code} {error.reason}"
    except URLError as error:
        return f"cannot be reached ({getattr(error.reason, 'strerror', None) or error.reason})"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"cannot be downloaded ({getattr(error, 'strerror', None) or error or type(error).__name__})"


def _refused(answer, limit):
    """Why an answer is not downloaded, by its head; "" if it is."""
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        return "is a web page; give the address of the picture or film itself"
    return _too_large(limit) if (answer.length or 0) > limit else ""


def _too_large(limit):
    return f"is larger than {limit / 1e6:g} MB; download it yourself, and give the file"


def _copied(answer, file, limit):
    """Copies the answer into an open file; returns what is wrong with it, or ""."""
    end, size = time.monotonic() + LONGEST, 0
    while block := answer.read(_BLOCK):
        size += len(block)
        if size > limit:
            return _too_large(limit)
        if time.monotonic() > end:
            return f"took more than {LONGEST} seconds to download"
        file.write(block)
    return f"the download ended early, {answer.length:,} bytes are missing" if answer.length else ""
