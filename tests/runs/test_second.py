"""The second output's place in a record: which values count, when it is up to date, and an evaluation elsewhere."""

import numpy as np
import pandas as pd
import pytest
from second_outputs import classifier_with

from fer_tf.common.inference import predict_both
from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS, SecondOutput
from fer_tf.evaluation.second_metrics import second_metrics
from fer_tf.runs import second
from fer_tf.runs.averaged_views import evaluate_with_tta
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(scope="module")
def affect_faces():
    return load_dataset("synthetic", count=400, targets="expression+valence_arousal")


@pytest.fixture(scope="module")
def unit_faces():
    return load_dataset("synthetic", count=400, targets="expression+action_units")


def test_only_values_that_both_name_count(unit_faces, affect_faces, tiny_faces):
    """As of a model for DISFA's units on drawn faces: AU45 is not drawn, AU4 was not learned."""
    model = classifier_with(SecondOutput("action_units", ("AU12", "AU45", "AU1"), 0.4))
    assert second.common_values(model, unit_faces) == unit_faces.second._replace(names=("AU1", "AU12"))
    assert second.common_values(model, affect_faces) is None
    assert second.common_values(model, tiny_faces) is None


def test_each_value_is_compared_with_its_own_truth(unit_faces, tmp_path):
    model = classifier_with(SecondOutput("action_units", ("AU12", "AU45", "AU1"), 0.4))
    found = second.write_second(tmp_path, model, unit_faces, {"fingerprint": "x"})
    answers = predict_both(model, unit_faces.test)[1][:, [2, 0]]
    truth = unit_faces.table.iloc[unit_faces.test.rows][["AU1", "AU12"]].to_numpy()
    common = unit_faces.second._replace(names=("AU1", "AU12"))
    assert found == second_metrics(truth.astype(np.float32), answers, common)
    assert list(pd.read_csv(tmp_path / "second.csv")) == ["name", "true AU1", "AU1", "true AU12", "AU12"]


def test_it_is_current_for_its_weights_only(affect_faces, tiny_faces, tmp_path):
    second.write_second(tmp_path, classifier_with(), affect_faces, {"fingerprint": "x"})
    assert second.is_current(tmp_path, {"fingerprint": "x"}, affect_faces)
    assert not second.is_current(tmp_path, {"fingerprint": "y"}, affect_faces)
    assert second.is_current(tmp_path, {"fingerprint": "y"}, tiny_faces), "nothing is missing"
    assert second.write_second(tmp_path, classifier_with(), tiny_faces, {"fingerprint": "x"}) == {}
    assert not (tmp_path / "second.json").exists(), "figures of other labels do not stay"


def test_an_evaluation_of_a_file_has_its_metrics(affect_faces, fresh_home):
    save_model(classifier_with(classes=8), fresh_home / "m.h5", EMOTIONS)
    run = evaluate_with_tta(load_model(fresh_home / "m.h5"), affect_faces, "m", "flip", fresh_home / "out")
    assert run.metrics["second"]["per_value"]["valence"]["n"] == len(affect_faces.test)
    lines = second.metric_lines(run.metrics["second"])
    assert [line.split(":")[0] for line in lines] == ["valence", "arousal", "mean"]
    assert f"n {len(affect_faces.test)}, ccc " in lines[0]
