"""Runs with document [3]'s saliency step: a first model's maps change the pictures that a second one learns."""

import numpy as np
import pytest
from fixtures import home_of_runs

from fer_tf import experiments, explain, saving
from fer_tf.common.checks import InputError
from fer_tf.predict import EmotionRecognizer
from fer_tf.runs import ensemble, evaluate, records
from fer_tf.runs.datasets import load_for
from fer_tf.training import run_experiment
from fer_tf.training.search import run_search

pytestmark = pytest.mark.usefixtures("untraced")

OPTIONS = {"dataset_options": {"count": 120}, "size": "smoke", "verbose": False, "width": 0.1, "epochs": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(the plain run, the salient one); a home of their own that the tests of this file share."""
    with home_of_runs(tmp_path_factory.mktemp("salient")):
        run = run_experiment("deepfer_salient", **OPTIONS)
        yield records.read_run(records.run_directory("deepfer-synthetic-identity-seed0")), run


def test_the_first_model_is_trained_first_and_its_maps_change_all_pictures(runs):
    plain, salient = runs
    assert salient.record["settings"]["salient_by"] == "deepfer"
    assert salient.record["claims"] == [22]
    assert "weighted by their occlusion maps" in salient.record["notes"][-1]
    assert salient.record["dataset_source"] != plain.record["dataset_source"]
    ds = load_for(experiments.resolve("deepfer", "smoke"), "synthetic", options={"count": 120})
    first, second = (saving.load_model(run.model_path) for run in runs)
    changed = explain.salient(first, ds.test.images)
    probabilities = salient.predictions[list(ds.class_names)].to_numpy()
    np.testing.assert_allclose(second.predict_on_batch(changed), probabilities, atol=1e-4)
    assert (changed != ds.test.images).any(axis=(1, 2, 3)).mean() > 0.9


def test_both_were_tested_on_the_same_photographs(runs):
    """The pictures differ, the photographs do not: McNemar may compare the two."""
    plain, salient = runs
    assert plain.record["test_fingerprint"] == salient.record["test_fingerprint"]
    assert list(plain.predictions["name"]) == list(salient.predictions["name"])


def test_a_second_call_trains_nothing(runs, capsys):
    run_experiment("deepfer_salient", **{**OPTIONS, "verbose": True})
    assert capsys.readouterr().out.count("up to date") == 2


def test_the_model_alone_is_not_taken_for_one_of_plain_pictures(runs, tiny_faces):
    salient = runs[1]
    model = saving.load_model(salient.model_path)
    with pytest.warns(UserWarning, match="was trained on pictures changed by the maps of deepfer"):
        EmotionRecognizer(model, detector="none")
    evaluated = evaluate.evaluate_model(model, tiny_faces, salient.name)
    assert "has learned pictures changed by deepfer's maps" in evaluated.record["notes"][-1]
    with pytest.raises(InputError, match="was tested on pictures that another model's maps change"):
        ensemble.ensemble_runs([run.name for run in runs])


def test_what_cannot_be_done_is_said(runs):
    with pytest.raises(InputError, match="search: deepfer_salient learns pictures .*; search deepfer"):
        run_search("deepfer_salient", {"epochs": [1]}, dataset_options={"count": 120}, size="smoke")
    with pytest.raises(InputError, match="deepfer_salient is defined by salient_by deepfer"):
        experiments.resolve("deepfer_salient", overrides={"salient_by": "cnn"})
    with pytest.raises(InputError, match="salient_by: allowed are"):
        experiments.resolve("cnn", overrides={"salient_by": "cmm"})
    with pytest.raises(InputError, match="saliency: allowed are"):
        experiments.resolve("deepfer_salient", overrides={"saliency": "cut"})


def test_the_forms_are_those_of_explain():
    assert experiments.SALIENCIES == explain.salient_pictures.FORMS
