"""The kit's own face network, for the drawn world: small, and trained on drawn people only (`fer-tf pretrain`)."""

import keras
from keras import layers

from ..models.parts import conv_norm

# of the convolutions of each block; the first block has one, because large maps cost most
FILTERS = ((16,), (32, 32), (64, 64), (128, 128))


def identity_trunk(shape: tuple[int, int, int]) -> keras.Model:
    """Four blocks of convolutions, up to the last map.

    Args:
        shape: (height, width, channels).
    Returns: `keras.Model`, pixels / 127.5 − 1 [N, H, W, C] → map [N, H/8, W/8, 128].
    """
    inputs = x = keras.Input(shape, name="face")
    for block, filters in enumerate(FILTERS, start=1):
        for number, channels in enumerate(filters, start=1):
            x = layers.ReLU(name=f"conv{block}_{number}_relu")(conv_norm(x, channels, f"conv{block}_{number}"))
        x = layers.MaxPooling2D(name=f"pool{block}")(x) if block < len(FILTERS) else x
    return keras.Model(inputs, x, name="identities")
