"""Pretrained networks of `keras.applications` as the feature extractors of transfer models."""

import inspect
import os
import warnings
from pathlib import Path

import keras
from keras import layers

from ..common.checks import InputError, MissingDataError, check_choice, check_range, check_whole
from ..layers import BackboneInput
from .parts import NORM_MOMENTUM, classifier, penalty, scaled

BACKBONE = "backbone"

# How each family's pretraining normalised its pictures (`fer_tf.layers.MODES`), and the smallest side it takes.
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
# Families that are refused, and why.
_REFUSED = {"ConvNeXt": "Keras cannot read its .h5 files back (its LayerScale is no layer of the public interface)"}


def backbone_names():
    """The names of `keras.applications` that can be a backbone: all but ConvNeXt's, whose saved .h5 files Keras
    cannot load."""
    found = [name for name, item in vars(keras.applications).items() if inspect.isfunction(item)]
    return sorted(name for name in found if name.startswith(tuple(_FAMILIES)))


def check_backbone(name, more=()):
    """Returns `name` if it is one of `backbone_names()` or of `more`; `InputError` says why a family is refused."""
    reason = next((text for prefix, text in _REFUSED.items() if str(name).startswith(prefix)), None)
    if reason:
        raise InputError(f"backbone: {name} is not possible, {reason}; take another, such as EfficientNetV2B0")
    return check_choice("backbone", name, [*more, *backbone_names()])


def backbone_family(name):
    """(normalisation mode, smallest side) of a backbone; `InputError` for a name that cannot be one."""
    check_backbone(name)
    return next(facts for prefix, facts in _FAMILIES.items() if name.startswith(prefix))


def transfer_model(name, backbone, input_shape, num_classes, weights, resolution, dense, dropout, width, l2):
    """Gray or RGB pictures → the backbone's own input → its last feature map → global average → dense head.

    Args:
        name: of the model.
        backbone: a name of `keras.applications`.
        input_shape, num_classes: of the model.
        weights: None or "none" (random), "imagenet", or the path of a `.weights.h5` file of the backbone.
        resolution: side the pictures are resized to; 0 takes their own, or the backbone's smallest.
        dense: units of the layer before the scores, 0 for none.
        dropout: share dropped before the scores.
        width: scales the backbone's filters and the dense layer; not with pretrained weights.
        l2: λ on the weights of the head's dense layers.
    Returns: `keras.Model` with the nested model `backbone`.
    """
    mode, smallest = backbone_family(backbone)
    side = check_whole("resolution", resolution, low=0) or max(*input_shape[:2], smallest)
    if side < smallest:
        raise InputError(f"resolution: {backbone} takes sides of {smallest} and more; received {side}")
    inputs = keras.Input(input_shape, name="image")
    x = BackboneInput(side, mode, name="backbone_input")(inputs)
    x = load_backbone(backbone, side, weights, width)(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dense:
        units = scaled((dense,), width)[0]
        x = layers.Dense(units, activation="relu", kernel_regularizer=penalty(l2), name="dense")(x)
    return keras.Model(inputs, classifier(x, num_classes, dropout, l2), name=name)


def load_backbone(name, side, weights=None, width=1.0):
    """A backbone without its classifier, called `backbone`: [N, side, side, 3] → feature map [N, h, w, D].

    Raises: `MissingDataError` if ImageNet's weights are neither in Keras's cache nor to be had from the network.
    """
    check_range("width", width, low=0.01)
    weights = None if weights in (None, "", "none") else weights
    if weights and width != 1:
        raise InputError(f"width: pretrained weights have width 1; received {width} (or take weights=none)")
    build = getattr(keras.applications, name)
    if weights == "imagenet":
        model = _storable(_imagenet(build, name, side))
    else:
        model = build(include_top=False, weights=None, input_shape=(side, side, 3))
        model = _storable(_with_file(model, weights)) if weights else _remade(model, width)
    model.name = BACKBONE
    return model


def _with_file(model, weights):
    if not Path(weights).is_file():
        raise MissingDataError(f"weights: no file {weights}; allowed are none, imagenet or a .weights.h5 file")
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:  # no HDF5, another net's layers or shapes
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"weights: {weights} does not fit {model.name} ({reason})") from None
    return model


