"""Tables for a paper: three files that say the same, and document [3]'s form."""

import re

import numpy as np
import pandas as pd
import pytest

from fer_tf.evaluation import comparison, tables
from fer_tf.evaluation.document_tables import document3_table, lists_table
from fer_tf.evaluation.metrics import classification_metrics
from fer_tf.evaluation.rendering import latex, write_table

NAMES = ("anger", "fear", "happiness")


def run(experiment, hits, claims, seed=0, reduced="", dataset="fer2013"):
    """A run of 100 test images of which `hits` are right: its name, record and metrics."""
    y_true = np.arange(100) % 3
    y_pred = np.where(np.arange(100) < hits, y_true, (y_true + 1) % 3)
    result = classification_metrics(y_true, np.eye(3)[y_pred], NAMES)
    record = {"experiment": experiment, "dataset": dataset, "protocol": "official", "seed": seed, "reduced": reduced,
              "claims": claims, "environment": {"device": "a processor"}}  # fmt: skip
    return f"{experiment}-seed{seed}", record, {"test": result, "val": result}


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"a_model & co": ["cnn_1", "50 % {of} $5 #2 ~^\\"], "F1": [0.12345, np.nan], "n": [7, 8]}, [4, 4]
    )


def test_latex_is_a_booktabs_table(frame):
    lines = latex(frame, "Half: 50 % of_a & b", "tab:half").splitlines()
    assert lines[0] == r"\begin{table}[htbp]" and lines[-1] == r"\end{table}"
    assert r"\caption{Half: 50 \% of\_a \& b}" in lines and r"\label{tab:half}" in lines
    assert r"\begin{tabular}{lrr}" in lines
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_latex_escapes_and_rounds(frame):
    text = latex(frame, digits=2)
    assert r"a\_model \& co & F1 & n \\" in text
    assert r"cnn\_1 & 0.12 & 7 \\" in text
    assert r"50 \% \{of\} \$5 \#2 \textasciitilde" in text and r"\textbackslash" in text
    assert re.search(r"\\textbackslash.* &  & 8 ", text), "a missing value is empty"
    assert "caption" not in text and "label" not in text


def test_caption_is_escaped_in_one_pass():
    assert r"\caption{\textbackslash{}a\_\{b\}}" in latex(pd.DataFrame({"a": [1]}), r"\a_{b}")


def test_three_files_say_the_same(tmp_path, frame):
    paths = write_table(tmp_path / "new" / "table.1", frame, "Scores of_all", digits=2)
    assert [path.name for path in paths] == ["table.1.md", "table.1.tex", "table.1.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert texts[0] == "**Scores of_all**\n\n" + tables.markdown(frame, 2)
    assert texts[1] == latex(frame, "Scores of_all", "tab:table.1", 2)
    pd.testing.assert_frame_equal(pd.read_csv(paths[2]), frame.reset_index(drop=True))


def test_a_table_without_a_caption(tmp_path, frame):
    paths = write_table(str(tmp_path / "plain"), frame)
    assert paths[0].read_text() == tables.markdown(frame)


def document3(*runs):
    return document3_table(list(runs), comparison.read_claims())


def test_document_3s_tables_stand_in_its_order_with_its_own_method_last():
    table = document3()
    assert list(dict.fromkeys(table["Dataset"])) == ["FER 2013", "CK+", "JAFFE", "FERG"]
    for _, part in table.groupby("Dataset"):
        methods = list(part["Method"])
        assert methods[-1] == "Proposed Method (DeepFER)", "the document's own stands last"
        quoted = [name for name in methods if name != methods[-1]]
        assert methods[: len(quoted)] == quoted and quoted[-1] == "Deep-Emotion (Minaee et al.)"
    said = comparison.read_claims().query("document == 3 and metric == 'accuracy'")
    assert sorted(table["claimed"]) == sorted(said["value"].astype(float))
    assert (table["measured"] == "").all() and (table["remark"] != "").all()
    row = table[table["claimed"] == 72.33].iloc[0]
    assert (row["settings"], row["claimed val"]) == ("official; full set", 68.06)
    assert table[table["claimed"] == 67.4].iloc[0][["Method", "remark"]].tolist() == [
        "Bag of Words (Ionescu et al.)", "quoted by the document",
    ]  # fmt: skip


def test_document_3_claimed_beside_measured_over_seeds():
    first, second = run("deepfer", 60, [13]), run("deepfer", 70, [13], seed=1)
    rows = document3(first, second, run("deepfer", 10, [13], reduced="epochs 1 for 60")).query("claimed == 72.33")
    assert list(rows["measured"]) == ["65.0 ± 7.1", "10.0"]
    assert list(rows["seeds"]) == [2, 1] and list(rows["measured under"]) == ["official", "official"]
    assert list(rows["remark"]) == ["", "reduced: epochs 1 for 60"]
    assert rows["95 % interval"].iloc[0] == "" and " to " in rows["95 % interval"].iloc[1]
    assert rows["measured val"].iloc[1] == "10.0"


def test_document_3_takes_a_run_on_the_claims_dataset_only():
    rows = document3(run("deepfer", 90, [13], dataset="synthetic")).query("claimed == 72.33")
    assert list(rows["measured"]) == [""]


def test_lists_stand_beside_the_whole_test_set():
    scores = {"n": 10, "accuracy": 0.7, "intervals": {"accuracy": [0.4, 0.9]}}
    record = {"dataset": "ferplus", "protocol": "official", "experiment": "ran", "seed": 0, "reduced": ""}
    metrics = {"test": {**scores, "n": 40}, "lists": {"occluded": {**scores, "accuracy": 0.5}}}
    table = lists_table([(record, metrics), ({**record, "experiment": "cnn"}, {"test": scores})])
    assert list(table["list"]) == ["all", "occluded"] and list(table["images"]) == [40, 10]
    assert list(table["accuracy"]) == [70, 50] and table["published"].tolist()[1] == 83.63
    assert np.isnan(table["published"][0]) and set(table["95 % interval"]) == {"40.0 to 90.0"}
    assert lists_table([(record, {"test": scores, "lists": {}})]).empty
