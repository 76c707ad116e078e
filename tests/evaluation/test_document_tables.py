"""The documents' tables over runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from run_facts import run_facts
from sklearn.metrics import confusion_matrix, f1_score, precision_score

from fer_tf.data import DATASETS
from fer_tf.evaluation import comparison
from fer_tf.evaluation.document_tables import (
    document1_table,
    document2_table,
    document3_table,
    document_tables,
    lists_table,
)
from fer_tf.experiments import EXPERIMENTS
from fer_tf.runs.records import Run

NAMES = ("anger", "fear", "happiness")


def run(experiment, hits, claims, **about):
    name, record, metrics = run_facts(experiment, hits, claims, **about)
    return run_of(record, metrics, name)


def run_of(record, metrics, name="run"):
    return Run(name, Path(), Path(), record, metrics)


def document3(*runs):
    return document3_table(runs, EXPERIMENTS, DATASETS)


def test_document_3s_tables_stand_in_its_order_with_its_own_method_last():
    table = document3()
    assert list(dict.fromkeys(table["Dataset"])) == ["FER 2013", "CK+", "JAFFE", "FERG"]
    for _, part in table.groupby("Dataset"):
        methods = list(part["Method"])
        assert methods[-1] == "Proposed Method (DeepFER)", "the document's own method is last"
        quoted = [name for name in methods if name != methods[-1]]
        assert methods[: len(quoted)] == quoted
        assert quoted[-1] == "Deep-Emotion (Minaee et al.)"
    said = comparison.read_claims().query("document == 3 and metric == 'accuracy'")
    assert sorted(table["claimed"]) == sorted(said["value"]), "as the document prints them"
    assert (table["measured"] == "").all()
    assert (table["remark"] != "").all()
    assert set(table["kind"]) == {"own", "quoted"}
    row = table[table["claimed"] == "72.33"].iloc[0]
    assert (row["settings"], row["claimed val"]) == ("official; full set", "68.06")
    assert table[table["claimed"] == "67.4"].iloc[0][["Method", "remark"]].tolist() == [
        "Bag of Words (Ionescu et al.)",
        "quoted by the document",
    ]


def test_document_3_claimed_beside_measured_over_seeds():
    first, second = run("deepfer", 60, [13]), run("deepfer", 70, [13], seed=1)
    rows = document3(first, second, run("deepfer", 10, [13], reduced="epochs 1 for 60")).query("claimed == '72.33'")
    assert list(rows["measured"]) == ["65.0 ± 7.1", "10.0"]
    assert list(rows["seeds"]) == [2, 1]
    assert list(rows["measured under"]) == ["official", "official"]
    assert list(rows["remark"]) == ["", "reduced: epochs 1 for 60"]
    assert rows["95 % interval"].iloc[0] == ""
    assert " to " in rows["95 % interval"].iloc[1]
    assert rows["measured val"].iloc[1] == "10.0"


def test_document_3_takes_a_run_on_the_claims_dataset_only():
    rows = document3(run("deepfer", 90, [13], dataset="synthetic")).query("claimed == '72.33'")
    assert list(rows["measured"]) == [""]


def test_lists_stand_beside_the_whole_test_set():
    scores = {"n": 10, "accuracy": 0.7, "intervals": {"accuracy": [0.4, 0.9]}}
    record = {"dataset": "ferplus", "protocol": "official", "experiment": "ran", "seed": 0, "reduced": ""}
    metrics = {"test": {**scores, "n": 40}, "lists": {"occluded": {**scores, "accuracy": 0.5}}}
    table = lists_table([run_of(record, metrics), run_of({**record, "experiment": "cnn"}, {"test": scores})], DATASETS)
    assert list(table["list"]) == ["all", "occluded"]
    assert list(table["images"]) == [40, 10]
    assert list(table["accuracy"]) == [70, 50]
    assert table["published"].tolist()[1] == 83.63
    assert np.isnan(table["published"][0])
    assert set(table["95 % interval"]) == {"40.0 to 90.0"}
    assert lists_table([run_of(record, {"test": scores, "lists": {}})], DATASETS).empty
    other = lists_table([run_of({**record, "dataset": "affectnet"}, metrics)], DATASETS)
    assert other["published"].isna().all(), "the paper's figures are of FER+'s lists"


def test_document_1s_table_has_macro_averages_with_intervals_and_both_readings():
    truth, label = np.repeat([0, 1], [80, 20]), np.repeat([0, 1, 0, 1], [60, 20, 5, 15])
    test = {
        "confusion": confusion_matrix(truth, label).tolist(),
        "balanced_accuracy": 0.75,
        "macro_precision": precision_score(truth, label, average="macro"),
        "macro_f1": f1_score(truth, label, average="macro"),
        "accuracy": 0.75,
    }
    record = {"image_shape": [48, 48, 1], "reduced": "", "experiment": "ran_facenet2expnet_strongest", "seed": 0}
    other = {**record, "experiment": "akhand", "image_shape": [96, 96, 3], "reduced": "epochs 2 for 25"}
    table = document1_table([run_of(record, {"test": test}), run_of(other, {"test": test})], EXPERIMENTS)
    assert list(table["Model"]) == ["My_model, strongest crop alone", "FER model with DCNN and TL"]
    assert list(table["input"]) == ["48×48×1", "96×96×3"]
    assert list(table["settings"]) == ["full", "epochs 2 for 25"]
    for column, wanted in {
        "Recall": 75.0,
        "Precision": 100 * test["macro_precision"],
        "F1-score": 100 * test["macro_f1"],
        "Accuracy": 75.0,
    }.items():
        value, low, high = map(float, re.findall(r"[\d.]+", table[column][0]))
        assert value == pytest.approx(wanted, abs=0.06)
        assert low < value < high


def seeds_of(experiment, *hits, **about):
    return [run(experiment, count, [], seed=seed, **about) for seed, count in enumerate(hits)]


def with_places(runs):
    """Records also say what the documents' tables show."""
    for item in runs:
        item.record.update(image_shape=[48, 48, 1], settings={"optimizer": "adam", "batch_size": 64})
    return runs


