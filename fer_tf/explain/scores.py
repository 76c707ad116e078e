"""The scores before the softmax of any Keras classifier: what gradients and class activation maps start from."""

import keras

from ..common.checks import InputError
from ..layers import ClassOrder


def scores_model(model: keras.Model) -> keras.Model:
    """The model up to its scores before the softmax, in the order of its own outputs: [N, H, W, C] → [N, classes].

    The softmax may be a layer of its own, the activation of the last dense layer, or inside a nested or Sequential
    model. `Dense(n, activation="softmax")` is read as softmax(x·W + b): a dense layer with the same kernel and bias
    and no activation gives the scores.

    Args:
        model: a functional or Sequential `keras.Model`; it stays as it is.
    Raises: `InputError` if the model does not end in scores and a softmax.
    """
    layers = model.layers  # an exported model says here that it has none
    tensors = getattr(model, "outputs", None)
    if not tensors:
        raise InputError(f"model: {model.name} is no functional or Sequential model, so its scores cannot be read")
    scores = _scores(tensors[0])
    if scores is None:  # something unusual follows: the kit's own name for the scores still finds them
        named = next((layer for layer in layers if layer.name == "scores" and _is_linear(layer)), None)
        scores = None if named is None else named.output
    if scores is None:
        end = type(_made_by(tensors[0])[0]).__name__
        raise InputError(
            f"model: {model.name} has no scores to explain: it ends in {end}, not in a dense layer with a softmax"
        )
    return keras.Model(model.inputs[0], scores, name=model.name)


def last_dense(model: keras.Model) -> keras.layers.Dense:
    """The last dense layer of a model, also one inside a nested model."""
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.Dense)][-1]


def flat_layers(model: keras.Model):
    """Yields all layers, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat_layers(layer)
        else:
            yield layer


def _made_by(tensor):
    """(operation, node) that a symbolic tensor comes from."""
    operation, number, _ = tensor._keras_history
    return operation, operation._inbound_nodes[number]


def _scores(tensor):
    """The tensor of scores behind the probabilities `tensor`; None where there are none."""
    operation, node = _made_by(tensor)
    before = node.input_tensors[0] if node.input_tensors else None
    if before is None:
        return None
    if isinstance(operation, ClassOrder):  # FaceNet2ExpNet.h5 puts its probabilities into another order
        found = _scores(before)
        return None if found is None else ClassOrder(operation.sources)(found)
    if isinstance(operation, keras.Model):
        return scores_model(operation)(before)
    if isinstance(operation, keras.layers.Dense):
        return _without_softmax(operation, tensor, before)
    if _is_softmax(operation) or _is_softmax(getattr(operation, "activation", None)):
        return before
    is_aside = isinstance(operation, keras.layers.Activation | keras.layers.Identity) and _is_linear(operation)
    return _scores(before) if is_aside else None


def _without_softmax(layer, outputs, inputs):
    """The scores of a dense layer, linear or with softmax; None for another activation."""
    if _is_linear(layer):
        return outputs
    if not _is_softmax(layer.activation):
        return None
    plain = keras.layers.Dense(layer.units, use_bias=layer.use_bias, dtype=layer.dtype_policy, name=layer.name)
    scores = plain(inputs)
    plain.kernel.assign(layer.kernel)
    if layer.use_bias:
        plain.bias.assign(layer.bias)
    return scores


def _is_linear(layer):
    return (getattr(layer, "activation", None) or keras.activations.linear) is keras.activations.linear


def _is_softmax(item):
    """True for the function, the layer, and the operation that `keras.ops.softmax` makes."""
    return item is keras.activations.softmax or type(item).__name__ == "Softmax"
