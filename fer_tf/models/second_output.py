"""A second output for any model of the kit: values such as valence and arousal, from the features of its classifier."""

import keras
from keras import layers

from ..common.checks import InputError, check_choice
from ..emotions import SecondOutput

# kind -> the activation that keeps the values in their range
ACTIVATIONS = {"valence_arousal": "tanh", "action_units": "sigmoid"}
# The layer of the second output in a model.
VALUES = "values"


def check_features(model: keras.Model) -> None:
    """Raises `InputError` for a model without scores, such as the majority baseline."""
    if "scores" not in {layer.name for layer in model.layers}:
        raise InputError(f"targets: {model.name} has no features for a second output; take targets=expression")


def with_second_output(model: keras.Model, second: SecondOutput) -> keras.Model:
    """The same model with a second output, a dense layer on the features that its scores are computed from.

    Both outputs share all layers below, so the second costs K weights per feature.

    Args:
        model: of `build_model`, with the layer `scores` (see `fer_tf.models.parts.classifier`). It is not changed.
        second: kind and names of the K values.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes] and values float32 [N, K]: -1..1
        (tanh) for valence and arousal, 0..1 (sigmoid) for action units.
    Raises: `InputError` for an unknown kind or a model without scores (the majority baseline).
    """
    check_choice("kind of the second output", second.kind, ACTIVATIONS)
    check_features(model)
    features = model.get_layer("scores").input
    activation = ACTIVATIONS[second.kind]
    values = layers.Dense(len(second.names), activation=activation, dtype="float32", name=VALUES)(features)
    return keras.Model(model.inputs[0], [model.outputs[0], values], name=model.name)
