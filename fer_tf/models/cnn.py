"""The plain CNN of document [2]."""

import keras
from keras import layers

from .parts import check_side, classifier, norm, penalty, scaled


def cnn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    filters: tuple[int, ...] = (32, 64, 128, 256),
    dense: int = 256,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """The CNN of document [2]: convolutions with ReLU and max-pooling, then flatten, dense layers and softmax.

    Batch normalisation and dropout are there "to mitigate overfitting". The document gives neither depth nor widths.
    We use four 3×3 convolutions of 32 to 256 filters (48 → 24 → 12 → 6 → 3 px). At 48 px that is 1.0 M parameters and
    33 M multiply-adds. Batch norm follows each pooling, because there it costs a quarter of what it costs before it.
    Dropout comes before the output.

    Args:
        input_shape: (height, width, channels), each side at least 2 ** len(filters).
        num_classes: C.
        filters: channels of each convolution.
        dense: units of the fully connected layer.
        dropout: share of features dropped before the output, 0..1.
        width: scales `filters` and `dense`.
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
