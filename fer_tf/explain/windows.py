"""Attention that models have built in: the window a spatial transformer samples."""

import keras
import numpy as np

from ..common.checks import InputError
from ..layers import SpatialTransformer

# The picture's corners, clockwise from the top left, in the transformer's coordinates.
_CORNERS = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], float)


def sampled_windows(model, images, batch_size=256):
    """Which part of a picture a spatial transformer passes on.

    Args:
        model: `keras.Model` with one `SpatialTransformer`.
        images: [N, H, W, C], raw 0..255.
        batch_size: images a step.
    Returns: theta float [N, 6], and the sampled window's corners float [N, 4, 2] as (x, y) in pixels, clockwise from
        what becomes the top left.
    Raises: `InputError` if the model has no spatial transformer.
    """
    found = [layer for layer in model.layers if isinstance(layer, SpatialTransformer)]
    if not found:
        raise InputError(f"model: {model.name} has no spatial transformer")
    locate = keras.Model(model.input, found[0].input[1])
    batches = [
        locate.predict_on_batch(images[start : start + batch_size]) for start in range(0, len(images), batch_size)
    ]
    theta = np.concatenate(batches)
    corners = np.einsum("nij,kj->nki", theta.reshape(-1, 2, 3), _CORNERS)
    height, width = images.shape[1:3]
    return theta, (corners + 1) / 2 * np.array([width - 1, height - 1])
