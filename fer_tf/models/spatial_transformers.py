"""Nets that start with a spatial transformer: Deep-Emotion (Minaee et al. 2019) and DeepFER (document [3])."""

import keras
from keras import layers

from ..common.checks import InputError
from ..layers import IdentityTheta, SpatialTransformer
from .parts import classifier, penalty, scaled


def deep_emotion(
    input_shape: tuple[int, int, int], num_classes: int, dropout: float = 0.5, width: float = 1.0, l2: float = 0.0
) -> keras.Model:
    """Deep-Emotion (Minaee, Minaei & Abdolrashidi 2019).

    A spatial transformer warps the picture. Two pairs of 3×3 convolutions with 10 filters follow, each pair with
    max-pooling and ReLU, then dropout, 50 units and softmax. The dense input of the localisation net has the size that
    follows from the picture (640 at 48 px; the paper's figure has 90). Convolutions have no padding, as in the paper's
    figure, which gives 810 features at 48 px.

    Args:
        input_shape: (height, width, channels), sides at least 22.
        num_classes: C.
        dropout: share of features dropped, 0..1.
        width: scales all layers except the six affine parameters.
        l2: λ on the weights of the four dense layers (two of them in the localisation net).
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    inputs, x = _warped_input("deep_emotion", input_shape, width, l2)
    filters, units = scaled((10, 50), width)
    for pair in (1, 2):
        for index in (1, 2):
            x = layers.Conv2D(filters, 3, name=f"conv{2 * pair + index - 2}")(x)
            x = layers.ReLU(name=f"relu{2 * pair + index - 2}")(x) if index == 1 else x
        x = layers.ReLU(name=f"pool{pair}_relu")(layers.MaxPooling2D(name=f"pool{pair}")(x))
    return keras.Model(inputs, _head(x, num_classes, units, dropout, l2), name="deep_emotion")


def deepfer(
    input_shape: tuple[int, int, int],
    num_classes: int,
    filters: tuple[int, ...] = (32, 32, 64, 64, 128, 128, 256),
    pair_relu: bool = True,
    dropout: float = 0.5,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """DeepFER (document [3]).

    The attention branch computes an affine map, which warps the *input picture*. The features come from seven
    convolutions, "each two except the last one followed by max-pooling layer and rectified linear unit", and dropout.
    Deep-Emotion describes its convolutions with the same sentence, so we build both in the same way: there is also a
    ReLU after the first convolution of a pair. Without it, a pair would be almost one linear 5×5 convolution.

    The document gives no widths. We use 3×3 convolutions of 32 to 256 filters (1.1 M parameters and 97 M multiply-adds
    at 48 px), and a head of 50 units as in Deep-Emotion. Pixels are scaled to -1..1. The loss contains λ‖w‖² of "the
    last four fully connected layers" (eq. 1): 32 and 6 units in the branch, 50 and C in the head.

    Args:
        input_shape: (height, width, channels), sides at least 22.
        num_classes: C.
        filters: channels of the seven convolutions.
        pair_relu: False follows the sentence literally: no ReLU between the two convolutions of a pair.
        dropout: share of features dropped, 0..1.
        width: scales all layers except the six affine parameters.
        l2: λ on the weights of the four dense layers.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    inputs, x = _warped_input("deepfer", input_shape, width, l2, centred=True)
    # Without normalisation the initial weights decide whether the signal keeps its size. He's initialisation does
    # that if every convolution has a ReLU. Without a ReLU inside the pairs it makes the signal grow until the units of
    # the head die; LeCun's initialisation keeps its size.
    start = "he_normal" if pair_relu else "lecun_normal"
    for index, channels in enumerate(scaled(filters, width), start=1):
        x = layers.Conv2D(channels, 3, padding="same", kernel_initializer=start, name=f"conv{index}")(x)
        if index % 2 == 0:
            x = layers.MaxPooling2D(name=f"pool{index // 2}")(x)
        if pair_relu or index % 2 == 0 or index == len(filters):
            x = layers.ReLU(name=f"relu{index}")(x)
    return keras.Model(inputs, _head(x, num_classes, scaled((50,), width)[0], dropout, l2), name="deepfer")


def _warped_input(name, input_shape, width, l2, centred=False):
    """The model's input, and the pictures that the localisation net has warped, 0..1 or (centred) -1..1."""
    if min(input_shape[:2]) < 22:
        raise InputError(
            f"input_shape: {name}'s localisation net needs sides of at least 22, {input_shape[:2]} is too small"
        )
    inputs = keras.Input(input_shape, name="image")
    scale = {"scale": 1 / 127.5, "offset": -1.0} if centred else {"scale": 1 / 255}
    x = layers.Rescaling(**scale, name="normalise")(inputs)
    return inputs, SpatialTransformer(name="transformer")(x, _theta(x, width, l2))


def _theta(x, width, l2):
    """The localisation net (Minaee et al. 2019, figure 2): θ float [N, 6]; it starts as the identity map."""
    first, second, units = scaled((8, 10, 32), width)
    x = layers.Conv2D(first, 7, name="locate_conv1")(x)
    x = layers.ReLU(name="locate_relu1")(layers.MaxPooling2D(name="locate_pool1")(x))
    x = layers.Conv2D(second, 5, name="locate_conv2")(x)
    x = layers.ReLU(name="locate_relu2")(layers.MaxPooling2D(name="locate_pool2")(x))
    x = layers.Flatten(name="locate_flatten")(x)
    x = layers.Dense(units, activation="relu", kernel_regularizer=penalty(l2), name="locate_dense")(x)
    return layers.Dense(
        6,
        kernel_initializer="zeros",
        bias_initializer=IdentityTheta(),
        kernel_regularizer=penalty(l2),
        dtype="float32",
        name="theta",
    )(x)


def _head(x, num_classes, units, dropout, l2):
    x = layers.Flatten(name="flatten")(layers.Dropout(dropout, name="feature_dropout")(x))
    x = layers.Dense(units, activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    return classifier(x, num_classes, 0.0, l2)
