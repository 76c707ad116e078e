"""Runs on a joined dataset: accuracy on each source, in the record, the metrics, the tables and the commands."""

import json

import numpy as np
import pytest
from fixtures import home_of_runs, run_cli
from joined_copies import write_small_sets

from fer_tf.data import load_dataset
from fer_tf.evaluation.comparison import source_scores
from fer_tf.runs import records, report, result_tables
from fer_tf.runs.about_model import model_lines
from fer_tf.runs.datasets import dataset_of
from fer_tf.runs.evaluate import evaluate_model
from fer_tf.saving import load_model
from fer_tf.training import run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

DATASET = "rafdb+ckplus+tfeid+disfa"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three datasets; DISFA is not there."""
    return write_small_sets(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def runs(home):
    """An untrained net and the baseline, whose answers are known."""
    with home_of_runs(home):
        options = {"data_dir": str(home), "verbose": False}
        majority = run_experiment("majority", DATASET, dataset_options={"ckplus.fold": 2, "classes": 6}, **options)
        net = run_experiment("cnn", DATASET, "six", epochs=0, width=0.1, **options)
        yield {"majority": majority, "cnn": net}


def test_the_baseline_is_scored_on_each_source(runs, home):
    run = runs["majority"]
    assert run.name == "majority-rafdb_ckplus_tfeid_disfa-own-classes6-ckplus_fold2-seed0"
    ds = load_dataset(DATASET, home, classes=6, **{"ckplus.fold": 2})
    answer = np.bincount(ds.train.labels).argmax()
    test = ds.table[ds.table["split"] == "test"]
    scores = source_scores(run.metrics)
    assert list(scores) == ["rafdb", "ckplus", "tfeid"]
    for name, part in scores.items():
        rows = test[test["source"] == name]
        assert part["n"] == len(rows)
        assert part["accuracy"] == pytest.approx((rows["label"] == answer).mean())
        low, high = part["intervals"]["accuracy"]
        assert low <= part["accuracy"] <= high
    assert run.metrics["test"]["n"] == len(test)


def test_the_record_counts_the_images_of_each_source_and_names_what_is_missing(runs):
    record = runs["majority"].record
    assert list(record["sources"]) == ["rafdb", "ckplus", "tfeid"]
    for split in ("train", "val", "test"):
        assert sum(part[split] for part in record["sources"].values()) == record["counts"][split]["all"]
    assert "without disfa, which is not on disk" in record["reduced"]
    assert "ckplus.fold" not in record["reduced"]  # another fold is another task, not a smaller one
    assert "without disfa, which is not on disk" in record["notes"]


def test_a_run_is_found_and_loaded_again(runs, home):
    run = runs["cnn"]
    assert run.record["class_names"] == ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
    assert run.record["image_shape"] == [64, 64, 3]
    assert run.name == "cnn-rafdb_ckplus_tfeid_disfa-six-seed0"
    assert run.model_path.is_file()
    with home_of_runs(home):
        assert dataset_of(run, str(home)).test_fingerprint() == run.record["test_fingerprint"]
        model = load_model(run.model_path)
        assert any("Trained on: rafdb+ckplus" in line for line in model_lines(model))
        other = evaluate_model(model, load_dataset("rafdb", home), "net")
    assert any("was trained on another split of rafdb+ckplus+tfeid+disfa" in note for note in other.record["notes"])
    assert source_scores(other.metrics) == {}


def test_tables_have_a_row_for_each_source(runs):
    tables = result_tables.documents(result_tables.as_of_now(list(runs.values())))
    table = tables["sources"]
    assert "lists" not in tables
    assert list(table["source"]) == ["all", "rafdb", "ckplus", "tfeid"] * 2
    whole = table[table["source"] == "all"]
    parts = table[table["source"] != "all"]
    assert list(parts.groupby("model", sort=False)["training images"].sum()) == list(whole["training images"])
    assert list(parts.groupby("model", sort=False)["test images"].sum()) == list(whole["test images"])
    shown = result_tables.shown(result_tables.compare(list(runs.values())))
    assert all(text.startswith("rafdb 0.") and ", tfeid 0." in text for text in shown["accuracy by source"])
    order = list(shown)
    assert order.index("accuracy by source") == order.index("95 % interval") + 1


def test_a_table_without_joined_runs_has_no_such_column(runs, home):
    with home_of_runs(home):
        run = run_experiment("majority", "rafdb", data_dir=str(home), verbose=False)
    assert "accuracy by source" not in result_tables.shown(result_tables.compare([run]))
    assert "sources" not in result_tables.documents([run])


def test_the_report_shows_the_sources(runs, home, monkeypatch):
    monkeypatch.setattr(report, "released_runs", list)  # their figures take longest
    with home_of_runs(home):
        page = report.build_report().read_text(encoding="utf-8")
    assert "Accuracy in per cent on each source of a joined dataset" in page
    assert "accuracy by source" in page
    assert (home / "reports" / "tables" / "sources.csv").is_file()


def test_the_command_prints_the_accuracy_of_each_source(capsys, runs, home, monkeypatch):
    for name in ("REPORTS", "MODELS"):
        monkeypatch.setenv(f"FER_TF_{name}", str(home / name.lower()))
    answer = run_cli(capsys, "train", "majority", "--dataset", "rafdb+tfeid", "--data-dir", home)
    assert answer.code == 0
    assert "on rafdb alone: " in answer.out
    assert "on tfeid alone: " in answer.out
    assert json.loads((records.run_directory("majority-rafdb_tfeid-own-seed0") / "metrics.json").read_text())["lists"]


def test_the_name_of_a_run_says_the_options_of_its_parts():
    options = {"rafdb.stream": True, "ckplus.fold": 3, "ferplus.label_mode": "soft", "classes": 6, "fold": None}
    assert records.task_names(options) == ["ferplus_soft", "classes6", "ckplus_fold3"]
    # "+" is between the names of several runs, as in a teacher's
    assert records.run_name("cnn", "a+b", "own", 0, {"a.fold": 0}) == "cnn-a_b-own-a_fold0-seed0"
