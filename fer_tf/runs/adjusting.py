"""Adjusts the last layer of a trained model on validation images, so that its probabilities mean what they say.

Two steps, both linear in the scores, so the adjusted model has the same layers as before:

- Logit adjustment (Menon et al. 2021, eq. 9): rare classes get a higher score, by the logarithm of their share.
- Temperature scaling (Guo et al. 2017, §4.2): all scores are divided by one number.
"""

from dataclasses import asdict, dataclass

import keras
import numpy as np

from ..common.checks import InputError
from ..evaluation.metrics import apply_temperature, classification_metrics, fit_temperature

# Strengths τ of the logit adjustment that are compared.
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# The accuracy on validation images that a model may lose for a higher macro F1, as a share.
ALLOWED_LOSS = 0.005


@dataclass(frozen=True)
class Adjustment:
    """What is done to the scores of a model: (scores - strength · log(shares)) / temperature.

    Attributes:
        strength: τ, 0..1. 0 leaves the classes as they are.
        temperature: T, above 0. 1 leaves the probabilities as they are.
        shares: C shares of the classes among the training images; they sum to one.
    """

    strength: float
    temperature: float
    shares: tuple[float, ...]

    def offsets(self) -> np.ndarray:
        """What is added to the scores before they are divided, float [C]; 0 for a class without training images."""
        shares = np.array(self.shares)
        return -self.strength * np.log(np.where(shares > 0, shares, 1.0))

    def about(self) -> dict:
        """The adjustment as JSON values, for a record."""
        return {**asdict(self), "shares": [round(share, 6) for share in self.shares]}


def choose_adjustment(labels: np.ndarray, probabilities: np.ndarray, train_labels: np.ndarray) -> Adjustment:
    """Chooses an adjustment on validation images.

    The strength is the one of `STRENGTHS` with the highest macro F1 whose accuracy is at most `ALLOWED_LOSS` below
    that of the model as it is. Then the temperature is fitted. It does not change labels.

    Args:
        labels: int [N] of the validation images.
        probabilities: float [N, C] of the model for them.
        train_labels: int [M] of the training images.
    """
    classes = probabilities.shape[1]
    shares = tuple((np.bincount(train_labels, minlength=classes) / len(train_labels)).tolist())
    names = tuple(map(str, range(classes)))
    scores = {}
    for strength in STRENGTHS:
        adjusted = adjusted_probabilities(probabilities, Adjustment(strength, 1.0, shares))
        scores[strength] = classification_metrics(labels, adjusted, names, replicates=0)
    lowest = scores[0.0]["accuracy"] - ALLOWED_LOSS
    allowed = [strength for strength in STRENGTHS if scores[strength]["accuracy"] >= lowest]
    strength = max(allowed, key=lambda strength: scores[strength]["macro_f1"])
    adjusted = adjusted_probabilities(probabilities, Adjustment(strength, 1.0, shares))
    return Adjustment(strength, fit_temperature(labels, adjusted), shares)


def adjusted_probabilities(probabilities: np.ndarray, adjustment: Adjustment) -> np.ndarray:
    """The probabilities float [N, C] that an adjusted model gives, from those of the model before."""
    weighted = probabilities * np.exp(adjustment.offsets())
    return apply_temperature(weighted / weighted.sum(axis=1, keepdims=True), adjustment.temperature)


def adjust_model(model: keras.Model, adjustment: Adjustment) -> None:
    """Changes the weights of the linear layer `scores` so that the model gives the adjusted probabilities.

    Args:
        model: a model of `build_model`; its layers end with `scores` and a softmax (`classifier`).
        adjustment: from `choose_adjustment`.
    Raises: `InputError` for a model with another end.
    """
    names = [layer.name for layer in model.layers]
    if names[-2:] != ["scores", "probabilities"] or not isinstance(model.get_layer("scores"), keras.layers.Dense):
        raise InputError(f"model: must end with the layers scores and probabilities; received {', '.join(names[-2:])}")
    scores = model.get_layer("scores")
    kernel, bias = scores.get_weights()
    scores.set_weights([kernel / adjustment.temperature, (bias + adjustment.offsets()) / adjustment.temperature])
