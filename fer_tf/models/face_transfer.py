"""A face-recognition network, fine-tuned on expressions (document [1], section D a and its third question)."""

from typing import Any

import keras
from keras import layers

from ..common.checks import InputError, check_choice, check_whole
from ..layers import BackboneInput
from .folding import fold_batch_norm
from .parts import classifier, conv_norm, scaled

FROZEN, TRAINED = "frozen_part", "trained_part"


def face_transfer(
    input_shape: tuple[int, int, int],
    num_classes: int,
    face_net: Any = None,
    frozen_until: str = "",
    resolution: int = 0,
    dropout: float = 0.4,
    width: float = 1.0,
) -> keras.Model:
    """A face network with a new head: the lower part is frozen, the rest learns expressions.

    The lower part runs in inference mode, and its batch normalisation is folded into its convolutions. A training
    step therefore needs only a cheap forward pass through it, and no backward pass.

    Args:
        input_shape: (height, width, 1 or 3).
        num_classes: C.
        face_net: a loaded face network, see `fer_tf.training.face_nets.FaceNet`. It has `trunk` (`keras.Model`,
            [N, S, S, 3] → map [N, h, w, D]), `offset` and `scale`; the input of `trunk` is (pixels − offset) / scale.
            None builds a small network with random weights.
        frozen_until: name of the last frozen layer; "" freezes nothing.
        resolution: side in pixels that pictures are resized to; 0 takes the side of the face network.
        dropout: share of features dropped before the scores, 0..1.
        width: scales the filters of the small random network.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    Raises: `InputError` if the face network does not have the layer `frozen_until`, or cannot be split there.
    """
    trunk, offset, scale = _small_trunk(width), 127.5, 127.5
    if face_net is not None:
        trunk, offset, scale = face_net.trunk, face_net.offset, face_net.scale
    side = check_whole("resolution", resolution, low=0) or trunk.input_shape[1]
    lower, upper = _cut(_at_side(trunk, side), frozen_until)
    inputs = keras.Input(input_shape, name="image")
    x = BackboneInput(side, "raw", trunk.input_shape[-1], name="backbone_input")(inputs)
    x = layers.Rescaling(1 / scale, offset=-offset / scale, name="normalise")(x)
    x = upper(lower(x) if lower else x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="face_transfer")


def _small_trunk(width):
    """Four convolutions with random weights. They replace a face network in tests and when you look at the graph."""
    inputs = x = keras.Input((48, 48, 3), name="face")
    for block, channels in enumerate(scaled((32, 64, 128, 128), width), start=1):
        x = layers.ReLU(name=f"conv{block}_relu")(conv_norm(x, channels, f"conv{block}"))
        x = layers.MaxPooling2D(name=f"pool{block}")(x) if block < 4 else x
    return keras.Model(inputs, x, name="face_net")


def _at_side(trunk, side):
    """A copy for pictures of another side, which computes in the current precision (such as mixed_bfloat16)."""

    def copy(layer):
        if isinstance(layer, layers.Lambda) and "scale" in layer.arguments:
            # the residual scaling of keras-facenet is a Lambda, and Keras does not load a saved Lambda
            return layers.Rescaling(layer.arguments["scale"], name=layer.name)
        return layer.__class__.from_config({**layer.get_config(), "dtype": keras.config.dtype_policy().name})

    def call(layer, *args, **kwargs):
        return layer(args[0]) if isinstance(layer, layers.Rescaling) else layer(*args, **kwargs)

    try:
        inputs = keras.Input((side, side, trunk.input_shape[3]))
        model = keras.models.clone_model(trunk, input_tensors=inputs, clone_function=copy, call_function=call)
        model.set_weights(trunk.get_weights())
    except (TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise InputError(f"resolution: the face network cannot take pictures of {side} px ({reason})") from None
    return model


def _cut(trunk, frozen_until):
    """The frozen part with its batch norms folded (None if nothing is frozen), and the trained part."""
    if not frozen_until:
        return None, _renamed(trunk, TRAINED)
    names = [layer.name for layer in trunk.layers]
    border = trunk.get_layer(check_choice("frozen_until", frozen_until, names)).output
    try:
        upper = keras.Model(border, trunk.output, name=TRAINED)
    except ValueError:
        raise InputError(
            f"frozen_until: a path of the face network goes around {frozen_until}; use a layer that all paths pass"
        ) from None
    lower = fold_batch_norm(keras.Model(trunk.input, border))
    lower = _renamed(lower, FROZEN)
    lower.trainable = False
    for layer in upper.layers:
        layer.trainable = True
    return lower, upper


def _renamed(model, name):
    model.name = name
    return model
