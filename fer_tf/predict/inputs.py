"""Finds the pictures and films that are meant by files, folders, patterns, lists and addresses."""

import contextlib
import csv
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from ..common.checks import DataError
from ..common.paths import expanded
from ..common.text import plain_name, read_cell, shown_path
from ..data.folders import list_files
from ..data.images import is_litter
from ..data.video import VIDEO_SUFFIXES
from .addresses import address_suffix, is_address

LIST_COLUMN = "path"
# The folder with a csv's film figures has the csv's name with this ending.
TIMELINES = "-timelines"
# Suffixes of files that are next to pictures in folders and are not pictures. All other files in a folder are tried.
_TEXTS = {".csv", ".htm", ".html", ".json", ".log", ".md", ".pdf", ".py", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
_SIDECARS = {".aae", ".ini", ".thm", ".xmp"}
BESIDE_PICTURES = _TEXTS | _SIDECARS | {".h5", ".keras", ".npy", ".npz", ".old", ".part", ".zip"}
_LONGEST_HEADER = 100_000
_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")  # as text, and with a preview


def collect_files(
    inputs: Iterable[str | Path],
    leave_out: Iterable[str | Path] = (),
    say: Callable[[str], None] = lambda text: None,
) -> list[Path | str]:
    """Collects the files that are meant by paths of files, folders, patterns and lists, and addresses.

    - A folder gives the files in it and in its subfolders. Litter (`Thumbs.db`, hidden files), files of other kinds
      (`BESIDE_PICTURES`) and the timelines of earlier predictions are left out. Loops of links end.
    - A pattern (`photos/*.jpg`, `**` for all subfolders) gives the files that match, if no file has exactly that name.
    - A csv with a column `path`, such as a csv of predictions, gives the files that it names. A relative path is looked
      up in the working directory, then in the folder of the csv. Semicolons or tabs may separate its columns.
    - An address (`https://…`) stays as it is, as text. A `file://` address is the file.

    A path that does not exist, and a csv without such a column, is kept, so that it is reported in its own row.

    Args:
        inputs: the paths.
        leave_out: files and folders that are never taken, such as the files to write.
        say: function that receives a message about the files of other kinds that were left out.
    Returns: list of `Path`, and text for addresses, without duplicates.
    """
    skipped = {os.path.realpath(path) for path in leave_out}
    files: dict[Path | str, None] = {}
    for name in inputs:
        item = _item(name)
        for path in [item] if is_address(item) else _files_of(item, skipped, say):
            if not _is_in(path, skipped):
                files.setdefault(path, None)
    return list(files)


def _item(name):
    """An input as a path, or as text if it is an address."""
    if os.path.lexists(name):
        return Path(name)
    if is_address(name):
        return _local_path(name) if name.lower().startswith("file://") else name
    return expanded(name)


def _local_path(address):
    from urllib.request import url2pathname  # here, because it takes longer to import than this module

    return Path(url2pathname(urlsplit(address).path))


def _is_in(path, folders):
    """True if the path, or a folder that contains it, is one of `folders` (real paths)."""
    try:
        real = Path(os.path.realpath(path))
    except (ValueError, OSError):  # a NUL in the name, or an unreadable link: its own row reports it
        return False
    return bool(folders) and any(str(parent) in folders for parent in (real, *real.parents))


def _files_of(item, skipped, say):
    """The files that one input path means."""
    if os.path.isdir(item):  # `Path.is_dir` raises for names that are too long
        return _likely(list_files(item), item, skipped, say)
    if not os.path.lexists(item) and any(sign in str(item) for sign in "*?["):
        return _matches(item, skipped, say) or [item]
    if item.suffix.lower() == ".csv" and os.path.isfile(item) and not _is_in(item, skipped):
        return _listed(item) or [item]
    return [item]


def _likely(files, where, skipped, say, wanted=""):
    """The files that may be pictures or films, or have the suffix `wanted`. A message says how many were left out."""
    others = {
        path
        for path in files
        if (path.suffix.lower() in BESIDE_PICTURES or _is_timeline(path)) and path.suffix.lower() != wanted
    }
    reported = [path for path in others if not _is_in(path, skipped)]
    if reported:
        suffixes = ", ".join(sorted({path.suffix.lower() for path in reported}))
        count = f"{len(reported):,} of {len(files):,} files"
        say(f"{shown_path(where)}: {count} are left out, they are timelines or not pictures ({suffixes})")
    return [path for path in files if path not in others]


def _is_timeline(path):
    """True for a figure or a thumbnail that `predict` wrote for a csv that still exists."""
    # next to the timelines are folders with summaries
    folder = path.parent if path.parent.name.endswith(TIMELINES) else path.parent.parent
    is_drawn = re.fullmatch(r"\d{6}-.*\.(png|svg)|\d{6}-[^/\\]*[/\\][^/\\]*\.(png|jpg)", str(path.relative_to(folder)))
    name = folder.name.removesuffix(TIMELINES)
    return name != folder.name and bool(is_drawn) and folder.with_name(f"{name}.csv").is_file()


def _matches(pattern, skipped, say):
    """The files that match a pattern, and the files in folders that match it; sorted.

    Loops of links end, because `Path.glob` does not follow links for `**`.
    """
    try:
        root = Path(pattern.anchor)
        hits = sorted(root.glob(str(pattern.relative_to(root))))
    except (ValueError, NotImplementedError, OSError):  # not a valid pattern
        return []
    hits = [hit for hit in hits if pattern.name.startswith(".") or not is_litter(hit)]
    folders = {hit for hit in hits if os.path.isdir(hit)}
    highest = [hit for hit in hits if folders.isdisjoint(hit.parents)]
    files = [path for hit in highest for path in (list_files(hit) if hit in folders else [hit])]
    return _likely(files, pattern, skipped, say, pattern.suffix.lower())


def _listed(path):
    """The files that a csv names; [] if it is not a list of files."""
    try:
        return [_file_of_cell(cell, path.parent) for cell in _cells(path)]
    except DataError:
        return []


def list_fault(path: str | os.PathLike[str]) -> str:
    """Why a csv does not name any file; "" if it names files."""
    try:
        return "" if _cells(path) else f"names no file in its column {LIST_COLUMN}"
    except DataError as error:
        return str(error)


def _cells(path):
    """The distinct cells of a csv's column `path`; raises `DataError` if it has no such column or is unreadable."""
    try:
        # finds also files whose names are not UTF-8
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            separator = _separator(file.readline(_LONGEST_HEADER))
            file.seek(0)
            rows = csv.reader(file, delimiter=separator)
            names = [name.strip().lower() for name in next(rows, [])]
            if LIST_COLUMN not in names:
                raise DataError(f"is not a list of pictures: has no column {LIST_COLUMN}")
            column = names.index(LIST_COLUMN)
            return list(dict.fromkeys(row[column] for row in rows if len(row) > column and row[column].strip()))
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot be read as a list ({getattr(error, 'strerror', None) or error})") from None


def _separator(header):
    """The sign between a csv's columns: spreadsheets of many countries write semicolons, some programs tabs."""
    for sign in ",;\t":
        if LIST_COLUMN in [name.strip().strip('"').strip().lower() for name in header.split(sign)]:
            return sign
    return ","


def _file_of_cell(cell, folder):
    """The file that a cell names, first without the sign of `safe_cell`; relative to the working directory or `folder`.

    A file that does not exist, and an address, is returned as the cell names it.
    """
    for name in dict.fromkeys((read_cell(cell), cell)):
        for path in (_path_of(name), folder / _path_of(name)):
            if os.path.lexists(path):
                return path
    return _item(read_cell(cell)) if is_address(read_cell(cell)) else _path_of(read_cell(cell))


def _path_of(name):
    """A name from a UTF-8 file as a path, also where the system's own names are not UTF-8."""
    try:
        return Path(os.fsdecode(name.encode("utf-8", "surrogateescape")))
    except UnicodeError:  # it cannot be a file's name: its own row reports it
        return Path(name)


def is_film(path: str | os.PathLike[str]) -> bool:
    """True for a file or an address that is read as a video, by its suffix."""
    suffix = address_suffix(str(path)) if is_address(path) else Path(path).suffix.lower()
    return suffix in VIDEO_SUFFIXES


def plain_stem(path: str | Path, length: int = 40) -> str:
    """A file's name without suffix, as `plain_name` gives it, at most `length` characters of it.

    It has ASCII letters only where the system's file names cannot have others.
    """
    name = plain_name(Path(path).stem)[:length]
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return plain_name(name, ascii_only=True)
    return name


def check_harmless(path: str | os.PathLike[str]) -> None:
    """Raises `DataError` for a file that must not be opened as a picture or a film, whatever its suffix.

    Reading a pipe, socket or device may never end. PostScript is a program: Pillow lets Ghostscript run it.
    """
    fault = ""
    with contextlib.suppress(OSError, ValueError):  # its reader reports a missing file
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            with open(path, "rb") as file:
                is_program = file.read(4) in _POSTSCRIPT
            fault = "is PostScript, which is a program and not a picture" if is_program else ""
        elif not stat.S_ISDIR(mode):
            fault = "is a pipe or a device, not a file"
    if fault:
        raise DataError(f"{path}: {fault}")
