"""Probabilities out of a model: the one place where images meet a trained net."""

import numpy as np
from tqdm.auto import tqdm

from ..common.checks import InputError


def predict_probabilities(model, images, batch_size=256, progress=False):
    """Class probabilities of images.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        images: uint8 or float [N, H, W, C], or a `Split` (read batch by batch where it is streamed).
        batch_size: images a step; the result does not depend on it.
        progress: show a bar.
    Returns: float32 [N, num_classes].
    """
    fetch = images.fetch if hasattr(images, "fetch") else images.__getitem__
    starts = range(0, len(images), batch_size)
    parts = [
        np.asarray(model.predict_on_batch(fetch(np.arange(start, min(start + batch_size, len(images))))))
        for start in tqdm(starts, disable=not progress, unit="batch", leave=False)
    ]
    probabilities = np.concatenate(parts) if parts else np.zeros((0, model.output_shape[-1]), np.float32)
    sums = probabilities.sum(axis=1)
    if not np.isfinite(sums).all() or (len(sums) and np.abs(sums - 1).max() > 1e-2) or probabilities.min(initial=0) < 0:
        raise InputError(
            f"model: gives no probabilities (a row sums to {sums[np.argmax(np.abs(sums - 1))]:.3g}); end it in softmax"
        )
    return probabilities
