"""Parts that the models share: scaled channel counts, blocks and the classifier at the end."""

import keras
from keras import layers

from ..common.checks import InputError, check_range

# Keras's default of 0.99 needs hundreds of steps before validation is normalised as training is
NORM_MOMENTUM = 0.9


def scaled(filters, width):
    """Channel counts times `width`, at least 4 each: for tests and small machines."""
    check_range("width", width, low=0.01)
    return tuple(max(4, round(count * width)) for count in filters)


def check_side(model, input_shape, halvings):
    """Refuses pictures too small to be halved `halvings` times."""
    if min(input_shape[:2]) < 2**halvings:
        raise InputError(f"input_shape: {model} halves the side {halvings} times, {input_shape[:2]} is too small")


def penalty(l2):
    """λ‖w‖² on a dense layer's weights, or None."""
    check_range("l2", l2, low=0)
    return keras.regularizers.L2(l2) if l2 else None


def norm(name):
    """Batch normalisation."""
    return layers.BatchNormalization(momentum=NORM_MOMENTUM, name=name)


def conv_norm(x, filters, name, size=3, strides=1):
    """Convolution without bias, then batch normalisation."""
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
    return norm(f"{name}_norm")(x)


def classifier(x, num_classes, dropout=0.0, l2=0.0):
    """Dropout, the linear layer `scores` and the softmax `probabilities`: every model of the kit ends with these.

    The scores are a layer of their own because the squared hinge loss and Grad-CAM work on them.

    Args:
        x: float [N, D].
        num_classes: C.
        dropout: share dropped before, 0..1.
        l2: λ on the linear layer's weights.
    Returns: float32 [N, C], rows sum to one.
    """
    check_range("dropout", dropout, 0, 0.99)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, kernel_regularizer=penalty(l2), dtype="float32", name="scores")(x)
    return layers.Softmax(dtype="float32", name="probabilities")(x)
