"""Predicts any number of files into a csv that grows as they are read: pictures, films and a camera, also mixed.

What only films, copies or maps need is imported when they come: it takes longer than predicting a picture.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from ..common.checks import DataError, InputError, check_range, check_whole
from ..common.files import replacing
from ..common.hashes import fingerprint
from ..common.inference import whole_of
from ..common.text import one_line, read_cell
from ..data.faces import follow_or_search
from ..saving import model_info
from .addresses import FILM_BYTES, local_copy, shown_name
from .film_sound import NO_FFMPEG, add_sound, find_ffmpeg
from .films import Camera, FileFilm, written_film
from .inputs import TIMELINES, is_film, plain_stem
from .pictures import Searched, in_chunks, read_picture
from .resumable_csv import ResumableCsv, read_rows, unfinished_files

# The longer side of an annotated film is at most this, in pixels.
FILM_SIDE = 960


@dataclass(frozen=True)
class Options:
    """Options of `predict_files`.

    Attributes:
        every: use every Nth frame of a film, at least 1.
        fps: use this number of frames per second of a film instead; None for all frames.
        search: seconds between two searches for faces in a film. In between, faces are followed by their pixels, and a
            lost face is searched at once. 0 searches every frame.
        smooth: seconds over which a film's probabilities are averaged, see `fer_tf.predict.tracking.Follower`; 0 does
            not average.
        annotate: folder for annotated copies: one .jpg per picture, one .mp4 per film; None for no copies.
        explain: a name of `fer_tf.explain.METHODS`, or "auto" for the model's default. Annotated copies then show each
            face's crop next to its map. None for no maps.
    Raises: `InputError` for values out of range, or `explain` without `annotate`.
    """

    every: int = 1
    fps: float | None = None
    search: float = 0.5
    smooth: float = 0.0
    annotate: str | os.PathLike[str] | None = None
    explain: str | None = None

    def __post_init__(self) -> None:
        check_whole("every", self.every, 1)
        if self.fps is not None and check_range("fps", self.fps, 0) == 0:
            raise InputError("fps: must be above 0 frames per second; received 0")
        if self.fps is not None and self.every > 1:
            raise InputError("every and fps: give only one of them")
        check_range("search", self.search, 0)
        check_range("smooth", self.smooth, 0)
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


def written_places(out: str | Path | None, options: Options | None = None) -> list[Path]:
    """The files and folders that `predict_files` writes (`out` None: only copies). They must not be predicted."""
    places = [] if out is None else [Path(out), *unfinished_files(out), timelines_folder(out)]
    return places + ([Path(options.annotate)] if options and options.annotate else [])


def timelines_folder(out: str | Path) -> Path:
    """The folder for the timelines of a csv's films: `scores-timelines` next to `scores.csv`."""
    return Path(out).with_name(f"{Path(out).stem}{TIMELINES}")


