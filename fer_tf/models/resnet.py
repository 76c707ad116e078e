"""ResNet18 (He et al. 2016)."""

import keras
from keras import layers

from ..common.checks import check_choice
from .parts import check_side, classifier, conv_norm, scaled

STEMS = ("standard", "small")


def resnet18(input_shape, num_classes, stem="standard", dropout=0.0, width=1.0):
    """Eighteen layers: a stem, four stages of two residual blocks (64, 128, 256, 512 filters), global average, scores.

    11.2 M parameters. `stem="standard"` is the paper's (7×7 stride 2, then 3×3 max-pooling stride 2): a 64 px picture
    leaves it at 16 px, the whole costs 150 M multiply-adds. `stem="small"` (3×3 stride 1, no pooling; the paper's for
    CIFAR-10) keeps a 48 px picture at 48 px through the first stage, at 16 times the cost a pixel.

    Args:
        input_shape: (height, width, channels), sides at least 8 (small) or 32 (standard).
        num_classes: C.
        stem: "standard" or "small".
        dropout: share dropped before the output, 0..1.
        width: scales all filters.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("resnet18", input_shape, 5 if check_choice("stem", stem, STEMS) == "standard" else 3)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    x = resnet_features(x, scaled((64, 128, 256, 512), width), stem)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="resnet18")


def resnet_features(x, filters, stem):
    """The convolutional part: stem, then two residual blocks for each entry of `filters`."""
    if stem == "standard":
        x = layers.ReLU(name="stem_relu")(conv_norm(x, filters[0], "stem", size=7, strides=2))
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    else:
        x = layers.ReLU(name="stem_relu")(conv_norm(x, filters[0], "stem"))
    for stage, channels in enumerate(filters, start=1):
        for block in (1, 2):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _block(x, channels, strides, f"stage{stage}_block{block}")
    return x


def _block(x, channels, strides, name):
    """Two 3×3 convolutions and a shortcut, 1×1 where size or channels change."""
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        shortcut = conv_norm(x, channels, f"{name}_shortcut", size=1, strides=strides)
    x = layers.ReLU(name=f"{name}_relu1")(conv_norm(x, channels, f"{name}_conv1", strides=strides))
    x = conv_norm(x, channels, f"{name}_conv2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_sum")([x, shortcut]))
