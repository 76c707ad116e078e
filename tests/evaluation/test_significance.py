"""Pairs of models: McNemar, Holm and Newcombe against hand-worked and published examples."""

from math import comb

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation import significance

NAMES = np.array([f"{row}.png" for row in range(300)], object)


def predictions(right, order=slice(None)):
    """A model that is right on these images (bool [300]); half of them are fear, a quarter each anger and disgust."""
    truth = np.resize(["fear", "anger", "fear", "disgust"], 300)
    label = np.where(right, truth, np.resize(["anger", "fear", "disgust", "fear"], 300))
    frame = pd.DataFrame({"name": NAMES, "truth": truth, "label": label})
    return frame.iloc[order].reset_index(drop=True)


@pytest.fixture
def models(rng):
    """Three models of which the last is clearly worse, each in an order of its own."""
    right = {"b": rng.random(300) < 0.7, "a": rng.random(300) < 0.7, "weak": rng.random(300) < 0.4}
    return right, {name: predictions(hits, rng.permutation(300)) for name, hits in right.items()}


def exact_p(only_first, only_second):
    """Two-sided binomial probability at one half, summed term by term."""
    count = only_first + only_second
    terms = [comb(count, k) / 2**count for k in range(count + 1)]
    return min(1, sum(term for term in terms if term <= terms[only_first] * (1 + 1e-9)))


def test_every_pair_is_counted_image_by_image(models):
    right, frames = models
    table = significance.mcnemar_matrix(frames)
    assert list(zip(table["first"], table["second"], strict=True)) == [("b", "a"), ("b", "weak"), ("a", "weak")]
    for row in table.itertuples():
        first, second = right[row.first], right[row.second]
        only = int(sum(first & ~second)), int(sum(second & ~first))
        assert (row.images, row.only_first, row.only_second) == (300, *only)
        assert row.p_value == pytest.approx(exact_p(*only))
        assert row.difference == pytest.approx(first.mean() - second.mean())
        assert row.low < row.difference < row.high
    assert list(table["p_holm"]) == pytest.approx(plain_holm(list(table["p_value"])))
    assert (table["p_holm"] < 0.001).tolist() == [False, True, True]


def plain_holm(p_values):
    """Holm's procedure read as a list of rejections: p is adjusted to the smallest level at which it is rejected."""
    found = []
    for p in p_values:
        before = [q for q in p_values if q <= p]
        needed = [q * (len(p_values) - sum(r < q for r in p_values)) for q in before]
        found.append(min(1, max(needed)))
    return found


def test_holm_by_hand():
    """0.005 × 4, 0.01 × 3, 0.03 × 2, and 0.04 × 1, which may not fall below the one before it."""
    adjusted = significance.holm([0.01, 0.04, 0.03, 0.005])
    assert list(adjusted) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_properties(rng):
    for p_values in (rng.random(20) ** 3, np.array([0.5, 0.5, 0.9]), np.array([0.02])):
        adjusted = significance.holm(p_values)
        assert (adjusted >= p_values).all()
        assert (adjusted <= np.minimum(1, len(p_values) * p_values) + 1e-12).all()
        assert list(adjusted) == pytest.approx(plain_holm(list(p_values)))
        np.testing.assert_array_equal(adjusted[::-1], significance.holm(p_values[::-1]))
    assert significance.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("cells", "interval"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998, method 10
        ((59, 6, 16, 80), (-0.1186, -0.0046)),  # complete response of Cavo 2012, in Fagerland, Lydersen & Laake 2017
        ((1, 1, 7, 12), (-0.507, -0.026)),  # airways of Bentur 2009, as above
    ],
)
def test_paired_interval_of_published_examples(cells, interval):
    assert significance.paired_interval(*cells) == pytest.approx(interval, abs=5e-4)


def test_paired_interval_properties():
    low, high = significance.paired_interval(50, 12, 5, 33)
    assert significance.paired_interval(50, 5, 12, 33) == pytest.approx((-high, -low))
    assert significance.paired_interval(10, 0, 0, 0)[0] < 0 < significance.paired_interval(10, 0, 0, 0)[1]
    for cells in ((0, 10, 0, 0), (0, 0, 10, 0), (3, 0, 0, 7), (0, 5, 5, 0)):
        low, high = significance.paired_interval(*cells)
        assert -1 <= low <= high <= 1


def test_paired_interval_agrees_with_resampling_images(rng):
    first = rng.random(2000) < 0.7
    second = np.where(rng.random(2000) < 0.8, first, rng.random(2000) < 0.5)
    cells = [np.sum(first & second), np.sum(first & ~second), np.sum(~first & second), np.sum(~first & ~second)]
    rows = rng.integers(0, 2000, (2000, 2000))
    draws = first[rows].mean(axis=1) - second[rows].mean(axis=1)
    assert significance.paired_interval(*cells) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.003)


