"""Reading and writing small files: JSON, and files that appear only when they are complete."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder to write to.

    The written file replaces `path` when the block ends without an error. It is removed if the block fails. The
    temporary file has the same name as `path`, because writers choose their format by the suffix (`.h5`, `.npz`).

    Raises: `IsADirectoryError` if `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to write", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8; no half-written file can be seen. A lone surrogate becomes its code."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: str | Path) -> dict:
    """Returns the content of a JSON file, or {} if the file is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def write_json(path: str | Path, content: object) -> None:
    """Writes indented JSON; no half-written file can be seen."""
    write_text(path, json.dumps(content, indent=2, default=float) + "\n")


def as_json(content: object) -> Any:
    """Returns `content` as a JSON file would give it back: tuples become lists, NumPy numbers become floats."""
    return json.loads(json.dumps(content, default=float))
