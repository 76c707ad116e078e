"""Tables for a paper: three files that say the same, and document [3]'s form."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score

from fer_tf.data import DATASETS
from fer_tf.evaluation import comparison, tables
from fer_tf.evaluation.document_tables import document1_table, document3_table, lists_table
from fer_tf.evaluation.metrics import classification_metrics
from fer_tf.evaluation.tables import latex, write_table
from fer_tf.experiments import EXPERIMENTS
from fer_tf.runs.records import Run

NAMES = ("anger", "fear", "happiness")


def run(experiment, hits, claims, seed=0, reduced="", dataset="fer2013"):
    """A run of 100 test images of which `hits` are right."""
    y_true = np.arange(100) % 3
    y_pred = np.where(np.arange(100) < hits, y_true, (y_true + 1) % 3)
    result = classification_metrics(y_true, np.eye(3)[y_pred], NAMES)
    record = {
        "experiment": experiment,
        "dataset": dataset,
        "protocol": "official",
        "seed": seed,
        "reduced": reduced,
        "claims": claims,
        "environment": {"device": "a processor"},
    }
    return run_of(record, {"test": result, "val": result}, f"{experiment}-seed{seed}")


def run_of(record, metrics, name="run"):
    return Run(name, Path(), Path(), record, metrics)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"a_model & co": ["cnn_1", "50 % {of} $5 #2 ~^\\"], "F1": [0.12345, np.nan], "n": [7, 8]}, [4, 4]
    )


def test_latex_is_a_booktabs_table(frame):
    lines = latex(frame, "Half: 50 % of_a & b", "tab:half").splitlines()
    assert lines[0] == r"% Needs \usepackage{booktabs}."
    assert lines[1] == r"\begin{table}[htbp]"
    assert lines[-1] == r"\end{table}"
    assert r"\caption{Half: 50 \% of\_a \& b}" in lines
    assert r"\label{tab:half}" in lines
    assert r"\begin{tabular}{lrr}" in lines
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_latex_escapes_and_rounds(frame):
    text = latex(frame, digits=2)
    assert r"a\_model \& co & F1 & n \\" in text
    assert r"cnn\_1 & 0.12 & 7 \\" in text
    assert r"50 \% \{of\} \$5 \#2 \textasciitilde" in text
    assert r"\textbackslash" in text
    assert re.search(r"\\textbackslash.* &  & 8 ", text), "a missing value is empty"
    assert "caption" not in text
    assert "label" not in text


def test_caption_is_escaped_in_one_pass():
    assert r"\caption{\textbackslash a\_\{b\}}" in latex(pd.DataFrame({"a": [1]}), r"\a_{b}")


def wide_frame():
    words = ["balanced", "facenet2expnet_scratch", "35887 images", "an accuracy of 53/20/42/84 in per cent and no more"]
    return pd.DataFrame([words * 3 + [0.5]] * 3, columns=[f"column {number}" for number in range(13)])


def shares_of(text):
    return [float(share) for share in re.findall(r"p\{\\dimexpr (0\.\d+)\\linewidth", text)]


def test_a_wide_table_breaks_its_cells_on_landscape_pages():
    text = latex(wide_frame(), "Wide", "tab:wide")
    needs = r"% Needs \usepackage{array,booktabs,longtable,pdflscape} and one column of text."
    assert text.splitlines()[0] == needs
    ends = [r"\begin{landscape}", r"\begin{longtable}", r"\end{longtable}", r"\end{landscape}"]
    places = [text.index(end) for end in ends]
    assert places == sorted(places)
    assert r"\caption{Wide}" in text
    assert r"\label{tab:wide}" in text
    shares = shares_of(text)
    assert len(shares) == 13
    assert 0.9 < sum(shares) <= 1
    assert text.count(r"\raggedleft") == 1, "numbers stand right"
    assert shares[3] > 1.4 * max(shares[0], shares[2]), "what is long has more room"
    assert r"facenet2expnet\_\allowbreak{}scratch" in text
    assert r"53/\allowbreak{}20/" in text


@pytest.mark.parametrize("words", [20, 400])
def test_a_wide_table_never_leaves_the_page(words):
    frame = pd.DataFrame([["unbreakable" * 3, "word " * words]] * 2).assign(**{f"n{n}": "m" * 18 for n in range(8)})
    assert 0 < sum(shares_of(latex(frame))) <= 1


def test_a_long_table_goes_on_over_pages():
    text = latex(pd.DataFrame({"n": range(60)}), "Long", "tab:long")
    assert text.startswith("% Needs \\usepackage{booktabs,longtable} and one column of text.\n\\begin{longtable}{r}")
    assert "landscape" not in text
    assert text.count(r"\caption") == 2, "the second one heads the pages that follow"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
@pytest.mark.parametrize("frame", [wide_frame(), pd.DataFrame({"n": range(60)}), pd.DataFrame({"a_b": ["ü ± %\\"]})])
def test_latex_takes_the_table_and_nothing_runs_over(tmp_path, frame):
    text = latex(frame, "All of_it", "tab:all")
    packages = re.search(r"usepackage(\{.*?\})", text)[1]
    page = rf"\documentclass[a4paper]{{article}}\usepackage{packages}\begin{{document}}{chr(10)}{text}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert compiled.returncode == 0, compiled.stdout[-2000:]
    assert "Overfull" not in compiled.stdout, compiled.stdout[-2000:]


def test_three_files_say_the_same(tmp_path, frame):
    paths = write_table(tmp_path / "new" / "table.1", frame, "Scores of_all", digits=2)
    assert [path.name for path in paths] == ["table.1.md", "table.1.tex", "table.1.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert texts[0] == "**Scores of_all**\n\n" + tables.markdown(frame, 2)
    assert texts[1] == latex(frame, "Scores of_all", "tab:table.1", 2)
    pd.testing.assert_frame_equal(pd.read_csv(paths[2]), frame.reset_index(drop=True))


def test_columns_that_are_empty_in_every_row_stand_in_the_csv_alone(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "none": [np.nan] * 2, "blank": ["", None], "zero": [0, 0], "one": ["", "x"]})
    markdown, tex, csv = (path.read_text() for path in write_table(tmp_path / "t", frame))
    assert markdown.splitlines()[0] == "| a | zero | one |"
    assert "a & zero & one" in tex
    assert csv.splitlines()[0] == "a,none,blank,zero,one"
    empty = write_table(tmp_path / "empty", frame[:0])[0].read_text()
    assert empty.splitlines()[0] == "| a | none | blank | zero | one |"


def test_markdown_keeps_a_row_on_a_line(tmp_path):
    """A bar or a line break in a heading or cell would shift every column after it."""
    frame = pd.DataFrame({"a|b\nc": ["x|y\r\nz", "plain"], "d": [1, 2]})
    text = write_table(tmp_path / "t", frame)[0].read_text()
    assert text.splitlines() == ["| a\\|b c | d |", "|---|---:|", "| x\\|y z | 1 |", "| plain | 2 |"]


def test_a_table_without_a_caption(tmp_path, frame):
    paths = write_table(str(tmp_path / "plain"), frame)
    assert paths[0].read_text() == tables.markdown(frame)


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
    record = {"image_shape": [48, 48, 1], "reduced": "", "experiment": "ran_facenet2expnet_strongest"}
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
