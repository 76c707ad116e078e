"""The spatial transformer's sampler (Jaderberg et al. 2015)."""

import keras
import numpy as np

from ..common.checks import check_choice
from .sampling import affine_sample

FILLS = ("zero", "edge")

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@keras.saving.register_keras_serializable(package="fer_tf")
class IdentityTheta(keras.initializers.Initializer):
    """Starts the six outputs of a localisation net's last layer at the identity map; its kernel starts at zero."""

    def __call__(self, shape, dtype=None):
        return keras.ops.convert_to_tensor(np.reshape(IDENTITY, shape), dtype)


@keras.saving.register_keras_serializable(package="fer_tf")
class SpatialTransformer(keras.layers.Layer):
    """Warps pictures by affine maps, differentiably in both (Jaderberg et al. 2015, eq. 1 and 5).

    Args:
        fill: what lies outside the picture: "zero", or "edge" (the nearest pixel).
    Call arguments:
        images: float [N, H, W, C].
        theta: float [N, 6], row by row of the 2×3 matrix that maps output to input coordinates, both -1..1; the
            identity is (1, 0, 0, 0, 1, 0).
    Returns: float [N, H, W, C].
    """

    def __init__(self, fill="zero", **kwargs):
        # Keras would cast inputs to half precision before `call`: coordinates need more than its eight or eleven bits
        super().__init__(autocast=False, **kwargs)
        self.fill = check_choice("fill", fill, FILLS)

    def call(self, images, theta):
        warped = affine_sample(keras.ops.cast(images, "float32"), keras.ops.cast(theta, "float32"), self.fill)
        return keras.ops.cast(warped, self.compute_dtype)

    def compute_output_shape(self, images_shape, theta_shape):
        return images_shape

    def get_config(self):
        return {**super().get_config(), "fill": self.fill}
