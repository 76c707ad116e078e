"""Reads the frames of video files one after another, without holding a film in memory.

Frames are reached by reading from the first frame on: in many files, seeking gives a frame next to the wanted one.
Times come from the container. So files with a varying frame rate (phones, screen recordings) are cut by time and not
by frame count.
"""

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
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
# Frame rate of a file that has neither a rate nor times.
ASSUMED_FPS = 25.0
# After this many unreadable frames in a row, the file has ended.
MISSES = 64
# FFmpeg writes messages about broken files directly to stderr. This variable silences it (it is read once, at the first
# film). Closing stderr around every frame would also swallow the messages of other threads.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        index: number of the frame, from 0; frames that cannot be read are not counted.
        time: seconds.
        image: uint8 [H, W, C].
    """

    index: int  # type: ignore[assignment]
    time: float
    image: np.ndarray


class VideoInfo(NamedTuple):
    """What is known about a video file.

    Attributes:
        path: the file.
        frames: number of frames, counted or from the header.
        counted: True if the frames were counted by reading the whole file.
        fps: frames per second, the mean if the rate varies; None if neither the header nor the times give it.
        duration: seconds; None if fps is None.
        width, height: size of a frame in pixels, upright.
    """

    path: Path
    frames: int
    counted: bool
    fps: float | None
    duration: float | None
    width: int
    height: int


def video_info(path: str | Path, count: bool = False) -> VideoInfo:
    """Length, frame rate and size of a video.

    Args:
        path: a video file.
        count: True counts the frames by reading the whole file. This also happens if the header has no frame count or
            no rate. Headers are often wrong: a file that was cut short has its old count, and Matroska estimates it.
    Returns: `VideoInfo`.
    Raises: `DataError` that names the file if it is missing or empty, or if no frame can be decoded.
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


def read_frames(
    path: str | Path,
    rate: float | None = None,
    count: int | None = None,
    indices: Iterable[int] | None = None,
    size: tuple[int, int] | None = None,
    channels: int = 3,
) -> "FrameReader":
    """Frames of a video as an iterable that reads the file step by step. Give at most one of rate, count and indices.

    Args:
        path: a video file; rotated phone videos are turned upright.
        rate: frames per second to take, by the container's times: the first frame in every 1/rate seconds. A rate above
            the file's own gives every frame once.
        count: how many frames to take, from the middle of `count` equal parts of the file. The frames are counted
            first, so the file is read twice; a file that was cut short still gives `count` frames. A file with fewer
            frames gives each of them once.
        indices: numbers of the frames to take, from 0, in any order. Frames come in the file's order, each once;
            `Frame.index` is their number.
        size: (height, width) in pixels to resize to, or None.
        channels: 3 (RGB) or 1 (luminance).
    Returns: `FrameReader`, an iterable of `Frame`.
    Raises: `InputError` for a wrong argument, `DataError` for a file that cannot be opened. While reading, `DataError`
        if no frame can be decoded. A file that ends early does not raise: see `FrameReader.complaint`.
    """
    return FrameReader(path, rate, count, indices, size, channels)


class FrameReader:
    """Iterable of the chosen `Frame`s of a video, see `read_frames`. Every loop starts at the first frame again.

    Attributes:
        info: the file's `VideoInfo`.
        expected: number of frames that a complete file gives; None with a rate, where it is not known in advance.
        read: frames returned so far.
        passed: frames of the file read so far, with those that were not chosen.
        complaint: after the last frame, a sentence on what is wrong with the file, or "".
    """

    def __init__(
        self,
        path: str | Path,
        rate: float | None = None,
        count: int | None = None,
        indices: Iterable[int] | None = None,
        size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> None:
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

    def __iter__(self) -> Iterator[Frame]:
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
        """(function (index, time) -> True if the frame is wanted, index of the last wanted frame)."""
        if self.rate is not None:
            return _ticks(self.rate), math.inf
        if self.indices is None:
            return (lambda index, time: True), math.inf
        chosen = set(self.indices)
        return (lambda index, time: index in chosen), max(chosen, default=-1)

    def _image(self, capture):
        """The current frame, uint8 [H, W, C]; None, and counted, if its pixels cannot be decoded."""
        try:
            is_there, pixels = capture.retrieve()
        except cv2.error:
            is_there = False
        if not is_there:
            self._spoilt += 1
            return None
        return convert(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)[None], self.size, self.channels)[0]

    def _shortfall(self, claimed):
        """A sentence on what is wrong with the file, after the last frame; "" if nothing is."""
        faults, available = [], self.info.frames if self.info.counted else self.passed
        if self._spoilt:
            faults.append(f"the pixels of {self._spoilt} frames cannot be decoded")
        if self.count is not None and self.count > available:
            faults.append(f"it has {available} frames, {self.count} were asked for")
        late = sum(index >= self.passed for index in self.indices or ())
        if late:
            faults.append(f"it ends after {self.passed} frames, before {late} of those asked for")
        is_read_to_its_end = self.indices is None or self.count is not None
        if is_read_to_its_end and available < claimed:
            faults.append(f"its header claims {claimed} frames, {available} can be decoded")
        return f"{self.info.path}: {'; '.join(faults)}" if faults else ""


