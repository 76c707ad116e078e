"""The preprocessing of a pretrained network as a layer inside the model, so that no caller can forget it."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..common.checks import check_choice, check_whole

# names as in `keras.applications.imagenet_utils.preprocess_input`; "raw" is for networks with their own normalisation
MODES = ("tf", "caffe", "torch", "raw")
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601, as in Pillow)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red of ImageNet
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="fer_tf")
class BackboneInput(keras.layers.Layer):
    """Prepares pictures for a pretrained network.

    It repeats a gray channel three times, resizes (bilinear) and normalises as the pretraining did.

    Args:
        size: side in pixels of the square pictures for the backbone.
        mode: "tf" (-1..1), "caffe" (BGR minus ImageNet's mean), "torch" (0..1, standardised) or "raw" (0..255).
        channels: channels for the backbone: 3, or 1 in mode "raw" (RGB pictures are then reduced to their luminance).
    Call arguments:
        inputs: [N, H, W, 1 or 3], range 0..255.
    Returns: float [N, size, size, channels].
    """

    def __init__(self, size: int, mode: str, channels: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.mode = check_whole("size", size, low=1), check_choice("mode", mode, MODES)
        self.channels = check_choice("channels", channels, (1, 3) if mode == "raw" else (3,))

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        x = ops.cast(inputs, "float32")
        if x.shape[1:3] != (self.size, self.size):
            x = ops.image.resize(x, (self.size, self.size), interpolation="bilinear", data_format="channels_last")
        if x.shape[-1] == 1 and self.channels == 3:
            x = ops.repeat(x, 3, axis=-1)
        elif x.shape[-1] == 3 and self.channels == 1:
            x = ops.sum(x * np.array(_LUMINANCE, "float32"), axis=-1, keepdims=True)
        return ops.cast(self._normalised(x), self.compute_dtype)

    def _normalised(self, x):
        if self.mode == "tf":
            return x / 127.5 - 1.0
        if self.mode == "caffe":
            return ops.flip(x, axis=-1) - np.array(_CAFFE_MEAN, "float32")
        if self.mode == "torch":
            return (x / 255.0 - np.array(_TORCH_MEAN, "float32")) / np.array(_TORCH_DEVIATION, "float32")
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.size, self.size, self.channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "mode": self.mode, "channels": self.channels}
