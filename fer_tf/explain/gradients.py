"""Gradients of a class's score, under TensorFlow and JAX: the one place where the two differ."""

import keras
import numpy as np


def score_gradients(head, inputs, targets):
    """How each image's score of its target class changes with the inputs.

    Args:
        head: `keras.Model`, [M, ...] → scores before the softmax [N, C]; M may be a multiple of N (regions).
        inputs: float [M, ...].
        targets: int [N].
    Returns: float32 array like inputs. In inference mode images do not depend on each other, so that the gradient of
        the scores' sum is each image's own.
    """
    inputs = keras.ops.convert_to_tensor(inputs, "float32")
    chosen = np.eye(head.output_shape[-1], dtype=np.float32)[np.asarray(targets)]
    find = {"tensorflow": _by_tensorflow, "jax": _by_jax}[keras.backend.backend()]
    return keras.ops.convert_to_numpy(find(head, inputs, chosen))


def _by_tensorflow(head, inputs, chosen):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        score = tf.reduce_sum(head(inputs, training=False) * chosen)
    return tape.gradient(score, inputs)


def _by_jax(head, inputs, chosen):
    import jax

    return jax.grad(lambda values: (head(values, training=False) * chosen).sum())(inputs)
