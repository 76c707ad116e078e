"""Channel attention: squeeze-and-excitation (Hu, Shen & Sun 2018)."""

from typing import Any

import keras
from keras import ops

from ..common.checks import check_whole


@keras.saving.register_keras_serializable(package="fer_tf")
class SqueezeExcite(keras.layers.Layer):
    """Scales each channel by a share 0..1 that depends on the means of all channels (Hu et al. 2018, eq. 2 to 4).

    s = σ(W2 · ReLU(W1 · mean(x) + b1) + b2); the output is x · s.

    Args:
        ratio: W1 has C / ratio units, but at least 2.
    Call arguments:
        inputs: float [N, H, W, C].
    Returns: float [N, H, W, C].
    """

    def __init__(self, ratio: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio = check_whole("ratio", ratio, low=1)

    def build(self, input_shape: tuple) -> None:
        channels = input_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.squeeze = keras.layers.Dense(max(2, channels // self.ratio), activation="relu", name="squeeze", **policy)
        self.excite = keras.layers.Dense(channels, activation="sigmoid", name="excite", **policy)
        self.squeeze.build((None, channels))
        self.excite.build((None, self.squeeze.units))

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        shares = self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))
        return inputs * shares[:, None, None, :]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio}
