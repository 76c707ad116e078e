"""Running experiments: same seed same numbers, nothing of test reaches training, killed runs resume."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import (
    QUICK_TRAINING,
    GuardedDataset,
    assert_refused_before_writing,
    home_of_runs,
    with_poisoned_test,
)

from fer_tf import data, experiments
from fer_tf.common.checks import InputError
from fer_tf.runs import evaluate, records
from fer_tf.training import checkpoint as keeping
from fer_tf.training import fitting, run_experiment
from fer_tf.training.run import given_networks

OPTIONS = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False}
SMALL = {**OPTIONS, **QUICK_TRAINING}
# With random augmentation, in which a seed that is not kept would be seen.
AUGMENTED = {**OPTIONS, "limit": 64, "width": 0.1}


def weights(run):
    return keras.models.load_model(run.model_path, compile=False).get_weights()


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_other(first, second):
    assert any(not np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A finished run with augmentation and figures, and its weights."""
    with home_of_runs(tmp_path_factory.mktemp("honest"), with_figures=True):
        run = run_experiment("cnn", **AUGMENTED)
        return run, weights(run)


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory):
    """Reports and models with one finished run of `SMALL`, to be copied."""
    with home_of_runs(tmp_path_factory.mktemp("trained")) as home:
        run_experiment("cnn", **SMALL)
    return home


@pytest.fixture
def finished(trained_home, fresh_home):
    """A finished run of `SMALL` in a home of the test's own."""
    shutil.copytree(trained_home, fresh_home, dirs_exist_ok=True)
    return records.read_run(records.run_directory("cnn-synthetic-identity-seed0"))


def test_a_run_leaves_its_record_and_figures(honest):
    run, _ = honest
    wanted = {"record.json", "metrics.json", "history.csv", "predict.csv", "ground_truth.csv", "training.json"}
    assert wanted <= {path.name for path in run.directory.iterdir()}
    assert list((run.directory / "figures").iterdir())
    assert run.name == "cnn-synthetic-identity-seed0"
    assert run.model_path.name == f"{run.name}.h5"
    assert run.record["reduced"].startswith("smoke size")
    assert {"revision", "packages", "device", "python"} <= set(run.record["environment"])
    facts = run.metrics["training"]
    assert facts["seconds"] > 0
    assert facts["epochs"] == 2
    assert facts["best_epoch"] in (1, 2)
    assert facts["peak_memory_mb"] > 100


def test_same_seed_same_numbers(fresh_home, honest):
    run, kept = honest
    again = run_experiment("cnn", **AUGMENTED)
    assert_same(kept, weights(again))
    pd.testing.assert_frame_equal(run.predictions, again.predictions)
    assert_other(kept, weights(run_experiment("cnn", **SMALL, seed=1, epochs=0)))


def test_metrics_are_those_of_the_saved_predictions(honest):
    run, _ = honest
    table = run.predictions
    assert run.metrics["test"]["accuracy"] == pytest.approx((table["truth"] == table["label"]).mean())
    np.testing.assert_allclose(table[run.record["class_names"]].sum(axis=1), 1, atol=1e-4)
    assert run.metrics["test"]["n"] == len(table) == run.record["counts"]["test"]["all"]


def test_test_labels_cannot_reach_training_or_selection(fresh_home, honest, monkeypatch):
    """Other test labels and pixels must give the same weights, and the split must not be asked for before the end."""
    fit, seen = fitting.fit, {}

    def watched(*arguments):
        GuardedDataset.asked.clear()
        model = fit(*arguments)
        seen["during fit"] = list(GuardedDataset.asked)
        return model

    monkeypatch.setattr(data, "load_dataset", with_poisoned_test(data.load_dataset))
    monkeypatch.setattr(fitting, "fit", watched)
    assert_same(honest[1], weights(run_experiment("cnn", **AUGMENTED)))
    assert seen == {"during fit": []}


@pytest.mark.usefixtures("untraced_here")
def test_second_run_is_up_to_date_and_changes_are_redone(fresh_home, capsys):
    options = {**OPTIONS, "verbose": True}
    run = run_experiment("majority", **options)
    capsys.readouterr()
    run_experiment("majority", **options)
    assert "up to date" in capsys.readouterr().out
    (run.directory / "metrics.json").unlink()
    run_experiment("majority", **options)
    said = capsys.readouterr().out
    assert f"evaluating on {run.metrics['test']['n']} test images" in said
    assert "train" not in said
    run_experiment("majority", **options, limit=100)
    assert "100 train" in capsys.readouterr().out
    run.model_path.unlink()
    run_experiment("majority", **options, limit=100)
    assert "100 train" in capsys.readouterr().out


@pytest.mark.usefixtures("untraced_here")
def test_a_full_run_is_kept_when_another_takes_its_name(finished, capsys):
    options = {**SMALL, "verbose": True}
    kept = weights(finished)
    second = run_experiment("cnn", **options, epochs=0)
    assert "is kept in" in capsys.readouterr().out
    assert "epochs" not in second.metrics["training"]
    assert second.history.empty, "nothing of the run before"
    again = run_experiment("cnn", **options)
    assert "up to date" in capsys.readouterr().out
    assert_same(kept, weights(again))
    assert again.metrics == finished.metrics
    assert again.record == finished.record


