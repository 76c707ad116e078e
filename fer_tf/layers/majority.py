"""The baseline that looks at nothing."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="fer_tf")
class MajorityClass(keras.layers.Layer):
    """Answers every picture with the class shares of the training set, so its label is the most frequent class.

    Document [2]'s baseline. `adapt(labels)` learns the shares; before that all classes are equally likely.

    Args:
        num_classes: C.
    Call arguments:
        inputs: [N, ...]; only N matters.
    Returns: float [N, C], each row sums to one.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        self.shares = self.add_weight(
            name="shares",
            shape=(self.num_classes,),
            initializer=keras.initializers.Constant(1 / self.num_classes),
            trainable=False,
        )

    def adapt(self, labels):
        """Learns the class shares from int labels [N]."""
        counts = np.bincount(np.asarray(labels), minlength=self.num_classes)
        self.shares.assign(counts / counts.sum())

    def call(self, inputs):
        return ops.broadcast_to(self.shares, (ops.shape(inputs)[0], self.num_classes))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
