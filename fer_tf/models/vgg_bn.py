"""A strong net from scratch for 48 px faces: VGG blocks with batch normalisation."""

import keras
from keras import layers

from .parts import check_side, classifier, conv_norm, scaled


def vgg_bn(input_shape, num_classes, filters=(64, 128, 256, 512), dropout=0.5, width=1.0):
    """Four blocks of two conv-BN-ReLU and a max-pooling, global average, scores (after Simonyan & Zisserman 2015 and
    Pramerdorfer & Kampel 2016, whose VGG with batch norm is among FER2013's best single nets).

    4.7 M parameters and 460 M multiply-adds at 48 px; 1.2 M and 117 M at width 0.5. With its global average before the
    scores it has exact class activation maps.

    Args:
        input_shape: (height, width, channels), sides at least 2 ** len(filters).
        num_classes: C.
        filters: channels of each block.
        dropout: share dropped before the output, and half of it after every block but the last, 0..1.
        width: scales all filters.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("vgg_bn", input_shape, len(filters))
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    for block, channels in enumerate(scaled(filters, width), start=1):
        for index in (1, 2):
            name = f"block{block}_conv{index}"
            x = layers.ReLU(name=f"{name}_relu")(conv_norm(x, channels, name))
        if block < len(filters):
            x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
            x = layers.Dropout(dropout / 2, name=f"block{block}_dropout")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="vgg_bn")
