"""Frames out of video files, one after another: a film is never held in memory, and none is skipped unseen.

Frames are reached by reading on from the first, since seeking lands beside the wanted frame in many files. Times are
the container's own, so files with a varying rate (phones, screen recordings) are cut by the clock, not by the count.
"""

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from ..common.checks import DataError, InputError, check_choice, check_range, check_whole
from ..common.files import replacing, write_text
from .images import convert

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp")
# The rate assumed of a file that tells neither a rate nor times.
ASSUMED_FPS = 25.0
# So many frames in a row that cannot be had are the end of the file.
MISSES = 64
# FFmpeg writes its remarks on broken files past Python. It is asked to be silent (it reads this once, at the first
# film) instead of closing stderr around every frame, which would swallow what other threads have to say.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Frame(NamedTuple):
    """One frame: `index` counts those that can be had from 0, `time` is in seconds, `image` is uint8 [H, W, C]."""

    index: int
    time: float
    image: np.ndarray


class VideoInfo(NamedTuple):
    """What is known of a video file.

    Attributes:
        path: the file.
        frames: how many frames it has: as its header claims, or as they were counted.
        counted: True if they were counted by reading all of it.
        fps: frames a second (of a varying rate: the mean); None where neither header nor times tell.
        duration: seconds; None where fps is.
        width, height: of a frame, in pixels, upright.
    """

    path: Path
    frames: int
    counted: bool
    fps: float | None
    duration: float | None
    width: int
    height: int


def video_info(path, count=False):
    """Length, rate and size of a video.

    Args:
        path: a video file.
        count: True counts the frames by reading all of them, as happens anyhow where the header claims none or no rate.
            Headers are often wrong: a file cut short claims what it had, and Matroska's number is an estimate.
    Returns: `VideoInfo`.
    Raises: `DataError` naming the file if it is missing, empty, or holds no frame that can be decoded.
    """
    path = Path(path)
    with _opened(path) as capture:
        frames, fps = _claims(capture)
        size = [int(capture.get(prop)) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if frames and fps and not count:
            return VideoInfo(path, frames, False, fps, frames / fps, *size)
        times = [time for _, time in _grabbed(capture, fps)]
    if not times:
        raise DataError(f"{path}: no frame of it can be decoded")
    span = times[-1] - times[0]
    fps = fps or ((len(times) - 1) / span if span > 0 else None)
    return VideoInfo(path, len(times), True, fps, fps and span + 1 / fps, *size)


def read_frames(path, rate=None, count=None, indices=None, size=None, channels=3):
    """Frames of a video as an iterable that reads as it goes; at most one of rate, count and indices is given.

    Args:
        path: a video file; rotated phone videos come upright.
        rate: frames a second to take, by the container's times: of every 1/rate seconds the first frame. A rate above
            the file's gives every frame once.
        count: how many frames to take, from the middles of `count` equal parts of the file. The frames are counted
            first, which reads the file twice, so that a file cut short still gives them all. A shorter file gives
            every frame once.
        indices: numbers of the frames to take, from 0. They come in the file's order and each once, however they are
            given; `Frame.index` tells which is which.
        size: (height, width) to resize to, or None.
        channels: 3 (RGB) or 1 (luminance).
    Returns: `FrameReader`, an iterable of `Frame`.
    Raises: `InputError` for a wrong argument, `DataError` for a file that cannot be opened; while iterating,
        `DataError` if not one frame can be decoded. A file that ends early does not raise: see `FrameReader.complaint`.
    """
    return FrameReader(path, rate, count, indices, size, channels)


class FrameReader:
    """Iterable of the chosen `Frame`s of a video, see `read_frames`; every loop over it begins anew.

    Attributes:
        info: the file's `VideoInfo`.
        expected: frames a whole file would give; None by rate, where it is not known in advance.
        read: frames given so far.
        passed: frames of the file gone through so far.
        complaint: after the last frame, what the file lacks, in a sentence; "" where nothing is amiss (or yet known).
    """

    def __init__(self, path, rate=None, count=None, indices=None, size=None, channels=3):
        self.rate, self.count, self.indices = _check_choice_of_frames(rate, count, indices)
        self.size, self.channels = _check_size(size), check_choice("channels", channels, (1, 3))
        self.info = video_info(path, count=count is not None)
        if count is not None:
            self.indices = _spread(self.info.frames, count)
        self.expected = self.info.frames if rate is None else None
        if self.indices is not None:
            self.expected = count or len(self.indices)
        self.read = self.passed = self._spoilt = 0
        self.complaint = ""

    def __iter__(self):
        self.read = self.passed = self._spoilt = 0
        self.complaint = ""
        is_wanted, last = self._choice()
        with _opened(self.info.path) as capture:
            claimed, fps = _claims(capture)
            for index, time in _grabbed(capture, fps) if last >= 0 else ():
                self.passed = index + 1
                if is_wanted(index, time) and (image := self._image(capture)) is not None:
                    self.read += 1
                    yield Frame(index, time, image)
                if index >= last:
                    break
        if last >= 0 and (self.passed == 0 or self._spoilt and not self.read):
            raise DataError(f"{self.info.path}: no frame of it can be decoded")
        self.complaint = self._shortfall(claimed)

    def _choice(self):
        """(function of index and time that says whether a frame is taken, index after which none is)."""
        if self.rate is not None:
            return _ticks(self.rate), math.inf
        if self.indices is None:
            return (lambda index, time: True), math.inf
        chosen = set(self.indices)
        return (lambda index, time: index in chosen), max(chosen, default=-1)

    def _image(self, capture):
        """The grabbed frame, uint8 [H, W, C]; None, and counted, where its pixels cannot be had."""
        try:
            is_there, pixels = capture.retrieve()
        except cv2.error:
            is_there = False
        if not is_there:
            self._spoilt += 1
            return None
        return convert(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)[None], self.size, self.channels)[0]

    def _shortfall(self, claimed):
        """What is amiss after the last frame."""
        faults, came = [], self.info.frames if self.info.counted else self.passed
        if self._spoilt:
            faults.append(f"the pixels of {self._spoilt} frames cannot be decoded")
        if self.count is not None and self.count > came:
            faults.append(f"it has {came} frames, {self.count} were asked for")
        late = sum(index >= self.passed for index in self.indices or ())
        if late:
            faults.append(f"it ends after {self.passed} frames, before {late} of those asked for")
        is_read_to_its_end = self.indices is None or self.count is not None
        if is_read_to_its_end and came < claimed:
            faults.append(f"its header claims {claimed} frames, {came} can be decoded")
        return f"{self.info.path}: {'; '.join(faults)}" if faults else ""


