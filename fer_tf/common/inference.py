"""Class probabilities of images from a model, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from .checks import InputError

if TYPE_CHECKING:
    import keras


def predict_probabilities(model: keras.Model, images: Any, batch_size: int = 256, progress: bool = False) -> np.ndarray:
    """Class probabilities of images.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        images: uint8 or float [N, H, W, C], or a `Split` (a streamed one is read batch by batch).
        batch_size: images in each step; the result does not depend on it.
        progress: show a progress bar.
    Returns: float32 [N, num_classes], 0..1; each row sums to one.
    Raises: `InputError` if the model's outputs are not probabilities.
    """
    fetch = images.fetch if hasattr(images, "fetch") else images.__getitem__
    starts = range(0, len(images), batch_size)
    batches = [
        np.asarray(model.predict_on_batch(fetch(np.arange(start, min(start + batch_size, len(images))))))
        for start in tqdm(starts, disable=not progress, unit="batch", leave=False)
    ]
    probabilities = np.concatenate(batches) if batches else np.zeros((0, model.output_shape[-1]), np.float32)
    if fault := probability_fault(probabilities):
        raise InputError(
            f"model: outputs are not probabilities ({fault}); end the model in a softmax, or declare that it returns "
            "raw scores (--logits, in Python Declaration(..., logits=True))"
        )
    return probabilities


def probability_fault(rows: np.ndarray) -> str:
    """Why rows [N, C] are not probabilities: some are not finite, negative, or do not sum to one; "" if they are."""
    sums = rows.sum(axis=1)
    if not np.isfinite(sums).all():
        return "a row holds numbers that are not finite"
    if rows.min(initial=0) < 0:
        return f"there are negative ones ({rows.min():.3g})"
    if len(sums) and np.abs(sums - 1).max() > 1e-2:
        return f"a row sums to {sums[np.argmax(np.abs(sums - 1))]:.3g}"
    return ""