def test_document_1s_table_has_a_row_for_each_model_with_the_spread_over_its_seeds():
    runs = with_places([*seeds_of("ran", 60, 70, 80), *seeds_of("ucar_cnn", 50)])
    shortened = with_places([run("ran", 20, [], seed=3, reduced="epochs 2 for 60")])
    table = document1_table([*runs, *shortened], EXPERIMENTS)
    assert list(table["Accuracy"].iloc[[0]]) == ["70.0 ± 10.0"]
    assert re.fullmatch(r"50.0 \(.* to .*\)", table["Accuracy"][1])
    assert table["settings"].tolist() == ["full", "full", "epochs 2 for 60"]
    assert table["Accuracy"][2].startswith("20.0 (")


def test_the_documents_tables_say_which_seeds_they_are_of():
    runs = with_places([*seeds_of("cnn", 60, 70, 80), *seeds_of("mobilenet", 50)])
    tables = document_tables(runs, EXPERIMENTS, DATASETS)
    assert tables["document2"]["seeds"].tolist() == ["0, 1, 2", "0"]
    assert tables["seeds"][["model", "seeds", "accuracy", "accuracy sd"]].to_numpy().tolist() == [
        ["cnn", "0, 1, 2", pytest.approx(70), pytest.approx(10)]
    ]


def test_document_2s_table_has_a_deviation_only_where_there_are_seeds():
    one = document2_table(with_places(seeds_of("cnn", 50)))
    assert not [column for column in one if column.endswith("sd")]
    several = document2_table(with_places([*seeds_of("cnn", 50, 60), *seeds_of("mobilenet", 40)]))
    assert several["test"].tolist() == pytest.approx([55, 40])
    assert several["test sd"].tolist() == pytest.approx([np.sqrt(50), np.nan], nan_ok=True)


def test_lists_are_averaged_over_seeds():
    def listed(seed, accuracy):
        scores = {"n": 10, "accuracy": accuracy, "intervals": {"accuracy": [0.4, 0.9]}}
        record = {"dataset": "ferplus", "protocol": "official", "experiment": "ran", "seed": seed, "reduced": ""}
        return run_of(record, {"test": {**scores, "accuracy": 0.9}, "lists": {"occluded": scores}})

    row = lists_table([listed(0, 0.5), listed(1, 0.7)], DATASETS).set_index("list").loc["occluded"]
    assert (row["accuracy"], row["sd"]) == pytest.approx((60, 10 * np.sqrt(2)))
    assert (row["seeds"], row["95 % interval"]) == ("0, 1", "")
