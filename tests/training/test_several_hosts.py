"""Training on several hosts, played by processes on loopback: as if it were one process, also after a kill -9."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import write_face
from loopback import addresses

from fer_tf.common.paths import project_root
from fer_tf.training.hosts import LOST, WAIT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not find_spec("jax"), reason="needs JAX")]

RUN = "cnn4-synthetic-identity-seed0"
# Dropout, a moving average, clipping and mixup. Of 90 pictures ten are in the last batch, which four processes cannot
# share evenly. Only a few epochs: with batch normalisation over a few pictures, differences of rounding grow.
COMMAND = ["train", "cnn4", "--option", "count=400", "--size", "smoke"]
SETTINGS = {
    **{"limit": 90, "epochs": 3, "batch_size": 16, "width": 0.1, "optimizer": "sgd", "learning_rate": 0.01},
    **{"mixup": 0.2, "clip_norm": 1.0, "rotation": 10.0, "ema": 0.9, "jit": "on"},
}


def start(home, hosts=(), rank=None, environment=None, command=COMMAND, **changed):
    """The command as a process with folders of its own, as on a host of its own.

    Args:
        home: where its reports and models are.
        hosts, rank: of `--hosts`.
        environment: dict of more variables.
        command: what is trained.
        **changed: settings.
    """
    words = [word for key, value in {**SETTINGS, **changed}.items() for word in ("--set", f"{key}={value}")]
    if hosts:
        words += ["--hosts", ",".join(f"{host}:{port}" for host, port in hosts), "--rank", str(rank)]
    variables = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(project_root()),
        "FER_TF_REPORTS": str(home / "reports"),
        "FER_TF_MODELS": str(home / "models"),
        WAIT: "240",
        **(environment or {}),
    }
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "fer_tf", *command, *words],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_all(folder, count, **changed):
    places = addresses(count)
    return [start(folder / str(rank), places, rank, **changed) for rank in range(count)]


def finish(processes):
    """Waits for all; returns what each printed."""
    texts = [process.communicate(timeout=900) for process in processes]
    for process, (_, stderr) in zip(processes, texts, strict=True):
        assert process.returncode == 0, stderr[-3000:]
    return [stdout for stdout, _ in texts]


def learned(home):
    """Weights and history of the run in a home."""
    history = pd.read_csv(home / "reports" / "runs" / RUN / "history.csv").drop(columns="seconds")
    return keras.models.load_model(home / "models" / f"{RUN}.h5", compile=False).get_weights(), history


def assert_the_same(found, wanted):
    for value, other in zip(*(weights for weights, _ in (found, wanted)), strict=True):
        np.testing.assert_allclose(value, other, atol=1e-5, rtol=1e-5)
    pd.testing.assert_frame_equal(found[1], wanted[1], rtol=1e-4)


def assert_only_the_first_wrote(folder, count):
    for rank in range(1, count):
        assert not [path for path in (folder / str(rank)).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process learns."""
    home = tmp_path_factory.mktemp("alone")
    finish([start(home)])
    return learned(home)


def test_two_hosts_killed_in_the_middle_learn_what_one_learns(tmp_path, alone):
    first, second = processes = start_all(tmp_path, 2)
    history = tmp_path / "0" / "reports" / "runs" / RUN / "history.csv"
    until = time.monotonic() + 600
    while not history.is_file() and time.monotonic() < until and first.poll() is None:
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    _, stderr = first.communicate(timeout=60)
    second.communicate()
    assert first.returncode == LOST
    assert re.search(r"error: rank 1 \(127\.0\.0\.1:\d+\) was lost: .*The same command on every host resumes", stderr)
    assert len(pd.read_csv(history)) < SETTINGS["epochs"]
    processes = start_all(tmp_path, 2)
    texts = finish(processes)
    assert "resumed after epoch" in texts[0]
    accuracies = [re.search(r"test accuracy [\d.]+", text)[0] for text in texts]
    assert accuracies[0] == accuracies[1]
    assert_the_same(learned(tmp_path / "0"), alone)
    assert_only_the_first_wrote(tmp_path, 2)


def test_four_hosts_learn_what_one_learns(tmp_path, alone):
    finish(start_all(tmp_path, 4))
    assert_the_same(learned(tmp_path / "0"), alone)
    assert_only_the_first_wrote(tmp_path, 4)


def assert_refused(processes, folder, message):
    """Both processes end with the message, and nothing was written."""
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 2, stderr[-3000:]
        assert re.search(rf"error: hosts: rank 1 \(127.*\) has another {message}", stderr), stderr[-3000:]
    assert not [path for path in folder.glob("*/reports/runs/*/*") if path.is_file()]
    assert not [path for path in folder.glob("*/models/*") if path.is_file()]


def test_a_host_with_other_settings_is_refused(tmp_path):
    places = addresses(2)
    processes = [start(tmp_path / "0", places, 0), start(tmp_path / "1", places, 1, dropout=0.1)]
    assert_refused(processes, tmp_path, "command than rank 0 .*give the same experiment")


def test_a_host_with_other_pictures_is_refused(tmp_path):
    """One pixel of one picture differs."""
    places, processes = addresses(2), []
    for rank in range(2):
        home = tmp_path / str(rank)
        pictures = home / "data" / "folder"
        for number, emotion in enumerate(("anger", "happiness") * 20):
            write_face(pictures / emotion / f"{number}.png", number)
        if rank:
            path = pictures / "anger" / "0.png"
            image = cv2.imread(str(path))
            image[0, 0] ^= 1
            cv2.imwrite(str(path), image)
        command = ["train", "cnn4", "--dataset", "folder", "--data-dir", str(home / "data"), "--size", "smoke"]
        processes.append(start(home, places, rank, {"FER_TF_CACHE": str(home / "cache")}, command))
    assert_refused(processes, tmp_path, "data than rank 0 .*copy the same files to all hosts")


def test_a_host_with_other_code_is_refused(tmp_path):
    """A copy of the package in which the optimizer has another momentum."""
    shutil.copytree(project_root() / "fer_tf", tmp_path / "other" / "fer_tf", ignore=shutil.ignore_patterns("__pyc*"))
    path = tmp_path / "other" / "fer_tf" / "training" / "compiling.py"
    text = path.read_text(encoding="utf-8")
    assert "momentum=0.9," in text
    path.write_text(text.replace("momentum=0.9,", "momentum=0.8,"), encoding="utf-8")
    places = addresses(2)
    processes = [start(tmp_path / "0", places, 0)]
    # else Python takes the package of the working directory
    other = {"PYTHONPATH": str(tmp_path / "other"), "PYTHONSAFEPATH": "1"}
    processes.append(start(tmp_path / "1", places, 1, other))
    assert_refused(processes, tmp_path, "code than rank 0 .*install the same revision")
