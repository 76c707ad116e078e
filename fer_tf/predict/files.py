"""Predicts any number of files into a csv that grows as they are read: pictures, films and a camera, also mixed."""

import contextlib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from ..common.checks import DataError, InputError
from ..common.files import replacing
from ..common.text import one_line, read_cell, shown_path
from ..explain import check_method, empty_reason, explain, resolve_method
from ..plots import save_figure
from . import annotate as drawing
from .films import Camera, FileFilm, check_pace, written_film
from .inputs import TIMELINES, is_film
from .pictures import Found, in_chunks, read_picture
from .resumable_csv import read_rows, unfinished_files, written_csv
from .timeline import timeline
from .tracking import Follower

# The longer side of an annotated film is at most this, in pixels.
FILM_SIDE = 960


@dataclass(frozen=True)
class Options:
    """Options of `predict_files`.

    Attributes:
        every: use every Nth frame of a film, at least 1.
        fps: use this number of frames per second of a film instead; None for all frames.
        smooth: seconds over which a film's probabilities are averaged, see `fer_tf.predict.tracking.Follower`; 0 does
            not average.
        annotate: folder for annotated copies: one .jpg per picture, one .mp4 per film; None for no copies.
        explain: a name of `fer_tf.explain.METHODS`, or "auto" for the model's default. Annotated copies then show each
            face's crop next to its map. None for no maps.
    Raises: `InputError` for values out of range, or `explain` without `annotate`.
    """

    every: int = 1
    fps: float | None = None
    smooth: float = 0.0
    annotate: str | os.PathLike[str] | None = None
    explain: str | None = None

    def __post_init__(self) -> None:
        check_pace(self.every, self.fps)
        Follower(self.smooth)
        if self.explain and not self.annotate:
            raise InputError(
                "explain: the maps go into annotated copies; also give annotate, the folder for the copies"
            )


class Summary(NamedTuple):
    """What `predict_files` did.

    Attributes:
        failed: (path, error) of each file that could not be read.
        cut_short: (path, error) of each film that could be read only in part.
        timelines: paths of the timelines without suffix; each one exists as .png and .svg.
    """

    failed: list[tuple[str, str]]
    cut_short: list[tuple[str, str]]
    timelines: list[Path]


def written_places(out: str | Path, options: Options | None = None) -> list[Path]:
    """The files and folders that `predict_files` writes. They must not be predicted."""
    places = [Path(out), *unfinished_files(out), timelines_folder(out)]
    return places + ([Path(options.annotate)] if options and options.annotate else [])


def timelines_folder(out: str | Path) -> Path:
    """The folder for the timelines of a csv's films: `scores-timelines` next to `scores.csv`."""
    return Path(out).with_name(f"{Path(out).stem}{TIMELINES}")


class Recognizer(Protocol):
    """The parts of `EmotionRecognizer` that predicting files uses."""

    model: Any
    class_names: Any
    batch_size: int
    detector: str
    cropping: dict
    shape: tuple

    @property
    def columns(self) -> list:
        """Names of the csv's columns."""

    @property
    def film_columns(self) -> list:
        """The same for films, with time, frame and track."""

    def recognise(self, pictures: list) -> Any:
        """Faces, boxes and probabilities of pictures."""

    def table(self, rows: list, probabilities: np.ndarray, columns: list) -> pd.DataFrame:
        """The table of these rows."""


