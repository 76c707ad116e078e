"""Writes frames of films as pictures, as document [4] did with DISFA's videos.

`save_frames` writes, for each film,

    out/<film>/<film>-f000120-t0004.800.jpg   frame 120 (from 0), 4.8 seconds after the start
    out/<film>/frames.json                    the film, the settings, and whether all frames are written
    out/frames.csv                            path, film, frame and time of all frames in the folder

`fer-tf predict out/frames.csv` predicts them. With a column `label`, the csv is a dataset of your own (`csv`).
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from ..common.checks import DataError, InputError, check_choice, check_range, check_whole
from ..common.files import read_json, replacing, write_json
from ..common.paths import expanded
from ..common.text import plain_name, safe_cell, shown_path
from .folders import list_files
from .video import VIDEO_SUFFIXES, read_frames

FORMATS = ("jpg", "png")
JPEG_QUALITY = 95
RECORD, LIST = "frames.json", "frames.csv"
COLUMNS = ["path", "film", "frame", "time"]
_NAME = re.compile(r".+-f(\d{6,})-t(\d{4,}\.\d{3})\.(?:jpg|png)")


@dataclass(frozen=True)
class SavedFrames:
    """What `save_frames` wrote.

    Attributes:
        table: DataFrame as in frames.csv.
        new: number of pictures that this call wrote; the others existed already.
        complaints: sentences on films that are cut short or damaged, but gave frames.
        unread: sentences on films that gave no frame.
    """

    table: pd.DataFrame
    new: int
    complaints: list[str]
    unread: list[str]


def save_frames(
    films: Iterable[str | Path],
    out: str | Path,
    every: int = 10,
    fps: float | None = None,
    format: str = "jpg",
    progress: bool = False,
) -> SavedFrames:
    """Writes every Nth frame of films as pictures. If a call was stopped or killed, the same call resumes it.

    Args:
        films: video files, and folders with video files in them or below.
        out: the folder to write to; it may hold frames of other films.
        every: write the frames 0, N, 2 N, …
        fps: write this number of frames per second of the film's clock instead.
        format: "jpg" (quality 95) or "png" (exact).
        progress: True shows the progress.
    Returns: `SavedFrames`. A film that cannot be read does not stop the others.
    Raises: `InputError` for a wrong argument, for two films of one name, or if the folder holds frames of other
        settings or of another film of this name; `DataError` if no film is given or found.
    """
    check_whole("every", every, 1)
    if fps is not None and check_range("fps", fps, 0) == 0:
        raise InputError("fps: must be above 0 frames a second; received 0")
    check_choice("format", format, FORMATS)
    out = expanded(out)
    homes = _homes(_collected(films), out)
    settings = {"every": every, "fps": fps, "format": format}
    if fps is not None:
        settings["every"] = 1
    for film, home in homes.items():
        _check_home(film, home, settings)
    new, complaints, unread = 0, [], []
    for film, home in homes.items():
        try:
            count, complaint = _save(film, home, settings, progress)
        except DataError as error:
            unread.append(str(error))
            continue
        new += count
        complaints += [complaint] if complaint else []
    table = _listed(out)
    if len(table):
        with replacing(out / LIST) as path:
            table.to_csv(path, index=False)
    return SavedFrames(table, new, complaints, unread)


def _collected(films):
    """The video files that are meant, each once."""
    found = {}
    for item in map(expanded, films):
        if item.is_dir():
            inside = [path for path in list_files(item) if path.suffix.lower() in VIDEO_SUFFIXES]
            if not inside:
                raise DataError(f"{item}: has no video file ({', '.join(VIDEO_SUFFIXES)})")
            found |= dict.fromkeys(inside)
        else:
            found[item] = None
    if not found:
        raise InputError("films: name at least one video file or folder")
    return list(found)


def _homes(films, out):
    """dict film -> its folder in `out`; two films of one name raise."""
    homes = {}
    for film in films:
        home = out / (plain_name(film.stem).strip(".") or "film")
        first = next((other for other, taken in homes.items() if taken == home), None)
        if first is not None:
            raise InputError(f"films: {first} and {film} have the same name; give each a folder of its own by --out")
        homes[film] = home
    return homes


def _identity(film):
    """What tells a film from another of its name: its size in bytes and its time."""
    try:
        status = film.stat()
    except OSError:
        return {}  # reading it will say what is wrong
    return {"bytes": status.st_size, "modified": status.st_mtime_ns}


def _check_home(film, home, settings):
    """Raises `InputError` if the folder holds frames of other settings, of another film, or other files."""
    stored = read_json(home / RECORD)
    if not stored:
        if home.is_dir() and any(home.iterdir()):
            raise InputError(f"out: {home} exists and has no {RECORD}; give another folder")
        return
    changed = [f"{key} {stored.get(key)}, now {value}" for key, value in settings.items() if stored.get(key) != value]
    if _identity(film) and stored.get("film") != _identity(film):
        changed.append("another film of this name")
    if changed:
        raise InputError(f"out: {home} holds frames of {'; '.join(changed)}. Delete it, or give another folder")


def _save(film, home, settings, progress):
    """Writes the missing frames of one film; returns (number of new pictures, what is wrong with the film)."""
    stored = read_json(home / RECORD)
    if stored.get("complete"):
        return 0, stored["complaint"]
    if os.path.exists(film) and not os.path.isfile(film):
        raise DataError(f"{film}: is not a file")
    reader = read_frames(film, rate=settings["fps"])
    record = {"name": shown_path(film.name), "film": _identity(film), **settings}
    count, begun = 0, bool(stored)
    for frame in _chosen(tqdm(reader, film.name, reader.expected, leave=False, disable=not progress), settings):
        if not begun:  # a film without a frame leaves no folder
            write_json(home / RECORD, {**record, "complete": False})
            begun = True
        path = home / f"{home.name}-f{frame.index:06d}-t{frame.time:08.3f}.{settings['format']}"
        if not path.exists():
            with replacing(path) as part:
                Image.fromarray(frame.image).save(part, quality=JPEG_QUALITY)
            count += 1
    write_json(home / RECORD, {**record, "complete": True, "complaint": reader.complaint})
    return count, reader.complaint


def _chosen(frames, settings) -> Iterator:
    return (frame for frame in frames if frame.index % settings["every"] == 0)


def _listed(out):
    """All frames in the folder, by film and number, as DataFrame with the columns of frames.csv."""
    rows = []
    for record in sorted(out.glob(f"*/{RECORD}")):
        name = read_json(record).get("name", record.parent.name)
        for path in record.parent.iterdir():
            if match := _NAME.fullmatch(path.name):
                rows.append((path.relative_to(out).as_posix(), safe_cell(name), int(match[1]), float(match[2])))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["film", "frame"], kind="stable", ignore_index=True)
