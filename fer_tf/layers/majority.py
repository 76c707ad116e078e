"""The majority baseline, which does not look at the pictures."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="fer_tf")
class MajorityClass(keras.layers.Layer):
    """Returns the class shares of the training set for every picture, so it always predicts the most frequent class.

    This is the baseline of document [2]. `adapt(labels)` sets the shares; before that all classes are equally likely.

    Args:
        num_classes: C.
    Call arguments:
        inputs: [N, ...]; only N is used.
    Returns: float [N, C], each row sums to one.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape: tuple) -> None:
        self.shares = self.add_weight(
            name="shares",
            shape=(self.num_classes,),
            initializer=keras.initializers.Constant(1 / self.num_classes),
            trainable=False,
        )

    def adapt(self, labels: np.ndarray) -> None:
        """Sets the class shares from training labels, int [N]."""
        counts = np.bincount(np.asarray(labels), minlength=self.num_classes)
        self.shares.assign(counts / counts.sum())

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return ops.broadcast_to(self.shares, (ops.shape(inputs)[0], self.num_classes))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}
