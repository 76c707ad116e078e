"""Models with several seeds: min F′ against its parts from SciPy, its false alarms, and what belongs together."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_tf.common.checks import InputError
from fer_tf.evaluation import over_seeds
from fer_tf.evaluation.significance import mcnemar_matrix

NAMES = [f"{row}.png" for row in range(300)]


def predictions(right):
    """A run that is right on these images; half of them are fear, a quarter each anger and disgust."""
    truth = np.resize(["fear", "anger", "fear", "disgust"], 300)
    label = np.where(right, truth, np.resize(["anger", "fear", "disgust", "fear"], 300))
    return pd.DataFrame({"name": NAMES, "truth": truth, "label": label})


def drawn(rng, seeds, images, gain=0.0, seed_sd=0.0):
    """Whether runs are right: images differ in difficulty, runs in how good they are; `gain` is added to all."""
    difficulty = rng.beta(2, 1, images)

    def runs():
        chance = difficulty + gain + rng.normal(0, seed_sd, seeds)[:, None]
        return rng.random((seeds, images)) < chance

    return runs


@pytest.mark.parametrize(("seeds", "others"), [(3, 3), (2, 5), (1, 3)])
def test_min_f_is_made_of_a_t_test_over_seeds_and_one_over_images(rng, seeds, others):
    """Clark 1973: F1·F2 / (F1 + F2) with (F1 + F2)² / (F1²/n2 + F2²/n1) degrees of freedom, by SciPy's tests."""
    first, second = rng.random((seeds, 400)) < 0.75, rng.random((others, 400)) < 0.7
    found = over_seeds.min_f(first, second)
    over_images = stats.ttest_rel(first.mean(axis=0), second.mean(axis=0)).statistic ** 2
    if seeds > 1:
        of_seeds = stats.ttest_ind(first.mean(axis=1), second.mean(axis=1)).statistic ** 2
    else:  # the pooled variance is that of the other model's runs
        spread = second.mean(axis=1).var(ddof=1) * (1 + 1 / others)
        of_seeds = (first.mean() - second.mean()) ** 2 / spread
    min_f = of_seeds * over_images / (of_seeds + over_images)
    degrees = (of_seeds + over_images) ** 2 / (of_seeds**2 / 399 + over_images**2 / (seeds + others - 2))
    assert found["p_value"] == pytest.approx(stats.f.sf(min_f, 1, degrees), rel=1e-6)
    assert found["difference"] == pytest.approx(first.mean() - second.mean())
    # the interval has the differences that the test would not reject at 5 %
    half = abs(found["difference"]) * np.sqrt(stats.f.ppf(0.95, 1, degrees) / min_f)
    assert (found["low"], found["high"]) == pytest.approx((found["difference"] - half, found["difference"] + half))


def test_two_equal_models_whose_seeds_differ_are_seldom_called_different(rng):
    """A test over images alone calls them different far too often: it takes the luck of three seeds for the method."""
    alarms, alone = [], []
    for _ in range(200):
        runs = drawn(rng, 3, 1000, seed_sd=0.025)
        first, second = runs(), runs()
        alarms.append(over_seeds.min_f(first, second)["p_value"] < 0.05)
        alone.append(stats.ttest_rel(first.mean(axis=0), second.mean(axis=0)).pvalue < 0.05)
    assert np.mean(alarms) < 0.08
    assert np.mean(alone) > 0.15


def test_a_real_difference_is_found_and_lies_in_the_interval(rng):
    runs = drawn(rng, 3, 1500, seed_sd=0.004)
    better = over_seeds.min_f(np.clip(runs() + (rng.random((3, 1500)) < 0.2), 0, 1), runs())
    assert better["p_value"] < 0.01
    assert 0 < better["low"] < better["difference"] < better["high"]


def test_min_f_does_not_depend_on_the_order_of_runs_or_images(rng):
    first, second = rng.random((3, 50)) < 0.7, rng.random((2, 50)) < 0.5
    found, order = over_seeds.min_f(first, second), rng.permutation(50)
    moved = over_seeds.min_f(first[::-1][:, order], second[::-1][:, order])
    assert list(moved.values()) == pytest.approx(list(found.values()))
    swapped = over_seeds.min_f(second, first)
    assert (swapped["difference"], swapped["low"], swapped["p_value"]) == pytest.approx(
        (-found["difference"], -found["high"], found["p_value"])
    )


