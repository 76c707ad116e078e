"""What Keras's callbacks do where several devices hold copies of a model, so that they train as one device does."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


def moments_of_all(axes: Sequence[int], inputs: Any, mask: Any = None) -> tuple[Any, Any]:
    """Mean and variance over the pictures of all devices of TensorFlow.

    Keras's own way (`synchronized`) takes the difference of two large sums, so its variance is less exact.

    Args:
        axes: all but that of the channels.
        inputs: this device's maps, float [N, ..., C]; each device has the same N.
        mask: not used, no model of the kit has one.
    Returns: two float [C], the same on every device.
    """
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()

    def mean_of_all(values):
        return replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(values, axes, keepdims=True))

    mean = mean_of_all(inputs)
    variance = mean_of_all(tf.square(inputs - mean))
    return tf.squeeze(mean, axes), tf.squeeze(variance, axes)


class OneBatch(keras.callbacks.Callback):
    """Lets the devices of TensorFlow treat their pictures as one batch where each would look at its own alone.

    Batch normalisation takes mean and variance over the pictures of all devices. Other weights that are not learned by
    gradients may differ between devices: their mean is validated and saved.
    """

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.strategy = strategy

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Normalises over all devices; Keras reads this when it traces the first step."""
        for layer in self._norms():
            layer._moments = functools.partial(moments_of_all, layer._reduction_axes)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Leaves the layers as they were."""
        for layer in self._norms():
            del layer._moments

    def _norms(self):
        return [layer for layer in self.model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Replaces the values on all devices by their mean."""
        for variable in self.model.non_trainable_variables:
            if keras.backend.is_float_dtype(variable.dtype):
                values = self.strategy.experimental_local_results(variable.value)
                variable.assign(np.mean([keras.ops.convert_to_numpy(value) for value in values], axis=0))


class OwnArrays(keras.callbacks.Callback):
    """Copies the weights that are validated.

    A validation under JAX frees the arrays that it is given. With a moving average, those would be the optimizer's.
    """

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Gives the model arrays of its own."""
        for variable in self.model.trainable_variables if self.model.optimizer.use_ema else ():
            variable.assign(np.array(keras.ops.convert_to_numpy(variable)))
