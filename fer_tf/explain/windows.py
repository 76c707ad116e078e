"""The window that a spatial transformer samples: attention that is part of the model."""

import keras
import numpy as np

from ..common.checks import InputError
from ..layers import SpatialTransformer

# Corners of the picture, clockwise from the top left, in the coordinates of the transformer.
_CORNERS = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], float)


def sampled_windows(model: keras.Model, images: np.ndarray, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """The part of each picture that a spatial transformer samples.

    Args:
        model: `keras.Model` with one `SpatialTransformer`.
        images: [N, H, W, C], raw 0..255.
        batch_size: images in each step.
    Returns: theta float [N, 6], and the corners of the window float [N, 4, 2] as (x, y) in pixels, clockwise from the
        corner that becomes the top left.
    Raises: `InputError` if the model has no spatial transformer.
    """
    transformers = [layer for layer in model.layers if isinstance(layer, SpatialTransformer)]
    if not transformers:
        raise InputError(f"model: {model.name} has no spatial transformer")
    locate = keras.Model(model.input, transformers[0].input[1])
    theta = locate.predict(images, batch_size, verbose=0)
    corners = np.einsum("nij,kj->nki", theta.reshape(-1, 2, 3), _CORNERS)
    height, width = images.shape[1:3]
    return theta, (corners + 1) / 2 * np.array([width - 1, height - 1])
