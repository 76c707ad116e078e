"""Tests whether maps depend on what a model has learned: parameter randomisation (Adebayo et al. 2018)."""

import keras
import numpy as np
from scipy.stats import rankdata

from ..common.checks import InputError
from ..saving.keras_files import model_info


def scrambled(model: keras.Model, seed: int = 0) -> keras.Model:
    """A copy of a model with the values of each weight in random order: the same architecture without knowledge."""
    rng = np.random.default_rng(seed)
    clone = keras.models.clone_model(model)
    clone.set_weights([rng.permutation(weight.ravel()).reshape(weight.shape) for weight in model.get_weights()])
    clone.fer_tf_info = model_info(model)  # Keras does not copy this
    return clone


def map_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation between two maps of each picture (Adebayo et al. 2018, §3).

    Args:
        first, second: float [N, H, W].
    Returns: float [N], -1..1; NaN where a map has the same value everywhere.
    Raises: `InputError` if the shapes differ.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 3 or first.shape != second.shape:
        raise InputError(f"first, second: must both be [N, H, W]; received {first.shape} and {second.shape}")
    ranks = [np.array([rankdata(item) for item in maps]).reshape(len(maps), -1) for maps in (first, second)]
    centred = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    norms = np.prod([np.linalg.norm(values, axis=1) for values in centred], axis=0)
    return np.divide((centred[0] * centred[1]).sum(axis=1), norms, out=np.full(len(first), np.nan), where=norms > 0)
