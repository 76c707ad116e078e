"""The pixels of a model that was not made by the kit, as a layer in front of it."""

import math
import re
from typing import Any

import keras
import numpy as np
from keras import ops

from ..common.checks import InputError, check_choice
from .backbone_input import _CAFFE_MEAN, _LUMINANCE, _TORCH_DEVIATION, _TORCH_MEAN

# name -> what the model's training did with pixels x in 0..255
PIXELS = {
    "0..255": "x",
    "0..1": "x / 255",
    "-1..1": "x / 127.5 - 1",
    "imagenet-caffe": "blue, green and red, minus ImageNet's means (as in the first VGG and ResNet)",
    "imagenet-torch": "x / 255, minus ImageNet's means, divided by its deviations (as in torchvision)",
    "standardised": "x minus the picture's own mean, divided by its own deviation",
}
# Standardised with the mean and deviation of a training set, both in 0..255: (x - 129.5) / 65.
_FIXED = re.compile(r"mean=(\d+\.?\d*),std=(\d+\.?\d*)")
ALLOWED_PIXELS = f"{', '.join(PIXELS)} or mean=M,std=S (numbers in 0..255)"
CHANNELS = ("gray", "rgb", "bgr")
NEED_COLOUR = ("imagenet-caffe", "imagenet-torch")


def check_pixels(pixels: str) -> str:
    """Returns `pixels` if it is a name of `PIXELS`, or mean=M,std=S with S above 0; raises `InputError` otherwise."""
    fixed = _FIXED.fullmatch(pixels) if isinstance(pixels, str) else None
    if pixels not in PIXELS and not (fixed and float(fixed[2]) > 0):
        raise InputError(f"pixels: allowed are {ALLOWED_PIXELS}; received {pixels!r}")
    return pixels


@keras.saving.register_keras_serializable(package="fer_tf")
class DeclaredInput(keras.layers.Layer):
    """Turns raw pixels into those that a model was trained on.

    Args:
        pixels: a key of `PIXELS`, or "mean=M,std=S" for (x - M) / S with x in 0..255.
        channels: what the training's preprocessing was given: "gray" (for a model of three channels, the luminance
            three times), "rgb" or "bgr" (as OpenCV reads files).
    Call arguments:
        inputs: [N, H, W, 1 or 3], gray or RGB, range 0..255.
    Returns: float [N, H, W, 1 or 3], as many channels as the inputs.
    """

    def __init__(self, pixels: str, channels: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pixels, self.channels = check_pixels(pixels), check_choice("channels", channels, CHANNELS)

    def build(self, input_shape: tuple) -> None:
        count = input_shape[-1]
        if count == 1 and (self.channels != "gray" or self.pixels in NEED_COLOUR):
            name, value = ("pixels", self.pixels) if self.channels == "gray" else ("channels", self.channels)
            raise InputError(f"{name}: {value} needs a model of 3 channels; this one takes {count}")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        x = ops.cast(inputs, "float32")
        if x.shape[-1] == 3 and self.channels == "gray":
            x = ops.repeat(ops.sum(x * np.array(_LUMINANCE, "float32"), axis=-1, keepdims=True), 3, axis=-1)
        elif self.channels == "bgr":
            x = ops.flip(x, axis=-1)
        return ops.cast(self._normalised(x), self.compute_dtype)

    def _normalised(self, x):
        if self.pixels == "0..1":
            return x / 255.0
        if self.pixels == "-1..1":
            return x / 127.5 - 1.0
        if self.pixels == "imagenet-caffe":
            return ops.flip(x, axis=-1) - np.array(_CAFFE_MEAN, "float32")
        if self.pixels == "imagenet-torch":
            return (x / 255.0 - np.array(_TORCH_MEAN, "float32")) / np.array(_TORCH_DEVIATION, "float32")
        if self.pixels == "standardised":
            return _standardised(x)
        fixed = _FIXED.fullmatch(self.pixels)
        return (x - float(fixed[1])) / float(fixed[2]) if fixed else x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pixels": self.pixels, "channels": self.channels}


def _standardised(x):
    """Pictures with mean 0 and deviation 1, as `tf.image.per_image_standardization`; 0 for a picture of one colour."""
    axes = (1, 2, 3)
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True))
    return centred / ops.maximum(deviation, 1 / math.sqrt(math.prod(x.shape[1:])))
