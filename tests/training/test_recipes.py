"""Moving averages, progressive resizing, warm-up, precision and teachers in whole runs, also interrupted ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fixtures import home_of_runs

from fer_tf import losses
from fer_tf.common.checks import InputError, OutOfTime
from fer_tf.data import load_dataset
from fer_tf.data.feeding.epoch_plan import target_matrix
from fer_tf.experiments import resolve
from fer_tf.models.inference import predict_probabilities
from fer_tf.saving import load_model
from fer_tf.training import checkpoint, fitting, precision, run_experiment, teachers

pytestmark = pytest.mark.usefixtures("untraced")

PLAIN = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "erase": 0.0, "contrast": 0.0, "flip": False}
ALL = {"epochs": 4, "width": 0.05, "sizes": "24:1,48:1", "ema": 0.9, "optimizer": "adamw", **PLAIN}
TEACHER = {"size": "smoke", "dataset_options": {"count": 400}, "limit": 96, "epochs": 1, "width": 0.1}
TEACHER |= {"verbose": False, **PLAIN}


def fit(tiny_faces, home, teacher=None, faces=64, **overrides):
    """Fits the compact net on a few faces; returns the model, the facts and the history."""
    experiment = resolve("compact", "smoke", {**ALL, "teacher": "cnn" if teacher else "", **overrides})
    data = tiny_faces.limited(faces).training_data()
    model, facts = fitting.fit(data, experiment, 0, fitting.Progress(home, "f", verbose=False), teacher=teacher)
    return model, facts, pd.read_csv(home / "history.csv")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run that can teach, in a home of its own."""
    with home_of_runs(tmp_path_factory.mktemp("teacher")):
        yield run_experiment("cnn", **TEACHER)


