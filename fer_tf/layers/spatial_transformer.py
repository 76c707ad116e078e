"""The sampler of the spatial transformer (Jaderberg et al. 2015)."""

from typing import Any

import keras
import numpy as np

from ..common.checks import check_choice
from .sampling import affine_sample

FILLS = ("zero", "edge")

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@keras.saving.register_keras_serializable(package="fer_tf")
class IdentityTheta(keras.initializers.Initializer):
    """Bias initialiser for the last layer of a localisation net: the six values of the identity map.

    The kernel of that layer must start at zero.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
        return keras.ops.convert_to_tensor(np.reshape(IDENTITY, shape), dtype)


@keras.saving.register_keras_serializable(package="fer_tf")
class SpatialTransformer(keras.layers.Layer):
    """Warps pictures by affine maps, with gradients for the pictures and the maps (Jaderberg et al. 2015, eq. 1 and 5).

    Args:
        fill: values outside the picture: "zero", or "edge" (the nearest pixel).
    Call arguments:
        images: float [N, H, W, C].
        theta: float [N, 6], the rows of the 2×3 matrix that maps output to input coordinates, both -1..1; the identity
            is (1, 0, 0, 0, 1, 0).
    Returns: float [N, H, W, C].
    """

    def __init__(self, fill: str = "zero", **kwargs: Any) -> None:
        # without autocast=False, Keras casts inputs to half precision, whose 8 or 11 bits are too few for coordinates
        super().__init__(autocast=False, **kwargs)
        self.fill = check_choice("fill", fill, FILLS)

    def call(self, images: keras.KerasTensor, theta: keras.KerasTensor) -> keras.KerasTensor:
        warped = affine_sample(keras.ops.cast(images, "float32"), keras.ops.cast(theta, "float32"), self.fill)
        return keras.ops.cast(warped, self.compute_dtype)

    def compute_output_shape(self, images_shape: tuple, theta_shape: tuple) -> tuple:
        return images_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fill": self.fill}
