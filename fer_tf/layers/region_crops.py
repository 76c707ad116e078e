"""Regions of a face (Wang et al. 2020, §III-B): crops at fixed places, resized to the size of the input."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..common.checks import check_choice, check_whole

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

    Rows and columns are interpolated one after the other by two matrix products, which cost
    a third of a gather on a processor.

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
        rows, columns = (ops.cast(matrix, self.compute_dtype) for matrix in _matrices(self.crops, *images.shape[1:3]))
        tall = ops.einsum("rih,nhwc->nriwc", rows, images)
        return ops.einsum("rjw,nriwc->nrijc", columns, tall)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], len(CROP_SETS[self.crops]), *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "crops": self.crops}


def _matrices(crops, height, width):
    """Weights of the picture's rows in each region's rows, float32 [R, H, H], and of its columns, [R, W, W]."""
    left, top, wide, high = crop_boxes(crops, height, width).T
    return _interpolation(top, high, height), _interpolation(left, wide, width)


def _interpolation(starts, lengths, count):
    """The weights of `count` pixels in the `count` pixels of each region, float32 [R, count, count].

    Pixel i of a region lies at (i + 1/2)·scale − 1/2 from the region's start, clipped to the region. `resize` of
    OpenCV samples a crop at the same positions. A pixel at distance d from it has the weight 1 − d, at least 0.
    """
    scales = (lengths / count)[:, None]
    inside = np.clip((np.arange(count) + 0.5) * scales - 0.5, 0, lengths[:, None] - 1)
    points = starts[:, None] + inside
    return np.maximum(1 - np.abs(points[:, :, None] - np.arange(count)), 0).astype(np.float32)


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
