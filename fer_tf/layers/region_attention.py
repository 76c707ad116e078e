"""Attention over regions of a face (Wang et al. 2020): self-attention, relation-attention and region bias."""

from typing import Any

import keras
from keras import ops

from ..common.checks import check_choice, check_range

NORMALISES = ("sigmoid", "softmax")


def region_biased_loss(mu: keras.KerasTensor, margin: float = 0.02) -> keras.KerasTensor:
    """Region-biased loss (Wang et al. 2020, eq. 4): mean over the batch of max(0, α − (μ_max − μ_0)).

    It pushes the weight of at least one crop above the weight of the whole face, by at least α.

    Args:
        mu: attention weights float [N, R]; index 0 is the whole face and μ_max is the largest of the others.
        margin: α, 0..1.
    Returns: float scalar, 0..1+α.
    """
    return ops.mean(ops.maximum(0.0, margin - (ops.max(mu[:, 1:], axis=1) - mu[:, 0])))


def _weighted_mean(weights, features):
    """Σ_i w_i x_i / Σ_i w_i over regions: weights [N, R], features [N, R, D] → [N, D]."""
    # all sigmoids can be tiny; without the lower limit 0/0 would turn the loss into NaN
    total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-7)
    return ops.sum(weights[..., None] * features, axis=1) / total


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionSelfAttention(keras.layers.Layer):
    """Coarse weights of the regions, and their weighted mean (Wang et al. 2020, eq. 2 and 3).

    μ_i = σ(F_iᵀ q0),  F_m = Σ_i μ_i F_i / Σ_i μ_i,  i = 0 .. R−1.

    Args:
        normalise: "sigmoid" as in the paper. "softmax" adds a softmax over the sigmoids of the regions, as the paper's
            public code does. Each μ is then close to 1/R, and the code uses α = 0.1 in the region-biased loss.
    Call arguments:
        features: F float [N, R, D].
    Returns: μ float [N, R] in 0..1, and F_m float [N, D]. The only weight of the layer is q0 [D].
    """

    def __init__(self, normalise: str = "sigmoid", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.normalise = check_choice("normalise", normalise, NORMALISES)

    def build(self, features_shape: tuple) -> None:
        self.q0 = self.add_weight(name="q0", shape=(features_shape[-1],), initializer=_small())

    def call(self, features: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        mu = ops.sigmoid(ops.sum(features * self.q0, axis=-1))
        mu = ops.softmax(mu, axis=-1) if self.normalise == "softmax" else mu
        return mu, _weighted_mean(mu, features)

    def compute_output_shape(self, features_shape: tuple) -> tuple[tuple, tuple]:
        return tuple(features_shape[:2]), (features_shape[0], features_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "normalise": self.normalise}


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionRelationAttention(keras.layers.Layer):
    """Weights from the relation of each region to the whole face (Wang et al. 2020, eq. 5 and 6).

    ν_i = σ([F_i : F_m]ᵀ q1),  P = Σ_i μ_i ν_i [F_i : F_m] / Σ_i μ_i ν_i,  where [a : b] is the concatenation.

    Call arguments:
        features: F float [N, R, D].
        mu: μ float [N, R].
        pooled: F_m float [N, D].
    Returns: ν float [N, R] in 0..1, and P float [N, 2D]. The only weight of the layer is q1 [2D].
    """

    def build(
        self,
        features_shape: tuple,
        mu_shape: tuple,
        pooled_shape: tuple,
    ) -> None:
        self.q1 = self.add_weight(name="q1", shape=(2 * features_shape[-1],), initializer=_small())

    def call(
        self, features: keras.KerasTensor, mu: keras.KerasTensor, pooled: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        both = ops.concatenate([features, ops.broadcast_to(pooled[:, None], ops.shape(features))], axis=-1)
        nu = ops.sigmoid(ops.sum(both * self.q1, axis=-1))
        return nu, _weighted_mean(mu * nu, both)

    def compute_output_shape(
        self,
        features_shape: tuple,
        mu_shape: tuple,
        pooled_shape: tuple,
    ) -> tuple[tuple, tuple]:
        return tuple(features_shape[:2]), (features_shape[0], 2 * features_shape[2])


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionBias(keras.layers.Layer):
    """Adds the region-biased loss to the model's losses, and keeps its mean over training steps.

    The sum and the count of steps are weights, like the statistics of batch normalisation, because JAX loses a metric
    that a layer updates.

    Args:
        weight: weight of this loss, which is added to the cross-entropy. With 0 the layer only measures the loss.
        margin: α of `region_biased_loss`, 0..1.
    Call arguments:
        mu: float [N, R], index 0 is the whole face.
        pooled: F_m float [N, D] or None. It goes through the layer so that a model that uses only F_m contains it.
    Returns: μ, or (μ, F_m), unchanged.
    """

    def __init__(self, weight: float = 1.0, margin: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight, self.margin = check_range("bias_weight", weight, low=0), check_range("margin", margin, 0, 1)

    def build(self, mu_shape: tuple, pooled_shape: tuple | None = None) -> None:
        counter = {"shape": (), "initializer": "zeros", "trainable": False}
        self.total, self.steps = self.add_weight(name="total", **counter), self.add_weight(name="steps", **counter)

    def call(
        self, mu: keras.KerasTensor, pooled: keras.KerasTensor | None = None, training: bool = False
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, keras.KerasTensor]:
        loss = region_biased_loss(mu, self.margin)
        if self.weight:
            self.add_loss(self.weight * loss)
        if training:
            self.total.assign(self.total + loss)
            self.steps.assign(self.steps + 1)
        return mu if pooled is None else (mu, pooled)

    def start_mean(self) -> None:
        """Starts a new mean; call it at the start of an epoch."""
        self.total.assign(0.0)
        self.steps.assign(0.0)

    @property
    def mean_loss(self) -> float:
        """Mean of the region-biased loss over the training steps since `start_mean`."""
        return float(self.total) / max(1.0, float(self.steps))

    def compute_output_shape(self, mu_shape: tuple, pooled_shape: tuple | None = None) -> tuple | tuple[tuple, tuple]:
        return tuple(mu_shape) if pooled_shape is None else (tuple(mu_shape), tuple(pooled_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight, "margin": self.margin}


@keras.saving.register_keras_serializable(package="fer_tf")
class StrongestRegion(keras.layers.Layer):
    """Returns the features of the crop with the highest weight.

    This follows the pseudocode of document [1]: the classifier gets `example.jpg`, "the region with the highest weight
    value after RAN processing".

    The choice of a crop has no gradient. In training the backward pass therefore mixes the crops by their shares
    μ_k / Σ μ (straight-through estimator, Bengio et al. 2013). The share of a crop grows if its features would have
    given a lower loss than those of the others. We use shares because the weights themselves could all grow or shrink
    together until every sigmoid is 0 or 1, and then the layer could no longer choose. Outside training the gradient is
    the one of the chosen crop.

    Call arguments:
        features: float [N, R, D].
        mu: weights float [N, R]; index 0 is the whole face, which is never chosen.
    Returns: float [N, D].
    """

    def call(self, features: keras.KerasTensor, mu: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        weights = mu[:, 1:]
        chosen = ops.one_hot(ops.argmax(weights, axis=1), weights.shape[1], dtype=features.dtype)
        shares = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-7)
        chosen = chosen + shares - ops.stop_gradient(shares) if training else chosen
        return ops.sum(chosen[..., None] * features[:, 1:], axis=1)

    def compute_output_shape(self, features_shape: tuple, mu_shape: tuple) -> tuple:
        return (features_shape[0], features_shape[2])


def _small():
    """Initial values of an attention vector: small, so all regions start near σ(0) and no region has an advantage."""
    return keras.initializers.RandomNormal(stddev=0.01)
