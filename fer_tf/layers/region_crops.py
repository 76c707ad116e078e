"""Regions of a face (Wang et al. 2020, §III-B): crops at fixed places, resized to the size of the input."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..common.checks import check_choice, check_whole
from .sampling import sample

# (left, top, side) as shares of the picture's side; index 0 is the whole face.
_WHOLE = (0.0, 0.0, 1.0)


def _drawn(count, seed):
    """Random squares with sides of 0.7 to 0.95 of the picture's side: "random cropping" of the paper, drawn once."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.7, 0.95, count)
    lefts, tops = rng.random((2, count)) * (1 - sides)
    return list(zip(lefts, tops, sides, strict=True))


CROP_SETS = {
    # document [1], figure 4: top left, top middle, top right, bottom left, bottom middle, bottom right
    "fixed6": (_WHOLE, *((left, top, 0.75) for top in (0.0, 0.25) for left in (0.0, 0.125, 0.25))),
    # "fixed position cropping" of the paper: top left, top right, bottom middle, and two at the centre
    "fixed5": (
        _WHOLE,
        (0.0, 0.0, 0.75),
        (0.25, 0.0, 0.75),
        (0.125, 0.25, 0.75),
        (0.05, 0.05, 0.9),
        (0.075, 0.075, 0.85),
    ),
    # the paper draws new crops for every picture; we draw them once, so that predictions are reproducible
    "random5": (_WHOLE, *_drawn(5, seed=0)),
}


def crop_boxes(crops: str, height: int, width: int) -> np.ndarray:
    """A crop set in pixels.

    Args:
        crops: a key of `CROP_SETS`.
        height, width: size of the picture in pixels.
    Returns: float [R, 4] as (left, top, width, height); index 0 is the whole picture.
    Raises: `InputError` for an unknown crop set.
    """
    boxes = np.array(CROP_SETS[check_choice("crops", crops, CROP_SETS)])
    left, top, side = boxes.T
    return np.stack([left * width, top * height, side * width, side * height], axis=1)


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionCrops(keras.layers.Layer):
    """Crops the regions I_0 .. I_K of a picture and resizes each (bilinear) to the size of the picture.

    One gather samples all regions, without a loop.

    Args:
        crops: a key of `CROP_SETS`.
    Call arguments:
        inputs: [N, H, W, C].
    Returns: float [N, R, H, W, C]; index 0 is the unchanged picture.
    Reference: Wang et al. 2020, "Region Attention Networks", §III-B; document [1], §C a).
    """

    def __init__(self, crops: str = "fixed6", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crops = check_choice("crops", crops, CROP_SETS)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        images = ops.cast(inputs, self.compute_dtype)
        height, width, channels = images.shape[1:]
        x, y = _points(crop_boxes(self.crops, height, width), height, width)
        # the regions of a picture are sampled as one tall picture of R·H rows
        shape = (ops.shape(images)[0], *x.shape)
        regions = sample(images, ops.broadcast_to(x[None], shape), ops.broadcast_to(y[None], shape), "edge")
        return ops.reshape(regions, (-1, x.shape[0] // height, height, width, channels))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], len(CROP_SETS[self.crops]), *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "crops": self.crops}


def _points(boxes, height, width):
    """Positions of all region pixels in the picture: x, y float32 [R·H, W].

    Pixel i of a region lies at (i + 1/2)·scale − 1/2 from the region's left edge, clipped to the region. `resize` of
    OpenCV samples a crop at the same positions.
    """
    x = [_along(left, side, width) for left, _, side, _ in boxes]
    y = [_along(top, side, height) for _, top, _, side in boxes]
    shape = (len(boxes), height, width)
    x = np.broadcast_to(np.array(x)[:, None, :], shape)
    y = np.broadcast_to(np.array(y)[:, :, None], shape)
    return (points.reshape(-1, width).astype(np.float32) for points in (x, y))


def _along(start, length, count):
    points = (np.arange(count) + 0.5) * (length / count) - 0.5
    return start + np.clip(points, 0, length - 1)


@keras.saving.register_keras_serializable(package="fer_tf")
class FoldRegions(keras.layers.Layer):
    """Folds the regions into the batch: [N, R, ...] → [N·R, ...]. One forward pass of the backbone then handles all."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (None, *input_shape[2:])


@keras.saving.register_keras_serializable(package="fer_tf")
class UnfoldRegions(keras.layers.Layer):
    """Reverses `FoldRegions`: [N·R, ...] → [N, R, ...].

    Args:
        regions: R, at least 1.
    """

    def __init__(self, regions: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.regions = check_whole("regions", regions, low=1)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return ops.reshape(inputs, (-1, self.regions, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (None, self.regions, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "regions": self.regions}
