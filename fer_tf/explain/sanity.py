"""Do maps depend on what a model has learned? Model parameter randomisation (Adebayo et al. 2018)."""

import keras
import numpy as np
from scipy.stats import rankdata

from ..common.checks import InputError
from ..saving.keras_files import model_info


def scrambled(model, seed=0):
    """The model with the values of each of its weights in another order: the same architecture, knowing nothing.

    Args:
        model: `keras.Model`; it stays as it is.
        seed: of the order.
    Returns: `keras.Model`, which knows its class names as the first does.
    """
    rng = np.random.default_rng(seed)
    other = keras.models.clone_model(model)
    other.set_weights([rng.permutation(weight.ravel()).reshape(weight.shape) for weight in model.get_weights()])
    other.fer_tf_info = model_info(model)  # Keras does not copy it
    return other


def map_similarity(first, second):
    """Spearman's rank correlation between two maps of each picture (Adebayo et al. 2018, §3).

    Args:
        first, second: float [N, H, W].
    Returns: float [N], -1..1; missing where a map is the same everywhere.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 3 or first.shape != second.shape:
        raise InputError(f"first, second: must both be [N, H, W]; received {first.shape} and {second.shape}")
    ranks = [np.array([rankdata(item) for item in maps]).reshape(len(maps), -1) for maps in (first, second)]
    centred = [part - part.mean(axis=1, keepdims=True) for part in ranks]
    norms = np.prod([np.linalg.norm(part, axis=1) for part in centred], axis=0)
    return np.divide((centred[0] * centred[1]).sum(axis=1), norms, out=np.full(len(first), np.nan), where=norms > 0)
