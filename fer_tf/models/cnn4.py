"""The network of document [4]: four convolutions and three linear layers, and its two extensions.

The extensions are squeeze-and-excitation and residual shortcuts.
"""

import keras
from keras import layers

from ..layers import SqueezeExcite
from .parts import check_side, classifier, conv_norm, norm, penalty, scaled

FILTERS = (32, 64, 128, 256)
DENSE = (256, 128)


def cnn4(
    input_shape: tuple[int, int, int], num_classes: int, dropout: float = 0.5, width: float = 1.0, l2: float = 0.0
) -> keras.Model:
    """The plain network of document [4], for pictures of 64×64×3.

    Document [4], §2.2: "four convolution layers ... Following each convolutional layer, batch normalization is
    applied ... three linear layers ... a dropout layer", with ReLU. The document gives neither widths nor pooling. Its
    METHODS section has a max-pooling after each convolution. We use 32 to 256 filters (64 → 32 → 16 → 8 → 4 px) and
    linear layers of 256, 128 and C units: 1.5 M parameters, 60 M multiply-adds.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        dropout: share of features dropped before the output, 0..1.
        width: scales all layers.
        l2: λ on the linear layers' weights.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    return _cnn4("cnn4", input_shape, num_classes, _plain_block, dropout, width, l2)


def cnn4_se(
    input_shape: tuple[int, int, int],
    num_classes: int,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
    ratio: int = 16,
) -> keras.Model:
    """`cnn4` with squeeze-and-excitation after each batch norm.

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        dropout, width, l2: see `cnn4`.
        ratio: of `SqueezeExcite`; 16 as in Hu et al. 2018.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """

    def block(x, channels, name):
        x = SqueezeExcite(ratio, name=f"{name}_se")(conv_norm(x, channels, name))
        return layers.ReLU(name=f"{name}_relu")(x)

    return _cnn4("cnn4_se", input_shape, num_classes, block, dropout, width, l2)


def cnn4_se_residual(
    input_shape: tuple[int, int, int],
    num_classes: int,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
    ratio: int = 16,
) -> keras.Model:
    """`cnn4_se` with a 1×1 shortcut around each convolution, added before the ReLU (He et al. 2016, option B).

    Args:
        input_shape: (height, width, channels), sides at least 16.
        num_classes: C.
        dropout, width, l2, ratio: see `cnn4_se`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """

    def block(x, channels, name):
        branch = SqueezeExcite(ratio, name=f"{name}_se")(conv_norm(x, channels, name))
        shortcut = conv_norm(x, channels, f"{name}_shortcut", size=1)
        return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([branch, shortcut]))

    return _cnn4("cnn4_se_residual", input_shape, num_classes, block, dropout, width, l2)


def _plain_block(x, channels, name):
    return layers.ReLU(name=f"{name}_relu")(conv_norm(x, channels, name))


def _cnn4(name, input_shape, num_classes, block, dropout, width, l2):
    check_side(name, input_shape, len(FILTERS))
    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(inputs)
    for index, channels in enumerate(scaled(FILTERS, width), start=1):
        x = layers.MaxPooling2D(name=f"pool{index}")(block(x, channels, f"conv{index}"))
    x = layers.Flatten(name="flatten")(x)
    for index, units in enumerate(scaled(DENSE, width), start=1):
        x = layers.Dense(units, kernel_regularizer=penalty(l2), name=f"linear{index}")(x)
        x = layers.ReLU(name=f"linear{index}_relu")(norm(f"linear{index}_norm")(x))
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name=name)
