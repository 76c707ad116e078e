"""Attention over patches against a NumPy reading: along the wrong axis it would still train, and leak labels."""

import keras
import numpy as np

from fer_tf.layers import PatchAttention


def test_is_what_the_docstring_says(rng):
    """softmax(s X Xᵀ) X, for each picture alone."""
    layer, x = PatchAttention(dtype="float64"), rng.normal(0, 1, (3, 5, 4))
    layer.build(x.shape)
    layer.set_weights([np.float64(0.7)])
    found = keras.ops.convert_to_numpy(layer(x))
    for patches, result in zip(x, found, strict=True):
        powers = np.exp(0.7 * patches @ patches.T)
        np.testing.assert_allclose(result, powers / powers.sum(axis=1, keepdims=True) @ patches, rtol=1e-10)


def test_a_picture_with_one_patch_keeps_it(rng):
    x = rng.normal(0, 1, (6, 1, 4)).astype(np.float32)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(PatchAttention()(x)), x, rtol=1e-6)


def test_it_does_what_kerass_layer_does(rng):
    """Which cannot be loaded from a .h5 file."""
    x = rng.normal(0, 1, (3, 5, 4)).astype(np.float32)
    theirs = keras.layers.Attention(use_scale=True)([x, x])
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (PatchAttention()(x), theirs)), rtol=1e-5, atol=1e-6)
