"""Training on several devices: what is refused, and that two devices learn what one learns."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from fer_tf import experiments
from fer_tf.common import sharing
from fer_tf.common.checks import InputError
from fer_tf.common.paths import project_root
from fer_tf.training import distribution, hosts

EXPERIMENT = experiments.resolve("cnn", "smoke", {"batch_size": 48})


@pytest.fixture
def chosen(monkeypatch):
    """Plays a number of devices, on a number of hosts."""

    def choose(devices, processes=0):
        group = None
        if processes:
            places = tuple(("127.0.0.1", 7000 + number) for number in range(processes))
            group = hosts.Group(hosts.Hosts(places, 0), {})
            group._closing.set()
        monkeypatch.setattr(distribution, "_chosen", devices)
        monkeypatch.setattr(distribution, "_group", group)

    return choose


@pytest.mark.parametrize(("text", "count"), [("", 1), ("all", 0), ("1", 1), ("8", 8)])
def test_devices_are_all_or_a_number(text, count):
    assert distribution.parse_devices(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_another_number_of_devices_is_refused(text):
    with pytest.raises(InputError, match=f"devices: must be all or a whole number from 1; received '{text}'"):
        distribution.parse_devices(text)


def test_more_devices_than_there_are_is_refused_once_keras_has_begun():
    wanted = "devices: there are 1; received 64: a processor is divided only before"
    with pytest.raises(InputError, match=wanted), distribution.started("64"):
        pass
    assert distribution._chosen is None


def test_all_devices_of_a_processor_are_one():
    with distribution.started("all"), distribution.scope():
        assert sharing.about() == {}


def test_the_environment_chooses_for_runs_of_a_queue(monkeypatch):
    monkeypatch.setenv(distribution.DEVICES, "64")
    with pytest.raises(InputError, match="devices: there are 1; received 64"):
        distribution.use_environment()
    with distribution.started("1"):
        distribution.use_environment()  # a command has chosen


def test_hosts_need_jax_and_a_rank_needs_hosts(monkeypatch):
    with pytest.raises(InputError, match="rank: can only be used with --hosts"), distribution.started(rank=1):
        pass
    monkeypatch.setattr(distribution, "_is_jax", lambda: False)
    wanted = "hosts: training on several hosts needs JAX; set KERAS_BACKEND=jax"
    with pytest.raises(InputError, match=wanted), distribution.started(hosts="a:1,b:2", rank=0):
        pass


def test_the_others_learn_why_a_process_cannot_start(monkeypatch):
    """Also before JAX is connected."""
    failed = []
    group = SimpleNamespace(fail=failed.append)
    monkeypatch.setattr(hosts, "meet", lambda *_: (group, "127.0.0.1:1"))
    monkeypatch.setattr(distribution, "_is_jax", lambda: True)
    monkeypatch.setattr(distribution, "_leave_jax", lambda error: None)
    fault = RuntimeError("no such device")
    monkeypatch.setattr(distribution, "_split_processor", Mock(side_effect=fault))
    with pytest.raises(RuntimeError, match="no such device"), distribution.started("2", "127.0.0.1:1,127.0.0.1:2", 1):
        pass
    assert failed == [fault]
    assert distribution.group() is None


def test_a_batch_must_be_divisible(chosen):
    chosen(5)
    wanted = "batch_size: 48 pictures cannot be shared evenly by 5 devices; use 4 devices, or --set batch_size=50"
    with pytest.raises(InputError, match=wanted):
        distribution.check(EXPERIMENT)
    chosen(2, processes=5)
    with pytest.raises(InputError, match="by 10 devices; use 8 devices"):
        distribution.check(EXPERIMENT)
    distribution.check(replace(EXPERIMENT, epochs=0))
    chosen(8, processes=2)
    distribution.check(EXPERIMENT)


def test_settings_that_would_give_another_result_are_refused(chosen, monkeypatch):
    monkeypatch.setattr(distribution, "_is_jax", lambda: False)
    clipped = replace(EXPERIMENT, clip_norm=1.0)
    distribution.check(clipped)
    chosen(2)
    with pytest.raises(InputError, match="clip_norm: under TensorFlow each device would clip its own share"):
        distribution.check(clipped)
    compiled = replace(EXPERIMENT, jit="on")
    with pytest.raises(InputError, match="jit: under TensorFlow a step that XLA compiles runs on one device"):
        distribution.check(compiled)
    chosen(1, processes=2)
    monkeypatch.setattr(distribution, "_is_jax", lambda: True)
    distribution.check(clipped)
    distribution.check(compiled)
    with pytest.raises(InputError, match="face_net_epochs: cannot be trained with --hosts"):
        distribution.check(replace(EXPERIMENT, face_net_epochs=1))
    with pytest.raises(InputError, match="salient_by: cannot be trained with --hosts"):
        distribution.check(replace(EXPERIMENT, salient_by="cnn"))


def test_what_is_resumed_from_is_in_the_run_and_below_it(tmp_path):
    (tmp_path / "matching").mkdir()
    for name in (
        "checkpoint.npz",
        "record.json",
        "precision.json",
        "matching/checkpoint.npz",
        "matching/mean_map.json",
    ):
        (tmp_path / name).write_text("")
    found = distribution.resumed_from(tmp_path)
    assert found == ["checkpoint.npz", "matching/checkpoint.npz", "matching/mean_map.json", "precision.json"]


# One process, because each start takes seconds. Of 26 pictures ten are in the last batch, which four devices cannot
# share evenly (TensorFlow takes no two numbers of several devices in one process). Four steps in all: in this training
# float32's rounding grows about tenfold with each step, also if one device begins with weights that are 1e-7 larger.
ON_DEVICES = """
import os, sys
from fer_tf.common.quiet import import_keras
keras = import_keras(wake=False)
import numpy as np
from fer_tf import experiments
from fer_tf.data import load_dataset
from fer_tf.training import distribution, fitting
from fer_tf.training.checkpoint import Progress
from pathlib import Path
folder = Path(sys.argv[1])
distribution._split_processor(4)
data = load_dataset("synthetic", count=400).limited(int(sys.argv[2])).training_data()
same = {"epochs": 2, "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.02, "width": 0.1, "mixup": 0.2}
is_jax = keras.backend.backend() == "jax"
same |= {"ema": 0.9, **({"jit": "on", "clip_norm": 1.0} if is_jax else {})}
experiment = experiments.resolve("cnn", "smoke", same)
layers = keras.layers

def plain():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((48, 48, 1))
    x = layers.Conv2D(4, 3, strides=4, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Dense(8, activation="softmax")(layers.Flatten()(x)))

for devices in sys.argv[3:]:
    with distribution.started(devices), distribution.scope():
        model = None if is_jax else plain()
        model, _ = fitting.fit(data, experiment, 0, Progress(folder / devices, "f", verbose=False), model)
        history = np.loadtxt(folder / devices / "history.csv", delimiter=",", skiprows=1, usecols=(3, 4))
        np.savez(folder / f"{devices}.npz", *model.get_weights(), history)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "pictures", "numbers"),
    [
        pytest.param(
            "tensorflow", 89, "12", marks=pytest.mark.skipif(not find_spec("tensorflow"), reason="is missing")
        ),
        pytest.param("jax", 26, "124", marks=pytest.mark.skipif(not find_spec("jax"), reason="needs JAX")),
    ],
)
def test_several_devices_learn_what_one_learns(tmp_path, backend, pictures, numbers):
    """The same weights and validation figures, also with a last batch that cannot be shared evenly.

    TensorFlow's devices normalise and drop for themselves, so it trains a net without both.
    """
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(project_root())}
    command = [sys.executable, "-c", ON_DEVICES, str(tmp_path), str(pictures), *numbers]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    one, *others = (list(np.load(tmp_path / f"{devices}.npz").values()) for devices in numbers)
    for several in others:
        for value, other in zip(one, several, strict=True):
            np.testing.assert_allclose(other, value, atol=1e-5, rtol=1e-4)
