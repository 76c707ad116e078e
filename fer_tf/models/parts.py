"""Parts that all models share: scaled channel counts, blocks and the final classifier."""

import keras
from keras import layers

from ..common.checks import InputError, check_range

# with Keras's default of 0.99, validation is normalised like training only after hundreds of steps
NORM_MOMENTUM = 0.9


def scaled(filters: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Multiplies channel counts by `width` for tests and small machines.

    Args:
        filters: channel counts.
        width: factor, at least 0.01.
    Returns: rounded counts, each at least 4.
    """
    check_range("width", width, low=0.01)
    return tuple(max(4, round(count * width)) for count in filters)


def check_side(model: str, input_shape: tuple[int, int, int], halvings: int) -> None:
    """Raises `InputError` if pictures of this shape are too small to be halved `halvings` times."""
    if min(input_shape[:2]) < 2**halvings:
        raise InputError(f"input_shape: {model} halves the side {halvings} times, {input_shape[:2]} is too small")


def penalty(l2: float) -> keras.regularizers.L2 | None:
    """λ‖w‖² on the weights of a dense layer; None for λ = 0."""
    check_range("l2", l2, low=0)
    return keras.regularizers.L2(l2) if l2 else None


def norm(name: str) -> layers.BatchNormalization:
    """Batch normalisation with the kit's momentum."""
    return layers.BatchNormalization(momentum=NORM_MOMENTUM, name=name)


def conv_norm(x: keras.KerasTensor, filters: int, name: str, size: int = 3, strides: int = 1) -> keras.KerasTensor:
    """A convolution without bias, then batch normalisation: [N, H, W, C] → [N, H/strides, W/strides, filters].

    A 1×1 convolution with strides uses one position of each stride, so the others are left out before it. The result is
    the same. The gradient of the strided one writes beyond its memory in TensorFlow 2.21 on a processor with AVX-512 if
    there are several threads, fewer than 16 channels and an odd number of pictures.
    """
    if size == 1 and strides > 1:
        x = layers.AveragePooling2D(1, strides=strides, padding="same", name=f"{name}_subsample")(x)
        strides = 1
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=name)(x)
    return norm(f"{name}_norm")(x)


def classifier(x: keras.KerasTensor, num_classes: int, dropout: float = 0.0, l2: float = 0.0) -> keras.KerasTensor:
    """The end of every model: dropout, the linear layer `scores` and the softmax `probabilities`.

    The scores are a separate layer because the squared hinge loss and Grad-CAM use them.

    Args:
        x: features float [N, D].
        num_classes: C.
        dropout: share of features dropped, 0..0.99.
        l2: λ on the weights of the linear layer.
    Returns: probabilities float32 [N, C]; each row sums to one.
    """
    check_range("dropout", dropout, 0, 0.99)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, kernel_regularizer=penalty(l2), dtype="float32", name="scores")(x)
    return layers.Softmax(dtype="float32", name="probabilities")(x)
