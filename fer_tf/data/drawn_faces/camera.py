"""What camera and file do to a picture (exposure, blur, noise, compression), and the background behind the head."""

import cv2
import numpy as np

from .difficulty import Difficulty
from .painter import paint
from .scene import Draws

_TRIANGLE_STD = 104.5  # standard deviation of the sum of two uniform bytes


class Backdrop:
    """The backgrounds of a batch: a plain colour, some with blurred shapes. `behind(canvas, i)` draws one."""

    def __init__(self, draws: Draws, level: Difficulty, channels: int) -> None:
        u = draws.group("backdrop")
        self.textured = (draws.of("background") < level.background).tolist()
        base = 30 + 200 * u[:, :3] * 0.5 + 100 * u[:, 3:4]
        self.base = paint(base, channels)
        shades = base[:, None] + 90 * (u[:, 4:8, None] - 0.5) + 40 * (u[:, 20:24, None] - 0.5) * (1, 0, -1)
        self.shades = paint(shades, channels)
        self.places = u[:, 8:20].reshape(-1, 4, 3)

    def behind(self, canvas: np.ndarray, i: int) -> None:
        """Fills the canvas of image i with its background, in place. canvas: uint8 [C, C] or [C, C, 3]."""
        canvas[:] = self.base[i]
        if self.textured[i]:
            size = canvas.shape[0]
            for at, (shade, (x, y, r)) in enumerate(zip(self.shades[i], self.places[i], strict=True)):
                left, top, reach = int(x * size), int(y * size), int((0.15 + 0.35 * r) * size)
                if at % 2:
                    cv2.circle(canvas, (left, top), reach, shade, -1)
                else:
                    cv2.rectangle(canvas, (left, top), (left + reach, top + 2 * reach), shade, -1)


class Camera:
    """Exposure, blur, noise and JPEG of every picture. `take(picture, i)` returns the photograph."""

    def __init__(self, draws: Draws, level: Difficulty, size: int) -> None:
        self.gain = (1 + level.exposure * 0.5 * (draws.of("contrast") - 0.5)).round(4).tolist()
        self.bias = (level.exposure * 70 * (draws.of("bright") - 0.5)).round(2).tolist()
        self.sigma = (draws.between("blur", level.blur) * size / 48).round(4).tolist()
        self.noise = np.rint(draws.between("noise", level.noise) * 1024 / _TRIANGLE_STD).astype(int).tolist()
        self.saved = (draws.of("jpeg") < level.jpeg).tolist()
        self.quality = (30 + 55 * draws.of("quality")).astype(int).tolist()
        self.generators = draws.generators

    def take(self, picture: np.ndarray, i: int) -> np.ndarray:
        """The photograph of picture i, uint8, same shape as `picture` ([size, size] or [size, size, 3])."""
        picture = _expose(picture, self.gain[i], self.bias[i])
        if self.sigma[i] > 0.2:
            picture = cv2.GaussianBlur(picture, (0, 0), self.sigma[i])
        if self.noise[i]:
            picture = _grain(picture, self.noise[i], self.generators[i])
        if self.saved[i]:
            picture = _through_jpeg(picture, self.quality[i])
        return picture


def _through_jpeg(picture, quality):
    """The picture, saved as JPEG and read back. OpenCV's files are BGR, our pictures RGB."""
    colour = picture.ndim == 3
    _, data = cv2.imencode(".jpg", picture[..., ::-1] if colour else picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return picture[..., ::-1] if colour else picture


_LEVELS = np.arange(256) - 128.0


def _expose(picture, gain, bias):
    """Contrast around mid gray, then brightness. It uses a table, so the result is the same on every machine."""
    table = np.rint(_LEVELS * gain + 128 + bias).clip(0, 255).astype(np.uint8)
    return cv2.LUT(picture, table)


def _grain(picture, strength, generator):
    """Adds triangular noise of standard deviation strength * 104.5 / 1024, in whole numbers: the same everywhere."""
    bytes_ = generator.integers(0, 256, (2, *picture.shape), np.uint8)
    grain = bytes_[0].astype(np.int32) + bytes_[1] - 255
    return np.clip(picture + ((grain * strength + 512) >> 10), 0, 255).astype(np.uint8)
