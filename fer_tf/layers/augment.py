"""The kit's only augmentation: a pure function of images and random numbers, applied once to each batch.

The random numbers are arguments. The same numbers therefore give the same pictures on every backend, with any number of
threads, and after a resumed run.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from .sampling import centred_grid, sample

# Each picture gets one uniform number in 0..1 for each of these.
DRAWS = (
    "rotation",
    "zoom",
    "shift_x",
    "shift_y",
    "flip",
    "brightness",
    "contrast",
    "red",
    "green",
    "blue",
    "perspective_x",
    "perspective_y",
    "erase",
    "erase_area",
    "erase_aspect",
    "erase_x",
    "erase_y",
)
_INDEX = {name: index for index, name in enumerate(DRAWS)}


@dataclass(frozen=True)
class Augmentation:
    """The largest changes that the augmentation makes; zero switches a change off.

    Attributes:
        rotation: degrees, in both directions.
        zoom: share by which the face grows or shrinks, 0..1.
        shift: share of the picture's side, in x and y, 0..1.
        flip: mirror half of the pictures.
        brightness: share of 255 that is added or subtracted, 0..1.
        contrast: share by which differences from the picture's mean grow or shrink, 0..1.
        color: share by which each channel of an RGB picture is scaled separately, 0..1.
        perspective: tilt; 0.1 makes one side look about a tenth nearer.
        erase: share of pictures that get a gray rectangle of 2 to 20 % of their area, 0..1 (Zhong et al. 2020).
    """

    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    color: float = 0.0
    perspective: float = 0.0
    erase: float = 0.0


def augment(images: keras.KerasTensor, draws: keras.KerasTensor, settings: Augmentation) -> keras.KerasTensor:
    """Augments a batch.

    Args:
        images: uint8 or float [N, H, W, C], range 0..255.
        draws: float [N, len(DRAWS)], uniform random numbers in 0..1.
        settings: the largest changes.
    Returns: float32 [N, H, W, C], range 0..255.
    """
    images, draws = ops.cast(images, "float32"), ops.convert_to_tensor(draws, "float32")
    for stage in augmentation_stages(settings):
        images = stage(images, draws)
    return images


def augmentation_stages(
    settings: Augmentation,
) -> list[Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]]:
    """The steps of `augment` that these settings need.

    Compile them one by one: in one compiled function XLA would compute the warp again for each step that uses it.

    Args:
        settings: the largest changes.
    Returns: list of functions (images float [N, H, W, C], draws float [N, len(DRAWS)]) -> images of the same shape.
    """
    stages = []
    if settings.rotation or settings.zoom or settings.shift or settings.flip or settings.perspective:
        stages.append(lambda images, draws: _warp(images, draws, settings))
    if settings.brightness or settings.contrast or settings.color:
        stages.append(lambda images, draws: _light(images, draws, settings))
    if settings.erase:
        stages.append(lambda images, draws: _erase(images, draws, settings.erase))
    return stages


def mix(images: keras.KerasTensor, partners: keras.KerasTensor, share: keras.KerasTensor) -> keras.KerasTensor:
    """Mixup (Zhang et al. 2018): share · images + (1 − share) · partners.

    Args:
        images, partners: [N, H, W, C].
        share: float [N], 0..1.
    Returns: float32 [N, H, W, C].
    """
    share = ops.reshape(ops.cast(share, "float32"), (-1, 1, 1, 1))
    return share * ops.cast(images, "float32") + (1.0 - share) * ops.cast(partners, "float32")


def _signed(draws, name):
    """The random number of that name, scaled to -1..1, [N, 1, 1]."""
    return (draws[:, _INDEX[name]] * 2.0 - 1.0)[:, None, None]


def _warp(images, draws, s):
    """Rotation, zoom, shift, flip and perspective as one projective map, so pictures are sampled only once."""
    height, width = images.shape[1], images.shape[2]
    angle = _signed(draws, "rotation") * (s.rotation * np.pi / 180)
    scale = 1.0 / (1.0 + _signed(draws, "zoom") * s.zoom)
    mirror = ops.where(draws[:, _INDEX["flip"]] < 0.5 * float(s.flip), -1.0, 1.0)[:, None, None]
    x, y = centred_grid(height, width)
    tilt_x = _signed(draws, "perspective_x") * (x / (width / 2))
    tilt_y = _signed(draws, "perspective_y") * (y / (height / 2))
    tilt = 1.0 + s.perspective * (tilt_x + tilt_y)
    x, y = mirror * x / tilt, y / tilt
    cosine, sine = ops.cos(angle) * scale, ops.sin(angle) * scale
    column = cosine * x - sine * y + width * s.shift * _signed(draws, "shift_x") + (width - 1) / 2
    row = sine * x + cosine * y + height * s.shift * _signed(draws, "shift_y") + (height - 1) / 2
    return sample(images, column, row, fill="edge")


def _light(images, draws, s):
    """Changes contrast, brightness and colour, then clips to 0..255."""
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * (1.0 + s.contrast * _signed(draws, "contrast")[..., None])
    images = images + 255.0 * s.brightness * _signed(draws, "brightness")[..., None]
    if s.color and images.shape[-1] == 3:
        first = _INDEX["red"]
        images = images * (1.0 + s.color * (draws[:, None, None, first : first + 3] * 2.0 - 1.0))
    return ops.clip(images, 0.0, 255.0)


def _erase(images, draws, share):
    """Fills a rectangle with the picture's mean in a `share` of the pictures (random erasing, Zhong et al. 2020)."""
    height, width = images.shape[1], images.shape[2]
    x, y = centred_grid(height, width)
    x, y = x / (width / 2), y / (height / 2)
    area = 0.02 + 0.18 * draws[:, _INDEX["erase_area"]][:, None, None]
    aspect = ops.exp(_signed(draws, "erase_aspect") * np.log(3.0))
    # coordinates run from -1 to 1, so the half sides of the rectangle multiply to its share of the area
    half_width, half_height = ops.sqrt(area * aspect), ops.sqrt(area / aspect)
    is_near = ops.logical_and(
        ops.abs(x - _signed(draws, "erase_x")) < half_width, ops.abs(y - _signed(draws, "erase_y")) < half_height
    )
    is_chosen = draws[:, _INDEX["erase"]][:, None, None] < share
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return ops.where(ops.logical_and(is_near, is_chosen)[..., None], mean, images)
