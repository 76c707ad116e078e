"""Two devices learn what one learns: stage 1, phases, teachers, a resumed run, two outputs, and runs of a queue."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pandas as pd
import pytest
from affectnet_copies import CODES, write_manifest
from PIL import Image

from fer_tf.common.files import read_json
from fer_tf.common.paths import project_root

needs_jax = pytest.mark.skipif(not find_spec("jax"), reason="needs JAX")
needs_tensorflow = pytest.mark.skipif(not find_spec("tensorflow"), reason="is missing")
pytestmark = pytest.mark.slow


def run(backend, words, **environment):
    """Runs Python with these arguments in a process of its own; what it prints."""
    tests = project_root() / "tests"
    changed = {"KERAS_BACKEND": backend, "PYTHONPATH": f"{project_root()}{os.pathsep}{tests}", **environment}
    command = [sys.executable, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **changed})
    assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-1000:]
    return result.stdout


@pytest.fixture(
    scope="module",
    params=[pytest.param("tensorflow", marks=needs_tensorflow), pytest.param("jax", marks=needs_jax)],
)
def trained(request, tmp_path_factory):
    """The folder of `tests/on_devices.py` under both engines."""
    folder = tmp_path_factory.mktemp(request.param)
    run(request.param, [project_root() / "tests" / "on_devices.py", folder])
    return folder


def arrays(path):
    with np.load(path) as file:
        return list(file.values())


@pytest.mark.parametrize("name", ["matched", "with_face_net", "in_phases", "taught", "resumed", "two_outputs"])
def test_two_devices_learn_what_one_learns(trained, name):
    """The same weights, and the same figures of every epoch."""
    one, two = (arrays(trained / devices / f"{name}.npz") for devices in "12")
    for value, other in zip(two, one, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-5, rtol=1e-4)


def test_the_loss_of_values_is_that_of_a_batch_or_the_mean_of_the_devices(trained):
    """Under JAX it is that of the whole batch. Each of TensorFlow's devices has that of its pictures."""
    for devices in "12":
        given, of_halves, of_batches = arrays(trained / devices / "loss_of_values.npz")
        is_of_halves = devices == "2" and trained.name.startswith("tensorflow")
        assert given == pytest.approx(of_halves if is_of_halves else of_batches, rel=1e-5)
        assert abs(of_batches - of_halves) > 1e-4, "these pictures do not tell the two apart"


# One epoch: after two, rounding has grown to a hundredth in some weights of this net.
ROW = "cnn,epochs=1 limit=45 batch_size=16 optimizer=sgd learning_rate=0.01 width=0.1 jit=on rotation=0 zoom=0 flip=no"


@needs_jax
def test_a_queue_with_devices_trains_the_run_of_one_without(tmp_path):
    file = tmp_path / "queue.csv"
    file.write_text(f"experiment,overrides,options,size\n{ROW},count=400,smoke\n")
    found = []
    for devices in ("1", "2"):
        home = tmp_path / devices
        places = {"FER_TF_REPORTS": str(home / "reports"), "FER_TF_MODELS": str(home / "models")}
        run("jax", ["-m", "fer_tf", "queue", file, "--workers", "1", "--nice", "0", "--devices", devices], **places)
        (path,) = (home / "models").glob("cnn-*.h5")
        record = read_json(home / "reports" / "runs" / path.stem / "record.json")
        assert record["environment"].get("devices", 1) == int(devices)
        found.append(keras.models.load_model(path, compile=False).get_weights())
    for value, other in zip(*found, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-5, rtol=1e-4)


@needs_tensorflow
def test_valence_and_arousal_are_learned_on_two_devices_of_tensorflow(tmp_path, tiny_faces):
    """The command, from AffectNet's layout to the metrics of the test split."""
    faces = map(Image.fromarray, np.tile(tiny_faces.store.array[..., 0], (2, 1, 1)))
    write_manifest(tmp_path / "data" / "affectnet", faces, CODES, lists=".")
    words = ["train", "cnn", "--dataset", "affectnet", "--data-dir", tmp_path / "data", "--size", "smoke"]
    words += ["--option", "targets=expression+valence_arousal", "--devices", "2"]
    for setting in ("limit=64", "width=0.1", "epochs=2", "image_size=48", "rotation=0", "zoom=0", "flip=False"):
        words += ["--set", setting]
    places = {"FER_TF_REPORTS": str(tmp_path / "reports"), "FER_TF_MODELS": str(tmp_path / "models")}
    run("tensorflow", ["-m", "fer_tf", *words], **places)
    directory = tmp_path / "reports" / "runs" / "cnn-affectnet-official-valence_arousal-seed0"
    assert read_json(directory / "record.json")["environment"]["devices"] == 2
    history = pd.read_csv(directory / "history.csv")
    assert len(history) == 2
    assert np.isfinite(history[["loss", "val_loss"]]).all(axis=None)
    assert read_json(directory / "second.json")["test"]["per_value"]["valence"]["n"] == 16
