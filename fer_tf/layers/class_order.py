"""The same probabilities in another order of classes."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_tf")
class ClassOrder(keras.layers.Layer):
    """Puts probabilities into another order; a class that the model does not know gets 0.

    Args:
        sources: for each output, the input's index, or -1 for a class that is not there.
    Call arguments:
        inputs: float [N, C].
    Returns: float [N, len(sources)].
    """

    def __init__(self, sources, **kwargs):
        super().__init__(**kwargs)
        self.sources = [int(source) for source in sources]

    def call(self, inputs):
        padded = ops.pad(inputs, ((0, 0), (0, 1)))
        return ops.take(padded, [source % padded.shape[1] for source in self.sources], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.sources))

    def get_config(self):
        return {**super().get_config(), "sources": self.sources}
