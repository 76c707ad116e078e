"""A model cut in two at its last feature map: what class activation maps work on."""

from dataclasses import dataclass

import keras

from ..checks import InputError
from ..layers import ClassOrder, FoldRegions

# They give no map of their own, and padding moves the one they are given.
_NO_MAPS = (keras.layers.Dropout, keras.layers.ZeroPadding2D)
# The map before them is finer and, after a ReLU, never negative, as Grad-CAM++ supposes; on drawn faces a `cnn` cut
# after its last batch norm gave half of all Grad-CAM++ maps empty, one cut before it none.
_THINNING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.BatchNormalization)


@dataclass(frozen=True)
class Cut:
    """A model in two halves.

    Attributes:
        to_map: `keras.Model`, images [N, H, W, C] → last map [M, h, w, D]; M is N, or N·R where regions are folded.
        to_scores: `keras.Model`, that map → scores before the softmax [N, C].
        name: of the layer whose output the map is, for messages; one inside a nested model as `backbone/block5_conv3`.
        is_averaged: the map's mean and a linear layer are all that follows (exact class activation maps).
    """

    to_map: keras.Model
    to_scores: keras.Model
    name: str
    is_averaged: bool


def scores_model(model):
    """The model up to its scores before the softmax, in the order of its own outputs: [N, H, W, C] → [N, classes].

    Raises: `InputError` if it has no layer `scores`, or one that does more than weigh and add.
    """
    layer = next((layer for layer in model.layers if layer.name == "scores"), None)
    if layer is None:
        raise InputError(f"model: {model.name} has no layer `scores` (a linear layer before the softmax)")
    activation = getattr(layer, "activation", None) or keras.activations.linear
    if activation is not keras.activations.linear:
        raise InputError(
            f"model: the layer `scores` of {model.name} must be linear, with the softmax a layer of its "
            f"own; it has activation {activation.__name__}"
        )
    # FaceNet2ExpNet.h5 puts its probabilities into another order after the softmax
    orders = [ClassOrder(after.sources) for after in model.layers if isinstance(after, ClassOrder)]
    return keras.Model(model.inputs[0], orders[0](layer.output) if orders else layer.output)


def cut_at_last_map(model):
    """Cuts a model at its last layer with a spatial map, also one inside a nested model.

    Raises: `InputError` if it has none, or no linear layer `scores`.
    """
    found = _halves(scores_model(model))
    if not found:
        raise InputError(f"model: {model.name} has no spatial map to explain")
    name, first, second = found
    return Cut(first, second, name, _is_averaged(second))


def _halves(model):
    """(name, model up to its last map that all goes through, model from there on); or None."""
    for name, start, tensor, end in _candidates(model):
        try:
            return name, keras.Model(start, tensor), keras.Model(tensor, end)
        except ValueError:  # something goes around it (a shortcut, a dense connection), or it is of another graph
            continue
    return None


def _candidates(model):
    """(name, input, map, output) of the model's own maps, the last first; then of those inside nested models."""
    if not any(isinstance(layer, FoldRegions) for layer in model.layers):
        for name, tensor in _maps(model):
            yield name, model.inputs[0], tensor, model.outputs[0]
    for inner in (layer for layer in reversed(model.layers) if isinstance(layer, keras.Model)):
        found = _halves(inner)
        if found:
            yield f"{inner.name}/{found[0]}", *_rebuilt(model, inner, *found[1:])


def _maps(model):
    """(layer name, tensor) of the outputs of more than one cell that are no pictures any more, the last first."""
    first = next((index for index, layer in enumerate(model.layers) if _convolves(layer)), len(model.layers))
    layers = model.layers[first:]
    for layer, after in reversed(list(zip(layers, [*layers[1:], None], strict=False))):
        is_averaged = isinstance(after, keras.layers.GlobalAveragePooling2D)  # CAM needs the very map that is averaged
        if isinstance(layer, _NO_MAPS) or (isinstance(layer, _THINNING) and not is_averaged):
            continue
        for node in layer._inbound_nodes:  # `layer.output` is of the first graph that called it, maybe not this one
            shape = getattr(node.output_tensors[0], "shape", ())
            if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1:
                yield _path(layer), node.output_tensors[0]


def _path(layer):
    """The name of the layer; of a nested model its own and that of the layer inside whose output it gives."""
    if not isinstance(layer, keras.Model):
        return layer.name
    return f"{layer.name}/{_path(layer.outputs[0]._keras_history.operation)}"


def _convolves(layer):
    """True for a convolution and for a nested model that has one (one that only flips pictures gives pictures)."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    return isinstance(layer, kinds) or (isinstance(layer, keras.Model) and any(map(_convolves, layer.layers)))


def _rebuilt(model, inner, first, second):
    """(input, map, output) of the graph built once more with the nested model `inner` in two parts."""
    seen = {}

    def call(layer, *inputs, **options):
        if layer is not inner:
            return layer(*inputs, **options)
        seen["map"] = first(*inputs)
        return second(seen["map"])

    whole = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    return whole.inputs[0], seen["map"], whole.outputs[0]


def _is_averaged(head):
    """True if the head is global average pooling and one linear layer (dropout aside)."""
    aside = (keras.layers.InputLayer, keras.layers.Dropout)
    kinds = [type(layer) for layer in head.layers if not isinstance(layer, aside)]
    return kinds == [keras.layers.GlobalAveragePooling2D, keras.layers.Dense]
