"""Reorders class probabilities."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_tf")
class ClassOrder(keras.layers.Layer):
    """Puts probabilities into another order of classes; a class that the model does not have gets 0.

    Args:
        sources: for each output class the index of the input class, or -1 if the input does not have it.
    Call arguments:
        inputs: probabilities float [N, C].
    Returns: float [N, len(sources)].
    """

    def __init__(self, sources: Iterable[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = [int(source) for source in sources]

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        padded = ops.pad(inputs, ((0, 0), (0, 1)))
        return ops.take(padded, [source % padded.shape[1] for source in self.sources], axis=1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], len(self.sources))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sources": self.sources}
