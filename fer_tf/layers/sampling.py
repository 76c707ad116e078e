"""Bilinear sampling with a gather, for the spatial transformer and the augmentation.

`keras.ops` has no warp that XLA can compile and that has a gradient for the transform.
"""

import keras
import numpy as np
from keras import ops


def centred_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates of an image, measured from its centre.

    Args:
        height, width: size of the image in pixels.
    Returns: x and y in pixels, float32 [height, width]. They are multiples of 1/2, so float32 holds them exactly.
    """
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    return np.meshgrid(x, y, indexing="xy")


def sample(
    images: keras.KerasTensor, x: keras.KerasTensor, y: keras.KerasTensor, fill: str = "zero"
) -> keras.KerasTensor:
    """Samples images at the given points with bilinear interpolation (Jaderberg et al. 2015, eq. 5).

    Args:
        images: float [N, H, W, C].
        x, y: float [N, H', W'], column and row in pixels; (0, 0) is the centre of the first pixel.
        fill: values outside the image: "zero", or "edge" (the nearest pixel).
    Returns: float [N, H', W', C].
    """
    height, width = images.shape[1], images.shape[2]
    margin = 0.0 if fill == "edge" else 1.0
    x = ops.clip(x, -margin, width - 1.0 + margin)
    y = ops.clip(y, -margin, height - 1.0 + margin)
    left, top = ops.floor(x), ops.floor(y)
    x_share, y_share = x - left, y - top
    weights = ops.stack(
        [(1 - y_share) * (1 - x_share), (1 - y_share) * x_share, y_share * (1 - x_share), y_share * x_share], axis=-1
    )
    return ops.sum(weights[..., None] * _neighbours(images, left, top), axis=-2)


def _neighbours(images, left, top):
    """The 2×2 pixels whose top left one is (left, top) ≥ -1, float [N, H', W', 4, C]; one gather fetches all four."""
    height, width, channels = images.shape[1:]
    padded = ops.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    corners = [padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]]
    quads = ops.reshape(ops.stack(corners, axis=3), (-1, 4 * channels))
    first = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * ((height + 2) * (width + 2))
    index = first + (ops.cast(top, "int32") + 1) * (width + 2) + ops.cast(left, "int32") + 1
    shape = (-1, left.shape[1], left.shape[2], 4, channels)
    return ops.reshape(ops.take(quads, index, axis=0), shape)


def affine_sample(images: keras.KerasTensor, theta: keras.KerasTensor, fill: str = "zero") -> keras.KerasTensor:
    """Warps images by affine maps (Jaderberg et al. 2015, eq. 1).

    Args:
        images: float [N, H, W, C].
        theta: float [N, 6], the rows of the 2×3 matrix that maps output to input coordinates. Coordinates run from -1
            at the centre of the first pixel to 1 at the last. The identity (1, 0, 0, 0, 1, 0) returns the same images.
        fill: values outside the image, see `sample`.
    Returns: float [N, H, W, C].
    """
    height, width = images.shape[1], images.shape[2]
    x, y = centred_grid(height, width)
    # in pixels from the centre, only the off-diagonal terms change: by the ratio of the sides
    half_width, half_height = (width - 1) / 2, (height - 1) / 2
    theta = ops.reshape(theta, (-1, 6, 1, 1))
    column = theta[:, 0] * x + theta[:, 1] * (y * (half_width / half_height)) + (theta[:, 2] + 1.0) * half_width
    row = theta[:, 3] * (x * (half_height / half_width)) + theta[:, 4] * y + (theta[:, 5] + 1.0) * half_height
    return sample(images, column, row, fill)
