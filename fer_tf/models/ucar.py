"""The baseline CNN that document [1] compares with (Uçar 2017)."""

import keras
from keras import layers

from .parts import check_side, classifier, conv_norm, penalty, scaled


def ucar_cnn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    filters: tuple[int, ...] = (32, 64, 128, 256),
    dense: int = 512,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """A plain CNN trained from scratch (Uçar 2017).

    The paper is "Deep convolutional neural networks for facial expression recognition". The net has four blocks of
    convolution, batch norm, ReLU and max-pooling, then a dense layer, dropout and softmax. We could not get the paper
    and follow its description in document [1]: the first convolution is 5×5 and the others are 3×3, with 32 to 256
    filters, and one dense layer has 512 units.

    Args:
        input_shape: (height, width, channels), sides at least 2 ** len(filters).
        num_classes: C.
        filters: channels of each convolution; the first is 5×5, the others 3×3.
        dense: units of the dense layer.
        dropout: share of features dropped before the output, 0..1.
        width: scales `filters` and `dense`.
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
