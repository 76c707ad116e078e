"""The baseline CNN that document [1] compares with (Uçar 2017)."""

import keras
from keras import layers

from .parts import check_side, classifier, conv_norm, penalty, scaled


def ucar_cnn(input_shape, num_classes, filters=(32, 64, 128, 256), dense=512, dropout=0.5, width=1.0, l2=0.0):
    """A plain deep CNN trained from scratch (Uçar 2017, "Deep convolutional neural networks for facial expression
    recognition"): convolution, batch norm, ReLU, max-pooling several times, a dense layer, dropout, softmax.

    The paper could not be had; this is the kit's reading of what [1] says of it: four 5×5 then 3×3 convolutions of 32
    to 256 filters, one dense layer of 512.

    Args:
        input_shape: (height, width, channels), sides at least 2 ** len(filters).
        num_classes: C.
        filters: channels of each convolution; the first is 5×5, the others 3×3.
        dense: units of the dense layer.
        dropout: share dropped before the output, 0..1.
        width: scales filters and dense.
        l2: λ on the dense layers' weights.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("ucar_cnn", input_shape, len(filters))
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(inputs)
    for block, channels in enumerate(scaled(filters, width), start=1):
        x = conv_norm(x, channels, f"conv{block}", size=5 if block == 1 else 3)
        x = layers.ReLU(name=f"conv{block}_relu")(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled((dense,), width)[0], activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name="ucar_cnn")
