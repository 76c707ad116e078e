"""The plain CNN of document [2]."""

import keras
from keras import layers

from .parts import check_side, classifier, norm, penalty, scaled


def cnn(input_shape, num_classes, filters=(32, 64, 128, 256), dense=256, dropout=0.5, width=1.0, l2=0.0):
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
        l2: λ on the dense layers' weights.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("cnn", input_shape, len(filters))
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(inputs)
    for block, channels in enumerate(scaled(filters, width), start=1):
        x = layers.Conv2D(channels, 3, padding="same", name=f"conv{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
        x = norm(f"norm{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled((dense,), width)[0], activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name="cnn")