def predict_files(
    recognizer: Any,  # `EmotionRecognizer`, whose module builds on this one
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
    Returns: `Summary`. Each film's timeline is written as .png and .svg into `timelines_folder(out)`. A folder next to
        it has the film's summary, the clearest moments as thumbnails, and a csv for each track.
    Raises: `InputError` if another process writes the csv, or the model does not support the explanation.
    """
    from tqdm.auto import tqdm

    stream = FileStream(recognizer, files, options, progress, timelines_folder(out), say)
    with ResumableCsv(out, stream.columns, _job(stream)) as rows:
        if rows.put_aside:
            say(
                f"{rows.part}: cannot be resumed (other files, a changed file, another model or settings, or a "
                f"camera); starting again, the old rows are in {rows.put_aside}"
            )
        start = rows.state or {}
        failed = _failed_before(rows) if start else []
        if start:
            say(f"{out}: resumes after {start['file']:,} of {len(files):,} files")
        with tqdm(total=len(files), initial=start.get("file", 0), disable=not progress, unit="file") as bar:
            for table, position in stream.batches(start):
                rows.write(table, position)
                failed += [fault for fault in zip(table["path"], table["error"], strict=True) if fault[1]]
                bar.update(position["file"] - bar.n if position else 0)
    failed = [fault for fault in failed if fault not in stream.cut_short]
    return Summary(failed, stream.cut_short, _write_film_figures(recognizer, out, stream) if stream.films else [])


def _write_film_figures(recognizer, out, stream):
    from .film_summary import write_film_figures

    places = {name: stream.film_place(number) for number, name in stream.films.items()}
    return write_film_figures(recognizer.class_names, out, places)


def _failed_before(csv):
    """(path, error) of the rows with an error that an unfinished `ResumableCsv` already has."""
    return [(read_cell(row["path"]), read_cell(row["error"])) for row in read_rows(csv.part) if row["error"]]


class FileStream:
    """Predicts files one after another; see `predict_files` for the arguments.

    Args:
        recognizer, files, options, progress, say: see `predict_files`.
        folder: the folder for the films' clearest moments; None to keep none.

    Attributes:
        columns: the columns of the tables.
        films: dict position of a film or a camera in the files -> its name as text.
        cut_short: list of (path, error) of the films that were read in part so far.
    """

    def __init__(
        self,
        recognizer: Any,
        files: Sequence[str | Path | Camera],
        options: Options | None = None,
        progress: bool = False,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.recognizer, self.files, self.options = recognizer, list(files), options or Options()
        self.progress, self.folder, self.ffmpeg = progress, folder, find_ffmpeg()
        self.films = {
            number: str(file) if isinstance(file, Camera) else shown_name(file)
            for number, file in enumerate(self.files)
            if isinstance(file, Camera) or is_film(file)
        }
        self.columns = recognizer.film_columns if self.films else recognizer.columns
        self.cut_short: list[tuple[str, str]] = []
        self.method: str | None = None
        if self.options.explain:
            from ..explain import check_method, resolve_method

            self.method = resolve_method(recognizer.model, self.options.explain)
            check_method(recognizer.model, self.method)
        if (
            self.options.annotate
            and not self.ffmpeg
            and not all(isinstance(self.files[film], Camera) for film in self.films)
        ):
            say(NO_FFMPEG)

    def film_place(self, number: int) -> Path | None:
        """The path of a film's timeline, without suffix, which is also the folder of its summary; None without one."""
        return self.folder / _copy_name(number, self.films[number]) if self.folder else None

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
            if number in self.films:
                yield from self._film(number, position)
                number, position = number + 1, {}
            else:
                end = min((film for film in self.films if film > number), default=len(self.files))
                yield from self._pictures(number, end)
                number = end

    def _position(self, number, **in_film):
        """Where to resume: at the `number`th file, with what is known of the files before and of this film."""
        return {"file": number, "cut_short": list(self.cut_short), **in_film}

    def _table(self, rows, probabilities):
        return self.recognizer.table(rows, probabilities, self.columns)

    def _pictures(self, number, end):
        pictures = map(read_picture, self.files[number:end])
        chunks = map(Searched, in_chunks(pictures, self.recognizer.batch_size))
        for (chunk, *_), recognised in self.recognizer.recognise_each(chunks):
            for index, (picture, faces) in enumerate(self._annotated(chunk, recognised), number):
                if picture.pixels is not None:
                    from .annotate import annotate

                    image = annotate(picture.pixels, faces, self.recognizer.class_names)
                    with replacing(self._copy_path(index, picture.path, ".jpg")) as temporary:
                        Image.fromarray(image).save(temporary, quality=92)
            number += len(chunk)
            yield self._table(recognised.rows, recognised.probabilities), self._position(number)

    def _copy_path(self, number, path, suffix):
        """The path of a file's annotated copy; None if no copies are wanted."""
        folder = self.options.annotate
        return Path(folder) / f"{_copy_name(number, path)}{suffix}" if folder else None

    def _annotated(self, pictures, recognised):
        """Pairs of a picture and the faces to draw on its copy, with the maps of their most probable class."""
        if not self.options.annotate:
            return ()
        from .annotate import faces_to_draw

        maps = None
        if self.method:
            from ..explain import explain

            targets = self.recognizer.targets(recognised.probabilities)
            maps = explain(self.recognizer.model, recognised.crops, self.method, targets)
        return zip(pictures, faces_to_draw(recognised, maps, self.method or ""), strict=True)

    def _film(self, number, start):
        """Yields the rows of one film, with a last row for the error if it cannot be read, or only in part."""
        from .film_summary import Moments

        error, first_frame, file, name = "", start.get("frame", 0), self.files[number], self.films[number]
        every, fps, is_begun = self.options.every, self.options.fps, first_frame > 0
        path = self._copy_path(number, name, ".mp4")
        moments = Moments(self.recognizer.class_names, start.get("moments"))
        try:
            with local_copy(file, FILM_BYTES) as source:
                is_camera = isinstance(file, Camera)
                film = file if is_camera else FileFilm(source, every, fps, first_frame, self.progress, name)
                with written_film(path, film.fps) if path else contextlib.nullcontext() as copy:
                    for table, position in self._frames(film, number, start, copy, moments):
                        is_begun = True
                        yield table, position
                error = film.complaint
                if path and path.is_file() and self.ffmpeg and not is_camera:
                    fault = add_sound(path, Path(source), self.ffmpeg)
                    error = error or fault
        except (DataError, cv2.error) as fault:
            error = str(fault).removeprefix(f"{file}: ").removeprefix(f"{name}: ")
        if self.folder and is_begun:
            moments.write(self.film_place(number))
        last_rows = [{"path": name, "face": 0, "detected": False, "error": one_line(error)}] if error else []
        if error and is_begun:
            self.cut_short.append((name, one_line(error)))
        yield self._table(last_rows, np.zeros((0, len(self.recognizer.class_names)))), self._position(number + 1)

    def _frames(self, film, number, start, copy, moments):
        from .annotate import annotate
        from .tracking import Follower, follow_faces

        follower = Follower(self.options.smooth, start.get("faces"))
        chunks = in_chunks(_read(film), 1 if film.is_live else self.recognizer.batch_size)
        searched = self._searched(chunks, start.get("followed"))
        for (chunk, _, followed), faces in self.recognizer.recognise_each(searched, film.is_live):
            recognised = follow_faces(faces, follower, self.recognizer.detector)
            moments.add(recognised)
            faults = [(film.name, row["error"]) for row in recognised.rows if row["error"]]
            self.cut_short += [fault for fault in dict.fromkeys(faults) if fault not in self.cut_short]
            for picture, faces in self._annotated(chunk, recognised):
                names, with_crops = self.recognizer.class_names, bool(self.method)
                image = annotate(picture.pixels, faces, names, FILM_SIDE, steady=True, with_crops=with_crops)
                copy.add(image, picture.time)
            states = {"faces": follower.state, "followed": followed, "moments": moments.state if self.folder else None}
            position = self._position(number, frame=chunk[-1].frame + 1, **states)
            yield self._table(recognised.rows, recognised.probabilities), None if copy or film.is_live else position

    def _searched(self, chunks, state):
        """Yields the frames with their faces, searched now and then and followed in between."""
        detector, seconds = self.recognizer.detector, self.options.search
        for chunk in chunks:
            boxes = None
            if seconds and detector != "none":
                boxes, state = _followed(chunk, detector, state, seconds, self.recognizer.search)
            yield Searched(chunk, boxes, state)


def _followed(frames, detector, state, seconds, search):
    """The faces of each frame, and the state for the next frames; (None, None) if a search fails."""
    boxes = []
    for frame in frames:
        try:
            found, state = follow_or_search(frame.pixels, detector, state, frame.time, seconds, seconds, **search)
        except InputError:
            raise
        except Exception:  # the recogniser searches all frames again and says on which one the detector fails
            return None, None
        boxes.append(found)
    return boxes, state


def _read(film):
    """The frames of a film; whatever its reader raises becomes a `DataError`, so that only this film ends."""
    try:
        yield from film
    except (InputError, cv2.error):
        raise
    except Exception as error:
        raise DataError(f"{film.name}: its reader fails ({type(error).__name__}: {error})") from error


def _copy_name(number, path):
    """The name, without suffix, of the annotated copy of the file at a position from 0."""
    return f"{number + 1:06d}-{plain_stem(path)}"


def _job(stream):
    """A text that changes with everything that decides the rows: model, settings, files and their state on disk."""
    weights, settings = recognizer_facts(stream.recognizer)
    files = [_stamp(file) for file in stream.files]
    settings |= asdict(stream.options)
    return fingerprint([weights, stream.columns, stream.recognizer.shape, settings, files])


def recognizer_facts(recognizer: Any) -> tuple[list[str], dict[str, Any]]:
    """What decides the rows of an `EmotionRecognizer` for a picture: fingerprints of its weights, and its settings."""
    model = recognizer.model
    if hasattr(model, "get_weights"):
        whole = whole_of(model)
        values = (model if whole is None else whole.model).get_weights()
        weights = [hashlib.sha256(np.ascontiguousarray(weight).tobytes()).hexdigest() for weight in values]
    else:  # an exported model
        weights = [_stamp(model.path)]
    searching = {"detector": recognizer.detector, **recognizer.search, "classes": recognizer.class_names}
    settings = {**searching, **recognizer.cropping}
    if declared := model_info(model).get("provenance", {}).get("declared"):
        settings["declared"] = declared
    return weights, settings


def _stamp(file):
    """A file's name, size and time of change. For a camera it differs on every call."""
    if isinstance(file, Camera):
        return f"{file} {os.urandom(16).hex()}"
    try:
        status = os.stat(file)
        return f"{file!r} {status.st_size} {status.st_mtime_ns}"
    except (OSError, ValueError):
        return f"{file!r}"
