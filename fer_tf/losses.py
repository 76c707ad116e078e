"""Losses of the kit."""

import keras


def classification_loss(label_smoothing=0.0):
    """Cross-entropy on probabilities against targets float [N, C] (one-hot or soft)."""
    return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
