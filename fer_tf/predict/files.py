"""Predicting files of any number into a csv that grows as they are read: pictures, films and a camera, mixed."""

import contextlib
import hashlib
import itertools
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

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

# Longer sides of an annotated film are shrunk to this, in pixels.
FILM_SIDE = 960


@dataclass(frozen=True)
class Options:
    """What is done beside predicting.

    Attributes:
        every: of films, every so many frames are taken.
        fps: of films, so many frames a second are taken instead; None for all.
        smooth: seconds over which a film's probabilities are averaged, see `smoothing.Follower`; 0 for none.
        annotate: folder for annotated copies: a .jpg a picture, an .mp4 a film; None for none.
        explain: a name of `fer_tf.explain.METHODS`, or "auto" for the model's default: annotated copies show each
            face's crop beside its map; or None.
    """

    every: int = 1
    fps: float | None = None
    smooth: float = 0.0
    annotate: str | os.PathLike | None = None
    explain: str | None = None

    def __post_init__(self):
        check_pace(self.every, self.fps)
        Follower(self.smooth)
        if self.explain and not self.annotate:
            raise InputError("explain: the maps go into annotated copies; give annotate, the folder for these, too")


class Summary(NamedTuple):
    """What `predict_files` did: lists of (path, error) of files that `failed` and of films `cut_short`, and the
    paths of the `timelines`."""

    failed: list
    cut_short: list
    timelines: list


def written_places(out, options=None):
    """The files and folders that predicting to `out` writes: none of them is to be predicted."""
    places = [Path(out), *unfinished_files(out), timelines_folder(out)]
    return places + ([Path(options.annotate)] if options and options.annotate else [])


def timelines_folder(out):
    """Where the timelines of a csv's films go: `scores-timelines` beside `scores.csv`."""
    return Path(out).with_name(f"{Path(out).stem}{TIMELINES}")


def predict_files(recognizer, files, out, options=None, progress=True, say=lambda text: None):
    """Predicts files into a csv, one row a face, written as they are read.

    Neither pictures nor rows are held: memory does not grow with their number. The csv appears when it is complete;
    until then its rows stand in `<out>.part`, and the same call (same model, settings and unchanged files) goes on from
    there: after the last batch of pictures or frames, in films with annotated copies after the last film. A camera's
    rows begin anew.

    Args:
        recognizer: `EmotionRecognizer`.
        files: list of paths of pictures and videos, and `Camera`s.
        out: path of the csv. Its columns are `recognizer.columns`; where there is a film `recognizer.film_columns`:
            frame (from 0), time (seconds) and track (from 0, the number by which a face is followed) after path.
        options: `Options`.
        progress: show a bar.
        say: function that takes remarks, such as that an earlier call is gone on from.
    Returns: `Summary`. For each film its timeline lies as .png and .svg in `timelines_folder(out)`.
    """
    work = FileStream(recognizer, files, options, progress)
    with written_csv(out, work.columns, _job(work)) as rows:
        if rows.put_aside:
            say(
                f"{rows.part}: cannot be gone on from (other files, a changed file, another model or settings, or a "
                f"camera); begun anew, its rows are in {rows.put_aside}"
            )
        place = rows.state or {}
        if place:
            say(f"{out}: goes on after {place['file']:,} of {len(files):,} files")
        with tqdm(total=len(files), initial=place.get("file", 0), disable=not progress, unit="file") as bar:
            for table, after in work.batches(place):
                rows.write(table, after)
                bar.update(after["file"] - bar.n if after else 0)
    return Summary(*_faults(out), _write_timelines(recognizer, out, work))


