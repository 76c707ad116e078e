"""The table of ensembles: the gain is over the member that validation chose, on the same test images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.paths import results_root
from fer_tf.evaluation.document_tables import CAPTIONS
from fer_tf.evaluation.ensembles import ensembles_table
from fer_tf.evaluation.metrics import classification_metrics
from fer_tf.runs import release, result_tables
from fer_tf.runs.records import Run

NAMES = ("anger", "fear", "happiness")


def run_with(folder, name, right, members=()):
    """A run on 120 test images that is right for the images of `right`, with its files."""
    truth = np.arange(120) % 3
    label = np.where(np.isin(np.arange(120), list(right)), truth, (truth + 1) % 3)
    folder = Path(folder) / name
    folder.mkdir(parents=True)
    pd.DataFrame({"name": np.arange(120), "label": np.array(NAMES)[truth], "copy_of": ""}).to_csv(
        folder / "ground_truth.csv", index=False
    )
    frame = pd.DataFrame({"name": np.arange(120), "label": np.array(NAMES)[label], "confidence": 1.0})
    frame[list(NAMES)] = np.eye(3)[label]
    frame.to_csv(folder / "predict.csv", index=False)
    record = {"fingerprint": name, "dataset": "fer2013", "protocol": "official", "tta": "flip", "reduced": ""}
    record |= {"members": members} if members else {"experiment": name}
    metrics = {"fingerprint": name, "test": classification_metrics(truth, np.eye(3)[label], NAMES)}
    for file, content in (("record.json", record), ("metrics.json", metrics)):
        (folder / file).write_text(json.dumps(content, default=float))
    return Run(name, folder, folder, record, metrics)


def members(**val_accuracies):
    return [{"run": name, "weight": 0.5, "val_accuracy": value} for name, value in val_accuracies.items()]


def test_the_gain_is_over_the_member_that_is_best_on_validation(tmp_path):
    """`lucky` is better on test: a gain over it would be chosen by test images, one over `worse` too large."""
    runs = {
        name: run_with(tmp_path, name, range(hits)) for name, hits in {"chosen": 60, "lucky": 80, "worse": 50}.items()
    }
    parts = members(worse=0.4, chosen=0.6, lucky=0.5)
    [row] = ensembles_table([run_with(tmp_path, "mean", range(90), parts)], runs).to_dict("records")
    assert (row["best member"], row["members"], row["views"]) == ("chosen", 3, "flip")
    assert (row["accuracy"], row["its accuracy"]) == (75.0, 50.0)
    assert row["gain"] == pytest.approx(25.0)
    assert row["verdict"] == "better"
    low, high = map(float, row["95 % interval of the gain"].split(" to "))
    assert 0 < low < 25 < high
    assert row["ensemble"] == "0.50 worse + 0.50 chosen + 0.50 lucky"


def test_a_member_without_weight_is_no_member_and_one_that_is_not_at_hand_leaves_a_gap(tmp_path):
    parts = members(used=0.4, unused=0.9)
    parts[1]["weight"] = 0
    [row] = ensembles_table([run_with(tmp_path, "mean", range(90), parts)], {}).to_dict("records")
    assert (row["best member"], row["members"], row["verdict"]) == ("used", 1, "")
    assert pd.isna(row["gain"])
    assert row["accuracy"] == 75.0


def test_released_ensembles_are_rendered_from_their_records(tmp_path, monkeypatch):
    """An ensemble is released by its name, as a run is, and has a row in the tables that ship."""
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "reports"))
    run_with(tmp_path / "reports" / "runs", "only", range(60))
    run_with(tmp_path / "reports" / "evaluations", "mean", range(90), members(only=0.6, other=0.2))
    for module in (release, result_tables):
        monkeypatch.setattr(module, "results_root", lambda: tmp_path / "results")
    release.add_runs(["mean"])
    [found] = result_tables.released_ensembles()
    assert found.directory == tmp_path / "results" / "ensembles" / "mean"
    table = result_tables.ensembles([found], [])["ensembles"]
    assert list(table["accuracy"]) == [75.0]
    assert "ensembles" in CAPTIONS


def test_the_shipped_table_is_of_the_shipped_records():
    found, runs = result_tables.released_ensembles(), result_tables.released_runs()
    path = results_root() / "tables" / "ensembles.csv"
    assert bool(found) == path.is_file()
    if found:
        table = result_tables.ensembles(found, runs)["ensembles"]
        shipped = pd.read_csv(path, keep_default_na=False)
        np.testing.assert_allclose(shipped["accuracy"], table["accuracy"].astype(float))
        assert (shipped["gain"] != "").all(), "each ensemble ships with its best member"
