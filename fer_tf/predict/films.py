"""Films to predict, from files and cameras, and the annotated film of the results."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..common.checks import DataError, InputError, check_range, check_whole
from ..common.files import replacing
from ..common.text import one_line, shown_path
from ..data.video import ASSUMED_FPS, MISSES, opencv_path, read_frames
from .addresses import is_stream, shown_name
from .inputs import check_harmless
from .pictures import Picture

# Frames per second of a camera's annotated film. It is fixed, because nobody knows how fast frames will be predicted.
CAMERA_FPS = 10.0
# Milliseconds to wait for a stream.
_STREAM_WAIT = 10_000
# In the annotated film a longer jump of the film's clock is shortened to this, in seconds.
LONGEST_PAUSE = 10.0


class FileFilm:
    """The frames of a video file as `Picture`s.

    Args:
        path: the file.
        every: use every Nth frame: 0, every, 2 every, …
        fps: use this number of frames per second of the file's clock instead.
        first_frame: skip the frames before this number.
        progress: show a progress bar.
        name: what its pictures name as their path [default: the path].
    Raises: `DataError` if the file cannot be read, also during the iteration.

    Attributes:
        name: the path as text.
        fps: frames per second that the iteration gives.
        complaint: what is wrong with the file, known after the last frame; "" if it is complete.
    """

    is_live = False

    def __init__(
        self,
        path: str | Path,
        every: int = 1,
        fps: float | None = None,
        first_frame: int = 0,
        progress: bool = False,
        name: str = "",
    ) -> None:
        check_harmless(path)
        self.every, self.first_frame, self.progress = every, first_frame, progress
        self.name, self.complaint = name or shown_path(path), ""
        self._path, self._reader = path, read_frames(path, rate=fps)
        info = self._reader.info
        limit = Image.MAX_IMAGE_PIXELS or math.inf
        if info.width * info.height > limit:
            raise DataError(f"{path}: its frames have more than {limit:,} pixels; shrink them first")
        file_fps = info.fps or ASSUMED_FPS
        self.fps = min(file_fps, fps) if fps else file_fps / every

    def __iter__(self) -> Iterator[Picture]:
        from tqdm.auto import tqdm

        title, expected = one_line(Path(self.name).name), self._reader.expected
        for frame in tqdm(self._reader, title, expected, leave=False, unit=" frames", disable=not self.progress):
            if frame.index >= self.first_frame and frame.index % self.every == 0:
                yield Picture(self.name, frame.image, "", frame.index, frame.time)
        self.complaint = self._reader.complaint.removeprefix(f"{self._path}: ")


def _open_camera(number):
    """Opens a camera or a stream without OpenCV's messages about a missing one."""
    logging = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        if isinstance(number, str):
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_WAIT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STREAM_WAIT]
            return cv2.VideoCapture(number, cv2.CAP_FFMPEG, limits)
        return cv2.VideoCapture(number)
    finally:
        logging.setLogLevel(level)


class Camera:
    """The frames of a camera as `Picture`s, until the camera stops, `seconds` have passed or the user presses Ctrl-C.

    Args:
        number: number of the camera, from 0, or the address of a stream (`rtsp://…`).
        seconds: when to stop; None for no limit.
        every, fps: see `FileFilm`; `fps` uses the clock.
        open_capture: function(number) that returns a `cv2.VideoCapture` or a similar object.
        clock: function that returns seconds.
    Raises: `InputError` for wrong arguments; `DataError` during the iteration if the camera gives no picture.

    Attributes:
        name: "webcam:" with the number, or the address of the stream.
        fps: frames per second of the annotated film.
        complaint: "stopped giving pictures" if the camera ended before the user stopped it, else "".
    """

    is_live = True
    complaint = ""

    def __init__(
        self,
        number: int | str = 0,
        seconds: float | None = None,
        every: int = 1,
        fps: float | None = None,
        open_capture: Callable = _open_camera,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(number, str) and not is_stream(number):
            raise InputError(f"webcam: must be a camera's number or the address of a stream; received {number!r}")
        self.number = number if isinstance(number, str) else check_whole("webcam", number, 0)
        self.name = shown_name(number) if isinstance(number, str) else f"webcam:{number}"
        self.seconds = math.inf if seconds is None else check_range("seconds", seconds, 0)
        self.every, self._step = every, 1 / fps if fps else 0.0
        self.fps = fps or CAMERA_FPS
        self._open, self._clock = open_capture, clock

    def __str__(self) -> str:
        return self.name

    def __iter__(self) -> Iterator[Picture]:
        capture = self._open(self.number)
        try:
            if not capture.isOpened():
                is_camera = "there is no camera with this number, or it is in use"
                is_stream = f"cannot be opened: no answer within {_STREAM_WAIT // 1000} seconds, or not a stream"
                raise DataError(f"{self.name}: {is_stream if isinstance(self.number, str) else is_camera}")
            with stop_asked() as is_asked:
                yield from self._frames(capture, is_asked)
        finally:
            capture.release()

    def _frames(self, capture, is_asked):
        self.complaint = ""
        begin, index, misses, next_time = self._clock(), -1, 0, 0.0
        while misses < MISSES and not is_asked():
            is_read, pixels = capture.read()
            time_passed = self._clock() - begin
            misses = 0 if is_read else misses + 1
            if time_passed > self.seconds:
                break
            index += bool(is_read)
            if is_read and index % self.every == 0 and time_passed >= next_time:
                next_time = max(next_time + self._step, time_passed - self._step)
                yield Picture(self.name, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), "", index, time_passed)
        if misses and index < 0:
            raise DataError(f"{self.name}: is open but gives no picture; is it a camera, and is its use allowed?")
        if misses == MISSES:
            self.complaint = "stopped giving pictures"