def test_square_turns_the_sign_below_the_diagonal(models):
    table = significance.mcnemar_matrix(models[1])
    differences, p_values = significance.square(table), significance.square(table, "p_holm")
    assert list(differences.index) == list(differences.columns) == ["b", "a", "weak"]
    np.testing.assert_array_equal(differences, -differences.T)
    np.testing.assert_array_equal(p_values, p_values.T)
    assert np.isnan(np.diag(differences)).all()
    assert differences.loc["b", "weak"] > 0.2
    assert p_values.loc["weak", "a"] == table["p_holm"].iloc[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significance.mcnemar_matrix({}), "predictions: must have at least two models; received none"),
        (lambda: significance.mcnemar_matrix({"cnn": predictions(True)}), "at least two models; received cnn"),
        (
            lambda: significance.mcnemar_matrix({"a": predictions(True), "b": predictions(True, slice(9))}),
            "predictions: b was tested on other images or labels than a",
        ),
        (lambda: significance.holm([0.5, 1.5]), "p_values: must be a one-dimensional array of numbers from 0 to 1"),
        (lambda: significance.holm([0.5, np.nan]), "p_values: must be a one-dimensional array of numbers from 0 to 1"),
        (lambda: significance.square(pd.DataFrame(), "only_first"), "value: allowed are difference, p_value"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_changes_are_those_of_each_question_and_corrected_together(models):
    right, frames = models
    first = NAMES[:100]
    pairs = {
        "all": (frames["weak"], frames["a"]),
        "part": (frames["weak"], frames["b"], first),
        "none": (frames["a"], frames["b"], []),
    }
    table = significance.paired_changes(pairs)
    assert list(table.index) == ["all", "part"]
    assert list(table["images"]) == [300, 100]
    before, after = right["weak"][:100], right["b"][:100]
    part = table.loc["part"]
    assert (part["before"], part["after"]) == pytest.approx((before.mean(), after.mean()))
    assert (part["only_before"], part["only_after"]) == (sum(before & ~after), sum(after & ~before))
    assert part["difference"] == pytest.approx(after.mean() - before.mean())
    assert part["low"] < part["difference"]
    assert part["p_value"] == pytest.approx(exact_p(int(sum(after & ~before)), int(sum(before & ~after))))
    assert list(table["p_holm"]) == pytest.approx(plain_holm(list(table["p_value"])))


def test_changes_at_chance_are_not_among_the_corrected_tests(models, rng):
    frames = {**models[1], "chance": predictions(rng.random(300) < 0.4), "below": predictions(rng.random(300) < 0.2)}
    table = significance.paired_changes({name: (frames["chance"], frames[name]) for name in ("b", "below")})
    assert table["p_value"].isna().to_dict() == {"b": False, "below": True}
    assert table["p_holm"]["b"] == table["p_value"]["b"]


def test_a_gain_a_loss_and_next_to_nothing_are_told_as_such(models):
    frames = models[1]
    little = frames["a"].copy()
    more = little.index[little["label"] != little["truth"]][:2]
    little.loc[more, "label"] = little.loc[more, "truth"]
    pairs = {"better": ("weak", "a"), "worse": ("a", "weak"), "no difference found": ("a", "little")}
    for verdict, (before, after) in pairs.items():
        chosen = {**frames, "little": little}
        change = significance.paired_changes({"x": (chosen[before], chosen[after])}).loc["x"]
        words = significance.sentence(change)
        assert f"; {verdict}, p = " in words
        assert f"({100 * change['difference']:+.1f} points" in words


def test_models_tested_on_fewer_images_are_compared_on_those_of_both(models):
    right, frames = models
    few = frames["a"][frames["a"]["name"].isin(NAMES[:40])]
    change = significance.paired_changes({"x": (frames["b"], few)}).loc["x"]
    assert change["images"] == 40
    assert change["before"] == pytest.approx(right["b"][:40].mean())


def test_no_question_is_an_empty_table():
    assert significance.paired_changes({}).empty


def test_two_models_at_chance_are_not_compared_however_small_the_p(rng):
    """One gives fear, the commonest class, to all; the other is right on fewer still: exact p far below 0.05."""
    chance, below = predictions(rng.random(300) < 0.5), predictions(rng.random(300) < 0.2)
    changes = significance.paired_changes({"x": (below, chance), "part": (below, chance, NAMES[:40])})
    assert not changes["learned"].any()
    assert changes[["difference", "low", "high", "p_value", "p_holm"]].isna().all(axis=None)
    words = significance.sentence(changes.loc["x"])
    assert words.endswith("(neither has learned: no comparison)")
    assert "p =" not in words
    assert "points" not in words
    pair = significance.mcnemar_matrix({"chance": chance, "below": below})
    assert not pair["learned"].iloc[0]
    assert pair[["difference", "p_value", "p_holm"]].isna().all(axis=None)


def test_a_pair_that_is_not_compared_does_not_count_among_the_tests(models, rng):
    frames = {"good": models[1]["b"], "weak": models[1]["weak"], "weaker": predictions(rng.random(300) < 0.1)}
    table = significance.mcnemar_matrix(frames)
    assert table["learned"].tolist() == [True, True, False]
    made = list(table["p_value"][:2])
    assert list(table["p_holm"][:2]) == pytest.approx(plain_holm(made))
    assert np.isnan(table["p_holm"].iloc[2])
    square = significance.square(table)
    assert np.isnan(square.loc["weak", "weaker"])
    assert square.loc["good", "weak"] > 0.2


def test_one_model_that_has_learned_is_enough_for_a_comparison(models):
    change = significance.paired_changes({"x": (models[1]["weak"], models[1]["a"])}).loc["x"]
    assert change["learned"]
    assert "; better, p = " in significance.sentence(change)


def test_verdicts_names_every_question_whatever_its_direction(models, rng):
    frames = {**models[1], "weaker": predictions(rng.random(300) < 0.1)}
    pairs = {"up": ("weak", "a"), "down": ("a", "weak"), "flat": ("a", "a"), "chance": ("weak", "weaker")}
    changes = significance.paired_changes({name: [frames[key] for key in pair] for name, pair in pairs.items()})
    assert significance.verdicts(changes) == (
        "better: up; worse: down; no difference found: flat; neither has learned: no comparison: chance"
    )
