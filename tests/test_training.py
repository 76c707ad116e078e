"""Running experiments: same seed same numbers, nothing of test reaches training, killed runs go on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import GuardedDataset, assert_refused_before_writing, with_poisoned_test

from fer_tf import data, experiments, fitting, runlog, scoring
from fer_tf import keeper as keeping
from fer_tf.checks import InputError
from fer_tf.training import given_networks, run_experiment

OPTIONS = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False}


def weights(run):
    return keras.models.load_model(run.model_path, compile=False).get_weights()


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.figures
def test_same_seed_same_numbers_and_a_record_of_them(fresh_home):
    first = run_experiment("cnn", **OPTIONS)
    kept, probabilities = weights(first), first.predictions
    second = run_experiment("cnn", **OPTIONS, force=True)
    assert_same(kept, weights(second))
    pd.testing.assert_frame_equal(probabilities, second.predictions)
    other = run_experiment("cnn", **OPTIONS, seed=1)
    assert any(not np.array_equal(one, two) for one, two in zip(kept, weights(other), strict=True))
    files = {path.name for path in first.directory.iterdir()}
    wanted = {
        "record.json",
        "metrics.json",
        "history.csv",
        "predict.csv",
        "ground_truth.csv",
        "figures",
        "training.json",
    }
    assert wanted == files
    assert first.name == "cnn-synthetic-identity-seed0"
    assert first.model_path.name == f"{first.name}.h5"
    assert first.record["reduced"].startswith("smoke size")
    assert {"revision", "packages", "device", "python"} <= set(first.record["environment"])


def test_metrics_are_those_of_the_saved_predictions(fresh_home):
    run = run_experiment("cnn", **OPTIONS)
    table = run.predictions
    assert run.metrics["test"]["accuracy"] == pytest.approx((table["truth"] == table["label"]).mean())
    np.testing.assert_allclose(table[run.record["class_names"]].sum(axis=1), 1, atol=1e-4)
    assert run.metrics["test"]["n"] == len(table) == run.record["counts"]["test"]["all"]


def test_test_labels_cannot_reach_training_or_selection(fresh_home, monkeypatch):
    """Other test labels and pixels must give the same weights, and the split must not be asked for before the end."""
    honest = weights(run_experiment("cnn", **OPTIONS))
    fit, seen = fitting.fit, {}

    def watched(*arguments):
        GuardedDataset.asked.clear()
        model = fit(*arguments)
        seen["during fit"] = list(GuardedDataset.asked)
        return model

    monkeypatch.setattr(data, "load_dataset", with_poisoned_test(data.load_dataset))
    monkeypatch.setattr(fitting, "fit", watched)
    assert_same(honest, weights(run_experiment("cnn", **OPTIONS)))
    assert seen == {"during fit": []}


def test_second_run_is_up_to_date_and_changes_are_redone(fresh_home, capsys):
    options = {**OPTIONS, "verbose": True}
    run = run_experiment("majority", **options)
    capsys.readouterr()
    run_experiment("majority", **options)
    assert capsys.readouterr().out == f"{run.name}: up to date\n"
    (run.directory / "metrics.json").unlink()
    run_experiment("majority", **options)
    assert capsys.readouterr().out == f"{run.name}: evaluating on {run.metrics['test']['n']} test images\n"
    run_experiment("majority", **options, limit=100)
    assert "100 train" in capsys.readouterr().out
    run.model_path.unlink()
    run_experiment("majority", **options, limit=100)
    assert "100 train" in capsys.readouterr().out


def test_a_full_run_is_kept_when_another_takes_its_name(fresh_home, capsys):
    options = {"dataset_options": {"count": 400}, "size": "smoke"}
    first = run_experiment("cnn", **options)
    kept = weights(first)
    second = run_experiment("cnn", **options, epochs=1)
    assert second.metrics["training"]["epochs"] == 1
    assert "is kept in" in capsys.readouterr().out
    again = run_experiment("cnn", **options)
    assert "up to date" in capsys.readouterr().out
    assert_same(kept, weights(again))
    assert again.metrics == first.metrics
    assert again.record == first.record


def test_a_record_is_never_taken_for_another_runs_weights(fresh_home):
    """One-epoch run, then a full one that is killed, then the one-epoch run again: the record must be its own."""
    small = {**OPTIONS, "epochs": 1, "width": 0.1}
    run_experiment("cnn", **small)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **OPTIONS)
    run = run_experiment("cnn", **small)
    assert run.record["settings"]["epochs"] == 1
    assert "width 0.1 for 1.0" in run.record["reduced"]
    assert run.metrics["training"]["epochs"] == 1


def test_killed_between_model_and_evaluation(fresh_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "write_evaluation", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **OPTIONS)
    assert runlog.finished_runs() == []
    run = run_experiment("cnn", **OPTIONS)
    assert run.metrics["training"]["epochs"] == 2
    assert len(run.history) == 2


def test_forced_run_that_is_interrupted_is_not_taken_for_the_old_one(fresh_home):
    run_experiment("cnn", **OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping.EpochKeeper, "on_epoch_end", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **OPTIONS, force=True)
    run = run_experiment("cnn", **OPTIONS)
    assert len(run.history) == run.metrics["training"]["epochs"] == 2


def test_no_epoch_leaves_no_epochs_in_the_record(fresh_home):
    run_experiment("cnn", **OPTIONS)
    run = run_experiment("cnn", **OPTIONS, epochs=0)
    assert "epochs" not in run.metrics["training"]
    assert run.history.empty


def test_two_processes_cannot_write_the_same_run(fresh_home):
    name = runlog.run_name("cnn", "synthetic", "identity", 0)
    with runlog.locked(name), pytest.raises(InputError, match=f"{name}: is being run by another process"):
        run_experiment("cnn", **OPTIONS)


def test_dataset_options_make_another_run(fresh_home):
    run = run_experiment("majority", "synthetic", dataset_options={"count": 400, "classes": 6}, verbose=False)
    assert run.record["reduced"] == "count 400, classes 6"


def test_a_newer_record_beside_an_older_model_is_not_taken_for_done(fresh_home, capsys):
    """A run killed between writing its record and its model must be trained, not read from the old file."""
    run = run_experiment("cnn", **OPTIONS)
    old = weights(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **OPTIONS, learning_rate=0.01)
    assert runlog.finished_runs() == []
    new = weights(run_experiment("cnn", **OPTIONS, learning_rate=0.01))
    assert any(not np.array_equal(one, two) for one, two in zip(old, new, strict=True))


def finished_before(name):
    """What stands for a finished run of other settings: its files, path -> bytes."""
    run = runlog.run_name(name, "synthetic", "identity", 0)
    files = {runlog.model_path(run): b"weights"}
    files |= {runlog.run_directory(run) / file: b'{"fingerprint": "other"}' for file in ("metrics.json", "record.json")}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("cnn", {"stem": "banana"}, "stem: allowed are"),
        ("cnn", {"head_epochs": 1}, "head_epochs, unfreeze: cnn has no pretrained part"),
        ("cnn", {"image_size": 2}, "input_shape: cnn halves the side"),
        ("cnn", {"matching_epochs": 1, "face_net": "net.h5"}, "matching_epochs: cnn has no expression_net"),
        ("facenet2expnet", {"depth": 7, "face_net": "net.h5"}, "depth: .*maps have 5 channels: --set depth=5; rec"),
        ("facenet2expnet", {"face_net": "text.h5"}, "text.h5"),
        ("ran", {"crops": "banana"}, "crops: allowed are"),
        ("ran", {"attention": "banana"}, "attention: allowed are"),
        ("ran", {"backbone": "DenseNet161"}, "backbone: allowed are"),
        ("ran", {"image_size": 2}, "input_shape: cnn halves the side"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_settings_that_cannot_be_trained_leave_the_finished_run(fresh_home, name, wrong, message, force):
    from tiny_face_net import tiny_face_net

    tiny_face_net().save(fresh_home / "net.h5")
    (fresh_home / "text.h5").write_text("no model")
    if "face_net" in wrong:
        wrong = {**wrong, "face_net": str(fresh_home / wrong["face_net"])}
    before = finished_before(name)
    with pytest.raises(InputError, match=message):
        run_experiment(name, **OPTIONS, **wrong, force=force)
    left = [path for kind in ("reports", "models") for path in (fresh_home / kind).rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in left if path.suffix != ".lock"} == before


def test_a_run_that_is_there_or_put_aside_is_not_built_again(fresh_home, monkeypatch):
    first = run_experiment("cnn", **OPTIONS, epochs=0)
    run_experiment("cnn", **OPTIONS, epochs=0, width=0.1)
    monkeypatch.setattr(fitting, "start", _interrupt)
    assert run_experiment("cnn", **OPTIONS, epochs=0).record == first.record
    assert run_experiment("cnn", **OPTIONS, epochs=0).record == first.record
    with pytest.raises(KeyboardInterrupt):
        run_experiment("cnn", **OPTIONS, epochs=0, force=True)


def _interrupt(*_, **__):
    raise KeyboardInterrupt


SCRIPT = """
import json, sys
from fer_tf.training import run_experiment
options = json.loads(sys.argv[1])
run_experiment("cnn", dataset_options={"count": 400}, size="smoke", **options)
"""


def start(home, options):
    environment = {**os.environ, "FER_TF_REPORTS": str(home / "reports"), "FER_TF_MODELS": str(home / "models")}
    command = [sys.executable, "-u", "-c", SCRIPT, json.dumps(options)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_killed_training_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    """kill -9 in the middle of training; the same command again ends with the uninterrupted run's weights."""
    options = {"epochs": 6, "schedule": "cosine", "mixup": 0.2, "rotation": 10.0}
    process = start(tmp_path / "killed", options)
    for line in process.stdout:
        if "epoch   2/6" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert not list((tmp_path / "killed" / "models").glob("*.h5"))
    output = start(tmp_path / "killed", options).communicate()[0]
    assert "resumed after epoch" in output
    assert "epoch   1/6" not in output
    runs = {}
    for home in ("killed", "whole"):
        monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / home / "reports"))
        monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / home / "models"))
        runs[home] = run_experiment("cnn", **OPTIONS, **options)
    assert_same(weights(runs["killed"]), weights(runs["whole"]))
    history = [run.history.drop(columns="seconds") for run in runs.values()]
    pd.testing.assert_frame_equal(*history)