@pytest.mark.usefixtures("untraced_here")
def test_a_record_is_never_taken_for_another_runs_weights(finished):
    """A finished run, then one of other settings that is killed, then the first again: the record must be its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **{**SMALL, "width": 0.2}, epochs=1)
    run = run_experiment("cnn", **SMALL)
    assert run.record["settings"]["epochs"] == 2
    assert "width 0.1 for 1.0" in run.record["reduced"]
    assert run.metrics["training"]["epochs"] == 2


@pytest.mark.usefixtures("untraced_here")
def test_killed_between_model_and_evaluation(fresh_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "write_evaluation", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **SMALL, epochs=1)
    assert records.finished_runs() == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", None)  # the model is there
        run = run_experiment("cnn", **SMALL, epochs=1)
    assert run.metrics["training"]["epochs"] == 1
    assert len(run.history) == 1


@pytest.mark.usefixtures("untraced_here")
def test_forced_run_that_is_interrupted_is_not_taken_for_the_old_one(finished):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping.EpochKeeper, "on_epoch_begin", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **SMALL, force=True)
    assert records.finished_runs() == []
    run = run_experiment("cnn", **SMALL)
    assert len(run.history) == run.metrics["training"]["epochs"] == 2


def test_two_processes_cannot_write_the_same_run(fresh_home):
    name = records.run_name("cnn", "synthetic", "identity", 0)
    with records.locked(name), pytest.raises(InputError, match=f"{name}: is being run by another process"):
        run_experiment("cnn", **OPTIONS)


def test_dataset_options_make_another_run(fresh_home):
    run = run_experiment("majority", "synthetic", dataset_options={"count": 400, "classes": 6}, verbose=False)
    assert run.record["reduced"] == "count 400, classes 6"


@pytest.mark.usefixtures("untraced_here")
def test_a_newer_record_beside_an_older_model_is_not_taken_for_done(finished):
    """A run killed between writing its record and its model must be made, not read from the old file."""
    old, other = weights(finished), {**SMALL, "learning_rate": 0.01, "epochs": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_experiment("cnn", **other)
    assert records.finished_runs() == []
    assert_other(old, weights(run_experiment("cnn", **other)))


def finished_before(name):
    """A stand-in for a finished run of other settings: its files, path -> bytes."""
    run = records.run_name(name, "synthetic", "identity", 0)
    files = {records.model_path(run): b"weights"}
    files |= {
        records.run_directory(run) / file: b'{"fingerprint": "other"}' for file in ("metrics.json", "record.json")
    }
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


@pytest.mark.usefixtures("untraced_here")
def test_a_run_that_is_there_or_put_aside_is_not_built_again(finished, monkeypatch):
    run_experiment("cnn", **SMALL, epochs=0)
    monkeypatch.setattr(fitting, "start", _interrupt)
    assert run_experiment("cnn", **SMALL).record == finished.record
    assert run_experiment("cnn", **SMALL).record == finished.record
    with pytest.raises(KeyboardInterrupt):
        run_experiment("cnn", **SMALL, force=True)


def _interrupt(*_, **__):
    raise KeyboardInterrupt


SCRIPT = """
import json, os, signal, sys
from fer_tf.training.checkpoint import EpochKeeper
from fer_tf.training import run_experiment

def killed(self, batch, logs=None):
    if len(self.state["history"]) == 2 and batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)

EpochKeeper.on_train_batch_end = killed
run_experiment("cnn", **json.loads(sys.argv[1]))
"""


def test_killed_training_goes_on_and_ends_the_same(tmp_path, capsys):
    """kill -9 in the middle of the third epoch; the same command again ends with the uninterrupted run's weights."""
    options = {**AUGMENTED, "epochs": 4, "batch_size": 16, "schedule": "cosine", "mixup": 0.2, "rotation": 10.0}
    with home_of_runs(tmp_path / "killed"):
        command = [sys.executable, "-c", SCRIPT, json.dumps(options)]
        assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
        assert not list((tmp_path / "killed" / "models").glob("*.h5"))
        killed = run_experiment("cnn", **{**options, "verbose": True})
        said = capsys.readouterr().out
        assert "resumed after epoch 2" in said
        assert "epoch   1/4" not in said
    with home_of_runs(tmp_path / "whole"):
        whole = run_experiment("cnn", **options)
    assert_same(weights(killed), weights(whole))
    history = [run.history.drop(columns="seconds") for run in (killed, whole)]
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


def test_xla_is_forced_by_jit(fresh_home, tiny_faces, monkeypatch):
    experiment = experiments.resolve("cnn", "smoke", {**QUICK_TRAINING, "jit": "on"})
    given = tiny_faces.limited(64).training_data()
    model = fitting.start(given, experiment, 0)
    monkeypatch.setattr(keeping.EpochKeeper, "on_epoch_begin", _interrupt)  # compiling by XLA takes long
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(given, experiment, 0, fitting.Progress(fresh_home, "f", verbose=False), model)
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


def test_other_weights_under_the_same_name_are_another_run(tmp_path):
    path = tmp_path / "own.weights.h5"
    experiment = experiments.resolve("mobilenet", "smoke", {"weights": str(path), "width": 1.0})
    found = []
    for content in (b"first", b"second"):
        path.write_bytes(content)
        found.append(given_networks(experiment, 0)["weights"])
    assert found[0] != found[1]
    assert given_networks(replace(experiment, weights="none"), 0) == {}
