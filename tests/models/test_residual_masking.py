"""Residual masking against a NumPy reading of Pham et al. 2020: a mask in the wrong place still trains, to less."""

import keras
import numpy as np
import pytest
from scipy.signal import correlate2d

from fer_tf.models import build_model
from fer_tf.models.residual_masking import MASKS, masked

pytestmark = pytest.mark.usefixtures("untraced")
SMALL = {"width": 0.0625, "blocks": (1, 1, 1, 1)}


class NumpyReading:
    """The mask's layers on one map [H, W, C], with the weights of a model's layers."""

    def __init__(self, model):
        self.weights = {layer.name: layer.get_weights() for layer in model.layers}

    def normalised(self, x, name):
        gamma, beta, mean, variance = self.weights[name]
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def convolved(self, x, name):
        """A convolution that keeps the size, and its normalisation."""
        (kernel,) = self.weights[name]
        filters = range(kernel.shape[3])
        sums = [sum(correlate2d(x[..., c], kernel[:, :, c, f], "same") for c in range(x.shape[2])) for f in filters]
        return self.normalised(np.stack(sums, axis=-1), f"{name}_norm")

    def block(self, x, name):
        branch = self.convolved(np.maximum(0, self.convolved(x, f"{name}_conv1")), f"{name}_conv2")
        return np.maximum(0, branch + self.convolved(x, f"{name}_shortcut"))

    def enlarged(self, x, name):
        """Each value becomes 2×2 values of its own."""
        (kernel,) = self.weights[f"{name}_enlarge"]  # [2, 2, out, in]
        spread = np.einsum("hwi,abci->hawbc", x, kernel).reshape(2 * len(x), 2 * x.shape[1], -1)
        return np.maximum(0, self.normalised(spread, f"{name}_enlarge_norm"))

    def masked(self, x, mask):
        """Two levels: x · (1 + m)."""
        first = self.block(x, "m_down1")
        rows, columns = (-(-side // 2) * 2 for side in first.shape[:2])
        padded = np.full((rows, columns, first.shape[2]), -np.inf)
        padded[: len(first), : first.shape[1]] = first
        second = self.block(padded.reshape(rows // 2, 2, columns // 2, 2, -1).max(axis=(1, 3)), "m_down2")
        large = self.enlarged(second, "m_up1")[: len(first), : first.shape[1]]
        last = self.block(self.block(np.concatenate([large, first], axis=2), "m_up1"), "m_mask_block")
        powers = np.exp(last)
        return x * (1 + (powers / powers.sum(axis=2, keepdims=True) if mask == "softmax" else powers / (1 + powers)))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", [(6, 4), (5, 7)])
def test_a_stage_is_multiplied_by_one_plus_its_mask(mask, shape, rng):
    """Also where a side is odd, so that the enlarged map must be cut."""
    inputs = keras.Input((*shape, 3))
    model = keras.Model(inputs, masked(inputs, 2, mask, "m"))
    filters_and_norms = {4: lambda shape: rng.normal(0, 0.2, shape), 1: lambda shape: rng.uniform(0.2, 1, shape)}
    model.set_weights([filters_and_norms[weight.ndim](weight.shape) for weight in model.get_weights()])
    x = rng.normal(0, 1, (2, *shape, 3)).astype(np.float32)
    expected = np.stack([NumpyReading(model).masked(one.astype(float), mask) for one in x])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - x).max() > 0.1, "a mask of zeros: the test here proves nothing"


@pytest.mark.parametrize(("stem", "sides"), [("standard", (12, 6, 3, 2)), ("small", (48, 24, 12, 6))])
def test_every_stage_has_a_mask_of_its_own_size_and_depth(stem, sides):
    model = build_model("residual_masking", (48, 48, 1), 7, stem=stem, **SMALL)
    names = {layer.name for layer in model.layers}
    for stage, (side, depth) in enumerate(zip(sides, (4, 3, 2, 1), strict=True), start=1):
        place = model.get_layer(f"stage{stage}_mask").output.shape[1:]
        assert place == model.get_layer(f"stage{stage}_block1_relu2").output.shape[1:]
        assert place[:2] == (side, side)
        downs = [name for name in names if name.startswith(f"stage{stage}_down") and name.endswith("relu2")]
        assert len(downs) == depth
