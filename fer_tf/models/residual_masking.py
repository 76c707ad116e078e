"""Residual Masking Network (Pham, Vu & Tran 2020): a ResNet whose stages are each followed by a mask."""

import keras
from keras import layers

from ..common.checks import check_choice
from .parts import check_side, classifier, conv_norm, norm, scaled
from .resnet import STEMS, residual_block

FILTERS = (64, 128, 256, 512)
MASKS = ("softmax", "sigmoid")


def residual_masking(
    input_shape: tuple[int, int, int],
    num_classes: int,
    stem: str = "standard",
    blocks: tuple[int, ...] = (3, 4, 6, 3),
    depths: tuple[int, ...] = (4, 3, 2, 1),
    mask: str = "softmax",
    dropout: float = 0.4,
    width: float = 1.0,
) -> keras.Model:
    """ResNet34 with a U-Net after each stage, which weighs the stage's map: x · (1 + mask(x)).

    Document [2] names it as future work. The paper's pictures have 224 px, and its maps 56, 28, 14 and 7. With
    `stem="small"`, pictures of 48 px have maps of 48, 24, 12 and 6: about the paper's. With `stem="standard"` they have
    12, 6, 3 and 2, for a sixteenth of the work. At 48 px, the net has 137.9 M parameters, most of them in the masks.
    It needs 1,150 M multiply-adds ("standard") or 16,000 M ("small"). At width 0.5 and with the standard stem these are
    34.5 M and 290 M, at width 0.25 8.6 M and 72 M. Because of the global average before the scores, its class
    activation maps are exact.

    Args:
        input_shape: (height, width, channels), sides at least 8 (small) or 32 (standard).
        num_classes: C.
        stem: "standard" or "small", see `fer_tf.models.resnet.resnet18`.
        blocks: residual blocks of the four stages; (3, 4, 6, 3) is ResNet34.
        depths: of the U-Nets of the four stages, see `mask_of`; the first stage has the largest map.
        mask: "softmax" over the channels, as in the paper's public code, or "sigmoid".
        dropout: share of features dropped before the output, 0..1; the public code's is 0.4.
        width: scales all filters.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    check_side("residual_masking", input_shape, 5 if check_choice("stem", stem, STEMS) == "standard" else 3)
    filters = scaled(FILTERS, width)
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(inputs)
    x = _stem(x, filters[0], stem)
    for stage, (channels, count, depth) in enumerate(zip(filters, blocks, depths, strict=True), start=1):
        for block in range(1, count + 1):
            x = residual_block(x, channels, 2 if stage > 1 and block == 1 else 1, f"stage{stage}_block{block}")
        x = masked(x, depth, mask, f"stage{stage}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="residual_masking")


def _stem(x, channels, stem):
    """The stems of `resnet18`."""
    if stem == "small":
        return layers.ReLU(name="stem_relu")(conv_norm(x, channels, "stem"))
    x = layers.ReLU(name="stem_relu")(conv_norm(x, channels, "stem", size=7, strides=2))
    return layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)


def masked(x: keras.KerasTensor, depth: int, mask: str, name: str) -> keras.KerasTensor:
    """x · (1 + m) with the mask m of `mask_of` (Pham et al. 2020): nothing of x is lost where the mask is 0.

    Args:
        x: float [N, H, W, C].
        depth, mask: see `mask_of`.
        name: beginning of the layers' names.
    Returns: float [N, H, W, C].
    """
    weighted = layers.Multiply(name=f"{name}_weighted")([x, mask_of(x, depth, mask, name)])
    return layers.Add(name=f"{name}_masked")([x, weighted])


def mask_of(x: keras.KerasTensor, depth: int, mask: str, name: str) -> keras.KerasTensor:
    """A U-Net (Ronneberger et al. 2015) of residual blocks that gives a weight for each value of a map.

    Down: `depth` blocks, each with twice the channels, with a max-pooling between two. Up: a transposed convolution,
    the map of the same size from the way down next to it, and a block with half of the channels.

    Args:
        x: float [N, H, W, C].
        depth: number of blocks on the way down. A map with an odd side is rounded up when it is halved.
        mask: "softmax" (the weights of a position's channels sum to 1) or "sigmoid" (each is independent).
        name: beginning of the layers' names.
    Returns: float [N, H, W, C], 0..1.
    """
    channels, downs = x.shape[-1], []
    y = x
    for level in range(1, depth + 1):
        y = layers.MaxPooling2D(padding="same", name=f"{name}_pool{level}")(y) if downs else y
        y = residual_block(y, channels * 2**level, 1, f"{name}_down{level}")
        downs.append(y)
    for level in range(depth - 1, 0, -1):
        y = _enlarged(y, downs[level - 1], f"{name}_up{level}")
        y = layers.Concatenate(name=f"{name}_join{level}")([y, downs[level - 1]])
        y = residual_block(y, channels * 2**level, 1, f"{name}_up{level}")
    y = residual_block(y, channels, 1, f"{name}_mask_block")
    if check_choice("mask", mask, MASKS) == "softmax":
        return layers.Softmax(name=f"{name}_mask")(y)
    return layers.Activation("sigmoid", name=f"{name}_mask")(y)


def _enlarged(x, like, name):
    """A map at twice its sides, cut to those of `like`, with the channels of `like`."""
    height, width, channels = like.shape[1:]
    x = layers.Conv2DTranspose(channels, 2, strides=2, use_bias=False, name=f"{name}_enlarge")(x)
    x = layers.ReLU(name=f"{name}_enlarge_relu")(norm(f"{name}_enlarge_norm")(x))
    rows, columns = x.shape[1] - height, x.shape[2] - width
    return layers.Cropping2D(((0, rows), (0, columns)), name=f"{name}_cut")(x) if rows or columns else x
