"""Reading and writing small files: JSON, and files that appear only when they are complete."""

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Seconds after which a temporary folder that no process holds is one that a killed process left.
_LEFT_AFTER = 60
# Folders in which this process has looked for those that were left.
_tidied: set[Path] = set()


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
    with temporary_folder(path) as folder:
        part = folder / path.name
        yield part
        os.replace(part, path)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Makes a folder next to `path`, whose folder is made, too; it is removed after the block.

    A process that is killed leaves its folder. The next one that writes there removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path.parent.resolve())
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    lock = _held(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _tidy(parent):
    """Removes the temporary folders that killed processes left in a folder; once for each folder and process."""
    if parent in _tidied:
        return
    _tidied.add(parent)
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            named = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}", entry.name)
            if named and entry.is_dir(follow_symlinks=False) and _is_left(Path(entry.path), named[1]):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left(folder, name):
    """True if a temporary folder for the file `name` is old, holds nothing else, and no process holds it."""
    if time.time() - folder.stat().st_mtime < _LEFT_AFTER or not set(os.listdir(folder)) <= {name}:
        return False
    lock = _held(folder)
    if lock is None:
        return False
    os.close(lock)
    return True


def _held(folder):
    """A lock on a folder, which ends with this process; None if another one has it, or the system has no such locks."""
    try:
        import fcntl

        lock = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


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