@contextlib.contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """Gives a function that returns True after the user pressed Ctrl-C.

    The first Ctrl-C does not stop the program, so that a camera's results can be completed. The second one does.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(*_):
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class FilmWriter:
    """Writes pictures with any times into an .mp4 with a constant rate. Each picture stays until the next one's time.

    Args:
        path: the file to write; see `written_film`.
        fps: frames per second; values outside 1 to 120 are clipped.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path, self.fps = path, min(max(float(fps), 1.0), 120.0)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width and height of the film, set by the first picture
        self._held: np.ndarray | None = None
        self._begin: float | None = None
        self._written = 0

    def add(self, image: np.ndarray, seconds: float) -> None:
        """Appends a picture.

        Args:
            image: uint8 [H, W, 3] (RGB). All pictures are resized to the size of the first one.
            seconds: time from which it is shown.
        Raises: `InputError` if OpenCV cannot write a film of this size.
        """
        if self._begin is None:
            self._begin = seconds
            self._open(image)
        frames = round((seconds - self._begin) * self.fps)
        if frames - self._written > LONGEST_PAUSE * self.fps:  # broken clocks jump by years
            self._begin += (frames - self._written) / self.fps - LONGEST_PAUSE
            frames = round((seconds - self._begin) * self.fps)
        self._repeat(frames)
        self._held = image

    def _open(self, image):
        # the codec needs even sides
        self._size = tuple(side + side % 2 for side in image.shape[1::-1])
        code = cv2.VideoWriter_fourcc(*"mp4v")
        with opencv_path(self.path) as name:
            self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, code, self.fps, self._size)
        if not self._writer.isOpened():
            raise InputError(f"{self.path}: OpenCV {cv2.__version__} cannot write a film of {self._size} pixels")

    def _repeat(self, until):
        """Writes the held picture again and again until the film has `until` frames."""
        if self._held is None or until <= self._written:
            return
        frame = cv2.cvtColor(self._held, cv2.COLOR_RGB2BGR)
        height, width = frame.shape[:2]
        right, below = self._size[0] - width, self._size[1] - height
        if (right, below) not in ((0, 0), (0, 1), (1, 0), (1, 1)):
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        elif right or below:
            frame = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE)
        for _ in range(until - self._written):
            self._writer.write(frame)
        self._written = until

    def close(self) -> None:
        """Writes the last picture and closes the file."""
        self._repeat(self._written + 1)
        if self._writer is not None:
            self._writer.release()


@contextlib.contextmanager
def written_film(path: str | Path, fps: float) -> Iterator[FilmWriter]:
    """Gives a `FilmWriter` and moves its file to `path` after the block.

    There is no file if no picture was added or the block fails.
    """
    with contextlib.suppress(_EmptyFilm), replacing(path) as temporary:
        with contextlib.closing(FilmWriter(temporary, fps)) as film:
            yield film
        if not temporary.is_file():
            raise _EmptyFilm


class _EmptyFilm(Exception):
    """No picture was added."""