class Extraction(NamedTuple):
    """What `extract_frames` did: `table` (file, index, time), counts of pictures, and `FrameReader.complaint`."""

    table: pd.DataFrame
    written: int
    kept: int
    complaint: str


def extract_frames(
    path, out_dir, rate=None, count=None, indices=None, size=None, channels=3, format="png", progress=None
):
    """Writes frames of a video as pictures `<stem>_<index>.<format>` and lists them in `frames.csv`.

    An interrupted call can be repeated, also with other frames: pictures that are there are kept. `frames.csv`
    (columns file, index from 0, time in seconds) comes last and lists this call's frames only.

    Args:
        path, rate, count, indices, size, channels: see `read_frames`.
        out_dir: folder for the pictures of one video at one size, made if need be; `source.json` there says of which.
        format: "png" (exact) or "jpg" (quality 95, far smaller).
        progress: True or False for a progress bar; default where there is a screen to show it.
    Returns: `Extraction`.
    Raises: as `read_frames`; `InputError` if out_dir is a file or holds the frames of another video or size.
    """
    check_choice("format", format, ("png", "jpg"))
    reader, folder, rows, written = read_frames(path, rate, count, indices, size, channels), Path(out_dir), [], 0
    video, is_shown = reader.info.path, sys.stderr.isatty() if progress is None else progress
    _claim_folder(folder, {"video": video.name, "bytes": video.stat().st_size, "size": size, "channels": channels})
    for frame in tqdm(reader, video.name, reader.expected, leave=False, unit=" frames", disable=not is_shown):
        picture = folder / f"{video.stem}_{frame.index:06d}.{format}"
        if not picture.is_file():
            with replacing(picture) as part:
                Image.fromarray(frame.image.squeeze()).save(part, quality=95)
            written += 1
        rows.append((picture.name, frame.index, round(frame.time, 6)))
    table = pd.DataFrame(rows, columns=["file", "index", "time"])
    with replacing(folder / "frames.csv") as part:
        table.to_csv(part, index=False)
    return Extraction(table, written, len(rows) - written, reader.complaint)


