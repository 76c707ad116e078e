"""kill -9 at random moments: nothing that was finished is lost, and no half-written file is ever read as whole."""

import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_tf.runs import records
from fer_tf.training import run_experiment

pytestmark = pytest.mark.slow

TRAIN = """
from fer_tf.training import run_experiment
run_experiment("cnn", dataset_options={"count": 400}, size="smoke", epochs=12, rotation=10.0)
"""
ATTEMPTS = 12


def start(code, home):
    environment = {**os.environ, "FER_TF_REPORTS": str(home / "reports"), "FER_TF_MODELS": str(home / "models")}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )


def kill_after(process, seconds):
    """Waits for this time, then kills; True if the process had ended by itself."""
    try:
        process.communicate(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False


def test_training_killed_again_and_again_ends_as_if_nothing_was(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for attempt in range(ATTEMPTS):
        is_last = attempt == ATTEMPTS - 1
        ended = kill_after(start(TRAIN, tmp_path / "killed"), 120 if is_last else rng.uniform(4, 14))
        monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "killed" / "reports"))
        monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "killed" / "models"))
        runs = records.finished_runs()
        assert runs or not ended, "a run that ended has its record"
        for model in (tmp_path / "killed" / "models").glob("*.h5"):
            keras.models.load_model(model, compile=False)  # whole, whenever it is there
        if ended:
            break
    killed = records.finished_runs()[0]
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "whole" / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "whole" / "models"))
    options = {"dataset_options": {"count": 400}, "size": "smoke", "epochs": 12, "rotation": 10.0}
    whole = run_experiment("cnn", verbose=False, **options)
    pairs = [keras.models.load_model(run.model_path, compile=False).get_weights() for run in (killed, whole)]
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert killed.metrics["test"] == whole.metrics["test"]


def test_prediction_killed_leaves_no_half_csv(tmp_path, tiny_model_path, tiny_faces):
    folder, out = tmp_path / "faces", tmp_path / "scores.csv"
    folder.mkdir()
    for row, image in enumerate(np.tile(tiny_faces.store.array, (5, 1, 1, 1))):
        Image.fromarray(image[..., 0]).save(folder / f"{row}.png")
    command = [
        sys.executable,
        "-m",
        "fer_tf",
        "predict",
        str(folder),
        "--model",
        str(tiny_model_path),
        "--out",
        str(out),
    ]
    rng = np.random.default_rng(0)
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(3, 7))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists() or len(pd.read_csv(out)) == 2000
    subprocess.run(command, check=True, capture_output=True)
    assert len(pd.read_csv(out)) == 2000
