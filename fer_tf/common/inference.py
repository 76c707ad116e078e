"""Class probabilities of images from a model, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
    starts: Any = range(0, len(images), batch_size)
    if progress:
        from tqdm.auto import tqdm

        starts = tqdm(starts, unit="batch", leave=False)
    batches = [
        np.asarray(model.predict_on_batch(fetch(np.arange(start, min(start + batch_size, len(images))))))
        for start in starts
    ]
    probabilities = np.concatenate(batches) if batches else np.zeros((0, model.output_shape[-1]), np.float32)
    if fault := probability_fault(probabilities):
        raise InputError(
            f"model: outputs are not probabilities ({fault}); end the model in a softmax, or declare that it returns "
            "raw scores (--logits, in Python Declaration(..., logits=True))"
        )
    return probabilities


@dataclass(frozen=True, eq=False)
class Whole:
    """A model with a second output. All code that only asks for classes sees the classifier that shares its layers.

    Attributes:
        model: `keras.Model`, images → probabilities [N, C] and values [N, K].
        second: `fer_tf.emotions.SecondOutput`, what the values are.
    """

    model: Any
    second: Any

    def belongs_to(self, classifier: keras.Model) -> keras.Model:
        """Notes on the classifier that it is a part of this model; returns it."""
        classifier.fer_tf_whole = self  # a plain object: Keras would take a model here for one of its layers
        return classifier


def whole_of(model: Any) -> Whole | None:
    """The `Whole` that a classifier is a part of, or None."""
    return getattr(model, "fer_tf_whole", None)


class _Both:
    """Answers as the classifier and keeps the second output's values."""

    def __init__(self, model):
        self.model, self.values = model, []
        self.output_shape = model.output_shape[0]

    def predict_on_batch(self, images):
        probabilities, values = self.model.predict_on_batch(images)
        self.values.append(np.asarray(values))
        return probabilities


def predict_both(model: Any, images: Any, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray | None]:
    """Class probabilities and, where a model has a second output, its values; the images pass through it once.

    Args:
        model, images, batch_size: see `predict_probabilities`.
    Returns: float32 [N, C], and float32 [N, K] or None.
    Raises: `InputError` if the model's outputs are not probabilities.
    """
    whole = whole_of(model)
    if whole is None:
        return predict_probabilities(model, images, batch_size), None
    both = _Both(whole.model)
    probabilities = predict_probabilities(both, images, batch_size)
    return probabilities, np.concatenate([np.zeros((0, len(whole.second.names)), np.float32), *both.values])


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
