"""Films to predict, from files and cameras, and the film of the results."""

import contextlib
import math
import signal
import threading
import time
from pathlib import Path

import cv2
from PIL import Image
from tqdm.auto import tqdm

from ..common.checks import DataError, InputError, check_range, check_whole
from ..common.files import replacing
from ..common.text import one_line, shown_path
from ..data.video import ASSUMED_FPS, MISSES, read_frames
from .inputs import check_harmless
from .pictures import Picture

# Frames a second of a camera's annotated film: no camera can be asked how fast its frames will be predicted.
CAMERA_FPS = 10.0
# Seconds: a longer jump of a film's clock is shortened to this in the annotated film.
LONGEST_PAUSE = 10.0


def check_pace(every=1, fps=None):
    """Raises `InputError` unless the choice of frames makes sense; returns it."""
    check_whole("every", every, 1)
    if fps is not None and check_range("fps", fps, 0) == 0:
        raise InputError("fps: must be above 0 frames a second; received 0")
    if fps is not None and every > 1:
        raise InputError("every and fps: only one of them may be given")
    return every, fps


class FileFilm:
    """The frames of a video file as `Picture`s.

    Args:
        path: the file.
        every: takes frames 0, every, 2 every, …
        fps: instead, so many frames a second by the file's clock.
        first: frames before this number are passed over.
        progress: show a bar.
    Raises: `DataError`, also while iterating, where the file cannot be read.

    Attributes:
        fps: frames a second of what is given.
        complaint: after the last frame, what the file lacks; "" where nothing is amiss.
    """

    is_live = False

    def __init__(self, path, every=1, fps=None, first=0, progress=False):
        check_harmless(path)
        self.every, self.first, self.progress = every, first, progress
        self.name, self.complaint = shown_path(path), ""
        self._path, self._reader = path, read_frames(path, rate=fps)
        info = self._reader.info
        if info.width * info.height > Image.MAX_IMAGE_PIXELS:
            raise DataError(f"{path}: its frames have more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink them first")
        own = info.fps or ASSUMED_FPS
        self.fps = min(own, fps) if fps else own / every

    def __iter__(self):
        shown, expected = one_line(Path(self.name).name), self._reader.expected
        for frame in tqdm(self._reader, shown, expected, leave=False, unit=" frames", disable=not self.progress):
            if frame.index >= self.first and frame.index % self.every == 0:
                yield Picture(self.name, frame.image, "", frame.index, frame.time)
        self.complaint = self._reader.complaint.removeprefix(f"{self._path}: ")


def _open_camera(number):
    """A camera without OpenCV's remarks where there is none."""
    logging = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(number)
    finally:
        logging.setLogLevel(level)


class Camera:
    """The frames of a camera as `Picture`s, until it ends, `seconds` have passed or the person interrupts.

    Args:
        number: of the camera, from 0.
        seconds: None for no end.
        every, fps: see `FileFilm`; by the clock.
        open_capture: function(number) that gives a `cv2.VideoCapture` or the like.
        clock: function that tells seconds.
    """

    is_live = True
    complaint = ""

    def __init__(self, number=0, seconds=None, every=1, fps=None, open_capture=_open_camera, clock=time.monotonic):
        self.number, self.name = check_whole("webcam", number, 0), f"webcam:{number}"
        self.seconds = math.inf if seconds is None else check_range("seconds", seconds, 0)
        self.every, self._step = every, 1 / fps if fps else 0.0
        self.fps = fps or CAMERA_FPS
        self._open, self._clock = open_capture, clock

    def __str__(self):
        return self.name

    def __iter__(self):
        capture = self._open(self.number)
        try:
            if not capture.isOpened():
                raise DataError(f"{self.name}: there is no camera of this number, or it is in use")
            with stop_asked() as is_asked:
                yield from self._frames(capture, is_asked)
        finally:
            capture.release()

    def _frames(self, capture, is_asked):
        self.complaint = ""
        begin, index, misses, due = self._clock(), -1, 0, 0.0
        while misses < MISSES and not is_asked():
            is_there, pixels = capture.read()
            now = self._clock() - begin
            misses = 0 if is_there else misses + 1
            if now > self.seconds:
                break
            index += bool(is_there)
            if is_there and index % self.every == 0 and now >= due:
                due = max(due + self._step, now - self._step)
                yield Picture(self.name, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), "", index, now)
        if misses and index < 0:
            raise DataError(f"{self.name}: is open but gives no picture; is it a camera, and allowed?")
        if misses == MISSES:
            self.complaint = "stopped giving pictures"


@contextlib.contextmanager
def stop_asked():
    """Gives a function that tells whether Ctrl-C was pressed, which then ends nothing by itself; pressed again it does.

    A camera's results must be brought to their end, not torn off in the middle.
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
    """Writes pictures of any times into an .mp4 of a steady rate: each stays until the next one's time.

    Args:
        path: of the file to write; see `written_film`.
        fps: frames a second, 1 to 120 (others are brought into this range).
    """

    def __init__(self, path, fps):
        self.path, self.fps = path, min(max(float(fps), 1.0), 120.0)
        self._writer, self._size, self._held, self._begin, self._written = None, None, None, None, 0

    def add(self, image, seconds):
        """Appends uint8 [H, W, 3] (RGB), shown from `seconds` on; all are brought to the first one's size."""
        if self._begin is None:
            self._begin = seconds
            self._open(image)
        wanted = round((seconds - self._begin) * self.fps)
        if wanted - self._written > LONGEST_PAUSE * self.fps:  # broken clocks jump by years
            self._begin += (wanted - self._written) / self.fps - LONGEST_PAUSE
            wanted = round((seconds - self._begin) * self.fps)
        self._repeat(wanted)
        self._held = image

    def _open(self, image):
        # the codec wants even sides
        self._size = tuple(side + side % 2 for side in image.shape[1::-1])
        code = cv2.VideoWriter_fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.fps, self._size)
        if not self._writer.isOpened():
            raise InputError(f"{self.path}: OpenCV {cv2.__version__} cannot write a film of {self._size} pixels")

    def _repeat(self, until):
        """Writes the held picture so often that `until` are written."""
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

    def close(self):
        """Writes what is held and closes the file."""
        self._repeat(self._written + 1)
        if self._writer is not None:
            self._writer.release()


@contextlib.contextmanager
def written_film(path, fps):
    """A `FilmWriter` whose file is moved to `path` after the block; no file where nothing was added or it fails."""
    with contextlib.suppress(_Nothing), replacing(path) as part:
        film = FilmWriter(part, fps)
        try:
            yield film
        finally:
            film.close()
        if not part.is_file():
            raise _Nothing


class _Nothing(Exception):
    """Nothing was added."""
