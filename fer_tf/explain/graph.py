"""A model cut in two at its last feature map: what class activation maps work on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import keras

from ..common.checks import InputError
from ..layers import FoldRegions
from .scores import flat_layers, scores_model

# They give no map of their own, and padding moves the one they are given.
_NO_MAPS = (keras.layers.Dropout, keras.layers.ZeroPadding2D)
# The map before them is finer and, after a ReLU, never negative, as Grad-CAM++ supposes; on drawn faces a `cnn` cut
# after its last batch norm gave half of all Grad-CAM++ maps empty, one cut before it none.
_THINNING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.BatchNormalization)
# Activations and operations whose results are never negative; ReLU as a layer has options and is looked at below.
_NEVER_NEGATIVE = {"relu", "relu6", "sigmoid", "hard_sigmoid", "hardsigmoid", "softplus", "exponential", "softmax"}
# Layers and operations whose results are not negative where none of their inputs is.
_SIGN_KEEPERS = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Identity", "Dropout"}
_SIGN_KEEPERS |= {"SpatialDropout2D", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Cropping2D"}
_SIGN_KEEPERS |= {"UpSampling2D", "Reshape", "Permute", "SqueezeExcite"}
# A map with so many times the cells of the last one is too early to say what a model looks at.
_TOO_FINE = 16
NEGATIVE = "no late map of this model is free of negative values; a rectified map may be empty"


@dataclass(frozen=True)
class Cut:
    """A model in two halves.

    Attributes:
        to_map: `keras.Model`, images [N, H, W, C] → last map [M, h, w, D]; M is N, or N·R where regions are folded.
        to_scores: `keras.Model`, that map → scores before the softmax [N, C].
        name: of the layer whose output the map is, for messages; one inside a nested model as `backbone/block5_conv3`.
        is_averaged: the map's mean and a linear layer are all that follows (exact class activation maps).
        is_non_negative: the map comes out of a ReLU or the like.
    """

    to_map: keras.Model
    to_scores: keras.Model
    name: str
    is_averaged: bool
    is_non_negative: bool

    @property
    def is_flattened(self) -> bool:
        """True where a dense layer follows a flattened map: the score then depends on where something is.

        Also where the map's maximum is taken: one place counts then, and a mean over places says as little.
        """
        return any(_flattens(layer) for layer in flat_layers(self.to_scores))

    @property
    def remark(self) -> str:
        """A warning where the map may be negative and is not averaged; else ""."""
        return "" if self.is_non_negative or self.is_averaged else NEGATIVE


@dataclass(frozen=True)
class _Place:
    """A map where a model might be cut: its layer's name, its symbolic tensor, and what builds the two halves (or
    raises `ValueError` where something goes around the map)."""

    name: str
    tensor: keras.KerasTensor
    halves: Callable

    @property
    def cells(self):
        return self.tensor.shape[1] * self.tensor.shape[2]


def cut_at_last_map(model: keras.Model) -> Cut:
    """Cuts a model at its last layer whose spatial map is never negative, also one inside a nested model.

    In a map with negative values, such as that of a linear 1×1 convolution, a channel below zero takes away from a
    class that its gradient speaks for, and the rectified map is often empty.
    Two exceptions: a map that is averaged before a linear layer is taken whatever its sign, because class activation
    maps are exact there; and a model without a late non-negative map is cut at its last one (`Cut.remark` says so).

    Args:
        model: a functional or Sequential `keras.Model` that ends in scores and a softmax.
    Returns: `Cut`.
    Raises: `InputError` if it has no spatial map, or no scores before a softmax.
    """
    last, cells = None, 0
    for place in _places(scores_model(model)):
        is_positive = _is_non_negative(place.tensor)
        if last is not None and (not is_positive or place.cells > _TOO_FINE * cells):
            continue
        try:
            first, second = place.halves()
        except ValueError:  # something goes around it (a shortcut, a dense connection), or it is of another graph
            continue
        found = Cut(first, second, place.name, _is_averaged(second), is_positive)
        if is_positive or (last is None and found.is_averaged):
            return found
        last, cells = found, place.cells
    if last is None:
        raise InputError(f"model: {model.name} has no spatial map to explain")
    return last


def _places(model) -> Iterator[_Place]:
    """A model's maps, the last first; a nested model's own output is followed by the maps inside it."""
    are_folded = any(isinstance(layer, FoldRegions) for layer in model.layers)
    first = next((index for index, layer in enumerate(model.layers) if _convolves(layer)), len(model.layers))
    layers = model.layers[first:]
    for layer, after in reversed(list(zip(layers, [*layers[1:], None], strict=False))):
        for tensor in [] if are_folded else _maps(layer, after):
            yield _Place(_path(layer), tensor, partial(_split, model.inputs[0], tensor, model.outputs[0]))
        for inner in _places(layer) if isinstance(layer, keras.Model) else []:
            yield _Place(f"{layer.name}/{inner.name}", inner.tensor, partial(_split_inside, model, layer, inner))


def _maps(layer, after):
    """The outputs of a layer that have more than one cell; `after` is the layer that comes next."""
    is_averaged = isinstance(after, keras.layers.GlobalAveragePooling2D)  # CAM needs the very map that is averaged
    if isinstance(layer, _NO_MAPS) or (isinstance(layer, _THINNING) and not is_averaged):
        return
    for node in layer._inbound_nodes:  # `layer.output` is of the first graph that called it, maybe not this one
        shape = getattr(node.output_tensors[0], "shape", ())
        if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1:
            yield node.output_tensors[0]


def _path(layer):
    """The name of the layer; of a nested model its own and that of the layer inside whose output it gives."""
    if not isinstance(layer, keras.Model):
        return layer.name
    return f"{layer.name}/{_path(layer.outputs[0]._keras_history.operation)}"


def _convolves(layer):
    """True for a convolution and for a nested model that has one (one that only flips pictures gives pictures)."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return isinstance(layer, kinds) or (isinstance(layer, keras.Model) and any(map(_convolves, layer.layers)))