class FileStream:
    """Predicts files one after another; see `predict_files`.

    Attributes:
        columns: of the tables.
    """

    def __init__(self, recognizer, files, options=None, progress=False):
        self.recognizer, self.files, self.options = recognizer, list(files), options or Options()
        self.progress = progress
        self.films = [isinstance(file, Camera) or is_film(file) for file in self.files]
        self.columns = recognizer.film_columns if any(self.films) else recognizer.columns
        self.method = None
        if self.options.explain:
            self.method = resolve_method(recognizer.model, self.options.explain)
            check_method(recognizer.model, self.method)

    def batches(self, place=None):
        """The rows of all files, in order.

        Args:
            place: where to go on, of an earlier call; None for the beginning.
        Yields: DataFrame, and the place after it: a JSON value; None where one cannot go on from there.
        """
        number, place = (place or {}).get("file", 0), place or {}
        while number < len(self.files):
            if self.films[number]:
                yield from self._film(number, place)
                number, place = number + 1, {}
            else:
                end = next((film for film in range(number, len(self.files)) if self.films[film]), len(self.files))
                yield from self._pictures(number, end)
                number = end

    def _table(self, rows, probabilities):
        return self.recognizer.table(rows, probabilities, self.columns)

    def _pictures(self, number, end):
        pictures = map(read_picture, self.files[number:end])
        for chunk in in_chunks(pictures, self.recognizer.batch_size):
            found = self.recognizer.recognise(chunk)
            if self.options.annotate:
                for position, faces in enumerate(self._shown(found, len(chunk))):
                    self._write_copy(number + position, chunk[position], faces)
            number += len(chunk)
            yield self._table(found.rows, found.probabilities), {"file": number}

    def _write_copy(self, number, picture, faces):
        """Writes a picture's annotated copy."""
        if picture.pixels is None:
            return
        image = drawing.annotate(picture.pixels, faces, self.recognizer.class_names)
        with replacing(Path(self.options.annotate) / f"{copy_name(number, picture.path)}.jpg") as part:
            Image.fromarray(image).save(part, quality=92)

    def _shown(self, found, count, numbers=None):
        """For each of `count` pictures the faces to draw; `numbers` of the rows, which else are those in the picture.

        With numbers, faces without one (a film's frames where none was found) are left out.
        """
        read = [row for row in found.rows if not row["error"]]
        maps = self._maps(found)
        shown = [[] for _ in range(count)]
        for position, row in enumerate(read):
            number = row["face"] if numbers is None else numbers[position]
            if number is not None:
                box = tuple(row[side] for side in "xywh") if row["detected"] else None
                crop = found.crops[position] if self.options.explain else None
                reason = empty_reason(self.method or "")
                face = drawing.Shown(number, box, found.probabilities[position], crop, maps[position], reason)
                shown[row["picture"]].append(face)
        return shown

    def _maps(self, found):
        """The faces' maps of their most probable class, None each where none are wanted."""
        method = self.method
        if not method or not len(found.crops):
            return [None] * len(found.crops)
        target = None if method == "attention" else found.probabilities.argmax(axis=1)
        return explain(self.recognizer.model, found.crops, method, target)

    def _film(self, number, place):
        """The rows of one film; a row with the error where it cannot be read, or not to its end."""
        error = ""
        try:
            film = self._opened(self.files[number], place.get("frame", 0))
            with self._copy(number, film) as copy:
                yield from self._frames(film, number, place, copy)
            error = film.complaint
        except (DataError, cv2.error) as fault:
            error = str(fault).removeprefix(f"{self.files[number]}: ")
        name = str(self.files[number]) if isinstance(self.files[number], Camera) else shown_path(self.files[number])
        last = [{"path": name, "face": 0, "detected": False, "error": one_line(error)}] if error else []
        yield self._table(last, np.zeros((0, len(self.recognizer.class_names)))), {"file": number + 1}

    def _opened(self, film, first):
        if isinstance(film, Camera):
            return film
        return FileFilm(film, self.options.every, self.options.fps, first, self.progress)

    def _copy(self, number, film):
        """The film of the annotated frames; None in the block where none is wanted."""
        if not self.options.annotate:
            return contextlib.nullcontext()
        return written_film(Path(self.options.annotate) / f"{copy_name(number, film.name)}.mp4", film.fps)

    def _frames(self, film, number, place, copy):
        follower = Follower(self.options.smooth, place.get("faces"))
        count = 1 if film.is_live else self.recognizer.batch_size
        for chunk in in_chunks(film, count):
            found, numbers = self._followed(self.recognizer.recognise(chunk), follower)
            if copy:
                for picture, faces in zip(chunk, self._shown(found, len(chunk), numbers), strict=True):
                    copy.add(self._drawn(picture, faces), picture.time)
            after = {"file": number, "frame": chunk[-1].frame + 1, "faces": follower.state}
            yield self._table(found.rows, found.probabilities), None if copy or film.is_live else after

    def _drawn(self, picture, faces):
        names, with_crops = self.recognizer.class_names, bool(self.options.explain)
        return drawing.annotate(picture.pixels, faces, names, FILM_SIDE, steady=True, with_crops=with_crops)

    def _followed(self, found, follower):
        """(`Found` with tracks and averaged probabilities, the rows' tracks); None for a frame without a face."""
        steadied, numbers = found.probabilities.astype(float), [None] * len(found.rows)
        for _, rows in itertools.groupby(enumerate(found.rows), lambda pair: pair[1]["picture"]):
            rows = list(rows)
            faces = [place for place, row in rows if row["detected"] or self.recognizer.detector == "none"]
            boxes = [[found.rows[place][side] for side in "xywh"] for place in faces]
            tracks, steadied[faces] = follower.follow(boxes, rows[0][1]["time"], steadied[faces])
            for place, track in zip(faces, tracks, strict=True):
                numbers[place] = track
        rows = [{**row, "track": track} for row, track in zip(found.rows, numbers, strict=True)]
        return Found(rows, found.crops, steadied), numbers