def keeper(tmp_path, **settings):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    experiment = experiments.resolve("cnn", overrides=settings)
    found = keeping.EpochKeeper(model, experiment, fitting.Progress(tmp_path, "f", verbose=False))
    model.compile("sgd", "mse")
    found.set_model(model)
    found.begin(model, fitting.phases(experiment)[0], 0)
    found.set_params({"steps": 1})
    return found


def epoch(found, number, val_accuracy, val_loss):
    found.on_epoch_begin(number)
    found.on_train_batch_end(0)
    found.model.set_weights([np.full((2, 2), number), np.zeros(2)])
    found.on_epoch_end(number, {"loss": 1.0, "accuracy": 0.5, "val_loss": val_loss, "val_accuracy": val_accuracy})


def test_best_epoch_is_by_validation_accuracy_then_loss(tmp_path):
    found = keeper(tmp_path)
    for number, (accuracy, loss) in enumerate([(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.6, 0.1)]):
        epoch(found, number, accuracy, loss)
    found.restore_best()
    assert found.model.get_weights()[0][0, 0] == 2


def test_early_stopping_waits_its_patience_on_validation_loss(tmp_path):
    found = keeper(tmp_path, patience=2)
    stopped = []
    for number, loss in enumerate([1.0, 0.9, 0.95, 0.91]):
        epoch(found, number, 0.5, loss)
        stopped.append(found.model.stop_training)
    assert stopped == [False, False, False, True]


