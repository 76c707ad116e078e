"""What the results page says of short runs, searches, ensembles and several seeds is what their records say."""

import pandas as pd
import pytest

from fer_tf.common.paths import project_root, results_root
from fer_tf.evaluation.comparison import has_learned
from fer_tf.evaluation.intervals import percent_interval
from fer_tf.evaluation.label_kinds import labels_table
from fer_tf.runs.result_tables import ensembles, released_ensembles, released_runs

SHORT = (
    "patt_lite-fer2013-official-seed10",
    "residual_masking-fer2013-official-seed0",
    "cnn_svm-fer2013-official-seed10",
    "sift_svm-fer2013-official-seed10",
    "ran_face-ferplus-official-soft-seed10",
    "cnn4_se-ferplus_fer2013-six-train_share0.15-seed0",
)


@pytest.fixture(scope="module")
def page():
    return " ".join((results_root() / "README.md").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def released():
    return {run.name: run for run in released_runs()}


@pytest.mark.parametrize("name", SHORT)
def test_accuracy_of_a_short_run(name, page, released):
    run = released[name]
    test = run.metrics["test"]
    assert run.record["reduced"]
    interval = percent_interval(test["intervals"]["accuracy"])
    assert f"{100 * test['accuracy']:.1f} % (95 % {interval})" in page


def test_which_runs_have_not_learned(page, released):
    names = {run.record["experiment"] for run in released.values() if not has_learned(run.metrics["test"])}
    assert names == {"majority"}
    assert "All released runs have learned, except the majority baselines." in page


def test_three_kinds_of_labels_with_three_seeds(page, released):
    table = labels_table(list(released.values()))
    assert set(table["seeds"]) == {"0, 1, 2"}
    for row in table.to_dict("records"):
        assert f"{row['accuracy']:.1f} ± {row['sd']:.1f} % with {row['labels']}" in page
        assert f"{row['training images']:,}" in page or row["labels"] == "multi-target"
    assert set(table["p Holm"]) == {"", "0.28"}
    assert "both p Holm 0.28" in page


def test_what_an_ensemble_gains(page, released):
    table = ensembles(released_ensembles(), list(released.values()))["ensembles"]
    for row in table.to_dict("records"):
        said = f"{row['accuracy']:.1f} %, {row['gain']:.1f} points more ({row['95 % interval of the gain']})"
        assert said in page
    readme = " ".join((project_root() / "README.md").read_text(encoding="utf-8").split())
    best = {dataset: max(rows["accuracy"]) for dataset, rows in table.groupby("dataset")}
    assert f"has {best['ferplus']:.1f} % on FER+ and {best['fer2013']:.1f} % on FER2013 ([ensembles]" in readme


def test_document_1s_four_with_three_seeds(page):
    """The tables themselves are compared with the records in test_release.py."""
    seeds = pd.read_csv(results_root() / "tables" / "seeds.csv").set_index(["model", "dataset"])
    tests = pd.read_csv(results_root() / "tables" / "ablations.csv")
    tests = tests[tests["question"].str.contains("four") & (tests["seeds"] == "10, 11, 12")]
    for name in ("ran_facenet2expnet", "ran", "akhand", "ucar_cnn"):
        rows = [seeds.loc[(name, dataset)] for dataset in ("ferplus", "fer2013")]
        cells = [f"{row['accuracy']:.1f} ± {row['accuracy sd']:.1f} %" for row in rows]
        assert f"| {' | '.join(cells)} |" in page, name
    p_holm = tests["p Holm"].dropna().astype(float)
    assert len(p_holm) == 6
    assert f"largest p Holm {p_holm.max():.3f}" in page


def test_region_attention_against_its_controls_with_three_seeds(page):
    tests = pd.read_csv(results_root() / "tables" / "ablations.csv")
    tests = tests[tests["seeds"] == "10, 11, 12"].set_index(["question", "model"])
    against_backbone, against_mean = tests.loc["region attention"], tests.loc["region attention, against equal weights"]
    for name in ("ran_backbone", "ran_mean", "ran_self", "ran_relation", "ran"):
        row = against_backbone.loc[name]
        assert f"{row['accuracy']:.1f} ± {row['sd']:.1f} %" in page, name
    mean = against_backbone.loc["ran_mean"]
    assert mean["difference"].startswith("+6.8 (+2.4 to +11.2)")
    assert f"6.8 points, 2.4 to 11.2, p Holm {float(mean['p Holm']):.3f} by min F′" in page
    p_holm = against_mean["p Holm"].dropna().astype(float)
    assert len(p_holm) == 3
    assert f"the smallest p Holm is {p_holm.min():.2f}, for the whole RAN" in page
    assert p_holm.idxmin() == "ran"


def test_stage_1_against_its_control_with_three_seeds(page):
    tests = pd.read_csv(results_root() / "tables" / "ablations.csv")
    tests = tests[tests["question"].str.contains("small nets")]
    small = tests[tests["options"].isna()]
    tenth = tests[tests["options"] == "train_share=0.1"].set_index("model")
    tests = small[small["seeds"] == "10, 11, 12"].set_index("model")
    scratch, matched = tests.loc["facenet2expnet_small_scratch"], tests.loc["facenet2expnet_small"]
    cells = [f"{row['accuracy']:.1f} ± {row['sd']:.1f} %" for row in (matched, scratch)]
    assert f"has {cells[0]}, and the same net after 20 epochs from scratch {cells[1]}:" in page
    difference = matched["difference"].replace(" (", " points (", 1).rstrip(")")
    assert f"{difference}, p = {float(matched['p']):.2f} by min F′)" in page
    # 8 + 12 epochs are as many as 20
    assert matched["trained otherwise"] == "epochs 12 for 20, matching_epochs 8 for 0"
    whole = small[small["seeds"] == "0"].set_index("model")
    shares = [
        f"{whole.loc[name, 'accuracy']:.1f} %" for name in ("facenet2expnet_small", "facenet2expnet_small_scratch")
    ]
    difference = whole.loc["facenet2expnet_small", "difference"].replace(" (", " points (", 1).rstrip(")")
    p = float(whole.loc["facenet2expnet_small", "p"])
    assert f"has {shares[0]}, and the same net after 20 epochs from scratch (" in page
    assert f"{shares[1]}: {difference}, p = {p:.2f}, one seed)" in page
    shares = [f"{tenth.loc[name, 'accuracy']:.1f}" for name in ("facenet2expnet_small", "facenet2expnet_small_scratch")]
    difference = tenth.loc["facenet2expnet_small", "difference"].replace(" (", " points (", 1).rstrip(")")
    assert f"it has {shares[0]} and {shares[1]} %: {difference}, p = 0.037 by itself, one seed)" in page
    assert f"{float(tenth.loc['facenet2expnet_small', 'p']):.3f}" == "0.037"
