"""Reading and writing small files: JSON, and text that is moved into place only when it is whole."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

from .hashes import code_fingerprint  # noqa: F401


@contextlib.contextmanager
def replacing(path):
    """Gives a path beside `path` to write to; moves it into place on success, removes it on any failure.

    The temporary name keeps the suffix (`.h5`, `.npz`), because writers choose their format by it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to write", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        part = folder / path.name
        yield part
        os.replace(part, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path, text):
    """Writes `text` to `path` in one step (UTF-8)."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path):
    """A JSON file's content; {} where the file is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def write_json(path, content):
    """Writes JSON readably and in one step."""
    write_text(path, json.dumps(content, indent=2, default=float) + "\n")


def as_json(content):
    """What a JSON file of this content reads back as (tuples as lists, NumPy numbers as floats)."""
    return json.loads(json.dumps(content, default=float))
