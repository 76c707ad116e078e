"""Teachers: what a student learns of their answers, what its record says, and which teachers are refused."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fixtures import PLAIN, fit_compact, home_of_runs

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.common.hashes import file_fingerprint
from fer_tf.common.paths import models_root
from fer_tf.data import load_dataset
from fer_tf.data.feeding.epoch_plan import target_matrix
from fer_tf.experiments import resolve
from fer_tf.saving import load_model
from fer_tf.training import distillation, fitting, run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

TEACHER = {"size": "smoke", "dataset_options": {"count": 400}, "limit": 96, "epochs": 1, "width": 0.1}
TEACHER |= {"verbose": False, **PLAIN}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run that can teach, in a home of its own."""
    with home_of_runs(tmp_path_factory.mktemp("teacher")):
        yield run_experiment("cnn", **TEACHER)


def opened(trained, tiny_faces, names="cnn"):
    return distillation.open_teacher(resolve("compact", overrides={"teacher": names}), tiny_faces, 0)


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
    _, _, history = fit_compact(tiny_faces, tmp_path, opened(trained, tiny_faces), **options)
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
    teacher = distillation.Teacher(("cnn",), (model,), order, "f")
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


@pytest.fixture
def shipped(trained):
    """The record of a bundled file that was made from a run which is no longer there."""
    folder = models_root() / "bundled"
    folder.mkdir()
    shutil.copy(trained.model_path, folder / "small.h5")
    facts = ("dataset", "protocol", "class_names", "test_fingerprint", "fingerprint")
    record = {key: trained.record[key] for key in facts} | {"file": "small.h5", "run": "gone-run"}
    (folder / "small.json").write_text(json.dumps({**record, "sha256": file_fingerprint(folder / "small.h5")}))
    yield folder / "small.h5"
    shutil.rmtree(folder)


def test_a_bundled_model_teaches_in_place_of_its_run(trained, shipped, tiny_faces):
    teacher = opened(trained, tiny_faces, "gone-run")
    assert teacher.runs == ("small.h5",)
    np.testing.assert_array_equal(
        teacher.answers(tiny_faces.test), opened(trained, tiny_faces).answers(tiny_faces.test)
    )
    assert teacher.fingerprint != opened(trained, tiny_faces).fingerprint
    with pytest.raises(InputError, match="teacher: small.h5 was not trained on this split"):
        opened(trained, load_dataset("synthetic", count=300), "gone-run")


def test_a_bundled_teacher_that_was_changed_is_refused(trained, shipped, tiny_faces):
    shipped.write_bytes(shipped.read_bytes() + b" ")
    with pytest.raises(ModelFileError, match="small.h5: is not the file that small.json describes"):
        opened(trained, tiny_faces, "gone-run")
