"""Gradients of class scores under TensorFlow and JAX: the only place where the two backends differ."""

import keras
import numpy as np


def score_gradients(head: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Gradient of the score of each image's target class with respect to the inputs.

    In inference mode images do not influence each other. The gradient of the sum of all scores therefore contains the
    gradient of each image.

    Args:
        head: `keras.Model`, [M, ...] → scores before the softmax [N, C]; M is N, or a multiple of N (regions).
        inputs: float [M, ...].
        targets: int [N].
    Returns: float32 [M, ...], the same shape as the inputs.
    """
    inputs = keras.ops.convert_to_tensor(inputs, "float32")
    one_hot = np.eye(head.output_shape[-1], dtype=np.float32)[np.asarray(targets)]
    differentiate = {"tensorflow": _by_tensorflow, "jax": _by_jax}[keras.backend.backend()]
    return keras.ops.convert_to_numpy(differentiate(head, inputs, one_hot))


def _by_tensorflow(head, inputs, one_hot):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        score = tf.reduce_sum(head(inputs, training=False) * one_hot)
    return tape.gradient(score, inputs)


def _by_jax(head, inputs, one_hot):
    import jax

    return jax.grad(lambda values: (head(values, training=False) * one_hot).sum())(inputs)
