"""The same code trains under JAX without TensorFlow, and what it saves predicts the same under TensorFlow."""

import numpy as np
import pytest
from jax_backend import pytestmark, under_jax  # noqa: F401 (skips where there is no JAX)

from fer_tf.saving import load_model, model_info

# A run of the kit: arrays, augmentation, mixup, a transformer's gradient; selection, record and figures.
TRAIN = """
import os
from pathlib import Path
from fer_tf.models.inference import predict_probabilities
from fer_tf.saving import load_model
from fer_tf.training import run_experiment
options = {"mixup": 0.2, "rotation": 10.0, "brightness": 0.1, "erase": 0.2} if name == "cnn" else {}
if "facenet" in name:
    options = {"matching_epochs": 1, "face_net": "tiny.h5", "depth": 6}
    shape = keras.Input((48, 48, 1))
    maps = keras.layers.Conv2D(6, 3, strides=8, activation="relu")(shape)
    models = Path(os.environ["FER_TF_MODELS"])
    models.mkdir()
    keras.Model(shape, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(maps))).save(models / "tiny.h5")
options["width"] = 0.25 if name in ("mobilenet", "ran_self") else 0.1  # that of the weights of drawn people
run = run_experiment(name, dataset_options={"count": 400}, size="smoke", verbose=False, limit=96, **options)
faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48, 1), dtype=np.uint8)
np.savez(place, faces=faces, probabilities=predict_probabilities(load_model(run.model_path), faces))
print(json.dumps({"model": str(run.model_path), "epochs": len(run.history), "backend": run.record["backend"]}))
"""
# What a student writes: a model of the kit fitted on arrays, saved by the kit.
FIT = """
from fer_tf.losses import classification_loss
from fer_tf.models import build_model
from fer_tf.saving import save_model
rng = np.random.default_rng(0)
faces = rng.integers(0, 256, (16, 48, 48, 1), dtype=np.uint8)
model = build_model(name, (48, 48, 1), 7, width=0.25)
model.compile(keras.optimizers.SGD(0.01), classification_loss(), jit_compile=True)
history = model.fit(faces, np.eye(7)[rng.integers(7, size=16)], batch_size=8, epochs=1, verbose=0).history
save_model(model, place + ".h5", ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"))
np.savez(place, faces=faces, probabilities=model.predict_on_batch(faces))
print(json.dumps({"model": place + ".h5", "loss": history["loss"][0]}))
"""


def assert_predicts_the_same(path, arrays):
    model = load_model(path)
    np.testing.assert_allclose(model.predict_on_batch(arrays["faces"]), arrays["probabilities"], atol=1e-4)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "compact", "deepfer", "mobilenet", "ran_self", "ran_facenet2expnet"])
def test_a_run_without_tensorflow(tmp_path, name):
    answer, arrays = under_jax(TRAIN, name, tmp_path)
    assert answer["backend"] == "jax"
    assert answer["epochs"] >= 1
    model = assert_predicts_the_same(answer["model"], arrays)
    assert model_info(model)["provenance"]["run"].startswith(f"{name}-synthetic")


def test_a_model_fitted_under_jax_predicts_the_same_under_tensorflow(tmp_path):
    answer, arrays = under_jax(FIT, "cnn", tmp_path)
    assert np.isfinite(answer["loss"])
    assert_predicts_the_same(answer["model"], arrays)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cnn4_se_residual", "compact", "resnet18", "vgg_bn", "ucar_cnn", "deep_emotion", "deepfer", "ran"]
)
def test_every_family_fits_under_jax(tmp_path, name):
    answer, arrays = under_jax(FIT, name, tmp_path)
    assert np.isfinite(answer["loss"])
    assert_predicts_the_same(answer["model"], arrays)
