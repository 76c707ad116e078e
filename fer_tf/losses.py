"""Losses of the kit."""

import keras
from keras import ops

from .checks import InputError, check_choice, check_range
from .layers import region_biased_loss

__all__ = ["LOSSES", "SquaredHinge", "classification_loss", "region_biased_loss"]

LOSSES = ("crossentropy", "squared_hinge")


@keras.saving.register_keras_serializable(package="fer_tf")
class SquaredHinge(keras.losses.Loss):
    """One-against-rest squared hinge of an L2-SVM (Tang 2013, eq. 5 and 9): Σ_c max(0, 1 − t_c s_c)², t = 2y − 1.

    Call arguments:
        y_true: targets float [N, C], one-hot or soft (a soft target weighs the two sides by its share).
        y_pred: scores before the softmax, float [N, C].
    """

    def call(self, y_true, y_pred):
        inside = ops.square(ops.maximum(0.0, 1.0 - y_pred))
        outside = ops.square(ops.maximum(0.0, 1.0 + y_pred))
        return ops.sum(y_true * inside + (1.0 - y_true) * outside, axis=-1)


def classification_loss(label_smoothing=0.0, loss="crossentropy"):
    """The loss a model is trained with.

    Args:
        label_smoothing: share of each target spread over all classes, 0..1; cross-entropy only.
        loss: "crossentropy" (on probabilities, against one-hot or soft targets) or "squared_hinge" (on scores).
    Returns: `keras.losses.Loss` of targets float [N, C] and outputs float [N, C].
    """
    check_range("label_smoothing", label_smoothing, 0, 1)
    if check_choice("loss", loss, LOSSES) == "crossentropy":
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    if label_smoothing:
        raise InputError("label_smoothing: the squared hinge takes none; allowed is 0")
    return SquaredHinge()