def test_an_interrupted_fit_with_all_of_them_ends_bit_for_bit_the_same(tmp_path, tiny_faces, monkeypatch):
    """Stopped among the small pictures, where the size changes, and among the large ones."""
    for stop in (1, 2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.EpochKeeper, "on_epoch_begin", stopping_at(stop))
            with pytest.raises(KeyboardInterrupt):
                fit(tiny_faces, tmp_path / "stopped", faces=32)
    stopped, _, one = fit(tiny_faces, tmp_path / "stopped", faces=32)
    whole, facts, other = fit(tiny_faces, tmp_path / "whole", faces=32)
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))
    for first, second in zip(stopped.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert other["size"].tolist() == [24, 24, 48, 48]
    assert facts["best_epoch"] >= 3, "the best epoch is one at the last size"


def stopping_at(number):
    begin = checkpoint.EpochKeeper.on_epoch_begin

    def stopped(self, epoch, logs=None):
        if epoch == number:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    return stopped


def test_what_is_validated_and_kept_is_the_average(tmp_path, tiny_faces):
    """The kept weights have the validation loss of the best epoch's row; the raw weights would have another."""
    model, facts, history = fit(tiny_faces, tmp_path, sizes="", epochs=2, ema=0.8)
    val = tiny_faces.limited(64).val
    loss = losses.classification_loss()(target_matrix(val), predict_probabilities(model, val))
    assert float(loss) == pytest.approx(history.set_index("epoch").loc[facts["best_epoch"], "val_loss"], rel=1e-4)


def test_a_time_that_has_come_stops_training_after_its_checkpoint(tmp_path, tiny_faces, monkeypatch):
    keep = checkpoint.EpochKeeper._keep_best

    def running_out(self, row):
        self.stop_at = 0.0
        keep(self, row)

    monkeypatch.setattr(checkpoint.EpochKeeper, "_keep_best", running_out)
    with pytest.raises(OutOfTime, match="no time left for another epoch"):
        fit(tiny_faces, tmp_path, sizes="", epochs=2)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 1
    assert (tmp_path / checkpoint.CHECKPOINT).is_file()


def test_precision_is_measured_only_where_it_can_pay(monkeypatch):
    def never(name):
        raise AssertionError("no model is needed on a processor without bfloat16")

    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert precision.choose(never, None, None)["chosen"] == "float32"


@pytest.mark.parametrize("faster", ["float32", "mixed_bfloat16"])
def test_the_faster_precision_is_taken_recorded_and_kept(tmp_path, tiny_faces, monkeypatch, faster):
    times = {"float32": 1.0, "mixed_bfloat16": 2.0} if faster == "float32" else {"float32": 2.0, "mixed_bfloat16": 1.0}
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_milliseconds", lambda model, *_: times[model.get_layer("pool").dtype_policy.name])
    model, facts, _ = fit(tiny_faces, tmp_path, sizes="", epochs=1)
    assert facts["precision"] == {"chosen": faster, "milliseconds_per_picture": times}
    assert model.get_layer("pool").dtype_policy.name == "float32", "what is saved computes in float32"
    monkeypatch.setattr(precision, "_milliseconds", None)  # a resumed run does not measure again
    experiment, progress = resolve("compact", "smoke", ALL), fitting.Progress(tmp_path, "f", verbose=False)
    assert fitting._measured_precision(None, experiment, 0, progress)["chosen"] == faster


def opened(trained, tiny_faces, names="cnn"):
    return teachers.open_teacher(resolve("compact", overrides={"teacher": names}), tiny_faces, 0)


@pytest.fixture
def traced(untraced):
    """Many steps: here a graph pays."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)


def test_a_student_learns_its_teachers_answers_and_not_the_labels(tiny_faces, tmp_path, traced):
    """The teacher answers the next class for every face: at λ = 1 its student does the same, at λ = 0 it does not."""
    data = tiny_faces.limited(16).training_data()
    teacher = SimpleNamespace(answers=lambda split: np.roll(target_matrix(split), 1, axis=1).astype(np.float32))
    shares = {}
    for share in (0.0, 1.0):
        settings = {"teacher": "cnn", "teacher_share": share, "temperature": 1.0, "sizes": "", "ema": 0.0, **PLAIN}
        settings |= {"width": 0.25, "epochs": 15, "patience": 0, "batch_size": 8, "optimizer": "adam"}
        experiment = resolve(
            "cnn", "smoke", {**settings, "learning_rate": 3e-3, "warmup": 0, "dropout": 0.0, "weight_decay": 0.0}
        )
        progress = fitting.Progress(tmp_path / str(share), "f", verbose=False)
        fitting.fit(data, experiment, 0, progress, teacher=teacher)
        history = pd.read_csv(tmp_path / str(share) / "history.csv")
        shares[share] = history["accuracy"].iloc[-1]
    assert shares[0.0] > 0.9
    assert shares[1.0] < 0.1, "it has learned the labels"


def test_a_teacher_that_is_asked_at_every_step_trains_at_every_size(trained, tiny_faces, tmp_path):
    options = {"teacher_views": "augmented", "epochs": 2, "flip": True}
    _, _, history = fit(tiny_faces, tmp_path, opened(trained, tiny_faces), **options)
    assert history["size"].tolist() == [24, 48]
    assert np.isfinite(history["loss"]).all()


def test_the_record_names_the_teacher(trained):
    found = run_experiment("compact", **{**TEACHER, "width": 0.05, "sizes": "", "teacher": "cnn"})
    assert found.record["teacher_runs"] == [trained.name]
    assert found.record["teacher"]


def test_another_teacher_makes_another_run(trained, tiny_faces):
    one, both = (opened(trained, tiny_faces, names) for names in (trained.name, f"cnn+{trained.name}"))
    assert one.runs == (trained.name,)
    assert both.runs == (trained.name, trained.name)
    assert one.fingerprint != both.fingerprint


def test_answers_are_the_mean_of_picture_and_mirror_in_the_students_order(trained, tiny_faces):
    model, split = load_model(trained.model_path), tiny_faces.test
    order = tuple(reversed(tiny_faces.class_names))
    teacher = teachers.Teacher(("cnn",), (model,), order, "f")
    both = [model.predict_on_batch(images) for images in (split.images, split.images[:, :, ::-1])]
    np.testing.assert_allclose(teacher.answers(split), np.mean(both, axis=0)[:, ::-1], atol=1e-6)
    live = teacher.live()(split.images.astype(np.float32))
    np.testing.assert_allclose(np.asarray(live), both[0][:, ::-1], atol=1e-5)


def test_a_teacher_that_may_have_seen_the_test_images_is_refused(trained):
    other = load_dataset("synthetic", count=300)
    with pytest.raises(InputError, match="teacher: cnn-.* was not trained on this split of synthetic"):
        opened(trained, other)


def test_a_teacher_that_is_not_there_is_named(trained, tiny_faces):
    with pytest.raises(InputError, match="teacher: there is no finished run banana; train it first, or name another"):
        opened(trained, tiny_faces, "banana")
