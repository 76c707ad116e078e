"""Reads the frames of video files one after another, without holding a film in memory.

Frames are reached by reading from the first frame on: in many files, seeking gives a frame next to the wanted one.
Times come from the container. So files with a varying frame rate (phones, screen recordings) are cut by time and not
by frame count.
"""

import contextlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..common.checks import DataError, InputError, check_choice, check_range, check_whole
from .images import convert

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp")
# Frame rate of a file that has neither a rate nor times.
ASSUMED_FPS = 25.0
# Matroska and WebM (first bytes: EBML) store no number of frames. OpenCV computes one from the length of the longest
# track, and the sound may be longer than the pictures by a part of a second.
_EBML, _SOUND_TAIL = b"\x1aE\xdf\xa3", 1.0
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


def video_info(path: str | Path) -> VideoInfo:
    """Length, frame rate and size of a video.

    They come from the header, which may be wrong: a file that was cut short has its old count, and Matroska estimates
    it. Without a frame count or a rate in the header, the whole file is read and its frames are counted.

    Args:
        path: a video file.
    Returns: `VideoInfo`.
    Raises: `DataError` that names the file if it is missing or empty, or if no frame can be decoded.
    """
    path = Path(path)
    with _opened(path) as capture:
        frames, fps = _claims(capture)
        size = [int(capture.get(prop)) for prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if frames and fps:
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
    indices: Iterable[int] | None = None,
    size: tuple[int, int] | None = None,
    channels: int = 3,
) -> "FrameReader":
    """Frames of a video as an iterable that reads the file step by step: all of them, or those of `rate` or `indices`.

    Args:
        path: a video file; rotated phone videos are turned upright.
        rate: frames per second to take, by the container's times: the first frame in every 1/rate seconds. A rate above
            the file's own gives every frame once.
        indices: numbers of the frames to take, from 0, in any order. Frames come in the file's order, each once;
            `Frame.index` is their number.
        size: (height, width) in pixels to resize to, or None.
        channels: 3 (RGB) or 1 (luminance).
    Returns: `FrameReader`, an iterable of `Frame`.
    Raises: `InputError` for a wrong argument, `DataError` for a file that cannot be opened. While reading, `DataError`
        if no frame can be decoded. A file that ends early does not raise: see `FrameReader.complaint`.
    """
    if rate is not None and indices is not None:
        raise InputError("rate and indices: only one of them may be given")
    if rate is not None and check_range("rate", rate, 0) == 0:
        raise InputError("rate: must be above 0 frames a second; received 0")
    numbers = None if indices is None else _frame_numbers(indices)
    size, channels = _check_size(size), check_choice("channels", channels, (1, 3))
    return FrameReader(video_info(path), rate, numbers, size, channels)


@dataclass
class FrameReader:
    """Iterable of the chosen `Frame`s of a video, see `read_frames`. Every loop starts at the first frame again.

    Attributes:
        info: the file's `VideoInfo`.
        rate, indices, size, channels: see `read_frames`; the indices are sorted.
        read: frames returned so far.
        passed: frames of the file read so far, with those that were not chosen.
        complaint: after the last frame, a sentence on what is wrong with the file, or "".
    """

    info: VideoInfo
    rate: float | None
    indices: list[int] | None
    size: tuple[int, int] | None
    channels: int
    read: int = 0
    passed: int = 0
    complaint: str = ""

    @property
    def expected(self) -> int | None:
        """Number of frames that a complete file gives; None with a rate, where it is not known in advance."""
        if self.rate is not None:
            return None
        return self.info.frames if self.indices is None else len(self.indices)

    def __iter__(self) -> Iterator[Frame]:
        self.read = self.passed = self._spoilt = 0
        self.complaint = ""
        is_wanted, last = self._choice()
        with _opened(self.info.path) as capture:
            claimed, fps = _claims(capture)
            claimed -= _sound_tail(self.info.path, fps)
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
        faults = [f"the pixels of {self._spoilt} frames cannot be decoded"] if self._spoilt else []
        late = sum(index >= self.passed for index in self.indices or ())
        if late:
            faults.append(f"it ends after {self.passed} frames, before {late} of those asked for")
        if self.indices is None and self.passed < claimed:
            faults.append(f"its header claims {self.info.frames} frames, {self.passed} can be decoded")
        return f"{self.info.path}: {'; '.join(faults)}" if faults else ""


def _frame_numbers(indices):
    """The numbers as a sorted list, each once; `InputError` for anything but whole numbers from 0."""
    if not isinstance(indices, Iterable):
        raise InputError(f"indices: must be a list of frame numbers; received {indices!r}")
    indices = list(indices)
    wrong = [value for value in indices if not isinstance(value, Integral) or isinstance(value, bool) or value < 0]
    if wrong:
        raise InputError(f"indices: must be whole numbers from 0; received {wrong[0]!r}")
    return sorted({int(value) for value in indices})


def _check_size(size):
    """None or (height, width)."""
    if size is None:
        return None
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise InputError(f"size: must be (height, width); received {size!r}")
    return tuple(check_whole("size", side, 1, 8192) for side in size)


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
def opencv_path(path: str | Path) -> Iterator[str]:
    """Gives the path as text for OpenCV, which crashes if a name is not UTF-8: then as a link with a plain name.

    The link is to the file's folder, and to the file if it exists. It is removed after the block.
    """
    text = str(path)
    if _is_utf8(text):
        yield text
        return
    path = Path(os.path.abspath(path))
    with tempfile.TemporaryDirectory(prefix="fer_tf_") as folder:
        link = Path(folder, "folder")
        link.symlink_to(path.parent)
        if not _is_utf8(path.name):
            link = Path(folder, "film")
            link.symlink_to(path)
        yield str(link if link.name == "film" else link / path.name)


def _is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
        with opencv_path(path) as name:
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
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
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"cannot be opened ({getattr(error, 'strerror', None) or error})"


def _claims(capture):
    """(frames, fps) from the header; 0 and None if it has no plausible values."""
    frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    frames = int(frames) if math.isfinite(frames) and 0 < frames < 1e9 else 0
    return frames, fps if math.isfinite(fps) and 0 < fps <= 1000 else None


def _sound_tail(path, fps):
    """Frames that a whole file may lack, because its number of frames is computed from a length in seconds."""
    with open(path, "rb") as file:
        return round(_SOUND_TAIL * (fps or ASSUMED_FPS)) if file.read(4) == _EBML else 0


def _grabbed(capture, fps):
    """Yields (index, time in seconds) of each frame. Times never decrease; without times, the rate gives them."""
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
