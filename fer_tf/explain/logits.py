"""Finds the logits of a Keras classifier: its scores before the softmax. Gradients and activation maps use them."""

from collections.abc import Iterator

import keras

from ..common.checks import InputError
from ..layers import ClassOrder


def logits_model(model: keras.Model) -> keras.Model:
    """The part of a model up to its scores before the softmax.

    The softmax can be a separate layer, the activation of the last dense layer, or inside a nested or Sequential model.
    For `Dense(n, activation="softmax")`, which computes softmax(x·W + b), a dense layer with the same kernel and bias
    but without activation returns the scores.

    Args:
        model: a functional or Sequential `keras.Model`; it is not changed.
    Returns: `keras.Model`, [N, H, W, C] → scores [N, classes] in the order of the model's outputs.
    Raises: `InputError` if the model does not end in scores and a softmax.
    """
    layers = model.layers  # raises here for an exported model, which has no layers
    tensors = getattr(model, "outputs", None)
    if not tensors:
        raise InputError(f"model: {model.name} is not a functional or Sequential model, so its scores cannot be read")
    scores = _scores(tensors[0])
    if scores is None:  # unusual layers follow; the layer may still have the kit's name `scores`
        named = next((layer for layer in layers if layer.name == "scores" and _is_linear(layer)), None)
        scores = None if named is None else named.output
    if scores is None:
        end = type(_made_by(tensors[0])[0]).__name__
        raise InputError(
            f"model: {model.name} has no scores to explain: it ends in {end}, not in a dense layer with a softmax"
        )
    return keras.Model(model.inputs[0], scores, name=model.name)


def last_dense(model: keras.Model) -> keras.layers.Dense:
    """The last dense layer of a model, also inside a nested model."""
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.Dense)][-1]


def flat_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields all layers of a model; a nested model is replaced by its layers."""
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
    """The tensor of scores from which the probabilities `tensor` are computed; None if there is none."""
    operation, node = _made_by(tensor)
    before = node.input_tensors[0] if node.input_tensors else None
    if before is None:
        return None
    if isinstance(operation, ClassOrder):  # FaceNet2ExpNet.h5 reorders its probabilities
        scores = _scores(before)
        return None if scores is None else ClassOrder(operation.sources)(scores)
    if isinstance(operation, keras.Model):
        return logits_model(operation)(before)
    if isinstance(operation, keras.layers.Dense):
        return _without_softmax(operation, tensor, before)
    if _is_softmax(operation) or _is_softmax(getattr(operation, "activation", None)):
        return before
    is_identity = isinstance(operation, keras.layers.Activation | keras.layers.Identity) and _is_linear(operation)
    return _scores(before) if is_identity else None


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
    """True for the softmax function, its layer, and the operation of `keras.ops.softmax`."""
    return item is keras.activations.softmax or type(item).__name__ == "Softmax"
