"""Mass per region and emotion: against loops, on maps whose regions are known, and the regions of drawn faces."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.explain import emotions_differ, mean_maps, region_shares, regions_sentence
from fer_tf.explain import plots as explain_plots

NAMES = ("anger", "fear", "neutral")


@pytest.fixture
def regions():
    """Two regions that move from picture to picture."""
    found = {name: np.zeros((60, 12, 10), bool) for name in ("eyes", "mouth")}
    for row in range(60):
        found["eyes"][row, 1 + row // 2 % 2 : 4, 2:8] = True
        found["mouth"][row, 8 : 10 + row // 2 % 2, 3:7] = True
    return found


@pytest.fixture
def labels():
    return np.arange(60) % 2  # no neutral face


def maps_of(regions, labels, rng, difference):
    """Noise, and more of it on the eyes of class 0 and the mouth of class 1."""
    maps = rng.random((60, 12, 10))
    for row, label in enumerate(labels):
        maps[row][regions["mouth" if label else "eyes"][row]] += difference
    return maps


def test_masses_are_shares_of_the_sum(regions, labels, rng):
    maps = maps_of(regions, labels, rng, 1)
    maps[4] = 0
    table = region_shares(maps, labels, regions, NAMES, replicates=2000)
    assert list(table["emotion"]) == ["anger", "anger", "fear", "fear"]
    assert list(table["region"]) == ["eyes", "mouth"] * 2
    assert list(table["pictures"]) == [29, 29, 30, 30]
    assert list(table["empty"]) == [1, 1, 0, 0]
    chosen = [row for row in range(60) if labels[row] == 0 and row != 4]
    shares = np.array([maps[row][regions["eyes"][row]].sum() / maps[row].sum() for row in chosen])
    first = table.iloc[0]
    assert first["mass"] == pytest.approx(shares.mean())
    assert first["area"] == pytest.approx(np.mean([regions["eyes"][row].mean() for row in chosen]))
    error = shares.std() / np.sqrt(len(shares))
    np.testing.assert_allclose(
        [first["low"], first["high"]], shares.mean() + np.array([-1.96, 1.96]) * error, atol=error
    )
    assert table.equals(region_shares(maps, labels, regions, NAMES, replicates=2000))


def test_mean_maps_leave_empty_ones_out(regions, labels, rng):
    maps = maps_of(regions, labels, rng, 1)
    maps[0] = np.nan
    maps[2] = 0
    means = mean_maps(maps, labels, NAMES)
    assert list(means) == ["anger", "fear"]
    expected = maps[4::2].mean(axis=0)
    np.testing.assert_allclose(means["anger"], expected / expected.max())


def test_emotions_that_use_other_regions_differ_and_others_do_not(regions, labels, rng):
    other = emotions_differ(maps_of(regions, labels, rng, 2), labels, regions, permutations=199)
    same = emotions_differ(maps_of(regions, labels, rng, 0), labels, regions, permutations=199)
    assert other["p_value"] == 0.005
    assert same["p_value"] > 0.05
    assert same["share"] < 0.2 < other["share"] <= 1
    assert other["pictures"] == 60


def test_a_larger_region_is_no_difference(labels):
    """Class 1 has a wide open mouth: an even map has more of its mass there, and no more than its area."""
    mouth = np.zeros((60, 12, 10), bool)
    mouth[:, 8:10, 3:7] = True
    mouth[labels == 1, 6:12] = True
    found = emotions_differ(np.ones((60, 12, 10)), labels, {"mouth": mouth}, permutations=99)
    assert found == {"share": pytest.approx(0, abs=1e-6), "p_value": 1.0, "pictures": 60}


@pytest.mark.parametrize(("difference", "verb"), [(2, "support this"), (0, "do not support this")])
def test_the_sentence_follows_the_figures(regions, labels, rng, difference, verb):
    maps = maps_of(regions, labels, rng, difference)
    found = emotions_differ(maps, labels, regions, permutations=199)
    control = {"share": 0.1, "p_value": 0.5, "pictures": 60}
    table = region_shares(maps, labels, regions, NAMES, replicates=50)
    text = regions_sentence(table, found, control)
    assert f"The measurements {verb}" in text
    assert "do not support" in regions_sentence(table, found, {**control, "share": 1.0}), "scrambled weights do as much"
    if difference:
        high, low = table[table["region"] == "eyes"]["mass"]
        assert "Emotions differ most in the region" in text
        assert f"{high:.0%} [" in text
        assert f"{low:.0%} [" in text or "mouth" in text


def test_wrong_shapes_and_a_single_emotion_are_refused(regions, labels, rng):
    with pytest.raises(InputError, match=r"maps, regions: must be \[N, H, W\] each; received \(60, 9, 10\) and"):
        region_shares(rng.random((60, 9, 10)), labels, regions, NAMES)
    with pytest.raises(InputError, match="labels: need maps of at least two emotions"):
        emotions_differ(rng.random((60, 12, 10)), np.zeros(60, int), regions)


def test_the_figure_has_a_tile_an_emotion_and_a_point_a_mass(regions, labels, rng):
    maps = maps_of(regions, labels, rng, 1)
    table, means = region_shares(maps, labels, regions, NAMES, replicates=50), mean_maps(maps, labels, NAMES)
    faces = {name: np.full((12, 10, 1), 128, np.uint8) for name in means}
    figure = explain_plots.emotion_regions(faces, means, table)
    assert [axis.get_title() for axis in figure.axes[:-1]] == ["anger", "fear"]
    heights = np.concatenate([np.asarray(bars.lines[0].get_ydata(), float) for bars in figure.axes[-1].containers])
    np.testing.assert_allclose(heights, table["mass"].to_numpy(float))
    figure.canvas.draw()
