"""Scores of maps against readings of the formulas by loops, and on a net that has learned drawn faces."""

import keras
import numpy as np
import pytest
from scipy.stats import binomtest

from fer_tf.common.checks import InputError
from fer_tf.explain import centre_gaussian, explain, mass_inside, pointing_game, score_maps
from fer_tf.explain import plots as explain_plots
from fer_tf.models import build_model

COLUMNS = ["method", "pictures", "left out", "pointing", "pointing low", "pointing high"]
COLUMNS += ["mass inside", "mass low", "mass high", "area", "empty", "pointing p", "mass p"]


@pytest.fixture
def maps(rng):
    return rng.random((40, 9, 7))


@pytest.fixture
def masks(rng):
    masks = rng.random((40, 9, 7)) < 0.3
    masks[[3, 17]] = False
    return masks


def of_points(points, shape=(9, 7)):
    """Maps with a single pixel each."""
    maps = np.zeros((len(points), *shape))
    for row, (y, x) in enumerate(points):
        maps[row, y, x] = 0.5
    return maps


def row_of(table, method):
    return table.set_index("method").loc[method]


def test_pointing_looks_at_the_highest_pixel(maps, masks):
    expected = [masks[row][np.unravel_index(maps[row].argmax(), (9, 7))] for row in range(40)]
    assert 0.1 < np.mean(expected) < 0.9
    np.testing.assert_array_equal(pointing_game(maps, masks), expected)
    np.testing.assert_array_equal(pointing_game(maps, masks.astype(int)), expected)


def test_of_several_highest_pixels_the_expectation_counts(masks):
    maps = np.zeros((40, 9, 7))
    maps[:, 2, 2:6] = 0.7
    np.testing.assert_allclose(pointing_game(maps, masks), [item[2, 2:6].mean() for item in masks])


def test_mass_is_the_share_of_the_sum(maps, masks):
    expected = [
        sum(maps[row, y, x] for y in range(9) for x in range(7) if masks[row, y, x]) / maps[row].sum()
        for row in range(40)
    ]
    np.testing.assert_allclose(mass_inside(maps, masks), expected)
    np.testing.assert_allclose(mass_inside(7 * maps, masks), expected)


@pytest.mark.parametrize("score", [pointing_game, mass_inside])
def test_an_empty_map_is_a_uniform_one(score, masks):
    for value in (0, 1):
        np.testing.assert_allclose(score(np.full((40, 9, 7), value), masks), masks.mean(axis=(1, 2)))


@pytest.mark.parametrize("score", [pointing_game, mass_inside])
def test_a_map_that_is_the_mask_scores_one(score, masks):
    np.testing.assert_array_equal(score(masks, masks)[masks.any(axis=(1, 2))], 1)
    known = np.delete(masks, [3, 17], axis=0)
    np.testing.assert_array_equal(score(~known, known), 0)


def test_the_gaussian_is_one_of_shares_of_the_sides():
    found = centre_gaussian(9, 6, sigma=0.2)
    assert found.shape == (9, 6)
    y, x = 1, 4  # centres of pixels: 1.5 / 9 and 4.5 / 6 of the sides
    down, right = (1.5 / 9 - 0.5) / 0.2, (4.5 / 6 - 0.5) / 0.2
    assert found[y, x] == pytest.approx(np.exp(-down * down / 2) * np.exp(-right * right / 2))
    np.testing.assert_allclose(found, found[::-1, ::-1])
    assert np.argwhere(found == found.max()).tolist() == [[4, 2], [4, 3]]


def test_the_table_has_every_method_and_both_baselines(maps, masks):
    table = score_maps({"first": maps, "the mask": masks.astype(float)}, masks)
    assert list(table.columns) == COLUMNS
    assert list(table["method"]) == ["first", "the mask", "centre Gaussian", "uniform"]
    known = np.delete(masks, [3, 17], axis=0)
    assert set(table["pictures"]) == {38}
    assert set(table["left out"]) == {2}
    np.testing.assert_allclose(table["area"], known.mean())
    first = row_of(table, "first")
    assert first["pointing"] == pytest.approx(pointing_game(np.delete(maps, [3, 17], axis=0), known).mean())
    assert first["mass inside"] == pytest.approx(mass_inside(np.delete(maps, [3, 17], axis=0), known).mean())
    assert row_of(table, "the mask")[["pointing", "mass inside"]].tolist() == [1, 1]
    np.testing.assert_allclose(row_of(table, "uniform")[["pointing", "mass inside"]].astype(float), known.mean())
    centre = np.broadcast_to(centre_gaussian(9, 7), known.shape)
    assert row_of(table, "centre Gaussian")["mass inside"] == pytest.approx(mass_inside(centre, known).mean())
    assert row_of(table, "centre Gaussian")[["pointing p", "mass p"]].isna().all()


