"""Learning classes and values at the same time: the loss, unknown values, a whole run and one that was stopped."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from affectnet_copies import CODES, write_manifest
from fixtures import QUICK_TRAINING
from PIL import Image
from tiny_face_net import experiment as matched_experiment
from tiny_face_net import quiet

from fer_tf.common.checks import InputError
from fer_tf.common.inference import whole_of
from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS
from fer_tf.evaluation.second_metrics import second_metrics
from fer_tf.experiments import resolve
from fer_tf.predict import EmotionRecognizer
from fer_tf.saving import load_model
from fer_tf.training import checkpoint, run_experiment, second_output

# TensorFlow says of steps that are not traced (`untraced`) that its pipelines still are
pytestmark = [
    pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly"),
    pytest.mark.usefixtures("untraced"),
]
AFFECT = {"targets": "expression+valence_arousal"}
SMALL = {"size": "smoke", "verbose": False, **QUICK_TRAINING, "epochs": 2}


def concordance(x, y):
    return 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def test_the_loss_is_that_of_the_classes_plus_that_of_the_values(rng):
    targets, values, known = np.eye(3)[rng.integers(3, size=10)], rng.uniform(-1, 1, (10, 2)), np.ones((10, 2))
    known[:4, 1] = 0
    probabilities, answers = rng.dirichlet(np.ones(3), 10), rng.uniform(-1, 1, (10, 2))
    of_classes = -np.mean(np.sum(targets * np.log(probabilities), axis=1))
    pairs = [(values[:, 0], answers[:, 0]), (values[4:, 1], answers[4:, 1])]
    of_values = np.mean([np.mean((x - y) ** 2) + 1 - concordance(x, y) for x, y in pairs])
    loss = second_output.BothLosses(keras.losses.CategoricalCrossentropy(), 3)
    found = loss(np.concatenate([targets, values, known], axis=1), np.concatenate([probabilities, answers], axis=1))
    assert float(found) == pytest.approx(of_classes + of_values, rel=1e-4)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_an_unknown_value_stays_unknown_in_every_batch(tiny_faces, rng, mixup, monkeypatch):
    """Also when its picture is mixed with one whose value is known, and only then for that one."""
    values = rng.uniform(-1, 1, (len(tiny_faces.train), 2)).astype(np.float32)
    values[::3, 0] = np.nan
    split, plans = replace(tiny_faces.train, values=values), []
    monkeypatch.setattr(second_output.pipeline, "training_batches", lambda split, plan, *_: plans.append(plan))
    second_output._batches(split, resolve("cnn", "smoke", {"mixup": mixup}), 0, 0, 1)
    for batch in plans[0].batches(0):
        shares = batch.shares[:, None]
        unknown = shares * np.isnan(values[batch.positions]) + (1 - shares) * np.isnan(values[batch.partners])
        assert batch.targets.shape[1] == plans[0].columns == 8 + 4
        np.testing.assert_array_equal(batch.targets[:, 10:] > second_output._KNOWN, unknown < 1e-3)
        if not mixup:
            np.testing.assert_array_equal(unknown, np.isnan(values[batch.positions]))
            np.testing.assert_allclose(batch.targets[:, 8:10], np.nan_to_num(values[batch.positions]))


@pytest.mark.parametrize("setting", [{"teacher": "cnn"}, {"sizes": "24:1,48:1"}, {"precision": "auto"}])
def test_settings_that_cannot_be_used_with_it_are_refused(setting):
    [key] = setting
    with pytest.raises(InputError, match=f"targets: a second output cannot be learned with {key}="):
        second_output.check_settings(resolve("cnn_strong", "smoke", setting))


def test_a_model_without_features_is_refused_before_a_record_is_begun(fresh_home):
    options = {"dataset_options": {"count": 400, **AFFECT}, "size": "smoke", "verbose": False}
    with pytest.raises(InputError, match="majority has no features for a second output"):
        run_experiment("majority", **options)
    assert not list(fresh_home.rglob("*.json"))


@pytest.fixture(scope="module")
def affect_faces():
    return load_dataset("synthetic", count=400, **AFFECT)


@pytest.fixture
def affectnet_dir(tmp_path, tiny_faces):
    """A copy in AffectNet's layout, in which nobody has labelled valence and arousal of the sad training faces."""
    faces = itertools.cycle(map(Image.fromarray, tiny_faces.store.array[..., 0]))
    write_manifest(tmp_path / "data" / "affectnet", faces, CODES, lists=".")
    path = tmp_path / "data" / "affectnet" / "training.csv"
    path.write_text(path.read_text().replace(",2,0.2,-0.5", ",2,-2,-2"))
    return tmp_path / "data"


