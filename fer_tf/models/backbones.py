"""Pretrained networks of `keras.applications`, used as feature extractors in transfer models."""

import inspect
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
from keras import layers

from ..common.checks import InputError, MissingDataError, check_choice, check_range, check_whole
from ..layers import BackboneInput
from .drawn_weights import load_drawn
from .parts import NORM_MOMENTUM, classifier, penalty, scaled

BACKBONE = "backbone"
# A fine-tuned model; its backbone is everything before the dropout of its head.
TUNED, TUNED_DROPOUT = "fine_tune", "dropout"

# How each family normalised its pictures in pretraining (`fer_tf.layers.MODES`), and the smallest side it accepts.
_FAMILIES = {
    "VGG": ("caffe", 32),
    "ResNet50V2": ("tf", 32),
    "ResNet101V2": ("tf", 32),
    "ResNet152V2": ("tf", 32),
    "ResNet": ("caffe", 32),
    "MobileNetV3": ("raw", 32),
    "MobileNet": ("tf", 32),
    "DenseNet": ("torch", 32),
    "InceptionV3": ("tf", 75),
    "InceptionResNetV2": ("tf", 75),
    "Xception": ("tf", 71),
    "NASNet": ("tf", 32),
    "EfficientNet": ("raw", 32),
}
# Families that cannot be used, and why.
_REFUSED = {"ConvNeXt": "Keras cannot load its .h5 files (its layer LayerScale is not public)"}


def backbone_names() -> list[str]:
    """The names of `keras.applications` that can be a backbone.

    ConvNeXt is missing, because Keras cannot load its saved .h5 files.
    """
    functions = [name for name, member in vars(keras.applications).items() if inspect.isfunction(member)]
    return sorted(name for name in functions if name.startswith(tuple(_FAMILIES)))


def check_backbone(name: str, others: Iterable[str] = ()) -> str:
    """Returns `name` if it is one of `backbone_names()` or of `others`.

    Raises: `InputError` otherwise; for a family that cannot be used it gives the reason.
    """
    reason = next((text for prefix, text in _REFUSED.items() if str(name).startswith(prefix)), None)
    if reason:
        raise InputError(f"backbone: {name} cannot be used: {reason}; use another, such as EfficientNetV2B0")
    return check_choice("backbone", name, [*others, *backbone_names()])


def backbone_family(name: str) -> tuple[str, int]:
    """(normalisation mode, smallest side in pixels) of a backbone.

    Raises: `InputError` for a name that cannot be a backbone.
    """
    check_backbone(name)
    return next(facts for prefix, facts in _FAMILIES.items() if name.startswith(prefix))