def _split(start, tensor, end):
    """(model up to a map, model from there on)."""
    return keras.Model(start, tensor), keras.Model(tensor, end)


def _split_inside(model, inner, place):
    """As `_split`, at a map inside the nested model `inner`: the graph is built once more with `inner` in two parts."""
    first, second = place.halves()
    seen = {}

    def call(layer, *inputs, **options):
        if layer is not inner:
            return layer(*inputs, **options)
        seen["map"] = first(*inputs)
        return second(seen["map"])

    whole = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    return _split(whole.inputs[0], seen["map"], whole.outputs[0])


def _is_non_negative(tensor):
    """True if no value of a symbolic tensor can be negative: it comes out of a ReLU, a sigmoid or the like, directly or
    through layers that keep signs."""
    operation, number, place = tensor._keras_history
    if isinstance(operation, keras.Model):
        return _is_non_negative(operation.outputs[place])
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope and operation.threshold >= 0
    activation = getattr(operation, "activation", None)
    if isinstance(activation, keras.layers.ReLU):
        return not activation.negative_slope and activation.threshold >= 0
    names = {type(operation).__name__.lower(), getattr(activation, "__name__", "")}
    if names & _NEVER_NEGATIVE:
        return True
    is_linear = isinstance(operation, keras.layers.Activation) and activation is keras.activations.linear
    inputs = operation._inbound_nodes[number].input_tensors
    keeps = is_linear or type(operation).__name__ in _SIGN_KEEPERS
    return bool(inputs) and keeps and all(map(_is_non_negative, inputs))


def _is_averaged(head):
    """True if the head is global average pooling and one linear layer (dropout aside)."""
    aside = (keras.layers.InputLayer, keras.layers.Dropout)
    layers = [layer for layer in flat_layers(head) if not isinstance(layer, aside)]
    is_such = [type(layer) for layer in layers] == [keras.layers.GlobalAveragePooling2D, keras.layers.Dense]
    return is_such and layers[-1].activation is keras.activations.linear


def _flattens(layer):
    """True if a layer turns a map into a vector in which places do not count alike: all but a map's mean."""
    if isinstance(layer, keras.layers.GlobalMaxPooling2D):
        return True
    if not isinstance(layer, keras.layers.Flatten | keras.layers.Reshape):
        return False
    node = layer._inbound_nodes[-1]
    before, after = node.input_tensors[0], node.output_tensors[0]
    is_mean = isinstance(before._keras_history.operation, keras.layers.GlobalAveragePooling2D)  # with keepdims
    return len(before.shape) == 4 and len(after.shape) == 2 and not is_mean
