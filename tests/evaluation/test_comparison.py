"""Tables are rendered from records: they show what the records say, and mark reduced runs."""

import numpy as np
import pandas as pd
import pytest
from run_facts import run_facts as run

from fer_tf.data import DATASETS
from fer_tf.evaluation import comparison, metrics, tables
from fer_tf.evaluation.metrics import classification_metrics

NAMES = ("anger", "fear", "happiness")


def table(*runs):
    return comparison.comparison_table(comparison.run_row(*item) for item in runs)


def claims_table(runs):
    return comparison.claims_table(runs, DATASETS)


def test_majority_stands_first_then_by_accuracy():
    rows = table(run("cnn", 80), run("vgg", 60), run("majority", 70))
    assert list(rows["experiment"]) == ["majority", "vgg", "cnn"]
    assert list(rows["accuracy"]) == [0.7, 0.6, 0.8]
    assert (rows["low"] < rows["accuracy"]).all()
    assert (rows["accuracy"] < rows["high"]).all()


def test_no_runs_is_an_empty_table():
    assert comparison.comparison_table([]).empty


def test_seeds_are_averaged_apart_from_reduced_runs():
    rows = table(run("cnn", 60), run("cnn", 70, seed=1), run("cnn", 10, seed=2, reduced="epochs 1 for 30"))
    seeds = comparison.seeds_table(rows).set_index("reduced")
    assert seeds.loc["", "seeds"] == 2
    assert seeds.loc["", "accuracy"] == pytest.approx(0.65)
    assert seeds.loc["", "accuracy sd"] == pytest.approx(np.std([0.6, 0.7], ddof=1))


def test_every_claim_has_a_row_and_unmeasured_ones_say_so():
    claimed = claims_table([run("cnn", 55, claims=[2])])
    assert set(claimed["id"]) == set(range(1, 52))
    assert claimed.groupby("kind")["id"].nunique().to_dict() == {"own": 27, "quoted": 24}
    rows = claimed[claimed["reproduced"] != ""]
    assert list(rows["id"]) == [2]
    assert rows.iloc[0][["claimed", "measured under", "reproduced", "seeds"]].tolist() == ["54", "official", "55.0", 1]
    assert "not measurable here: the weights of VGG16" in claimed.loc[claimed["id"] == 4, "remark"].iloc[0]
    assert claimed.loc[claimed["id"] == 5, "remark"].iloc[0].endswith("not measured")


def test_a_claims_own_protocol_stands_before_official_and_reduced_runs_are_marked():
    runs = [
        run("cnn", 50, [2]),
        run("cnn", 60, [2], "pooled"),
        run("cnn", 20, [2], "pooled", reduced="epochs 1 for 30"),
    ]
    rows = claims_table(runs).query("id == 2")
    assert list(rows["measured under"]) == ["pooled", "pooled", "official"]
    assert list(rows["reproduced"]) == ["60.0", "20.0", "50.0"]
    assert "reduced: epochs 1 for 30" in rows["remark"].iloc[1]


def test_a_run_under_a_third_protocol_answers_no_claim():
    claimed = claims_table([run("deepfer", 53, [13, 14, 15], "balanced")])
    answered = claimed[claimed["reproduced"] != ""]
    assert list(answered["id"]) == [15], "the full set's claim, and one without a protocol, are of other test images"


def test_jaffes_leaking_split_has_its_warning_and_the_clean_ones_next_to_it():
    """93.89 % is of copies of training photos: the tables must not show it as a figure on new faces."""
    protocols = ("subject", "augmented", "random")
    rows = claims_table([run("deepfer", 60, [21], protocol, dataset="jaffe") for protocol in protocols]).query(
        "id == 21"
    )
    assert list(rows["measured under"]) == ["random", "augmented", "subject"]
    claims = comparison.read_claims().query("protocol == 'random' and dataset == 'jaffe'")
    assert sorted(claims["id"]) == [21, 22, 51]
    assert claims["settings"].str.contains("copies of one photo in several splits").all()


def test_a_run_on_another_dataset_answers_no_claim():
    rows = claims_table([run("cnn", 90, [2], "identity", dataset="synthetic")])
    assert (rows["reproduced"] == "").all()


