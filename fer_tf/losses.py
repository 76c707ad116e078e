"""Losses of the kit."""

import keras
from keras import ops

from .common.checks import InputError, check_choice, check_range
from .layers import region_biased_loss

__all__ = ["LOSSES", "Distillation", "LabelAccuracy", "SquaredHinge", "classification_loss", "region_biased_loss"]

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


@keras.saving.register_keras_serializable(package="fer_tf")
class Distillation(keras.losses.Loss):
    """Learning from labels and from a teacher's answers (Hinton, Vinyals & Dean 2015, §2).

    L = (1 − λ)·CE(y, p) + λ·T²·KL(q_T ‖ p_T), where q_T and p_T are the teacher's and the student's softmax of their
    scores divided by T.

    Args:
        share: λ, 0..1.
        temperature: T, above 0.
        label_smoothing: of y, 0..1.
    Call arguments:
        y_true: float [N, 2C]: targets y, then the teacher's probabilities at T = 1. [N, C], targets alone (as in
            validation), gives the cross-entropy.
        y_pred: the student's probabilities, float [N, C].
    """

    def __init__(self, share=0.5, temperature=1.0, label_smoothing=0.0, **kwargs):
        super().__init__(**kwargs)
        self.share = check_range("teacher_share", share, 0, 1)
        self.temperature = check_range("temperature", temperature, 0.01)
        self.label_smoothing = check_range("label_smoothing", label_smoothing, 0, 1)

    def call(self, y_true, y_pred):
        classes = y_pred.shape[-1]
        y_true = ops.cast(y_true, y_pred.dtype)
        entropy = keras.losses.categorical_crossentropy(
            y_true[:, :classes], y_pred, label_smoothing=self.label_smoothing
        )
        if y_true.shape[-1] == classes:
            return entropy
        log_q, log_p = (self._softened(part) for part in (y_true[:, classes:], y_pred))
        divergence = ops.sum(ops.exp(log_q) * (log_q - log_p), axis=-1)
        return (1.0 - self.share) * entropy + self.share * self.temperature**2 * divergence

    def _softened(self, probabilities):
        """log softmax(scores / T): probabilities are the softmax of their own logarithms."""
        return ops.log_softmax(ops.log(ops.maximum(probabilities, 1e-7)) / self.temperature, axis=-1)

    def get_config(self):
        own = {"share": self.share, "temperature": self.temperature, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="fer_tf")
class LabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of pictures whose most likely class is the label's, also where a teacher's answers follow the targets.

    Call arguments:
        y_true: float [N, C] or [N, 2C]; the first C are the targets.
        y_pred: float [N, C].
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_label_accuracy, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _label_accuracy(y_true, y_pred):
    return keras.metrics.categorical_accuracy(y_true[:, : y_pred.shape[-1]], y_pred)


def classification_loss(label_smoothing=0.0, loss="crossentropy", teacher=None):
    """The loss a model is trained with.

    Args:
        label_smoothing: share of each target spread over all classes, 0..1; cross-entropy only.
        loss: "crossentropy" (on probabilities, against one-hot or soft targets) or "squared_hinge" (on scores).
        teacher: (share, temperature) of `Distillation`; None: there is no teacher.
    Returns: `keras.losses.Loss` of targets float [N, C], with a teacher [N, 2C], and outputs float [N, C].
    """
    check_range("label_smoothing", label_smoothing, 0, 1)
    if teacher and check_choice("loss with a teacher", loss, ("crossentropy",)):
        return Distillation(*teacher, label_smoothing)
    if check_choice("loss", loss, LOSSES) == "crossentropy":
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    if label_smoothing:
        raise InputError("label_smoothing: the squared hinge takes none; allowed is 0")
    return SquaredHinge()
