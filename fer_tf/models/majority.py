"""The majority baseline of document [2]: it predicts the most frequent class for every picture."""

import keras

from ..layers import MajorityClass


def majority(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """A model without trainable weights; `MajorityClass.adapt(labels)` sets its class shares.

    Args:
        input_shape: (height, width, channels); the pictures themselves are not used.
        num_classes: C.
    Returns: `keras.Model`, [N, H, W, C] → probabilities [N, num_classes].
    """
    inputs = keras.Input(input_shape, name="image")
    return keras.Model(inputs, MajorityClass(num_classes, name="majority")(inputs), name="majority")