def copy_name(number, path):
    """The name, without suffix, of the `number`th file's annotated copy (from 0): letters that every system takes."""
    stem = re.sub(r"[^\w.-]+", "_", Path(path).stem)[:40]
    return f"{number + 1:06d}-{stem}"


def _job(work):
    """A text that differs where the rows would: model, settings, files and their state on the disk."""
    recognizer = work.recognizer
    digest = hashlib.sha256()
    if hasattr(recognizer.model, "get_weights"):
        for weight in recognizer.model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    else:  # an exported model: its file
        digest.update(_stamp(recognizer.model.path).encode("utf-8", "backslashreplace"))
    settings = {"detector": recognizer.detector, **recognizer.cropping, **asdict(work.options)}
    digest.update(json.dumps([work.columns, recognizer.shape, settings], default=str).encode())
    for file in work.files:
        digest.update(f"{_stamp(file)}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _stamp(file):
    """A file's name, size and date. A camera never gives the same twice."""
    if isinstance(file, Camera):
        return f"{file} {os.urandom(16).hex()}"
    try:
        about = os.stat(file)
        return f"{file!r} {about.st_size} {about.st_mtime_ns}"
    except (OSError, ValueError):
        return f"{file!r}"


def _faults(out):
    """(failed, cut short): lists of (path, error) by the csv's rows."""
    failed, cut_short, before = [], [], {}
    for row in read_rows(out):
        if row["error"]:
            is_cut = "frame" in row and before.get("path") == row["path"] and before["label"]
            (cut_short if is_cut else failed).append((read_cell(row["path"]), read_cell(row["error"])))
        before = row
    return failed, cut_short


def _write_timelines(recognizer, out, work):
    """Draws the timelines of a csv's films, each read from it alone; their paths without suffix."""
    if not any(work.films):
        return []
    wanted, written = ["time", "track", *recognizer.class_names], []
    numbers = {
        str(file) if isinstance(file, Camera) else shown_path(file): number
        for number, file in enumerate(work.files)
        if work.films[number]
    }
    for cell, rows in itertools.groupby(read_rows(out), lambda row: row["path"]):
        name = read_cell(cell)
        values = [[float(row[column] or "nan") for column in wanted] for row in rows if row["label"]]
        if name in numbers and values:
            table = pd.DataFrame(values, columns=wanted)
            about = f"Emotions over time in {one_line(Path(name).name)}"
            figure = timeline(table, recognizer.class_names, about)
            written.append(timelines_folder(out) / copy_name(numbers[name], name))
            save_figure(figure, written[-1], about)
    return written
