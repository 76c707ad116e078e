"""Attention over the patches of one picture (Ngwe et al. 2023)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_tf")
class PatchAttention(keras.layers.Layer):
    """Dot-product self-attention with a learned scale, over the patches of each picture alone.

    Y = softmax(s X Xᵀ) X for the patches X [P, D] of a picture; the softmax is along the last axis. This is Keras's
    layer `Attention(use_scale=True)` called with [X, X], which Keras cannot load from a .h5 file.

    Call arguments:
        inputs: X float [N, P, D].
    Returns: Y float [N, P, D]. The only weight of the layer is s, which starts at 1.
    """

    def build(self, input_shape: tuple) -> None:
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        likeness = ops.matmul(inputs, ops.transpose(inputs, (0, 2, 1)))
        return ops.matmul(ops.softmax(self.scale * likeness, axis=-1), inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape
