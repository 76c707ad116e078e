"""A trained model with a new head, for fine-tuning on other pictures and other classes."""

import keras

from ..common.checks import InputError
from .backbones import TUNED, TUNED_DROPOUT
from .cnn import cnn
from .parts import classifier
from .transfer import head_first

# Layers of the head: those of the starting model that have these names get other ones.
_HEAD = (TUNED_DROPOUT, "scores", "probabilities")


@head_first
def fine_tune(
    input_shape: tuple[int, int, int],
    num_classes: int,
    trunk: keras.Model | None = None,
    weights: str | None = None,
    dropout: float = 0.3,
    width: float = 1.0,
    l2: float = 0.0,
) -> keras.Model:
    """The features of a trained model with a new head: dropout, a linear layer and the softmax.

    All layers stay where they were, so maps and region weights of the starting model are there, too.

    Args:
        input_shape: (height, width, channels) of the starting model's pictures.
        num_classes: C.
        trunk: `keras.Model`, raw pixels [N, H, W, C] → features [N, D], see `fer_tf.training.fine_tuning`. Its layers
            become a part of the result. None builds a `cnn` with random weights.
        weights: the name of the starting model, for the record. It needs `trunk`.
        dropout: share of features dropped before the scores, 0..1.
        width: scales the `cnn` with random weights.
        l2: λ on the weights of the head.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    Raises: `InputError` for weights without a trunk, or a trunk that takes pictures of another shape.
    """
    if trunk is None:
        if weights not in (None, "", "none"):
            raise InputError(f"weights: {weights} has to be opened first; use `fer-tf train --from {weights}`")
        whole = cnn(input_shape, num_classes, width=width)
        trunk = keras.Model(whole.inputs[0], whole.get_layer("dropout").input)
    if tuple(trunk.input_shape[1:]) != tuple(input_shape):
        raise InputError(f"input_shape: the starting model takes {trunk.input_shape[1:]}; received {input_shape}")
    for layer in trunk.layers:
        if layer.name in _HEAD:
            layer.name = f"{layer.name}_before"
    return keras.Model(trunk.inputs[0], classifier(trunk.outputs[0], num_classes, dropout, l2), name=TUNED)