def test_pointing_has_wilsons_interval(masks):
    """Of 38 pictures; scipy's takes only whole hits."""
    known = np.flatnonzero(masks.any(axis=(1, 2)))
    points = [(0, 0)] * 40
    for row in known:
        points[row] = np.argwhere(masks[row])[0] if row % 3 else np.argwhere(~masks[row])[0]
    row = row_of(score_maps({"some": of_points(points)}, masks), "some")
    hits = sum(1 for row in known if row % 3)
    expected = binomtest(hits, len(known)).proportion_ci(method="wilson")
    assert row["pointing"] == pytest.approx(hits / len(known))
    np.testing.assert_allclose(row[["pointing low", "pointing high"]].astype(float), [expected.low, expected.high])


def test_the_masss_interval_is_a_standard_error_wide(maps, masks):
    row = row_of(score_maps({"first": maps}, masks, replicates=4000), "first")
    shares = np.delete(mass_inside(maps, masks), [3, 17])
    error = shares.std(ddof=1) / np.sqrt(38)
    np.testing.assert_allclose(
        row[["mass low", "mass high"]].astype(float), shares.mean() + np.array([-1.96, 1.96]) * error, atol=0.3 * error
    )


def test_pointings_p_is_mcnemars_where_nothing_is_tied():
    """Odd sides give the Gaussian one highest pixel. The method alone is right on 8 pictures, the Gaussian on 1."""
    masks = np.zeros((12, 9, 7), bool)
    masks[:, 1, 1] = True
    points = [(1, 1)] * 12
    masks[8] = False
    masks[8, 4, 3] = True  # the centre alone
    masks[9:, 4, 3] = True  # both
    found = row_of(score_maps({"some": of_points(points)}, masks), "some")
    assert found["pointing p"] == pytest.approx(binomtest(1, 9).pvalue)


def test_maps_like_the_gaussian_do_not_differ_from_it(masks):
    same = 3 * np.broadcast_to(centre_gaussian(9, 7), masks.shape)
    assert row_of(score_maps({"same": same}, masks), "same")[["pointing p", "mass p"]].tolist() == [1, 1]


def test_better_and_worse_maps_are_told_from_the_gaussian(masks):
    table = score_maps({"right": masks.astype(float), "wrong": (~masks).astype(float)}, masks)
    assert (table.set_index("method").loc[["right", "wrong"], "mass p"] < 0.01).all()


def test_a_single_picture_proves_nothing(masks):
    row = row_of(score_maps({"right": masks[:1].astype(float)}, masks[:1]), "right")
    assert row["pointing p"] == row["mass p"] == 1
    assert row["pointing low"] < 0.3


def test_scores_are_the_same_each_time(maps, masks):
    first, second = (score_maps({"first": maps}, masks, seed=seed) for seed in (1, 1))
    assert first.equals(second)
    assert not first.equals(score_maps({"first": maps}, masks, seed=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.ones((40, 9, 6))}, r"gradcam: maps and masks must both be \[N, H, W\]; received \(40, 9, 6\) and"),
        ({"maps": np.full((40, 9, 7), -1.0)}, "gradcam: maps must be finite and not negative"),
        ({"maps": np.full((40, 9, 7), np.nan)}, "gradcam: maps must be finite and not negative"),
        ({"masks": np.full((40, 9, 7), 2)}, "masks: must be true or false"),
        ({"masks": np.zeros((40, 9, 7), bool)}, "masks: none of the 40 pictures has a true region"),
        ({"name": "uniform"}, "maps_by_method: uniform is the name of a baseline; give the method another name"),
        ({"sigma": 0}, "sigma: must be a number >= 0.01"),
        ({"replicates": 0}, "replicates: must be a number >= 1; received 0"),
    ],
)
def test_wrong_arguments(maps, masks, change, message):
    given = {"maps": maps, "masks": masks, "name": "gradcam", **change}
    options = {key: value for key, value in change.items() if key in ("sigma", "replicates")}
    with pytest.raises(InputError, match=message):
        score_maps({given["name"]: given["maps"]}, given["masks"], **options)


