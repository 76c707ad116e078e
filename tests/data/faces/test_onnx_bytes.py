"""Networks written as ONNX in memory give what NumPy computes from the same weights."""

import numpy as np

from fer_tf.data.faces.onnx_bytes import Layer, opencv_network


def drawn(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def convolution(pictures, layer):
    """[N, in, H, W] -> [N, out, H', W'] in NumPy: convolution, PReLU, max pooling with stride 2."""
    windows = np.lib.stride_tricks.sliding_window_view(pictures, layer.weights.shape[2:], axis=(2, 3))
    maps = np.einsum("nchwij,ocij->nohw", windows, layer.weights) + layer.bias[:, None, None]
    if layer.slopes is not None:
        maps = np.where(maps > 0, maps, maps * layer.slopes[:, None, None])
    if layer.pool:
        padded = np.pad(maps, [(0, 0), (0, 0), *[(0, layer.padding)] * 2], constant_values=-np.inf)
        maps = np.lib.stride_tricks.sliding_window_view(padded, (layer.pool,) * 2, axis=(2, 3))
        maps = maps[:, :, ::2, ::2].max(axis=(-2, -1))
    return maps


def test_a_chain_of_layers_is_what_numpy_computes_also_at_another_size(rng):
    layers = [
        Layer(drawn(rng, 4, 3, 3, 3), drawn(rng, 4), slopes=drawn(rng, 4), pool=3, padding=1),
        Layer(drawn(rng, 2, 4, 2, 2), drawn(rng, 2)),
    ]
    network = opencv_network(12, layers)
    for side in (12, 20):
        pictures = rng.normal(size=(2, 3, side, side)).astype("float32")
        expected = pictures
        for layer in layers:
            expected = convolution(expected, layer)
        network.setInput(pictures)
        answer = network.forward()
        assert answer.shape == expected.shape
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)
