"""Stopping a training for lack of time and resuming it, also after a change of code."""

import sys

import keras
import numpy as np
import pandas as pd
import pytest

from fer_tf.__main__ import OUT_OF_TIME, main
from fer_tf.common import hashes
from fer_tf.common.checks import OutOfTime
from fer_tf.common.files import read_json
from fer_tf.experiments import parse_overrides
from fer_tf.runs import records
from fer_tf.training import checkpoint, queue, run_experiment
from fer_tf.training.queue_entries import Entry

pytestmark = pytest.mark.usefixtures("untraced")

SETTINGS = "width=0.1 rotation=0 zoom=0 flip=false"  # what a training costs most of its seconds for is off
SMALL = {"size": "smoke", "dataset_options": {"count": 200}, **parse_overrides(SETTINGS)}
WORDS = Entry("cnn", size="smoke", options="count=200", overrides=f"{SETTINGS} epochs=3").command()


def weights(found):
    return keras.models.load_model(found.model_path, compile=False).get_weights()


def history_of(home, name="cnn-synthetic-identity-seed0"):
    return pd.read_csv(home / "reports" / "runs" / name / "history.csv")


def test_a_training_without_time_left_stops_after_an_epoch_and_resumes_to_the_same_weights(
    fresh_home, monkeypatch, capsys
):
    monkeypatch.setenv(checkpoint.STOP_AT, "1")
    monkeypatch.setattr(sys, "argv", ["fer-tf", *WORDS])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == OUT_OF_TIME == queue.OUT_OF_TIME
    assert "stopped: cnn-synthetic-identity-seed0: no time left" in capsys.readouterr().err
    first = history_of(fresh_home)
    assert list(first["epoch"]) == [1]
    with pytest.raises(OutOfTime):  # still no time: nothing is lost and nothing is done
        run_experiment("cnn", verbose=False, **SMALL, epochs=3)
    pd.testing.assert_frame_equal(history_of(fresh_home), first)
    monkeypatch.delenv(checkpoint.STOP_AT)
    resumed = run_experiment("cnn", verbose=False, **SMALL, epochs=3)
    assert list(resumed.history["epoch"]) == [1, 2, 3]
    pd.testing.assert_frame_equal(resumed.history[:1], first)
    monkeypatch.setenv("FER_TF_REPORTS", str(fresh_home / "whole" / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(fresh_home / "whole" / "models"))
    whole = run_experiment("cnn", verbose=False, **SMALL, epochs=3)
    for one, other in zip(weights(resumed), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    assert resumed.metrics["test"] == whole.metrics["test"]


def test_a_first_epoch_that_cannot_end_in_time_is_not_waited_for(fresh_home, monkeypatch):
    monkeypatch.setenv(checkpoint.STOP_AT, "1")
    with pytest.raises(OutOfTime):
        run_experiment("cnn", verbose=False, **SMALL, batch_size=2)
    assert not list(fresh_home.rglob("history.csv"))


def test_a_queues_training_goes_on_after_a_change_of_code_and_says_so(fresh_home, monkeypatch, capsys):
    def train(code, **other):
        """Of two epochs; True if it has resumed."""
        monkeypatch.setattr(hashes, "code_fingerprint", lambda modules: code)
        run_experiment("cnn", **{**SMALL, **other})
        return "resumed after epoch 1" in capsys.readouterr().out

    def train_one_epoch(code, **other):
        monkeypatch.setenv(checkpoint.STOP_AT, "1")
        with pytest.raises(OutOfTime):
            train(code, **other)
        monkeypatch.delenv(checkpoint.STOP_AT)
        return "resumed" in capsys.readouterr().out

    train_one_epoch("first code")
    assert not train_one_epoch("second code"), "by hand, a change of code begins again"
    monkeypatch.setenv(checkpoint.ANY_CODE, "1")
    assert not train_one_epoch("third code", learning_rate=0.01), "other settings are another training"
    assert list(history_of(fresh_home)["learning_rate"]) == [0.01]
    assert train("fourth code", learning_rate=0.01)
    facts = read_json(records.run_directory("cnn-synthetic-identity-seed0") / "training.json")
    assert facts["codes"] == ["third code", "fourth code"]
    assert facts["epochs"] == 2