# a net that has learned something, on faces whose truth is known


@pytest.fixture(scope="module")
def trained(tiny_faces):
    """A small CNN, as in test_sanity.py, with 80 faces, their classes and what carries their expression."""
    keras.utils.set_random_seed(0)
    split = tiny_faces.train
    faces, labels = split.images, np.asarray(split.labels)
    model = build_model("cnn", (48, 48, 1), 8, width=0.1, dropout=0.0)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = rng.integers(0, len(faces), 32)
        model.train_on_batch(faces[rows], labels[rows])
    return model, faces[:80], labels[:80], tiny_faces.masks(split.rows[:80])["expression"]


def test_a_trained_nets_maps_point_to_the_expression(trained):
    """More often than the picture's centre does (of four seeds of the net, p was at most 0.002)."""
    model, faces, labels, masks = trained
    table = score_maps({method: explain(model, faces, method, labels) for method in ("gradcam++", "smoothgrad")}, masks)
    neutral = int((labels == 6).sum())
    assert set(table["left out"]) == {neutral}
    assert neutral > 0
    found = table.set_index("method")
    for method in ("gradcam++", "smoothgrad"):
        assert found.loc[method, "pointing"] > found.loc["centre Gaussian", "pointing high"]
        assert found.loc[method, "pointing p"] < 0.01
    assert found.loc["smoothgrad", "mass low"] > found.loc["smoothgrad", "area"]


# figures


def test_the_figure_has_a_bar_for_each_method_and_panel(maps, masks):
    table = score_maps({"first": maps, "second": masks.astype(float)}, masks)
    figure = explain_plots.map_scores(table)
    for axis, expected in zip(figure.axes, ("pointing", "mass inside"), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in axis.patches], table[expected])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(table["method"])


def test_overlays_are_a_grid_of_pictures_by_methods(rng):
    images, found = rng.integers(0, 256, (3, 12, 10, 1), dtype=np.uint8), rng.random((3, 12, 10))
    masks = np.zeros((3, 12, 10), bool)
    masks[:, 2:6, 2:6] = True
    maps = {"gradcam": found, "occlusion": np.zeros_like(found)}
    figure = explain_plots.overlays(images, maps, ["a", "b", "c"], masks, {"gradcam": "relu4"})
    *axes, bar = figure.axes
    for axis, parts in zip(axes, (("face",), ("gradcam", "relu4"), ("occlusion",)), strict=False):
        assert all(part in axis.get_title() for part in parts)
    assert len(axes) == 9
    assert [axis.get_ylabel() for axis in axes[::3]] == ["a", "b", "c"]
    assert bar.get_ylabel()
    assert all(axis.collections for axis in axes)
    assert [[text.get_text() for text in axis.texts] for axis in axes[:3]] == [
        [],
        [],
        ["empty: no blanked\nsquare matters"],
    ]


def test_blended_pictures_are_coloured_where_the_map_is_high(rng):
    images, maps = rng.integers(0, 256, (2, 12, 10, 1), dtype=np.uint8), np.zeros((2, 12, 10))
    maps[0, 3:6, 2:5] = 1
    found = explain_plots.blended(images, maps, side=48).astype(int)
    assert found.shape == (2, 48, 40, 3)
    assert (found[1].max(axis=-1) == found[1].min(axis=-1)).all(), "an empty map colours nothing"
    high, low = found[0, 16:20, 12:16], found[0, 40:, 30:]
    assert (high[..., 1] > high[..., 2] + 50).all()
    assert (low[..., 2] > low[..., 1] + 20).all()


def test_overlays_of_nothing_are_refused():
    with pytest.raises(InputError, match="images, maps: need a picture and a method; received 0 and 1"):
        explain_plots.overlays(np.zeros((0, 4, 4, 1)), {"gradcam": np.zeros((0, 4, 4))})
