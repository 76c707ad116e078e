"""Attention over regions (Wang et al. 2020): self-attention, relation-attention, region bias."""

import keras
from keras import ops

from ..common.checks import check_choice, check_range

NORMALISES = ("sigmoid", "softmax")


def region_biased_loss(mu, margin=0.02):
    """Region-biased loss (Wang et al. 2020, eq. 4): mean over the batch of max(0, α − (μ_max − μ_0)).

    It asks that some crop count for more than the whole face, by α at least.

    Args:
        mu: attention weights float [N, R], index 0 the whole face; μ_max is the largest of the others.
        margin: α, 0..1.
    Returns: float scalar, 0..1+α.
    """
    return ops.mean(ops.maximum(0.0, margin - (ops.max(mu[:, 1:], axis=1) - mu[:, 0])))


def _weighted_mean(weights, features):
    """Σ_i w_i x_i / Σ_i w_i over regions: weights [N, R], features [N, R, D] → [N, D]."""
    # sigmoids can all be tiny; without the floor 0/0 would end a training in NaN
    total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-7)
    return ops.sum(weights[..., None] * features, axis=1) / total


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionSelfAttention(keras.layers.Layer):
    """Coarse weights of regions and the face they make up (Wang et al. 2020, eq. 2 and 3).

    μ_i = σ(F_iᵀ q0),  F_m = Σ_i μ_i F_i / Σ_i μ_i,  i = 0 .. R−1.

    Args:
        normalise: "sigmoid" is the paper; "softmax" puts a softmax over the regions' sigmoids, as its public code does
            (each μ is then near 1/R, and the region-biased loss wants its own α, 0.1 there).
    Call arguments:
        features: float [N, R, D].
    Returns: μ float [N, R] in 0..1, F_m float [N, D]. Its one weight is q0 [D].
    """

    def __init__(self, normalise="sigmoid", **kwargs):
        super().__init__(**kwargs)
        self.normalise = check_choice("normalise", normalise, NORMALISES)

    def build(self, features_shape):
        self.q0 = self.add_weight(name="q0", shape=(features_shape[-1],), initializer=_small())

    def call(self, features):
        mu = ops.sigmoid(ops.sum(features * self.q0, axis=-1))
        mu = ops.softmax(mu, axis=-1) if self.normalise == "softmax" else mu
        return mu, _weighted_mean(mu, features)

    def compute_output_shape(self, features_shape):
        return tuple(features_shape[:2]), (features_shape[0], features_shape[2])

    def get_config(self):
        return {**super().get_config(), "normalise": self.normalise}


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionRelationAttention(keras.layers.Layer):
    """Weights by a region's relation to the whole (Wang et al. 2020, eq. 5 and 6).

    ν_i = σ([F_i : F_m]ᵀ q1),  P = Σ_i μ_i ν_i [F_i : F_m] / Σ_i μ_i ν_i,  [a : b] the concatenation.

    Call arguments:
        features: F float [N, R, D].
        mu: μ float [N, R].
        pooled: F_m float [N, D].
    Returns: ν float [N, R] in 0..1, P float [N, 2D]. Its one weight is q1 [2D].
    """

    def build(self, features_shape, mu_shape, pooled_shape):
        self.q1 = self.add_weight(name="q1", shape=(2 * features_shape[-1],), initializer=_small())

    def call(self, features, mu, pooled):
        both = ops.concatenate([features, ops.broadcast_to(pooled[:, None], ops.shape(features))], axis=-1)
        nu = ops.sigmoid(ops.sum(both * self.q1, axis=-1))
        return nu, _weighted_mean(mu * nu, both)

    def compute_output_shape(self, features_shape, mu_shape, pooled_shape):
        return tuple(features_shape[:2]), (features_shape[0], 2 * features_shape[2])


@keras.saving.register_keras_serializable(package="fer_tf")
class RegionBias(keras.layers.Layer):
    """Adds the region-biased loss to the model's losses and keeps its mean over training steps; passes μ on as it is.

    Sum and count are weights, as batch normalisation keeps its statistics: a metric updated inside a layer is lost
    under JAX.

    Args:
        weight: of the loss beside cross-entropy; 0 only watches it.
        margin: α of `region_biased_loss`.
    Call arguments:
        mu: float [N, R], index 0 the whole face.
        pooled: F_m float [N, D] or None; passes too, so that this layer is on the way to what is made of F_m alone.
    """

    def __init__(self, weight=1.0, margin=0.02, **kwargs):
        super().__init__(**kwargs)
        self.weight, self.margin = check_range("bias_weight", weight, low=0), check_range("margin", margin, 0, 1)

    def build(self, mu_shape, pooled_shape=None):
        counter = {"shape": (), "initializer": "zeros", "trainable": False}
        self.total, self.steps = self.add_weight(name="total", **counter), self.add_weight(name="steps", **counter)

    def call(self, mu, pooled=None, training=False):
        loss = region_biased_loss(mu, self.margin)
        if self.weight:
            self.add_loss(self.weight * loss)
        if training:
            self.total.assign(self.total + loss)
            self.steps.assign(self.steps + 1)
        return mu if pooled is None else (mu, pooled)

    def start_mean(self):
        """Begins a new mean: at an epoch's start."""
        self.total.assign(0.0)
        self.steps.assign(0.0)

    @property
    def mean_loss(self):
        """The region-biased loss, a mean over the training steps since `start_mean`."""
        return float(self.total) / max(1.0, float(self.steps))

    def compute_output_shape(self, mu_shape, pooled_shape=None):
        return tuple(mu_shape) if pooled_shape is None else (tuple(mu_shape), tuple(pooled_shape))

    def get_config(self):
        return {**super().get_config(), "weight": self.weight, "margin": self.margin}


@keras.saving.register_keras_serializable(package="fer_tf")
class StrongestRegion(keras.layers.Layer):
    """The features of the crop with the highest weight, alone: document [1]'s pseudocode, where `example.jpg`, "the
    region with the highest weight value after RAN processing", is what the classifier is given.

    Which crop it is has no gradient. Backwards the crops are therefore mixed by their shares μ_k / Σ μ (a
    straight-through estimate, Bengio et al. 2013): a crop's share rises where its features would have served better
    than the others'. Shares, not the weights themselves: what pushes all weights the same way would soon have every
    sigmoid at 0 or 1, and the choice be none. This holds in training; else the gradient is that of the crop alone.

    Call arguments:
        features: float [N, R, D].
        mu: weights float [N, R], index 0 the whole face, which is not chosen.
    Returns: float [N, D].
    """

    def call(self, features, mu, training=False):
        weights = mu[:, 1:]
        chosen = ops.one_hot(ops.argmax(weights, axis=1), weights.shape[1], dtype=features.dtype)
        shares = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-7)
        chosen = chosen + shares - ops.stop_gradient(shares) if training else chosen
        return ops.sum(chosen[..., None] * features[:, 1:], axis=1)

    def compute_output_shape(self, features_shape, mu_shape):
        return (features_shape[0], features_shape[2])


def _small():
    """Starting weights of an attention vector: all regions near σ(0), none preferred by accident."""
    return keras.initializers.RandomNormal(stddev=0.01)