def test_plateau_lowers_the_rate(tmp_path):
    found = keeper(tmp_path, schedule="plateau", plateau=2, learning_rate=0.1)
    rates = []
    for number, loss in enumerate([1.0, 1.1, 1.1, 1.1, 0.5]):
        epoch(found, number, 0.5, loss)
        rates.append(float(found.model.optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.03, 0.03], rtol=1e-5)


def test_a_damaged_checkpoint_is_not_read_as_whole(tmp_path):
    found = keeper(tmp_path)
    epoch(found, 0, 0.5, 1.0)
    path = tmp_path / keeping.CHECKPOINT
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert keeper(tmp_path).resume() == 0


def test_xla_is_forced_by_jit(fresh_home):
    ds = data.load_dataset("synthetic", count=400).limited(64)
    experiment = experiments.resolve("cnn", "smoke", {"jit": "on", "epochs": 1})
    model, _ = fitting.fit(ds.training_data(), experiment, 0, fitting.Progress(fresh_home, "f", verbose=False))
    assert model.jit_compile is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cn"}, "experiment: allowed are majority, cnn"),
        ({"name": "cnn", "size": "tiny"}, "size: allowed are full, quick, smoke; received 'tiny'"),
        ({"name": "cnn", "epoch": 3}, "overrides: unknown 'epoch'"),
        ({"name": "cnn", "dataset": "fer"}, "dataset: allowed are synthetic, fer2013"),
    ],
)
def test_wrong_arguments_before_anything_is_written(fresh_home, arguments, message):
    assert_refused_before_writing(fresh_home, message, run_experiment, **arguments)


def test_a_class_without_training_images_is_an_error(fresh_home, monkeypatch):
    ds = data.load_dataset("synthetic", count=400)
    ds.table.loc[(ds.table["label"] == 2) & (ds.table["split"] == "train"), "split"] = ""
    monkeypatch.setattr(data, "load_dataset", lambda *_, **__: ds)
    with pytest.raises(InputError, match="no training image of fear; leave them out by classes="):
        run_experiment("cnn", **OPTIONS)


def test_time_is_recorded(fresh_home):
    started = time.perf_counter()
    run = run_experiment("cnn", **OPTIONS)
    facts = run.metrics["training"]
    assert 0 < facts["seconds"] <= time.perf_counter() - started
    assert facts["epochs"] == 2
    assert facts["best_epoch"] in (1, 2)
    assert facts["peak_memory_mb"] > 100


def test_other_weights_under_the_same_name_are_another_run(tmp_path):
    path = tmp_path / "own.weights.h5"
    experiment = experiments.resolve("mobilenet", "smoke", {"weights": str(path), "width": 1.0})
    found = []
    for content in (b"first", b"second"):
        path.write_bytes(content)
        found.append(given_networks(experiment, 0)["weights"])
    assert found[0] != found[1]
    assert given_networks(replace(experiment, weights="none"), 0) == {}
