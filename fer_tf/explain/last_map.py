"""Cuts a model in two at its last feature map, for class activation maps."""

from dataclasses import dataclass
from functools import partial

import keras

from ..common.checks import InputError
from ..layers import FoldRegions
from .logits import flat_layers, logits_model

# These layers compute no new map, and padding shifts positions.
_NO_MAPS = (keras.layers.Dropout, keras.layers.ZeroPadding2D)
# The map before these layers is finer and, after a ReLU, never negative, as Grad-CAM++ requires. When a `cnn` was cut
# after its last batch norm, half of all Grad-CAM++ maps of drawn faces were empty; when cut before it, none were.
_THINNING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.BatchNormalization)
# Activations and operations with results that are never negative. The layer ReLU has options, see below.
_NEVER_NEGATIVE = {"relu", "relu6", "sigmoid", "hard_sigmoid", "hardsigmoid", "softplus", "exponential", "softmax"}
# Layers and operations with results that are not negative if their inputs are not negative.
_SIGN_KEEPERS = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Identity", "Dropout"}
_SIGN_KEEPERS |= {"SpatialDropout2D", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Cropping2D"}
_SIGN_KEEPERS |= {"UpSampling2D", "Reshape", "Permute", "SqueezeExcite"}
# A map with more than this many times the cells of the last map is too early to show what a model looks at.
_TOO_FINE = 16
NEGATIVE = "all late maps of this model have negative values; its explanations can be empty"


@dataclass(frozen=True)
class Cut:
    """A model in two halves.

    Attributes:
        to_map: `keras.Model`, images [N, H, W, C] → last map [M, h, w, D]; M is N, or N·R if regions are folded.
        to_scores: `keras.Model`, this map → scores before the softmax [N, C].
        name: layer that computes the map, for messages; inside a nested model written as `backbone/block5_conv3`.
        is_averaged: only the mean over the map and a linear layer follow, so class activation maps are exact.
        is_non_negative: the map has no negative values, because it comes from a ReLU or a similar function.
    """

    to_map: keras.Model
    to_scores: keras.Model
    name: str
    is_averaged: bool
    is_non_negative: bool

    @property
    def is_flattened(self) -> bool:
        """True if the map is flattened before a dense layer, so that the score depends on positions.

        Also true if the maximum over the map is used: then one position counts, and a mean over all says little.
        """
        return any(_flattens(layer) for layer in flat_layers(self.to_scores))

    @property
    def remark(self) -> str:
        """A warning if the map can be negative and is not averaged; otherwise ""."""
        return "" if self.is_non_negative or self.is_averaged else NEGATIVE


def cut_at_last_map(model: keras.Model) -> Cut:
    """Cuts a model at its last layer with a spatial map that is never negative, also inside a nested model.

    Maps with negative values give poor explanations: a negative channel counts against a class that its gradient
    supports, and the final map is often empty. A linear 1×1 convolution gives such a map. There are two exceptions. A
    map that is averaged before a linear layer is used whatever its sign, because class activation maps are exact there.
    If no late map is free of negative values, the model is cut at its last map, and `Cut.remark` says so.

    Raises: `InputError` if the model has no spatial map, or no scores before a softmax.
    """
    last, last_cells = None, 0
    for name, tensor, halves in _places(logits_model(model)):
        is_positive, cells = _is_non_negative(tensor), tensor.shape[1] * tensor.shape[2]
        if last is not None and (not is_positive or cells > _TOO_FINE * last_cells):
            continue
        try:
            to_map, to_scores = halves()
        except ValueError:  # a shortcut or dense connection goes around the map, or it belongs to another graph
            continue
        cut = Cut(to_map, to_scores, name, _is_averaged(to_scores), is_positive)
        if is_positive or (last is None and cut.is_averaged):
            return cut
        last, last_cells = cut, cells
    if last is None:
        raise InputError(f"model: {model.name} has no spatial map to explain")
    return last


def _places(model):
    """Yields (layer's name, map, function that returns the two halves), the last map first; nested models included."""
    are_folded = any(isinstance(layer, FoldRegions) for layer in model.layers)
    begin = next((index for index, layer in enumerate(model.layers) if _convolves(layer)), len(model.layers))
    layers = model.layers[begin:]
    for layer, after in reversed(list(zip(layers, [*layers[1:], None], strict=False))):
        for tensor in [] if are_folded else _maps(layer, after):
            yield _path(layer), tensor, partial(_split, model.inputs[0], tensor, model.outputs[0])
        for name, tensor, halves in _places(layer) if isinstance(layer, keras.Model) else []:
            yield f"{layer.name}/{name}", tensor, partial(_split_inside, model, layer, halves)


def _maps(layer, after):
    """The outputs of a layer that have more than one cell; `after` is the next layer."""
    is_averaged = isinstance(after, keras.layers.GlobalAveragePooling2D)  # CAM needs exactly the map that is averaged
    if isinstance(layer, _NO_MAPS) or (isinstance(layer, _THINNING) and not is_averaged):
        return
    for node in layer._inbound_nodes:  # `layer.output` belongs to the first graph that called the layer
        shape = getattr(node.output_tensors[0], "shape", ())
        if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1:
            yield node.output_tensors[0]


def _path(layer):
    """The name of a layer; for a nested model also the name of the layer inside it that computes its output."""
    if not isinstance(layer, keras.Model):
        return layer.name
    return f"{layer.name}/{_path(layer.outputs[0]._keras_history.operation)}"


def _convolves(layer):
    """True for a convolution and for a nested model with one. Other nested models, such as flips, return pictures."""
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return isinstance(layer, convolutions) or (isinstance(layer, keras.Model) and any(map(_convolves, layer.layers)))


def _split(start, tensor, end):
    """(model up to a map, model after it)."""
    return keras.Model(start, tensor), keras.Model(tensor, end)


def _split_inside(model, inner, halves):
    """Like `_split` for a map inside the nested model `inner`: builds the graph again with `inner` in two parts."""
    to_map, from_map = halves()
    seen = {}

    def call(layer, *inputs, **options):
        if layer is not inner:
            return layer(*inputs, **options)
        seen["map"] = to_map(*inputs)
        return from_map(seen["map"])

    whole = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    return _split(whole.inputs[0], seen["map"], whole.outputs[0])


def _is_non_negative(tensor):
    """True if a symbolic tensor cannot have negative values.

    Such a tensor comes from a ReLU, a sigmoid or a similar function, directly or through layers that keep the sign.
    """
    operation, number, place = tensor._keras_history
    if isinstance(operation, keras.Model):
        return _is_non_negative(operation.outputs[place])
    activation = getattr(operation, "activation", None)
    for relu in (operation, activation):
        if isinstance(relu, keras.layers.ReLU):
            return not relu.negative_slope and relu.threshold >= 0
    names = {type(operation).__name__.lower(), getattr(activation, "__name__", "")}
    if names & _NEVER_NEGATIVE:
        return True
    is_linear = isinstance(operation, keras.layers.Activation) and activation is keras.activations.linear
    inputs = operation._inbound_nodes[number].input_tensors
    keeps = is_linear or type(operation).__name__ in _SIGN_KEEPERS
    return bool(inputs) and keeps and all(map(_is_non_negative, inputs))


def _is_averaged(head):
    """True if the head is global average pooling and one linear layer; dropout is ignored."""
    ignored = (keras.layers.InputLayer, keras.layers.Dropout)
    layers = [layer for layer in flat_layers(head) if not isinstance(layer, ignored)]
    has_two_layers = [type(layer) for layer in layers] == [keras.layers.GlobalAveragePooling2D, keras.layers.Dense]
    return has_two_layers and layers[-1].activation is keras.activations.linear


def _flattens(layer):
    """True if a layer turns a map into a vector in any way other than the mean over positions."""
    if isinstance(layer, keras.layers.GlobalMaxPooling2D):
        return True
    if not isinstance(layer, keras.layers.Flatten | keras.layers.Reshape):
        return False
    node = layer._inbound_nodes[-1]
    before, after = node.input_tensors[0], node.output_tensors[0]
    is_mean = isinstance(before._keras_history.operation, keras.layers.GlobalAveragePooling2D)  # with keepdims
    return len(before.shape) == 4 and len(after.shape) == 2 and not is_mean
