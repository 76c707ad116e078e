"""ResNet18 (He et al. 2016)."""

import keras
from keras import layers

from ..common.checks import check_choice
from .parts import check_side, classifier, conv_norm, scaled

STEMS = ("standard", "small")


def resnet18(
    input_shape: tuple[int, int, int],
    num_classes: int,
    stem: str = "standard",
    dropout: float = 0.0,
    width: float = 1.0,
) -> keras.Model:
    """ResNet18: a stem, four stages of two residual blocks (64, 128, 256, 512 filters), global average, scores.

    The net has 11.2 M parameters. `stem="standard"` is the stem of the paper: 7×7 with stride 2, then 3×3 max-pooling
    with stride 2. It reduces a 64 px picture to 16 px, and the whole net needs 150 M multiply-adds. `stem="small"` is
    the paper's stem for CIFAR-10: 3×3 with stride 1 and no pooling. A 48 px picture keeps its 48 px in the first
    stage, which costs 16 times more for each pixel of the picture.

    Args:
        input_shape: (height, width, channels), sides at least 8 (small) or 32 (standard).
        num_classes: C.
        stem: "standard" or "small".
        dropout: share of features dropped before the output, 0..1.
        width: scales all filters.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("resnet18", input_shape, 5 if check_choice("stem", stem, STEMS) == "standard" else 3)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    x = resnet_features(x, scaled((64, 128, 256, 512), width), stem)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="resnet18")


def resnet_features(x: keras.KerasTensor, filters: tuple[int, ...], stem: str) -> keras.KerasTensor:
    """The convolutional part: a stem, then two residual blocks for each entry of `filters`.

    Args:
        x: float [N, H, W, C].
        filters: channels of the stages.
        stem: "standard" or "small", see `resnet18`.
    Returns: feature map [N, h, w, filters[-1]].
    """
    if stem == "standard":
        x = layers.ReLU(name="stem_relu")(conv_norm(x, filters[0], "stem", size=7, strides=2))
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    else:
        x = layers.ReLU(name="stem_relu")(conv_norm(x, filters[0], "stem"))
    for stage, channels in enumerate(filters, start=1):
        for block in (1, 2):
            strides = 2 if stage > 1 and block == 1 else 1
            x = residual_block(x, channels, strides, f"stage{stage}_block{block}")
    return x


def residual_block(x: keras.KerasTensor, channels: int, strides: int, name: str) -> keras.KerasTensor:
    """Two 3×3 convolutions and a shortcut (He et al. 2016, figure 2).

    The shortcut is a 1×1 convolution if size or channels change.

    Args:
        x: float [N, H, W, C].
        channels: D, filters of both convolutions.
        strides: of the first convolution.
        name: beginning of the layers' names.
    Returns: float [N, H / strides, W / strides, D].
    """
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        shortcut = conv_norm(x, channels, f"{name}_shortcut", size=1, strides=strides)
    x = layers.ReLU(name=f"{name}_relu1")(conv_norm(x, channels, f"{name}_conv1", strides=strides))
    x = conv_norm(x, channels, f"{name}_conv2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_sum")([x, shortcut]))
