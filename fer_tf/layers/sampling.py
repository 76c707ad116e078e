"""Bilinear sampling by a gather: the one place where images are warped.

`keras.ops` has no warp that XLA compiles and whose transform has a gradient, so the spatial transformer, the region
crops and the augmentation all sample here.
"""

import numpy as np
from keras import ops


def centred_grid(height, width):
    """Pixel coordinates of an image from its centre: x, y float32 [height, width]; half steps, so exact."""
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    return np.meshgrid(x, y, indexing="xy")


def sample(images, x, y, fill="zero"):
    """Samples images at given points, bilinearly (Jaderberg et al. 2015, eq. 5).

    Args:
        images: float [N, H, W, C].
        x, y: float [N, H', W'], column and row in pixels; (0, 0) is the centre of the first pixel.
        fill: what lies outside: "zero", or "edge" (the nearest pixel).
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
    """The four pixels right and below of (left, top) ≥ -1, float [N, H', W', 4, C]; one gather for all four."""
    height, width, channels = images.shape[1:]
    padded = ops.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    corners = [padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]]
    quads = ops.reshape(ops.stack(corners, axis=3), (-1, 4 * channels))
    first = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * ((height + 2) * (width + 2))
    index = first + (ops.cast(top, "int32") + 1) * (width + 2) + ops.cast(left, "int32") + 1
    shape = (-1, left.shape[1], left.shape[2], 4, channels)
    return ops.reshape(ops.take(quads, index, axis=0), shape)


def affine_sample(images, theta, fill="zero"):
    """Warps images by affine maps (Jaderberg et al. 2015, eq. 1).

    Args:
        images: float [N, H, W, C].
        theta: float [N, 6], row by row of the 2×3 matrix that maps output to input coordinates, both -1..1 from the
            first to the last pixel centre; the identity is (1, 0, 0, 0, 1, 0) and returns the images exactly.
        fill: as in `sample`.
    Returns: float [N, H, W, C].
    """
    height, width = images.shape[1], images.shape[2]
    x, y = centred_grid(height, width)
    # in pixels from the centre only the off-diagonal terms change, by the sides' ratio
    half_width, half_height = (width - 1) / 2, (height - 1) / 2
    theta = ops.reshape(theta, (-1, 6, 1, 1))
    column = theta[:, 0] * x + theta[:, 1] * (y * (half_width / half_height)) + (theta[:, 2] + 1.0) * half_width
    row = theta[:, 3] * (x * (half_height / half_width)) + theta[:, 4] * y + (theta[:, 5] + 1.0) * half_height
    return sample(images, column, row, fill)