class Extraction(NamedTuple):
    """What `extract_frames` did.

    Attributes:
        table: DataFrame with the columns file, index (from 0) and time (seconds).
        written: number of new pictures.
        kept: number of pictures that already existed.
        complaint: see `FrameReader.complaint`.
    """

    table: pd.DataFrame
    written: int
    kept: int
    complaint: str


def extract_frames(
    path: str | Path,
    out_dir: str | Path,
    rate: float | None = None,
    count: int | None = None,
    indices: Iterable[int] | None = None,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    format: str = "png",
    progress: bool | None = None,
) -> Extraction:
    """Writes frames of a video as pictures `<stem>_<index>.<format>` and lists them in `frames.csv`.

    An interrupted call can be repeated, also with other frames: existing pictures are kept. `frames.csv` (columns file,
    index from 0, time in seconds) is written last and lists the frames of this call only.

    Args:
        path, rate, count, indices, size, channels: see `read_frames`.
        out_dir: folder for the pictures of one video at one size; it is made if needed. `source.json` in it names the
            video.
        format: "png" (exact) or "jpg" (quality 95, much smaller).
        progress: True or False for a progress bar; default: only in a terminal.
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
    """Marks the folder as this video's; `InputError` if it holds frames of another video or size."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out_dir: must be a folder; {folder} is a file")
    text = json.dumps(source)
    try:
        stored = (folder / "source.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        write_text(folder / "source.json", text)
        return
    if stored != text:
        raise InputError(f"out_dir: {folder} holds frames of {stored}, not of {text}; give another folder")


def _check_choice_of_frames(rate, count, indices):
    """(rate, count, sorted indices), after checking that at most one is given and valid."""
    names = [name for name, value in (("rate", rate), ("count", count), ("indices", indices)) if value is not None]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)}: only one of rate, count and indices may be given")
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
    """The middles of `count` equal parts of 0..frames-1; all numbers if there are fewer frames."""
    return sorted({(2 * part + 1) * frames // (2 * count) for part in range(count)})


def _ticks(rate):
    """A function (index, time) that is True for the first frame of every 1/rate seconds."""
    # containers round times, Matroska to whole milliseconds: a frame may come slightly early
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
    """The file as a `cv2.VideoCapture`, closed at the end; `DataError` that names the file if it cannot be opened."""
    fault = _fault(path)
    if fault:
        raise DataError(f"{path}: {fault}")
    logging = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        # FFmpeg explicitly: other readers of OpenCV take "a_%02d.avi" for a series of pictures
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        logging.setLogLevel(level)
    try:
        if not capture.isOpened():
            raise DataError(f"{path}: cannot be read as a video, or is cut short before its index")
        yield capture
    finally:
        capture.release()


def _fault(path):
    """Why the file cannot be opened, or None. Only real files get to FFmpeg, which would also take URLs."""
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
    """(frames, fps) from the header; 0 and None if it has no plausible values."""
    frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    frames = int(frames) if math.isfinite(frames) and 0 < frames < 1e9 else 0
    return frames, fps if math.isfinite(fps) and 0 < fps <= 1000 else None


def _grabbed(capture, fps):
    """Yields (index, time in seconds) of each frame. Times never decrease; without times in the file, the rate gives
    them.
    """
    index, misses, time = 0, 0, 0.0
    while misses < MISSES:  # a damaged place looks like the end of the file, but more frames may follow
        if not capture.grab():
            misses += 1
            continue
        container_time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        has_time = math.isfinite(container_time) and (container_time > 0 or (container_time == 0 and index == 0))
        time = max(time, container_time if has_time else index / (fps or ASSUMED_FPS))
        yield index, time
        index, misses = index + 1, 0