def predict_files(
    recognizer: Recognizer,
    files: Sequence[str | Path | Camera],
    out: str | Path,
    options: Options | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Predicts files and writes a csv with one row per face while it reads them.

    Memory does not grow with the number of files, because neither pictures nor rows are kept. The csv appears when it
    is complete. Until then its rows are in `<out>.part`, and the same call (same model, settings and unchanged files)
    resumes it: after the last batch of pictures or frames, or, for films with annotated copies, after the last film.
    A camera always starts again.

    Args:
        recognizer: `EmotionRecognizer`.
        files: paths of pictures and videos, and `Camera`s.
        out: path of the csv. Its columns are `recognizer.columns`. With a film they are `recognizer.film_columns`, with
            frame (from 0), time (seconds) and track (from 0, the number of a followed face) after path.
        options: `Options`; None for the defaults.
        progress: show a progress bar.
        say: function that receives messages, such as that an earlier call is resumed.
    Returns: `Summary`. Each film's timeline is written as .png and .svg into `timelines_folder(out)`.
    Raises: `InputError` if another process writes the csv, or the model does not support the explanation.
    """
    stream = FileStream(recognizer, files, options, progress)
    with written_csv(out, stream.columns, _job(stream)) as rows:
        if rows.put_aside:
            say(
                f"{rows.part}: cannot be resumed (other files, a changed file, another model or settings, or a "
                f"camera); starting again, the old rows are in {rows.put_aside}"
            )
        start = rows.state or {}
        if start:
            say(f"{out}: resumes after {start['file']:,} of {len(files):,} files")
        with tqdm(total=len(files), initial=start.get("file", 0), disable=not progress, unit="file") as bar:
            for table, position in stream.batches(start):
                rows.write(table, position)
                bar.update(position["file"] - bar.n if position else 0)
    return Summary(_failed(out, stream.cut_short), stream.cut_short, _write_timelines(recognizer, out, stream))


class FileStream:
    """Predicts files one after another; see `predict_files` for the arguments.

    Attributes:
        columns: the columns of the tables.
        films: for each file, whether it is a film or a camera.
        cut_short: list of (path, error) of the films that were read in part so far.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        files: Sequence[str | Path | Camera],
        options: Options | None = None,
        progress: bool = False,
    ) -> None:
        self.recognizer, self.files, self.options = recognizer, list(files), options or Options()
        self.progress = progress
        self.films = [isinstance(file, Camera) or is_film(file) for file in self.files]
        self.columns = recognizer.film_columns if any(self.films) else recognizer.columns
        self.cut_short: list[tuple[str, str]] = []
        self.method: str | None = None
        if self.options.explain:
            self.method = resolve_method(recognizer.model, self.options.explain)
            check_method(recognizer.model, self.method)

    def batches(self, start: dict | None = None) -> Iterator[tuple[pd.DataFrame, dict | None]]:
        """Yields the rows of all files, in order.

        Args:
            start: a position that an earlier call yielded, to resume there; None for the beginning.
        Yields: DataFrame, and the position after it: a JSON value, or None if one cannot resume there.
        """
        position = start or {}
        number = position.get("file", 0)
        self.cut_short = [(path, error) for path, error in position.get("cut_short", [])]
        while number < len(self.files):
            if self.films[number]:
                yield from self._film(number, position)
                number, position = number + 1, {}
            else:
                end = next((film for film in range(number, len(self.files)) if self.films[film]), len(self.files))
                yield from self._pictures(number, end)
                number = end

    def _position(self, number, **more):
        """Where to resume: at the `number`th file, with what is known of the files before."""
        return {"file": number, "cut_short": list(self.cut_short), **more}

    def _table(self, rows, probabilities):
        return self.recognizer.table(rows, probabilities, self.columns)

    def _pictures(self, number, end):
        pictures = map(read_picture, self.files[number:end])
        for chunk in in_chunks(pictures, self.recognizer.batch_size):
            recognised = self.recognizer.recognise(chunk)
            if self.options.annotate:
                for index, faces in enumerate(self._faces_to_draw(recognised, len(chunk))):
                    self._write_copy(number + index, chunk[index], faces)
            number += len(chunk)
            yield self._table(recognised.rows, recognised.probabilities), self._position(number)

    def _write_copy(self, number, picture, faces):
        """Writes a picture's annotated copy."""
        if picture.pixels is None:
            return
        image = drawing.annotate(picture.pixels, faces, self.recognizer.class_names)
        with replacing(Path(self.options.annotate) / f"{copy_name(number, picture.path)}.jpg") as part:
            Image.fromarray(image).save(part, quality=92)

    def _faces_to_draw(self, recognised, count, numbers=None):
        """For each of `count` pictures the faces to draw.

        `numbers` are the numbers of the rows; by default a face has its number in the picture. A row whose number is
        None (a film's frame without a face) is left out.
        """
        read_rows = [row for row in recognised.rows if not row["error"]]
        maps = self._maps(recognised)
        faces = [[] for _ in range(count)]
        for index, row in enumerate(read_rows):
            number = row["face"] if numbers is None else numbers[index]
            if number is not None:
                box = tuple(row[side] for side in "xywh") if row["detected"] else None
                crop = recognised.crops[index] if self.options.explain else None
                reason = empty_reason(self.method or "")
                face = drawing.Shown(number, box, recognised.probabilities[index], crop, maps[index], reason)
                faces[row["picture"]].append(face)
        return faces

    def _maps(self, recognised):
        """The faces' maps of their most probable class, or None for each face if no maps are drawn."""
        method = self.method
        if not method or not len(recognised.crops):
            return [None] * len(recognised.crops)
        target = None if method == "attention" else recognised.probabilities.argmax(axis=1)
        return explain(self.recognizer.model, recognised.crops, method, target)

    def _film(self, number, start):
        """Yields the rows of one film, with a last row for the error if it cannot be read, or only in part."""
        error, is_begun = "", start.get("frame", 0) > 0
        try:
            film = self._opened(self.files[number], start.get("frame", 0))
            with self._copy(number, film) as copy:
                for table, position in self._frames(film, number, start, copy):
                    is_begun = True
                    yield table, position
            error = film.complaint
        except (DataError, cv2.error) as fault:
            error = str(fault).removeprefix(f"{self.files[number]}: ")
        name = str(self.files[number]) if isinstance(self.files[number], Camera) else shown_path(self.files[number])
        last_rows = [{"path": name, "face": 0, "detected": False, "error": one_line(error)}] if error else []
        if error and is_begun:
            self.cut_short.append((name, one_line(error)))
        yield self._table(last_rows, np.zeros((0, len(self.recognizer.class_names)))), self._position(number + 1)

    def _opened(self, film, first):
        if isinstance(film, Camera):
            return film
        return FileFilm(film, self.options.every, self.options.fps, first, self.progress)

    def _copy(self, number, film):
        """The writer of the annotated film, as a context; it gives None if no copies are wanted."""
        if not self.options.annotate:
            return contextlib.nullcontext()
        return written_film(Path(self.options.annotate) / f"{copy_name(number, film.name)}.mp4", film.fps)

    def _frames(self, film, number, start, copy):
        follower = Follower(self.options.smooth, start.get("faces"))
        count = 1 if film.is_live else self.recognizer.batch_size
        for chunk in in_chunks(film, count):
            recognised, numbers = self._followed(self.recognizer.recognise(chunk), follower)
            if copy:
                for picture, faces in zip(chunk, self._faces_to_draw(recognised, len(chunk), numbers), strict=True):
                    copy.add(self._drawn(picture, faces), picture.time)
            position = self._position(number, frame=chunk[-1].frame + 1, faces=follower.state)
            yield self._table(recognised.rows, recognised.probabilities), None if copy or film.is_live else position

    def _drawn(self, picture, faces):
        names, with_crops = self.recognizer.class_names, bool(self.options.explain)
        return drawing.annotate(picture.pixels, faces, names, FILM_SIDE, steady=True, with_crops=with_crops)

    def _followed(self, recognised, follower):
        """(`Found` with tracks and averaged probabilities, the rows' tracks); a row without a face has track None."""
        averaged, numbers = recognised.probabilities.astype(float), [None] * len(recognised.rows)
        for _, group in itertools.groupby(enumerate(recognised.rows), lambda pair: pair[1]["picture"]):
            frame_rows = list(group)
            faces = [index for index, row in frame_rows if row["detected"] or self.recognizer.detector == "none"]
            boxes = [[recognised.rows[index][side] for side in "xywh"] for index in faces]
            tracks, averaged[faces] = follower.follow(boxes, frame_rows[0][1]["time"], averaged[faces])
            for index, track in zip(faces, tracks, strict=True):
                numbers[index] = track
        rows = [{**row, "track": track} for row, track in zip(recognised.rows, numbers, strict=True)]
        return Found(rows, recognised.crops, averaged), numbers