def _claim_folder(folder, source):
    """Writes into the folder whose frames it holds; `InputError` if it holds others, which would pass for these."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out_dir: must be a folder; {folder} is a file")
    text = json.dumps(source)
    try:
        there = (folder / "source.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        write_text(folder / "source.json", text)
        return
    if there != text:
        raise InputError(f"out_dir: {folder} holds frames of {there}, these are of {text}; give another folder")


def _check_choice_of_frames(rate, count, indices):
    """(rate, count, sorted indices) after checking that at most one is given and makes sense."""
    given = [name for name, value in (("rate", rate), ("count", count), ("indices", indices)) if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: only one of rate, count and indices may be given")
    if rate is not None and check_range("rate", rate, 0) == 0:
        raise InputError("rate: must be above 0 frames a second; received 0")
    if count is not None:
        check_whole("count", count, 1)
    if indices is None:
        return rate, count, None
    if not isinstance(indices, Iterable):
        raise InputError(f"indices: must be a list of frame numbers; received {indices!r}")
    indices = list(indices)
    wrong = [value for value in indices if not isinstance(value, Integral) or isinstance(value, bool) or value < 0]
    if wrong:
        raise InputError(f"indices: must be whole numbers from 0; received {wrong[0]!r}")
    return rate, count, sorted({int(value) for value in indices})


def _check_size(size):
    """None or (height, width)."""
    if size is None:
        return None
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise InputError(f"size: must be (height, width); received {size!r}")
    return tuple(check_whole("size", side, 1, 8192) for side in size)


def _spread(frames, count):
    """The middles of `count` equal parts of 0..frames-1; all of them where there are fewer."""
    return sorted({(2 * part + 1) * frames // (2 * count) for part in range(count)})


def _ticks(rate):
    """A function (index, time) that is True for the first frame of every 1/rate seconds."""
    # containers round times, Matroska to whole milliseconds: a frame that early still belongs to its tick
    tolerance, last = min(1e-3, 0.25 / rate), -1

    def is_first(index, time):
        nonlocal last
        tick = math.floor((time + tolerance) * rate)
        is_new = tick > last
        last = max(last, tick)
        return is_new

    return is_first


@contextlib.contextmanager
def _opened(path):
    """The file as a `cv2.VideoCapture`, closed at the end; `DataError` naming it if it cannot be opened."""
    fault = _fault(path)
    if fault:
        raise DataError(f"{path}: {fault}")
    logging = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        # FFmpeg by name: other readers of OpenCV take "a_%02d.avi" for a series of pictures
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        logging.setLogLevel(level)
    try:
        if not capture.isOpened():
            raise DataError(f"{path}: is not a video that can be read, or is cut off before its index")
        yield capture
    finally:
        capture.release()


def _fault(path):
    """Why the file cannot be opened, or None; a name that is none of a file never reaches FFmpeg, which takes URLs."""
    if os.path.isdir(path):
        return "is a folder, not a video"
    try:
        with open(path, "rb") as file:
            return None if file.read(1) else "is empty (0 bytes)"
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be opened ({error.strerror or error})"


def _claims(capture):
    """(frames, fps) by the header; 0 and None where it tells nothing or nonsense."""
    frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    frames = int(frames) if math.isfinite(frames) and 0 < frames < 1e9 else 0
    return frames, fps if math.isfinite(fps) and 0 < fps <= 1000 else None


def _grabbed(capture, fps):
    """(index, time in seconds) of each frame in turn; times never fall, and come from the count where none are kept."""
    index, misses, time = 0, 0, 0.0
    while misses < MISSES:  # a damaged place looks like the end, but frames come after it
        if not capture.grab():
            misses += 1
            continue
        told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        is_told = math.isfinite(told) and (told > 0 or (told == 0 and index == 0))
        time = max(time, told if is_told else index / (fps or ASSUMED_FPS))
        yield index, time
        index, misses = index + 1, 0
