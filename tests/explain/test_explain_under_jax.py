"""Gradients and the maps made of them are the same under JAX, where TensorFlow cannot be imported."""

import keras
import numpy as np
import pytest
from jax_backend import pytestmark, under_jax  # noqa: F401 (skips where there is no JAX)
from keras import layers

from fer_tf.emotions import EMOTIONS
from fer_tf.explain import cut_at_last_map, explain
from fer_tf.explain.gradients import score_gradients
from fer_tf.models import build_model
from fer_tf.saving import load_model, save_model

SHAPE = (32, 40, 1)
OPTIONS = {"vgg_bn": {"width": 0.05}, "deepfer": {"width": 0.1}, "ran": {"backbone": "cnn", "width": 0.1}}
# Run on both sides: `model` and `faces` are there, `found` takes the arrays.
COMPUTE = """
targets = np.array([0, 3, 1, 5])
cut = cut_at_last_map(model)
maps = keras.ops.convert_to_numpy(cut.to_map(faces.astype("float32"), training=False))
found = {
    "gradient": score_gradients(cut.to_scores, maps, targets),
    "default": explain(model, faces, target=targets),
    "gradcam": explain(model, faces, "gradcam", target=targets),
    "integrated": explain(model, faces, "integrated_gradients", target=targets, steps=3),
}
"""
START = """
from fer_tf.explain import cut_at_last_map, explain
from fer_tf.explain.gradients import score_gradients
from fer_tf.saving import load_model
model = load_model(name)
faces = np.load(name + ".npy")
"""
END = """
np.savez(place, **found)
print(json.dumps(keras.backend.backend()))
"""


def small_net():
    """One convolution: a net of the kit takes JAX half a minute to compile."""
    stack = [layers.Rescaling(1 / 255), layers.Conv2D(4, 3, strides=2), layers.ReLU(), layers.Flatten()]
    return keras.Sequential([keras.Input(SHAPE), *stack, layers.Dense(7, activation="softmax")])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small_net", *OPTIONS])
def test_gradients_and_maps_equal_tensorflows(tmp_path, name):
    keras.utils.set_random_seed(0)
    path, faces = tmp_path / "model.h5", np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    save_model(build_model(name, SHAPE, 7, **OPTIONS[name]) if name in OPTIONS else small_net(), path, EMOTIONS[:7])
    np.save(f"{path}.npy", faces)
    backend, arrays = under_jax(START + COMPUTE + END, str(path), tmp_path)
    assert backend == "jax"
    assert keras.backend.backend() == "tensorflow"
    here = {
        "model": load_model(path),
        "faces": faces,
        "np": np,
        "keras": keras,
        "explain": explain,
        "cut_at_last_map": cut_at_last_map,
        "score_gradients": score_gradients,
    }
    exec(COMPUTE, here)
    assert set(arrays) == set(here["found"])
    for key, expected in here["found"].items():
        scale = np.abs(expected).max()
        assert scale > 0, key
        np.testing.assert_allclose(arrays[key] / scale, expected / scale, atol=1e-4, err_msg=key)