def test_runs_that_are_right_on_the_same_images_do_not_differ():
    right = np.tile([True, True, False], (3, 20))
    assert over_seeds.min_f(right, right) == {"difference": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0}


@pytest.mark.parametrize("shapes", [((1, 9), (1, 9)), ((3, 9), (3, 8)), ((9,), (9,))])
def test_min_f_needs_three_runs_on_the_same_images(shapes):
    with pytest.raises(InputError, match=r"first, second: must be \[seeds, images\] with the same images"):
        over_seeds.min_f(*(np.ones(shape, bool) for shape in shapes))


def test_two_single_runs_are_compared_by_mcnemars_exact_test(rng):
    one, other = predictions(rng.random(300) < 0.7), predictions(rng.random(300) < 0.6)
    found = over_seeds.compare([one], [other])
    pair = mcnemar_matrix({"one": one, "other": other}).iloc[0]
    assert found["test"] == "McNemar"
    assert [found[key] for key in ("difference", "low", "high", "p_value")] == pytest.approx(
        [pair[key] for key in ("difference", "low", "high", "p_value")]
    )


def test_several_runs_are_compared_image_by_image_whatever_their_order(rng):
    right = rng.random((4, 300)) < 0.7
    frames = [predictions(hits).iloc[rng.permutation(300)] for hits in right]
    found = over_seeds.compare(frames[:2], frames[2:])
    assert found["test"] == "min F′"
    expected = over_seeds.min_f(right[:2], right[2:])
    assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_models_of_which_no_run_has_learned_are_not_compared(rng):
    found = over_seeds.compare([predictions(rng.random(300) < 0.3)] * 2, [predictions(rng.random(300) < 0.2)] * 2)
    assert not found["learned"]
    assert np.isnan([found["difference"], found["low"], found["high"], found["p_value"]]).all()
    assert over_seeds.difference_text(found) == "neither has learned"
    assert over_seeds.p_text(found["p_value"]) == ""


def test_runs_on_other_images_are_refused(rng):
    frame = predictions(rng.random(300) < 0.7)
    with pytest.raises(InputError, match="was tested on other images or labels than"):
        over_seeds.compare([frame, frame], [frame.iloc[:200]])
    with pytest.raises(InputError, match="runs: must be at least one of each model; received 0 and 1"):
        over_seeds.compare([], [frame])


def run(seed, accuracy, **changes):
    record = {"experiment": "ran", "dataset": "ferplus", "protocol": "official", "seed": seed, "reduced": ""}
    record |= {"image_shape": [48, 48, 1], "dataset_options": {}} | changes
    return SimpleNamespace(record=record, metrics={"test": {"accuracy": accuracy, "macro_f1": accuracy / 2}})


def test_only_runs_that_differ_in_their_seed_alone_are_averaged():
    others = [{"reduced": "epochs 2 for 60"}, {"dataset": "fer2013"}, {"dataset_options": {"train_share": "0.1"}}]
    others += [{"image_shape": [64, 64, 3]}, {"protocol": "six"}, {"experiment": "cnn"}]
    runs = [run(2, 0.7), *(run(0, 0.1, **changes) for changes in others), run(0, 0.6), run(1, 0.8)]
    groups = over_seeds.grouped(runs)
    assert [len(group) for group in groups] == [3, 1, 1, 1, 1, 1, 1]
    assert over_seeds.seed_names(member.record for member in groups[0]) == "0, 1, 2"
    table = over_seeds.seeds_table(runs)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["seeds"], row["model"]) == ("0, 1, 2", "ran")
    assert (row["accuracy"], row["accuracy sd"], row["macro F1"], row["macro F1 sd"]) == pytest.approx((70, 10, 35, 5))
    assert over_seeds.seeds_table(runs[:3]).empty


def test_one_run_is_shown_with_its_interval_and_several_with_their_spread():
    assert over_seeds.percent_text([0.614], [(0.599, 0.63)]) == "61.4 (59.9 to 63.0)"
    assert over_seeds.percent_text([0.6, 0.7], [(0.5, 0.7), (0.6, 0.8)]) == "65.0 ± 7.1"
