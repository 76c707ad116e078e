"""The same code trains under JAX on a machine without TensorFlow, and what it saves predicts the same under TensorFlow.

JAX is installed for these tests alone. $FER_TF_JAX_PYTHON may name another Python that has it
(`python -m venv x; x/bin/pip install "jax[cpu]"` and requirements.txt without tensorflow and notebooks).
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fer_tf
from fer_tf.saving import load_model, model_info

PYTHON = os.environ.get("FER_TF_JAX_PYTHON") or (sys.executable if importlib.util.find_spec("jax") else None)

# No finder may answer for TensorFlow: an import of it anywhere is an error, as where it is not installed.
START = """
import sys

class Forbidden:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r} (forbidden by this test)", name=name)

sys.meta_path.insert(0, Forbidden)
import json
import keras
import numpy as np
assert keras.backend.backend() == "jax"
name, place = sys.argv[1:]
"""
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
run = run_experiment(
    name, dataset_options={"count": 400}, size="smoke", verbose=False, limit=96, width=0.1, **options
)
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

pytestmark = pytest.mark.skipif(PYTHON is None, reason='needs JAX: pip install "jax[cpu]", or set FER_TF_JAX_PYTHON')


def under_jax(code, name, folder):
    """Runs code with JAX as backend, unable to import TensorFlow; returns what it prints (JSON), and its arrays."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(Path(fer_tf.__file__).parent.parent),
        "FER_TF_REPORTS": str(folder / "reports"),
        "FER_TF_MODELS": str(folder / "models"),
    }
    command = [PYTHON, "-c", START + code, name, str(folder / "out")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    with np.load(folder / "out.npz") as file:
        return json.loads(result.stdout.strip().splitlines()[-1]), dict(file)


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
