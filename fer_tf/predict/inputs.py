"""What a person means by the names given: pictures and films out of files, folders, patterns and lists."""

import csv
import os
import re
import stat
from pathlib import Path

from ..common.checks import DataError
from ..common.paths import expanded
from ..common.text import read_cell, shown_path
from ..data.folders import list_files
from ..data.images import is_litter
from ..data.video import VIDEO_SUFFIXES

LIST_COLUMN = "path"
# The end of the name of the folder beside a csv that holds its films' figures.
TIMELINES = "-timelines"
# What lies beside pictures in folders and is none. All other files there are tried, whatever they are called.
BESIDE_PICTURES = {
    ".aae",
    ".csv",
    ".h5",
    ".htm",
    ".html",
    ".ini",
    ".json",
    ".keras",
    ".log",
    ".md",
    ".npy",
    ".npz",
    ".old",
    ".part",
    ".pdf",
    ".py",
    ".thm",
    ".tsv",
    ".txt",
    ".xml",
    ".xmp",
    ".yaml",
    ".yml",
    ".zip",
}
_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")  # as text, and with a preview


def collect_files(inputs, leave_out=(), say=lambda text: None):
    """The files meant by a list of files, folders, patterns and lists.

    Folders are searched through; litter (`Thumbs.db`, hidden files), files of other kinds (`BESIDE_PICTURES`) and the
    timelines of earlier predictions are left out, link loops end. A pattern
    (`photos/*.jpg`, `**` for all folders below) is looked up where no file has that very name. A csv with a column
    `path` stands for the files it names, each as it stands or else seen from the csv's folder; a csv of predictions is
    one.

    Args:
        inputs: paths; one that does not exist, and a csv that is no list, is kept: it is reported in its own row.
        leave_out: files, and folders with all that is in them, never to take (what is being written).
        say: function that takes a remark on the files of other kinds that were left out.
    Returns: list of `Path`, each once.
    """
    skipped = {os.path.realpath(path) for path in leave_out}
    found = {}
    for item in map(_given, inputs):
        for path in _meant(item, skipped, say):
            if not _is_in(path, skipped):
                found.setdefault(path, None)
    return list(found)


def _given(item):
    return Path(item) if os.path.lexists(item) else expanded(item)


def _is_in(path, folders):
    """True if the path or a folder it lies in is one of `folders` (real paths)."""
    try:
        real = Path(os.path.realpath(path))
    except (ValueError, OSError):  # a NUL in the name, a link that may not be read: told in its row
        return False
    return bool(folders) and any(str(part) in folders for part in (real, *real.parents))


def _meant(item, skipped, say):
    """The files that one of the names stands for."""
    if os.path.isdir(item):  # `Path.is_dir` raises for names that are too long
        return _searched(item, skipped, say)
    if not os.path.lexists(item) and any(sign in str(item) for sign in "*?["):
        return _matches(item, skipped, say) or [item]
    if item.suffix.lower() == ".csv" and os.path.isfile(item) and not _is_in(item, skipped):
        return _listed(item) or [item]
    return [item]


def _searched(folder, skipped, say):
    """The files below a folder that may be pictures or films."""
    return _likely(list_files(folder), folder, skipped, say)


def _likely(files, where, skipped, say, wanted=""):
    """Those of the files that may be pictures or films, or have the suffix `wanted`; how many do not is said."""
    others = [path for path in files if _is_beside(path) and path.suffix.lower() != wanted]
    told = [path for path in others if not _is_in(path, skipped)]
    if told:
        kinds = ", ".join(sorted({path.suffix.lower() for path in told}))
        about = f"{len(told):,} of {len(files):,} files are left out, no pictures or timelines"
        say(f"{shown_path(where)}: {about} ({kinds})")
    left_out = set(others)
    return [path for path in files if path not in left_out]


def _is_beside(path):
    return path.suffix.lower() in BESIDE_PICTURES or _is_timeline(path)


def _is_timeline(path):
    """Whether it is a figure that `predict` drew beside a csv that is still there."""
    name = path.parent.name.removesuffix(TIMELINES)
    is_drawn = name != path.parent.name and re.fullmatch(r"\d{6}-.*\.(png|svg)", path.name)
    return bool(is_drawn) and path.parent.with_name(f"{name}.csv").is_file()


def _matches(pattern, skipped, say):
    """The files that a pattern names, and those in folders that it names; sorted.

    `Path.glob` does not follow links in `**`, so that loops of links end.
    """
    try:
        root = Path(pattern.anchor)
        hits = sorted(root.glob(str(pattern.relative_to(root))))
    except (ValueError, NotImplementedError, OSError):  # no pattern that could be meant
        return []
    shown = [hit for hit in hits if pattern.name.startswith(".") or not is_litter(hit)]
    folders = {hit for hit in shown if os.path.isdir(hit)}
    highest = [hit for hit in shown if folders.isdisjoint(hit.parents)]
    files = [path for hit in highest for path in (list_files(hit) if hit in folders else [hit])]
    return _likely(files, pattern, skipped, say, pattern.suffix.lower())


def _listed(path):
    """The files that a csv names, [] where it is no list."""
    try:
        return [_placed(cell, path.parent) for cell in _cells(path)]
    except DataError:
        return []


def list_fault(path):
    """Why a csv names no file, "" where it does."""
    try:
        return "" if _cells(path) else f"names no file in its column {LIST_COLUMN}"
    except DataError as error:
        return str(error)


def _cells(path):
    """What stands in the column `path` of a csv; `DataError` where there is none, or the file cannot be read."""
    try:
        # a name need not be UTF-8, and is still found
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = csv.reader(file)
            names = [name.strip().lower() for name in next(rows, [])]
            if LIST_COLUMN not in names:
                raise DataError(f"is no list of pictures: has no column {LIST_COLUMN}")
            column = names.index(LIST_COLUMN)
            return list(dict.fromkeys(row[column] for row in rows if len(row) > column and row[column].strip()))
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot be read as a list ({getattr(error, 'strerror', None) or error})") from None


def _placed(cell, folder):
    """The file that a cell names: without the sign that `safe_cell` puts before it, as it stands or from `folder`."""
    for name in dict.fromkeys((read_cell(cell), cell)):
        for path in (Path(name), folder / name):
            if os.path.lexists(path):
                return path
    return Path(read_cell(cell))


def is_film(path):
    """True for what is read as a video, by its suffix."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def check_harmless(path):
    """`DataError` for what is not to be opened as a picture or a film, whatever its suffix.

    Reading a pipe, socket or device may wait, or go on, for ever. PostScript is a program: Pillow hands it to
    Ghostscript to run.
    """
    fault = _harm(path)
    if fault:
        raise DataError(f"{path}: {fault}")


def _harm(path):
    """What speaks against opening the file; "" also where it cannot be had, which is told by who reads it."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            return "" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file"
        with open(path, "rb") as file:
            return "is PostScript, a program and not a picture" if file.read(4) in _POSTSCRIPT else ""
    except (OSError, ValueError):
        return ""
