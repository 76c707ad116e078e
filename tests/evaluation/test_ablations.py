"""Ablations: each variant next to the model without the part, on the same test images, by McNemar's test."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from fer_tf.evaluation import ablations, over_seeds
from fer_tf.experiments import EXPERIMENTS

RNG = np.random.default_rng(0)
NAMES = np.array(["anger", "fear", "happiness", "sadness"])
TRUTH = RNG.integers(0, 4, 300)


def run(experiment, accuracy, **changes):
    label = np.where(RNG.random(300) < accuracy, TRUTH, (TRUTH + 1) % 4)
    names = [f"{number}.png" for number in range(300)]
    predictions = pd.DataFrame({"name": names, "truth": NAMES[TRUTH], "label": NAMES[label]})
    record = {
        "experiment": experiment,
        "dataset": "ferplus",
        "protocol": "official",
        "dataset_options": {},
        "seed": 0,
        "test_fingerprint": "a",
        "reduced": "",
    } | changes
    found = (label == TRUTH).mean()
    return record, {"test": {"accuracy": found, "intervals": {"accuracy": [found - 0.05, found + 0.05]}}}, predictions


def ablations_table(runs):
    return ablations.ablations_table(runs, ablations.questions(EXPERIMENTS))


def test_every_question_has_one_reference_and_a_row_for_each_of_the_others():
    rows = {}
    for entry in EXPERIMENTS.values():
        for question, row in entry.ablations.items():
            rows.setdefault(question, []).append(row)
    assert rows
    assert all(sorted(found) == list(range(len(found))) and len(found) > 1 for found in rows.values())
    asked = ablations.questions(EXPERIMENTS)
    assert set(asked) == set(rows)
    assert asked["region attention"] == ["ran_backbone", "ran_mean", "ran_self", "ran_relation", "ran"]


def test_variants_are_tested_against_the_model_without_the_part():
    runs = [run("ran", 0.8), run("ran_self", 0.7), run("ran_backbone", 0.6)]
    table = ablations_table(runs).set_index("model")
    assert list(table.index) == ["ran_backbone", "ran_self", "ran"]
    assert set(table["question"]) == {"region attention"}
    right = {record["experiment"]: (frame["truth"] == frame["label"]).to_numpy() for record, _, frame in runs}
    p_values = []
    for name in ("ran_self", "ran"):
        gained, lost = (right[name] & ~right["ran_backbone"]).sum(), (~right[name] & right["ran_backbone"]).sum()
        p_values.append(binomtest(gained, gained + lost).pvalue)
        assert table["p"][name] == f"{p_values[-1]:.2g}"
        points, low, high = map(float, re.findall(r"[+-][\d.]+", table["difference"][name]))
        assert points == pytest.approx(100 * (gained - lost) / 300, abs=0.051)
        assert low < points < high
    smallest = int(np.argmin(p_values))
    assert float(table["p Holm"].iloc[1 + smallest]) == pytest.approx(2 * p_values[smallest], rel=0.05)
    assert table["p"]["ran_backbone"] == table["difference"]["ran_backbone"] == ""
    gained, lost = (right["ran"] & ~right["ran_self"]).sum(), (~right["ran"] & right["ran_self"]).sum()
    assert table["p to the row above"]["ran"] == f"{binomtest(gained, gained + lost).pvalue:.2g}"


def test_other_differences_are_named():
    first, second = {"epochs": 10, "precision": "mixed_bfloat16"}, {"epochs": 10, "precision": "float32"}
    table = ablations_table([run("ran_backbone", 0.6, settings=first), run("ran", 0.8, settings=second)])
    assert list(table["trained otherwise"]) == ["", "precision float32 for mixed_bfloat16"]
    # a record from before the setting existed showed each image once an epoch
    longer = run("ran", 0.8, settings={"epochs": 10, "passes": 10})
    table = ablations_table([run("ran_backbone", 0.6, settings={"epochs": 10}), longer])
    assert list(table["trained otherwise"]) == ["", "passes 10 for 1"]
    table = ablations_table([longer, run("ran_backbone", 0.6, settings={"epochs": 10, "passes": 1})])
    assert "passes" in table["trained otherwise"].iloc[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"dataset": "fer2013"},
        {"protocol": "six"},
        {"test_fingerprint": "b"},
        {"dataset_options": {"train_share": 0.3}},
        {"settings": {"limit": 160}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_runs_at_other_settings_are_not_compared(changes):
    assert ablations_table([run("ran_backbone", 0.6), run("ran", 0.8, **changes)]).empty
    both = [run("ran_backbone", 0.6, **changes), run("ran", 0.8, **changes)]
    assert len(ablations_table([*both, run("ran_self", 0.5)])) == 2


def test_a_run_at_a_limit_has_fewer_images_and_is_no_error():
    record, metrics, predictions = run("ran", 0.8, settings={"limit": 160})
    assert ablations_table([run("ran_backbone", 0.6), (record, metrics, predictions[:160])]).empty


def test_without_the_reference_nothing_is_compared():
    assert ablations_table([run("ran_self", 0.6), run("ran", 0.8), run("ran_backbone", 0.5, seed=1)]).empty


def test_shares_of_the_training_set_are_named():
    share = {"dataset_options": {"train_share": 0.3}}
    runs = [run("facenet2expnet_scratch", 0.5, **share), run("facenet2expnet", 0.6, **share)]
    assert list(ablations_table(runs)["options"]) == ["train_share=0.3"] * 2


def test_region_attention_is_tested_against_crops_with_equal_weights():
    """More crops alone may give what attention is praised for."""
    runs = [run("ran_backbone", 0.6), run("ran_mean", 0.75), run("ran_self", 0.76), run("ran", 0.76)]
    table = ablations_table(runs)
    questions = table.groupby("question", sort=False)["model"].agg(list)
    assert questions["region attention"] == ["ran_backbone", "ran_mean", "ran_self", "ran"]
    assert questions["region attention, against equal weights"] == ["ran_mean", "ran_self", "ran"]
    own = table[table["question"] == "region attention, against equal weights"].set_index("model")
    assert float(own["p"]["ran_self"]) > 0.05
    assert float(table.set_index("model")["p"]["ran_mean"].iloc[0]) < 0.05


def test_variants_of_which_none_has_learned_have_no_difference_and_no_p():
    rows = ablations_table([run("ran_backbone", 0.1), run("ran", 0.24)]).set_index("model")
    assert rows["difference"]["ran"] == "neither has learned"
    assert rows.loc["ran", ["p", "p Holm", "p to the row above"]].tolist() == [""] * 3


def test_runs_of_several_seeds_are_one_row_and_all_of_them_are_tested():
    three = [
        [run(name, share, seed=seed) for seed in range(3)] for name, share in [("ran_backbone", 0.6), ("ran", 0.8)]
    ]
    table = ablations_table([*three[1], *three[0]]).set_index("model")
    assert table["seeds"].tolist() == ["0, 1, 2"] * 2
    found = [[100 * metrics["test"]["accuracy"] for _, metrics, _ in runs] for runs in three]
    assert table["accuracy"].tolist() == pytest.approx([np.mean(shares) for shares in found])
    assert table["sd"].tolist() == pytest.approx([np.std(shares, ddof=1) for shares in found])
    test = over_seeds.compare([frame for *_, frame in three[1]], [frame for *_, frame in three[0]])
    assert table["p"]["ran"] == f"{test['p_value']:.2g}"
    assert table["difference"]["ran"].startswith(f"{100 * test['difference']:+.1f} (")
    assert table["95 % interval"].tolist() == ["", ""]


def test_seeds_with_other_settings_are_rows_of_their_own():
    """A mean over runs of different lengths would be a figure of nothing."""
    short = {"reduced": "epochs 2 for 60"}
    runs = [run("ran_backbone", 0.6), run("ran_backbone", 0.4, seed=1, **short)]
    runs += [run("ran", 0.8), run("ran", 0.5, seed=1, **short)]
    table = ablations_table(runs)
    assert table[["model", "seeds", "reduced"]].to_numpy().tolist() == [
        ["ran_backbone", "0", ""],
        ["ran", "0", ""],
        ["ran_backbone", "1", "epochs 2 for 60"],
        ["ran", "1", "epochs 2 for 60"],
    ]