def _imagenet(build, name, side):
    """The pretrained network at that side: built by Keras with its weights, because some families get further layers
    then (EfficientNet a scaling of its input)."""
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
                f"Put {file} there, or train without: --weights none (with make: WEIGHTS=none)"
            ) from None
        if isinstance(error, OSError):  # h5py on a file that is cut or no HDF5
            raise InputError(
                f"weights: {name}'s file in {cache} cannot be read ({text}); delete it to have it fetched again"
            ) from None
        raise


def _url(text):
    return next((word.strip(".,:()") for word in text.split() if word.startswith("http")), "no address told")


def _remade(model, width):
    """The same graph to be trained from scratch: every layer's filters scaled, the kit's batch norm momentum."""

    def remake(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Reshape) and width != 1:
            raise InputError(f"width: this backbone's layer {layer.name} fixes its channels; only width=1 is possible")
        if isinstance(layer, layers.BatchNormalization):
            config["momentum"] = NORM_MOMENTUM
        if isinstance(config.get("filters"), int):
            config["filters"] = scaled((config["filters"],), width)[0]
        return layer.__class__.from_config(config)

    try:
        return keras.models.clone_model(model, clone_function=remake, call_function=_call_storable)
    except (TypeError, ValueError) as error:  # sums of maps, groups and the like that no longer fit
        if width == 1 or isinstance(error, InputError):
            raise
        raise InputError(
            f"width: {model.name}'s parts do not fit each other scaled; only width=1 is possible"
        ) from None


def _storable(model):
    """The same network and weights, with nothing in it that a .h5 file cannot give back."""
    if all(_is_storable(operation) for operation in model.operations):
        return model
    clone = keras.models.clone_model(model, call_function=_call_storable)
    for layer in clone.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return clone


def _is_storable(operation):
    """False for what Keras writes into a .h5 file and cannot read back: bare sums and products with a number
    (MobileNetV3), InceptionResNetV2's own layer."""
    return isinstance(operation, layers.Layer) and type(operation).__name__ != "CustomScaleLayer"


def _call_storable(operation, *args, **kwargs):
    """Calls an operation of a graph, or what does the same with storable layers."""
    kind = type(operation).__name__
    if kind == "CustomScaleLayer":
        shortcut, x = args[0]
        x = layers.Rescaling(operation.scale, name=f"{operation.name}_scale")(x)
        return layers.Add(name=operation.name)([shortcut, x])
    if _is_storable(operation) or kind not in ("Add", "Multiply"):
        return operation(*args, **kwargs)
    x, number = args
    scale, offset = (number, 0.0) if kind == "Multiply" else (1.0, number)
    return layers.Rescaling(scale, offset, name=operation.name)(x)


def set_trainable(model, unfreeze="", freeze_norm=True):
    """Chooses which part of a transfer model's backbone learns.

    Args:
        model: with a nested model `backbone`, at any depth: RAN's stands in its region features.
        unfreeze: None freezes all of it; "" frees all; a layer's name frees from that layer to the end; a share like
            "0.25" frees the last quarter of its layers with weights.
        freeze_norm: keep batch normalisation at the pretraining's statistics (and scale) also in what learns.
    """
    backbone = find_backbone(model)
    parts = [layer for layer in backbone.layers if layer.weights]
    first = _first_trainable(backbone, parts, unfreeze)
    backbone.trainable = True
    for index, layer in enumerate(parts):
        is_norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = index >= first and not (freeze_norm and is_norm)


def _first_trainable(backbone, parts, unfreeze):
    """Index into `parts` of the first layer that learns."""
    if unfreeze is None:
        return len(parts)
    if unfreeze == "":
        return 0
    try:
        share = float(unfreeze)
    except ValueError:
        names = [layer.name for layer in backbone.layers]
        start = names.index(check_choice("unfreeze", unfreeze, names))
        return sum(bool(layer.weights) for layer in backbone.layers[:start])
    check_range("unfreeze", share, 0, 1)
    return len(parts) - round(share * len(parts))


def check_unfreeze(model, unfreeze):
    """Raises `InputError` if `set_trainable` would; changes nothing."""
    backbone = find_backbone(model)
    _first_trainable(backbone, [layer for layer in backbone.layers if layer.weights], unfreeze)


def has_backbone(model):
    """True if a part of the model can come pretrained and be frozen."""
    return find_backbone(model) is not None


def find_backbone(model):
    """The nested model `backbone`, None where there is none."""
    if model.name == BACKBONE:
        return model
    nested = (find_backbone(layer) for layer in model.layers if isinstance(layer, keras.Model))
    return next((found for found in nested if found is not None), None)
