"""The plain CNN of document [2]."""

import keras
from keras import layers

from ..checks import InputError, check_range


def scaled(filters, width):
    """Channel counts times `width`, at least 4 each: for tests and small machines."""
    check_range("width", width, low=0.01)
    return tuple(max(4, round(count * width)) for count in filters)


def cnn(input_shape, num_classes, filters=(32, 64, 128, 256), dense=256, dropout=0.5, width=1.0):
    """Document [2]: convolutions each followed by ReLU and max-pooling, flatten, dense layers, softmax; with batch
    normalisation and dropout "to mitigate overfitting".

    The document prints neither depth nor widths. This reading takes four 3×3 convolutions of 32 to 256 filters
    (48 → 24 → 12 → 6 → 3 px; 1.0 M parameters, 33 M multiply-adds), batch norm after each pooling (where it costs a
    quarter of what it would before), dropout before the output.

    Args:
        input_shape: (height, width, channels), each side at least 2 ** len(filters).
        num_classes: C.
        filters: channels of each convolution.
        dense: units of the fully connected layer.
        dropout: share dropped before the output, 0..1.
        width: scales filters and dense.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    if min(input_shape[:2]) < 2 ** len(filters):
        raise InputError(f"input_shape: cnn halves the side {len(filters)} times, {input_shape[:2]} is too small")
    check_range("dropout", dropout, 0, 0.99)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(inputs)
    for block, channels in enumerate(scaled(filters, width), start=1):
        x = layers.Conv2D(channels, 3, padding="same", name=f"conv{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
        # Keras's default momentum of 0.99 needs hundreds of steps before validation is normalised as training is
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled((dense,), width)[0], activation="relu", name="dense")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="cnn")
