"""Folds batch normalisation into the convolution before it: the same results in inference with less computation."""

import keras
import numpy as np
from keras import layers

from ..common.checks import InputError

_FOLDABLE = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A frozen copy of a network in which each convolution includes the batch normalisation that follows it.

    γ(Wx + b − μ)/√(σ² + ε) + β is itself a convolution. Its kernel is Wγ/√(σ² + ε) and its bias is
    (b − μ)γ/√(σ² + ε) + β. A normalisation that follows another kind of layer is kept.

    Args:
        model: a functional `keras.Model`.
    Returns: `keras.Model` without the folded layers, not trainable. In inference it gives the same results up to
        rounding.
    Raises: `InputError` for a network that calls a layer more than once.
    """
    pairs = _pairs(model)
    folded = {norm.name for norm in pairs.values()}

    def copy(layer):
        config = layer.get_config()
        if layer.name in pairs:
            config["use_bias"] = True
        return layer.__class__.from_config(config)

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in folded else layer(*args, **kwargs)

    shared = [layer["name"] for layer in model.get_config()["layers"] if len(layer["inbound_nodes"]) > 1]
    if shared:
        raise InputError(f"face_net: cannot be frozen in part, because it calls {', '.join(shared[:3])} more than once")
    clone = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        if layer.name in pairs:
            clone.get_layer(layer.name).set_weights(_merged(layer, pairs[layer.name]))
        elif layer.weights and layer.name not in folded:
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    clone.trainable = False
    return clone


def _pairs(model):
    """dict name of a convolution -> batch normalisation, where nothing else reads the convolution's output."""
    readers = {}
    for layer in model.layers:
        for tensor in keras.tree.flatten(layer.input):
            readers.setdefault(id(tensor), []).append(layer)
    pairs = {}
    for layer in model.layers:
        if isinstance(layer, _FOLDABLE) and keras.activations.serialize(layer.activation) == "linear":
            following = readers.get(id(layer.output), [])
            if len(following) == 1 and isinstance(following[0], layers.BatchNormalization):
                pairs[layer.name] = following[0]
    return pairs


def _merged(layer, norm):
    """The kernel and the bias that replace both layers."""
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else 1.0
    beta = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    factor = gamma / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    bias = (bias - np.asarray(norm.moving_mean, np.float64)) * factor + beta
    # a depthwise kernel is [h, w, channels, multiplier]; its outputs are channels × multiplier, in that order
    shape = kernel.shape[2:] if isinstance(layer, layers.DepthwiseConv2D) else (-1,)
    return [(kernel * factor.reshape(shape)).astype(np.float32), bias.astype(np.float32)]