def copy_name(number: int, path: str | Path) -> str:
    """The name, without suffix, of a file's annotated copy, with letters that every system accepts.

    Args:
        number: position of the file, from 0.
        path: the file.
    """
    stem = re.sub(r"[^\w.-]+", "_", Path(path).stem)[:40]
    return f"{number + 1:06d}-{stem}"


def _job(stream):
    """A text that changes with everything that decides the rows: model, settings, files and their state on disk."""
    recognizer = stream.recognizer
    digest = hashlib.sha256()
    if hasattr(recognizer.model, "get_weights"):
        for weight in recognizer.model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    else:  # an exported model: its file
        digest.update(_stamp(recognizer.model.path).encode("utf-8", "backslashreplace"))
    settings = {"detector": recognizer.detector, **recognizer.cropping, **asdict(stream.options)}
    digest.update(json.dumps([stream.columns, recognizer.shape, settings], default=str).encode())
    for file in stream.files:
        digest.update(f"{_stamp(file)}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _stamp(file):
    """A file's name, size and time of change. For a camera it differs on every call."""
    if isinstance(file, Camera):
        return f"{file} {os.urandom(16).hex()}"
    try:
        about = os.stat(file)
        return f"{file!r} {about.st_size} {about.st_mtime_ns}"
    except (OSError, ValueError):
        return f"{file!r}"


def _failed(out, cut_short):
    """(path, error) of the csv's rows with an error, without the films that were read in part."""
    faults = ((read_cell(row["path"]), read_cell(row["error"])) for row in read_rows(out) if row["error"])
    return [fault for fault in faults if fault not in cut_short]


def _write_timelines(recognizer, out, stream):
    """Draws the timelines of a csv's films, one film's rows at a time; returns their paths without suffix."""
    if not any(stream.films):
        return []
    columns, written = ["time", "track", *recognizer.class_names], []
    numbers = {
        str(file) if isinstance(file, Camera) else shown_path(file): number
        for number, file in enumerate(stream.files)
        if stream.films[number]
    }
    for cell, rows in itertools.groupby(read_rows(out), lambda row: row["path"]):
        name = read_cell(cell)
        values = [[float(row[column] or "nan") for column in columns] for row in rows if row["label"]]
        if name in numbers and values:
            table = pd.DataFrame(values, columns=columns)
            title = f"Emotions over time in {one_line(Path(name).name)}"
            figure = timeline(table, recognizer.class_names, title)
            written.append(timelines_folder(out) / copy_name(numbers[name], name))
            save_figure(figure, written[-1], title)
    return written