def transfer_model(
    name: str,
    backbone: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    weights: str | None,
    resolution: int,
    dense: int,
    dropout: float,
    width: float,
    l2: float,
) -> keras.Model:
    """Gray or RGB pictures → input of the backbone → its last feature map → global average → dense head.

    Args:
        name: name of the model.
        backbone: a name of `keras.applications`.
        input_shape: (height, width, channels) of the pictures.
        num_classes: C.
        weights: None or "none" (random), "imagenet", "drawn" (see `fer_tf.models.drawn_weights`), or the path of a
            `.weights.h5` file of the backbone.
        resolution: side in pixels that pictures are resized to. 0 keeps their own side, or takes the backbone's
            smallest one if they are smaller.
        dense: units of the layer before the scores; 0 for no such layer.
        dropout: share of features dropped before the scores, 0..1.
        width: scales the backbone's filters and the dense layer; must be 1 with pretrained weights, a quarter with
            drawn ones.
        l2: λ on the weights of the head's dense layers.
    Returns: `keras.Model`, raw pixels 0..255 [N, H, W, C] → probabilities [N, num_classes]. It contains the nested
        model `backbone`.
    Raises: `InputError` for an option that is not allowed, `MissingDataError` if the weights cannot be found.
    """
    mode, smallest = backbone_family(backbone)
    side = check_whole("resolution", resolution, low=0) or max(*input_shape[:2], smallest)
    if side < smallest:
        raise InputError(f"resolution: {backbone} needs sides of at least {smallest} pixels; received {side}")
    inputs = keras.Input(input_shape, name="image")
    if mode == "caffe" and weights in (None, "", "none"):
        mode = "tf"  # with random weights, pixels of -128..127 would pass as they are to the last layer and overflow it
    x = BackboneInput(side, mode, name="backbone_input")(inputs)
    x = load_backbone(backbone, side, weights, width)(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dense:
        units = scaled((dense,), width)[0]
        x = layers.Dense(units, activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name=name)


def load_backbone(name: str, side: int, weights: str | None = None, width: float = 1.0) -> keras.Model:
    """A backbone without its classifier.

    Args:
        name: a name of `keras.applications`.
        side: height and width of its input in pixels.
        weights: see `transfer_model`.
        width: scales the filters; must be 1 with pretrained weights, a quarter with drawn ones.
    Returns: `keras.Model` with the name `backbone`, [N, side, side, 3] → feature map [N, h, w, D].
    Raises: `MissingDataError` if the weights file does not exist, or if the ImageNet weights are not in Keras's cache
        and cannot be downloaded. `InputError` if the weights do not fit.
    """
    check_range("width", width, low=0.01)
    weights = None if weights in (None, "", "none") else weights
    build = getattr(keras.applications, name)
    if weights == "drawn":
        model = _remade(build(include_top=False, weights=None, input_shape=(side, side, 3)), width)
        load_drawn(model, name, width)
        model.name = BACKBONE
        return model
    if weights and width != 1:
        raise InputError(f"width: pretrained weights need width 1; received {width} (or use weights=none)")
    if weights == "imagenet":
        model = _storable(_imagenet(build, name, side))
    else:
        model = build(include_top=False, weights=None, input_shape=(side, side, 3))
        model = _storable(_with_file(model, weights)) if weights else _remade(model, width)
    model.name = BACKBONE
    return model


def _with_file(model, weights):
    if not Path(weights).is_file():
        raise MissingDataError(f"weights: no file {weights}; allowed are none, imagenet, drawn or a .weights.h5 file")
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:  # not HDF5, or layers and shapes of another net
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"weights: {weights} does not fit {model.name} ({reason})") from None
    return model