def test_a_run_on_affectnets_layout_ends_in_a_model_that_predicts_both(affectnet_dir, fresh_home):
    run = run_experiment("cnn", "affectnet", data_dir=affectnet_dir, dataset_options=AFFECT, image_size=48, **SMALL)
    assert run.name == "cnn-affectnet-official-valence_arousal-seed0"
    assert "targets expression+valence_arousal" in run.record["reduced"], "it takes no row of a document's table"
    found = run.metrics["second"]
    assert found["per_value"]["valence"]["n"] == 16
    table = pd.read_csv(run.directory / "second.csv")
    truth, answers = table[["true valence", "true arousal"]], table[["valence", "arousal"]]
    again = second_metrics(truth.to_numpy(), answers.to_numpy(), whole_of(load_model(run.model_path)).second)
    assert again["mean"]["rmse"] == pytest.approx(found["mean"]["rmse"], abs=1e-5)
    assert sorted(truth["true valence"].unique()) == pytest.approx([code / 10 for code in range(8)])
    history = run.history
    assert np.isfinite(history[["loss", "val_loss"]].to_numpy()).all(), "unknown values are no NaN in the loss"
    frame = EmotionRecognizer(run.model_path, detector="none").predict(
        next((affectnet_dir / "affectnet").rglob("*.jpg"))
    )
    assert frame[["valence", "arousal"]].notna().all(axis=None)
    again = run_experiment("cnn", "affectnet", data_dir=affectnet_dir, dataset_options=AFFECT, image_size=48, **SMALL)
    assert again.metrics == run.metrics, "a finished run is read, not trained"


class Stopped(Exception):
    """Somebody pulled the plug."""


def test_a_stopped_training_resumes_to_the_same_model(affect_faces, tmp_path, monkeypatch):
    data, experiment = affect_faces.limited(64).training_data(), resolve("cnn", "smoke", QUICK_TRAINING)

    def fitted(name):
        progress = checkpoint.Progress(tmp_path / name, "of this run", verbose=False)
        return second_output.fit(data, experiment, 0, progress)[0]

    whole, real = fitted("whole"), checkpoint.EpochKeeper.on_epoch_begin

    def stop(keeper, epoch, logs=None):
        if epoch:
            raise Stopped
        real(keeper, epoch, logs)

    monkeypatch.setattr(checkpoint.EpochKeeper, "on_epoch_begin", stop)
    with pytest.raises(Stopped):
        fitted("stopped")
    monkeypatch.setattr(checkpoint.EpochKeeper, "on_epoch_begin", real)
    resumed = fitted("stopped")
    for first, second in zip(*(whole_of(model).model.get_weights() for model in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(first, second)


def test_action_units_of_drawn_faces_are_learned(tiny_faces, fresh_home):
    """Each unit has its metrics; the classes of a hinge loss learn next to them."""
    options = {"count": 400, "targets": "expression+action_units"}
    run = run_experiment("cnn_svm", dataset_options=options, **SMALL)
    found = run.metrics["second"]["per_value"]
    assert {"AU1", "AU12", "AU26"} <= set(found)
    assert set(found["AU12"]) == {"n", "f1", "icc", "rmse", "present"}
    assert 0 < found["AU12"]["present"] < 1
    assert set(run.metrics["test"]["per_class"]) == set(EMOTIONS)


def test_facenet2expnet_learns_its_second_output_after_stage_1(affect_faces, face_net_path, tmp_path):
    given = matched_experiment(face_net_path, matching_epochs=1, epochs=1)
    model, facts = second_output.fit(affect_faces.limited(40).training_data(), given, 0, quiet(tmp_path))
    assert facts["matching"]["epochs"] == 1
    assert [tuple(output.shape) for output in whole_of(model).model.outputs] == [(None, 8), (None, 2)]
