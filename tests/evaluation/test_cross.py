"""Train on one set, test on another: rows out of records, and the square of them."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation import cross

CLASSES = ["anger", "fear"]


def metrics(accuracy):
    return {"test": {"n": 50, "accuracy": accuracy, "intervals": {"accuracy": [accuracy - 0.1, accuracy + 0.1]}}}


def run(experiment, dataset, accuracy, reduced=""):
    """A run's own record: tested on the set it was trained on."""
    record = {
        "experiment": experiment,
        "dataset": dataset,
        "protocol": "official",
        "class_names": CLASSES,
        "notes": [],
        "reduced": reduced,
    }
    return record, metrics(accuracy)


def evaluation(model, trained_on, tested_on, accuracy, **provenance):
    """What `scoring.evaluate_model` writes of a run's model."""
    record = {
        "model": model,
        "dataset": tested_on,
        "protocol": "official",
        "class_names": CLASSES,
        "notes": ["contempt left out", "converted"],
        "provenance": {"dataset": trained_on, **provenance},
    }
    return record, metrics(accuracy)


@pytest.fixture
def table():
    name = "cnn-fer2013-official-seed0"
    return cross.cross_table(
        cross.cross_rows(
            [
                evaluation(name, "fer2013", "rafdb", 0.4, run=name, experiment="cnn"),
                evaluation(name, "fer2013", "ckplus", 0.5, run=name, experiment="cnn"),
                run("cnn", "fer2013", 0.6),
                run("cnn", "rafdb", 0.8),
                evaluation("cnn-rafdb-official-seed0", "rafdb", "fer2013", 0.3, experiment="cnn"),
            ]
        )
    )


def test_rows_tell_where_a_model_comes_from(table):
    assert list(table.columns) == [*cross.COLUMNS, "change"]
    assert set(table["model"]) == {"cnn"}
    assert list(zip(table["trained_on"], table["tested_on"], strict=True)) == [
        ("fer2013", "fer2013"),
        ("fer2013", "ckplus"),
        ("fer2013", "rafdb"),
        ("rafdb", "rafdb"),
        ("rafdb", "fer2013"),
    ]
    assert list(table["change"]) == pytest.approx([0, -0.1, -0.2, 0, -0.5])
    row = table.iloc[1]
    assert (row["n"], row["low"], row["high"], row["classes"]) == (50, 0.4, 0.6, "anger, fear")
    assert row["notes"] == "contempt left out; converted"


def test_matrix_is_square_and_empty_where_nothing_was_tested(table):
    matrix = cross.cross_matrix(table)
    assert list(matrix.index) == list(matrix.columns) == ["fer2013", "rafdb", "ckplus"]
    nan = np.nan
    np.testing.assert_allclose(matrix, [[0.6, 0.4, 0.5], [0.3, 0.8, nan], [nan, nan, nan]])
    np.testing.assert_allclose(cross.cross_matrix(table, value="change").loc["rafdb"], [-0.5, 0, nan])


def test_seeds_of_a_cell_are_averaged_and_models_are_not_mixed():
    pairs = [run("cnn", "fer2013", 0.6), run("cnn", "fer2013", 0.7), run("vgg", "fer2013", 0.9)]
    table = cross.cross_table(cross.cross_rows(pairs))
    assert cross.cross_matrix(table, "cnn").loc["fer2013", "fer2013"] == pytest.approx(0.65)
    with pytest.raises(InputError, match="model: must be one of cnn, vgg; received None"):
        cross.cross_matrix(table)
    with pytest.raises(InputError, match="model: allowed are cnn, vgg; received 'ran'"):
        cross.cross_matrix(table, "ran")


CNN = {"run": "cnn-jaffe-subject-seed0", "experiment": "cnn", "dataset": "jaffe"}


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        # averaged over several views of a picture it is another model
        ({"model": "cnn-jaffe-subject-seed0-flip", "tta": "flip", "provenance": CNN}, ("cnn-flip", "jaffe")),
        # a file may have another name than its run
        ({"model": "my-copy", "tta": "none", "provenance": CNN}, ("cnn", "jaffe")),
        # an experiment's name may hold what separates the parts of a run's name
        ({"model": "x", "tta": "none", "provenance": {**CNN, "experiment": "cnn-2"}}, ("cnn-2", "jaffe")),
        # a model of an earlier version does not say its experiment
        ({"model": "fer2013-flip", "tta": "flip", "provenance": {"dataset": "fer2013"}}, ("fer2013-flip", "fer2013")),
        ({"model": "mine", "provenance": {}}, ("mine", "unknown")),
    ],
)
def test_origin_of_other_records(record, wanted):
    record |= {"dataset": "ckplus", "protocol": "subject", "class_names": CLASSES}
    row = cross.cross_rows([(record, metrics(0.5))])[0]
    assert (row["model"], row["trained_on"], row["tested_on"]) == (*wanted, "ckplus")
    assert np.isnan(cross.cross_table([row])["change"]).all()


def test_an_ensemble_is_tested_on_the_dataset_of_its_members():
    record = {"model": "both", "members": [{"run": "a"}], "dataset": "jaffe", "protocol": "subject"}
    row = cross.cross_rows([({**record, "class_names": CLASSES}, metrics(0.5))])[0]
    assert (row["model"], row["trained_on"], row["tested_on"]) == ("both", "jaffe", "jaffe")


def test_reduced_runs_say_so():
    assert cross.cross_rows([run("cnn", "fer2013", 0.3, "limit 320")])[0]["reduced"] == "limit 320"


def test_wrong_input(table):
    with pytest.raises(InputError, match="rows: must have model, trained_on, .*; low, high is missing"):
        cross.cross_table(table.drop(columns=["low", "high"]).to_dict("records"))
    with pytest.raises(InputError, match="value: allowed are accuracy, low, high, n, change"):
        cross.cross_matrix(table, value="f1")
