"""Scoring models on test images: other class orders, fewer classes, splits that overlap with training."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from fixtures import home_of_runs

from fer_tf import data
from fer_tf.common.checks import InputError
from fer_tf.common.files import read_json
from fer_tf.runs import evaluate
from fer_tf.training import run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

OPTIONS = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False}


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A run of a small net with its first weights."""
    with home_of_runs(tmp_path_factory.mktemp("untrained")):
        return run_experiment("cnn", **OPTIONS, epochs=0, width=0.1)


def test_evaluating_on_another_split_of_the_training_data_warns(fresh_home, fer2013_root):
    from fer_tf.saving import load_model

    run = run_experiment("majority", "fer2013", data_dir=fer2013_root, verbose=False)
    assert "not the published ones" in run.record["reduced"]
    model = load_model(run.model_path)
    same = evaluate.evaluate_model(model, data.load_dataset("fer2013", fer2013_root), "a")
    assert not any("trained on another split" in note for note in same.record["notes"])
    other = evaluate.evaluate_model(model, data.load_dataset("fer2013", fer2013_root, "folder"), "b")
    assert any("trained on another split of fer2013 (official, seed 0)" in note for note in other.record["notes"])


def test_pictures_made_as_large_as_the_models_are_no_other_split(fresh_home):
    from fer_tf.saving import load_model

    run = run_experiment("majority", **OPTIONS, image_size=32, limit=0)
    faces = data.load_dataset("synthetic", count=400)
    notes = evaluate.evaluate_model(load_model(run.model_path), faces, "a").record["notes"]
    assert any("converted to the model's (32, 32, 1)" in note for note in notes)
    assert not any("trained on another split" in note for note in notes)
    other = data.load_dataset("synthetic", count=400, seed=1)
    notes = evaluate.evaluate_model(load_model(run.model_path), other, "b").record["notes"]
    assert any("trained on another split of synthetic (identity, seed 0)" in note for note in notes)


@pytest.mark.parametrize(
    ("trained", "tested", "warns"),
    [
        (("ferplus", "official"), ("ferplus", "six"), False),  # the same rows of FER2013
        (("ferplus", "six"), ("fer2013", "official"), False),
        (("ferplus", "official"), ("fer2013", "pooled"), True),  # drawn out of all rows
        (("ferplus", "official"), ("fer2013", "balanced"), True),
        (("fer2013", "pooled"), ("ferplus", "official"), True),
        (("fer2013", "official"), ("ckplus", "subject"), False),
    ],
)
def test_only_other_splits_of_the_same_pictures_are_warned_of(trained, tested, warns):
    provenance = {"dataset": trained[0], "protocol": trained[1], "seed": 0, "dataset_fingerprint": "a"}
    ds = SimpleNamespace(name=tested[0], protocol=tested[1], fingerprint=lambda: "b")
    assert bool(evaluate.training_overlap(provenance, ds, ds)) == warns


def test_evaluating_a_model_in_another_class_order_gives_the_same(fresh_home, untrained):
    """[1]'s file has its own order of outputs; evaluation must go by names, not by position."""
    ds = data.load_dataset("synthetic", count=400)
    from fer_tf.saving import load_model, model_info

    model = load_model(untrained.model_path)
    scores = model.get_layer("scores")
    found = keras.Model(model.inputs[0], scores.output).predict_on_batch(ds.test.images.astype(np.float32))
    kernel, bias = scores.get_weights()
    kernel, bias = kernel / found.std(axis=0), (bias - found.mean(axis=0)) / found.std(axis=0)
    scores.set_weights([kernel, bias])
    straight = evaluate.evaluate_model(model, ds, "a")
    assert np.count_nonzero(np.sum(straight.metrics["test"]["confusion"], axis=0)) > 2, "it answers in several ways"
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    model.get_layer("scores").set_weights([kernel[:, order], bias[order]])
    model.fer_tf_info = {**model_info(model), "class_names": [ds.class_names[code] for code in order]}
    shuffled = evaluate.evaluate_model(model, ds, "b")
    assert shuffled.metrics["test"]["confusion"] == straight.metrics["test"]["confusion"]


def test_a_model_of_eight_classes_on_a_set_of_six(fresh_home, untrained):
    """Images of classes that only one side knows leave, probabilities are renormalised, and the notes say so."""
    from fer_tf.models.inference import predict_probabilities
    from fer_tf.saving import load_model

    eight = data.load_dataset("synthetic", count=400)
    six = data.load_dataset("synthetic", count=400, classes=6, size=32)
    model = load_model(untrained.model_path)
    run = evaluate.evaluate_model(model, six, "a")
    assert run.record["class_names"] == list(six.class_names)
    assert any("neutral, contempt left out, its probabilities renormalised" in note for note in run.record["notes"])
    assert any("images (32, 32, 1) converted to the model's (48, 48, 1)" in note for note in run.record["notes"])
    raw = predict_probabilities(model, six.store.converted((48, 48), 1).fetch(six.test.rows))[:, :6]
    np.testing.assert_allclose(run.predictions[list(six.class_names)], raw / raw.sum(axis=1, keepdims=True), atol=1e-4)
    narrow = eight.with_classes(("neutral", "contempt"))
    two = evaluate.evaluate_model(model, narrow, "b")
    assert two.metrics["test"]["n"] == len(narrow.test)
    with pytest.raises(InputError, match="too few classes in common"):
        evaluate.evaluate_model(model, eight.with_classes(("contempt",)), "c")


def test_lists_of_test_images_are_scored_by_themselves(tmp_path, tiny_faces):
    """A set's yes-or-no columns (FER+: occluded, turned) against a reading of the written predictions."""
    table = tiny_faces.table.assign(turned=np.arange(len(tiny_faces.table)) % 3 == 0, none=False)
    ds = dataclasses.replace(tiny_faces, table=table)
    rng = np.random.default_rng(0)
    val, test = (rng.dirichlet(np.ones(8), len(split)) for split in (ds.val, ds.test))
    evaluate.write_scores(tmp_path, ds, val, test, {"fingerprint": "f", "evaluation_code": "c"})
    found = read_json(tmp_path / "metrics.json")["lists"]
    inside = table["turned"].to_numpy()[ds.test.rows]
    hits = test.argmax(axis=1) == np.asarray(ds.test.labels)
    assert set(found) == {"turned"}
    assert found["turned"]["n"] == inside.sum()
    assert found["turned"]["accuracy"] == pytest.approx(hits[inside].mean())