def test_without_copies_leaves_exactly_them_out():
    y_true, y_prob = np.array([0, 0, 1, 1]), np.eye(2)[[0, 1, 1, 1]]
    copies = pd.DataFrame({"in_train": [True, False, False, False], "in_val": [True, False, True, False]})
    found = metrics.without_copies(y_true, y_prob, ("anger", "fear"), copies)
    assert (found["in_train"], found["in_val"], found["in_either"], found["n"]) == (1, 2, 2, 2)
    assert found["accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize(("hits", "learned"), [(34, False), (40, False), (50, True)])
def test_a_run_has_learned_if_its_interval_lies_above_the_commonest_class(hits, learned):
    """34 of the 100 images are anger: 40 right is more, its interval is not."""
    test = run("cnn", hits)[2]["test"]
    assert comparison.commonest_share(test) == 0.34
    assert comparison.has_learned(test) == learned
    assert table(run("cnn", hits))["learned"].tolist() == [learned]
    note = comparison.learning_note(test)
    assert note == "" if learned else "It has not learned" in note
    assert learned or "34.0%" in note


def test_predictions_say_the_same_of_learning_as_the_metrics():
    y_true = np.arange(100) % 3
    y_prob = np.eye(3)[np.where(np.arange(100) < 45, y_true, (y_true + 1) % 3)]
    frame = pd.DataFrame({"name": np.arange(100), "truth": np.array(NAMES)[y_true], "copy_of": ""})
    frame["label"], frame["confidence"] = np.array(NAMES)[y_prob.argmax(axis=1)], 1.0
    frame[list(NAMES)] = y_prob
    found, test = comparison.scores_of(frame), classification_metrics(y_true, y_prob, NAMES)
    assert found["intervals"]["accuracy"] == test["intervals"]["accuracy"]
    assert {name: scores["support"] for name, scores in found["per_class"].items()} == {
        name: scores["support"] for name, scores in test["per_class"].items()
    }
    assert comparison.has_learned(found) == comparison.has_learned(test)


def test_what_counts_as_measured_is_the_claim_itself():
    """Not a reduced run, not another protocol, not a claim without a figure."""
    runs = [
        run("cnn", 50, [2]),
        run("cnn", 20, [2, 3], "pooled", reduced="epochs 1 for 30"),
        run("majority", 25, [1], "pooled"),
    ]
    claimed = claims_table(runs)
    assert comparison.measured_in_full(claimed).empty
    claimed = claims_table([*runs, run("cnn", 60, [2], "pooled"), run("cnn", 61, [2], "pooled", seed=1)])
    assert list(comparison.measured_in_full(claimed)["id"]) == [2]
    assert comparison.claims_sentence(claimed).startswith(
        "Measured at full settings under the claim's own protocol: 1 of 22 results"
    )
    assert "0 of 24 results that they quote" in comparison.claims_sentence(claimed)


def test_figures_on_validation_and_training_images_are_columns():
    claims = comparison.read_claims().set_index("id")
    assert claims.loc[13, ["value", "validation", "train"]].tolist() == ["72.33", "68.06", ""]
    assert claims.loc[29, ["value", "validation", "train"]].tolist() == ["79.5", "62.8", "84.6"]
    assert not claims["note"].str.contains(r"(?:validation|train) \d").any()


def test_markdown_escapes_and_rounds():
    text = tables.markdown(pd.DataFrame({"name": ["a|b"], "value": [0.12345], "none": [np.nan]}))
    assert text.splitlines()[2] == "| a\\|b | 0.123 |  |"


def test_report_table_has_document_2s_form():
    result = classification_metrics([0, 1, 2, 2], np.eye(3)[[0, 1, 2, 1]], NAMES)
    report = tables.report_table(result, NAMES)
    assert list(report.index) == [*NAMES, "macro avg", "weighted avg", "accuracy"]
    assert report.loc["happiness", "support"] == 2
    assert report.loc["accuracy", "f1"] == pytest.approx(0.75)


def test_labels_of_another_spelling_count_as_right():
    """FaceNet2ExpNet.h5 says "Happiness", a student's column may say "happy"."""
    frame = pd.DataFrame(
        {"truth": ["happiness", "happy", "anger", "own"], "label": ["Happiness", "joy", "Fear", "Own"]}
    )
    assert comparison.accuracy_by(frame, ["one"] * 4)["accuracy"].tolist() == [0.75]


def test_groups_of_images_are_counted_and_missing_ones_left_out():
    truth = ["fear", "fear", "fear", "sadness", "sadness", "anger", "sadness", "fear"]
    label = ["fear", "sadness", "sadness", "sadness", "fear", "anger", "sadness", "anger"]
    groups = np.array([None, "x", "y", "x", "y", "x", "x", "y"], object)
    frame = pd.DataFrame({"truth": truth, "label": label})
    table = comparison.accuracy_by(frame, groups)
    assert list(table["group"]) == ["x", "y"]
    assert list(table["n"]) == [4, 3]
    assert list(table["accuracy"]) == [0.75, 0]
    assert (table["low"] <= table["accuracy"]).all()
    assert list(table["commonest"]) == pytest.approx([1 / 2, 2 / 3])
    # x: fear 0 of 1; sadness 2 of 2 and once wrongly given; anger 1 of 1
    assert list(table["macro F1"]) == pytest.approx([(0 + 0.8 + 1) / 3, 0])
    assert list(comparison.accuracy_by(frame, groups, least=4)["group"]) == ["x"]
