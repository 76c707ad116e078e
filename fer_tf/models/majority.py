"""The majority baseline of document [2]: the most frequent class for every picture."""

import keras

from ..layers import MajorityClass


def majority(input_shape, num_classes):
    """A model without trainable weights; `MajorityClass.adapt(labels)` teaches it the class shares."""
    inputs = keras.Input(input_shape, name="image")
    return keras.Model(inputs, MajorityClass(num_classes, name="majority")(inputs), name="majority")
