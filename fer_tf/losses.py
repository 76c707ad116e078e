"""Losses and the accuracy that belongs to them."""

from typing import Any

import keras
from keras import ops

from .common.checks import InputError, check_choice, check_range
from .layers import concordance_loss as concordance_loss
from .layers import region_biased_loss

__all__ = [
    "LOSSES",
    "Distillation",
    "LabelAccuracy",
    "MultiTarget",
    "SquaredHinge",
    "classification_loss",
    "region_biased_loss",
]

LOSSES = ("crossentropy", "squared_hinge", "multitarget")


@keras.saving.register_keras_serializable(package="fer_tf")
class SquaredHinge(keras.losses.Loss):
    """One-against-rest squared hinge loss of an L2-SVM (Tang 2013, eq. 5 and 9): Σ_c max(0, 1 − t_c s_c)², t = 2y − 1.

    Call arguments:
        y_true: targets y float [N, C], one-hot or soft. A soft target y weights the terms for t = 1 by y, for t = −1 by
            1 − y.
        y_pred: scores s before the softmax, float [N, C].
    Returns: float [N].
    """

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        inside = ops.square(ops.maximum(0.0, 1.0 - y_pred))
        outside = ops.square(ops.maximum(0.0, 1.0 + y_pred))
        return ops.sum(y_true * inside + (1.0 - y_true) * outside, axis=-1)


@keras.saving.register_keras_serializable(package="fer_tf")
class MultiTarget(keras.losses.Loss):
    """Any emotion with enough votes is right (Barsoum et al. 2016, multi-label learning): −log max_c I(y_c > 0) p_c.

    The loss is the cross-entropy of the most likely one of the right classes, so the model may choose among them. For a
    one-hot target it is the cross-entropy. Microsoft's public code multiplies the wrong classes by 0.001 instead of 0.
    Then a face whose right classes are very unlikely teaches a wrong class, so here the factor is 0.

    Call arguments:
        y_true: targets y float [N, C]; every class above 0 is right. Rows need at least one.
        y_pred: probabilities p, float [N, C].
    Returns: float [N].
    """

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        best = ops.max(ops.where(y_true > 0, y_pred, 0.0), axis=-1)
        return -ops.log(ops.maximum(best, keras.config.epsilon()))


@keras.saving.register_keras_serializable(package="fer_tf")
class Distillation(keras.losses.Loss):
    """Distillation: learns from labels and from the probabilities of a teacher (Hinton, Vinyals & Dean 2015, §2).

    L = (1 − λ)·CE(y, p) + λ·T²·KL(q_T ‖ p_T). q_T and p_T are the softmax of scores / T of teacher and student.

    Args:
        share: λ, 0..1.
        temperature: T, at least 0.01.
        label_smoothing: share of each target y spread over all classes, 0..1.
    Call arguments:
        y_true: float [N, 2C]: the targets y, then the teacher's probabilities at T = 1. For targets alone, float
            [N, C] (as in validation), the loss is the cross-entropy.
        y_pred: probabilities of the student, float [N, C].
    Returns: float [N].
    """

    def __init__(
        self, share: float = 0.5, temperature: float = 1.0, label_smoothing: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.share = check_range("teacher_share", share, 0, 1)
        self.temperature = check_range("temperature", temperature, 0.01)
        self.label_smoothing = check_range("label_smoothing", label_smoothing, 0, 1)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        classes = y_pred.shape[-1]
        y_true = ops.cast(y_true, y_pred.dtype)
        entropy = keras.losses.categorical_crossentropy(
            y_true[:, :classes], y_pred, label_smoothing=self.label_smoothing
        )
        if y_true.shape[-1] == classes:
            return entropy
        log_q, log_p = (self._softened(probabilities) for probabilities in (y_true[:, classes:], y_pred))
        divergence = ops.sum(ops.exp(log_q) * (log_q - log_p), axis=-1)
        return (1.0 - self.share) * entropy + self.share * self.temperature**2 * divergence

    def _softened(self, probabilities):
        """log softmax(scores / T); the logarithms of the probabilities can serve as scores."""
        return ops.log_softmax(ops.log(ops.maximum(probabilities, 1e-7)) / self.temperature, axis=-1)

    def get_config(self) -> dict[str, Any]:
        own = {"share": self.share, "temperature": self.temperature, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="fer_tf")
class LabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of pictures whose most likely class is the label, 0..1. It also works with the targets of a teacher.

    Call arguments:
        y_true: float [N, C] or, with a teacher, [N, 2C]; the first C columns are the targets.
        y_pred: probabilities or scores, float [N, C].
    """

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(_label_accuracy, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def _label_accuracy(y_true, y_pred):
    return keras.metrics.categorical_accuracy(y_true[:, : y_pred.shape[-1]], y_pred)


def classification_loss(
    label_smoothing: float = 0.0, loss: str = "crossentropy", teacher: tuple[float, float] | None = None
) -> keras.losses.Loss:
    """The loss for training a model.

    Args:
        label_smoothing: share of each target spread over all classes, 0..1; only for the cross-entropy.
        loss: "crossentropy" (of probabilities), "squared_hinge" (of scores) or "multitarget" (of probabilities).
            Targets are one-hot or soft.
        teacher: (share, temperature) of `Distillation`; None for training without a teacher.
    Returns: `keras.losses.Loss` of targets float [N, C] (with a teacher [N, 2C]) and outputs float [N, C].
    Raises: `InputError` for an unknown loss, or options that do not fit together.
    """
    check_range("label_smoothing", label_smoothing, 0, 1)
    if teacher and check_choice("loss with a teacher", loss, ("crossentropy",)):
        return Distillation(*teacher, label_smoothing)
    if check_choice("loss", loss, LOSSES) == "crossentropy":
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    if label_smoothing:
        raise InputError(f"label_smoothing: must be 0 with loss {loss}; received {label_smoothing!r}")
    return SquaredHinge() if loss == "squared_hinge" else MultiTarget()