def _imagenet(build, name, side):
    """The pretrained network for pictures of this side.

    Keras must build it together with its weights: some families then get more layers (EfficientNet scales its input).
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input_shape.*")  # sides that MobileNet was not published for
            return build(include_top=False, weights="imagenet", input_shape=(side, side, 3))
    except Exception as error:  # Keras raises a bare Exception when it cannot fetch
        cache = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
        text = str(error)
        if "fetch" in text:
            file = _url(text).rsplit("/", 1)[-1]
            raise MissingDataError(
                f"weights: {name}'s ImageNet weights are not in {cache} and could not be fetched ({_url(text)}). "
                f"Put {file} there, or train without them: --weights none (with make: WEIGHTS=none)"
            ) from None
        if isinstance(error, OSError):  # h5py: the file is incomplete or not HDF5
            raise InputError(
                f"weights: {name}'s file in {cache} cannot be read ({text}); delete it and run again to download it"
            ) from None
        raise


def _url(text):
    return next((word.strip(".,:()") for word in text.split() if word.startswith("http")), "address unknown")


def _remade(model, width):
    """The same graph for training from scratch: filters are scaled, batch norm has the kit's momentum, and a
    convolution with its own ReLU (VGG) has He's initialisation, without which VGG16 does not start to learn.
    """

    def remake(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Reshape) and width != 1:
            raise InputError(f"width: this backbone's layer {layer.name} fixes its channels; only width=1 is possible")
        if isinstance(layer, layers.BatchNormalization):
            config["momentum"] = NORM_MOMENTUM
        if isinstance(layer, layers.Conv2D) and config["activation"] == "relu":
            config["kernel_initializer"] = "he_normal"
        if isinstance(config.get("filters"), int):
            config["filters"] = scaled((config["filters"],), width)[0]
        return layer.__class__.from_config(config)

    try:
        return keras.models.clone_model(model, clone_function=remake, call_function=_call_storable)
    except (TypeError, ValueError) as error:  # for example sums of maps whose channels no longer match
        if width == 1 or isinstance(error, InputError):
            raise
        raise InputError(
            f"width: the scaled layers of {model.name} do not fit together; only width=1 is possible"
        ) from None


def _storable(model):
    """The same network and weights, built only from operations that Keras can load from a .h5 file."""
    if all(_is_storable(operation) for operation in model.operations):
        return model
    clone = keras.models.clone_model(model, call_function=_call_storable)
    for layer in clone.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return clone


def _is_storable(operation):
    """False for an operation that Keras saves in a .h5 file but cannot load from it.

    These are sums and products with a number (MobileNetV3), and InceptionResNetV2's own layer.
    """
    return isinstance(operation, layers.Layer) and type(operation).__name__ != "CustomScaleLayer"


def _call_storable(operation, *args, **kwargs):
    """Calls an operation of a graph, or storable layers that do the same."""
    class_name = type(operation).__name__
    if class_name == "CustomScaleLayer":
        shortcut, x = args[0]
        x = layers.Rescaling(operation.scale, name=f"{operation.name}_scale")(x)
        return layers.Add(name=operation.name)([shortcut, x])
    if _is_storable(operation) or class_name not in ("Add", "Multiply"):
        return operation(*args, **kwargs)
    x, number = args
    scale, offset = (number, 0.0) if class_name == "Multiply" else (1.0, number)
    return layers.Rescaling(scale, offset, name=operation.name)(x)


def set_trainable(model: keras.Model, unfreeze: str | None = "", freeze_norm: bool = True) -> None:
    """Chooses which layers of a transfer model's backbone are trained.

    Args:
        model: contains a nested model `backbone` at any depth (in RAN it is inside the region features).
        unfreeze: None freezes the whole backbone and "" trains all of it. The name of a layer trains this layer and
            all later ones. A share such as "0.25" trains the last quarter of the layers that have weights.
        freeze_norm: if true, batch normalisation keeps its pretrained statistics and scale, also in trained layers.
    Raises: `InputError` for an unknown layer or a share outside 0..1.
    """
    backbone: Any = find_backbone(model)
    weighted_layers = [layer for layer in _flat_layers(backbone) if layer.weights]
    first = _first_trainable(backbone, weighted_layers, unfreeze)
    backbone.trainable = True
    for index, layer in enumerate(weighted_layers):
        is_norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = index >= first and not (freeze_norm and is_norm)


def _first_trainable(backbone, weighted_layers, unfreeze):
    """Index into `weighted_layers` of the first layer that is trained."""
    if unfreeze is None:
        return len(weighted_layers)
    if unfreeze == "":
        return 0
    try:
        share = float(unfreeze)
    except ValueError:
        names = [layer.name for layer in _flat_layers(backbone)]
        start = names.index(check_choice("unfreeze", unfreeze, names))
        return sum(bool(layer.weights) for layer in _flat_layers(backbone)[:start])
    check_range("unfreeze", share, 0, 1)
    return len(weighted_layers) - round(share * len(weighted_layers))


def check_unfreeze(model: keras.Model, unfreeze: str | None) -> None:
    """Raises `InputError` where `set_trainable` would; the model is not changed."""
    backbone: Any = find_backbone(model)
    _first_trainable(backbone, [layer for layer in _flat_layers(backbone) if layer.weights], unfreeze)


def _flat_layers(model):
    """The layers of a model; a nested model is replaced by its layers."""
    nested = ((_flat_layers(layer) if isinstance(layer, keras.Model) else [layer]) for layer in model.layers)
    return [layer for part in nested for layer in part]


def has_backbone(model: keras.Model) -> bool:
    """True if the model contains a backbone, which can be pretrained and frozen."""
    return find_backbone(model) is not None


def find_backbone(model: keras.Model) -> keras.Model | None:
    """The nested model `backbone`, at any depth, or what is before the head of a fine-tuned model; None if neither."""
    if model.name == TUNED:
        return keras.Model(model.inputs[0], model.get_layer(TUNED_DROPOUT).input, name=BACKBONE)
    if model.name == BACKBONE:
        return model
    nested = (find_backbone(layer) for layer in model.layers if isinstance(layer, keras.Model))
    return next((backbone for backbone in nested if backbone is not None), None)
