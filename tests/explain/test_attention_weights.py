"""Region weights and what is drawn of them, on models whose weights are known and on made-up occluders."""

import cv2
import keras
import numpy as np
import pytest
from fixtures import told_apart

from fer_tf import explain
from fer_tf.common.checks import InputError
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.explain import plots as explain_plots
from fer_tf.explain.attention_weights import region_masks
from fer_tf.layers import crop_boxes
from fer_tf.models import build_model

SHAPE = (48, 40, 1)


def small(attention="relation", **options):
    """A tiny RAN with random attention vectors, so that regions differ."""
    keras.utils.set_random_seed(0)
    return told_apart(build_model("ran", SHAPE, 4, backbone="cnn", width=0.1, attention=attention, **options))


@pytest.fixture
def faces(rng):
    return rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def by_hand(model, images):
    """μ [N, R] and ν [N, R] (or None) out of the features and the attention vectors."""
    features = keras.Model(model.input, model.get_layer("features").output).predict_on_batch(images)
    mu = 1 / (1 + np.exp(-(features @ model.get_layer("self_attention").get_weights()[0])))
    if "relation_attention" not in [layer.name for layer in model.layers]:
        return mu, None
    pooled = (mu[..., None] * features).sum(axis=1, keepdims=True) / mu.sum(axis=1)[:, None, None]
    both = np.concatenate([features, np.repeat(pooled, 7, axis=1)], axis=-1)
    return mu, 1 / (1 + np.exp(-(both @ model.get_layer("relation_attention").get_weights()[0])))


def test_weights_of_each_kind_are_the_formulas(faces):
    model = small()
    mu, nu = by_hand(model, faces)
    np.testing.assert_allclose(explain.region_weights(model, faces, "self"), mu, atol=1e-5)
    np.testing.assert_allclose(explain.region_weights(model, faces, "relation"), nu, atol=1e-5)
    final = explain.region_weights(model, faces, batch_size=2)
    np.testing.assert_allclose(final, mu * nu / (mu * nu).sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(final.sum(axis=1), 1, atol=1e-5)
    assert final.shape == (5, 7)
    assert np.ptp(final) > 0.01


def test_with_self_attention_alone_the_share_is_of_mu(faces):
    model = small("self")
    mu, _ = by_hand(model, faces)
    np.testing.assert_allclose(explain.region_weights(model, faces), mu / mu.sum(axis=1, keepdims=True), atol=1e-5)


def test_where_one_crop_is_given_it_has_all_the_weight(faces):
    model = small("strongest")
    mu, _ = by_hand(model, faces)
    found = explain.region_weights(model, faces)
    np.testing.assert_array_equal(found.argmax(axis=1), 1 + mu[:, 1:].argmax(axis=1))
    np.testing.assert_array_equal(np.sort(found, axis=1), [[0] * 6 + [1]] * 5)


def test_the_whole_face_is_not_the_chosen_crop(monkeypatch, faces):
    mu = np.array([[0.9, 0.2, 0.3, 0.1, 0.8, 0.4, 0.5], [0.1, 0.6, 0.3, 0.1, 0.2, 0.4, 0.5]], np.float32)
    monkeypatch.setattr(keras.Model, "predict", lambda *_, **__: mu)
    assert explain.region_weights(small("strongest"), faces[:2]).argmax(axis=1).tolist() == [4, 1]


def test_document_1s_model_has_weights_too(faces):
    model = build_model("ran_facenet2expnet", SHAPE, 8, depth=6, width=0.05)
    np.testing.assert_allclose(explain.region_weights(model, faces).sum(axis=1), 1, atol=1e-5)
    assert explain.region_boxes(model).shape == (7, 4)


@pytest.mark.parametrize(
    ("attention", "of", "message"),
    [
        ("none", "final", "model: ran has no region attention"),
        ("self", "relation", "model: ran has no relation-attention"),
        ("relation", "nu", "attention: allowed are final, self, relation; received 'nu'"),
    ],
)
def test_weights_that_are_not_there(faces, attention, of, message):
    with pytest.raises(InputError, match=message):
        explain.region_weights(small(attention), faces, of)


def test_a_model_without_crops_has_no_boxes():
    with pytest.raises(InputError, match="model: cnn has no regions"):
        explain.region_boxes(build_model("cnn", width=0.1))


def test_region_pictures_are_the_crops(faces):
    model = small()
    found = explain.region_pictures(model, faces)
    assert found.shape == (5, 7, *SHAPE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[:, 0], faces)
    left, top, width, height = explain.region_boxes(model)[6].astype(int)
    crop = np.ascontiguousarray(faces[2, top : top + height, left : left + width, 0].astype(np.float32))
    expected = cv2.resize(crop, SHAPE[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.abs(found[2, 6, ..., 0] - expected).max() <= 0.501


@pytest.mark.parametrize("attention", ["self", "relation", "strongest"])
def test_strongest_crop_is_never_the_whole_face(faces, attention):
    model = small(attention)
    numbers, pictures = explain.strongest_crop(model, faces)
    weights = explain.region_weights(model, faces)
    assert numbers.min() >= 1
    np.testing.assert_array_equal(weights[np.arange(5), numbers], weights[:, 1:].max(axis=1))
    regions = explain.region_pictures(model, faces)
    for row, number in enumerate(numbers):
        np.testing.assert_array_equal(pictures[row], regions[row, number])


def patched(monkeypatch, *rows):
    """Weights as if the model had given them."""
    monkeypatch.setattr(explain.attention_weights, "region_weights", lambda *_, **__: np.array(rows, float))


def test_region_map_is_highest_where_the_heavy_crops_lie(monkeypatch, faces):
    """Two left crops share x < 5 at the rows of both; the whole face counts nowhere."""
    patched(monkeypatch, [0.9, 0.5, 0, 0, 0.5, 0, 0], [0, 0, 0, 0, 0, 0, 1])
    maps = explain.region_map(small(), faces[:2])
    assert maps.shape == (2, 48, 40)
    assert maps.min() == 0
    assert maps.max() == 1
    assert maps[0, 24, 2] == 1, "in both"
    assert maps[0, 2, 2] == pytest.approx(0.5)
    assert maps[0, 45, 2] == pytest.approx(0.5)
    assert maps[0, 24, 35] == 0
    np.testing.assert_array_equal(maps[1], region_masks(crop_boxes("fixed6", 48, 40), 48, 40)[6])


def test_region_map_of_a_model_lies_in_0_to_1(faces):
    maps = explain.region_map(small(), faces)
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1, atol=1e-6)


def test_region_map_without_any_weight_is_empty(monkeypatch, faces):
    patched(monkeypatch, [1, 0, 0, 0, 0, 0, 0])
    assert explain.region_map(small(), faces[:1]).max() == 0


def test_masks_of_regions_hold_their_pixels():
    masks = region_masks(crop_boxes("fixed6", 48, 48), 48, 48)
    assert masks[0].all()
    for (left, top, width, height), mask in zip(crop_boxes("fixed6", 48, 48).astype(int), masks, strict=True):
        assert mask.sum() == width * height
        assert mask[top : top + height, left : left + width].all()


def test_covered_shares_of_a_hand_made_occluder():
    """The left third of the upper half of 48×48: crops begin at x 0, 6, 12 and y 0, 12, and are 36 wide and high."""
    occluders = np.zeros((2, 48, 48), bool)
    occluders[0, :24, :16] = True
    shares = explain.covered_shares(crop_boxes("fixed6", 48, 48), occluders)
    expected = [24 * 16 / 48**2, *(rows * columns / 36**2 for rows in (24, 12) for columns in (16, 10, 4))]
    np.testing.assert_allclose(shares[0], expected)
    np.testing.assert_array_equal(shares[1], np.zeros(7))


def test_weights_that_fall_with_the_covered_share_correlate_to_minus_one(rng):
    """Pictures and crops differ in their level of weight; the whole face's weight is left out."""
    shares = rng.random((8, 7))
    shares[3] = 0.5  # covers all crops equally: shows nothing
    weights = 0.3 * rng.random((8, 1)) + rng.random(7) - shares
    weights[:, 0] = rng.random(8) * 100
    weights[3, 1:] = weights[3, 1:].mean()
    found = explain.weight_against_cover(weights, shares)
    assert found["correlation"] == pytest.approx(-1)
    assert found["p_value"] <= 0.01
    assert found["pictures"] == 7
    assert explain.weight_against_cover(-weights, shares)["correlation"] == pytest.approx(1)


def lower_face_covers(rng, count=200):
    """Shares as masks and hands leave them: the lower crops are covered more, and the crops of a picture similarly."""
    return rng.random((count, 1)) * np.array([0.3, 0.1, 0.1, 0.1, 0.6, 0.6, 0.6]) + 0.1 * rng.random((count, 7))


def test_a_model_that_likes_the_upper_crops_of_every_picture_does_not_correlate(rng):
    """The same weights for all pictures, except for rounding; then with a little noise."""
    shares = lower_face_covers(rng)
    constant = np.tile(np.array([0.2, 0.2, 0.2, 0.2, 0.05, 0.1, 0.05], np.float32), (200, 1))
    found = explain.weight_against_cover(constant * (1 + 1e-7 * rng.normal(size=(200, 7))), shares)
    assert (found["correlation"], found["p_value"], found["pictures"]) == (0, 1, 200)
    found = explain.weight_against_cover(constant + 1e-3 * rng.normal(size=(200, 7)), shares)
    assert abs(found["correlation"]) < 0.1
    assert found["p_value"] > 0.01


def test_a_single_picture_tells_nothing(rng):
    found = explain.weight_against_cover(rng.random((1, 7)), rng.random((1, 7)))
    assert (found["correlation"], found["p_value"], found["pictures"]) == (0, 1, 1)


def test_weights_that_ignore_the_occluder_are_told_apart_in_one_of_twenty_draws(rng):
    """Neighbouring crops overlap, so that both weights and shares are smooth over them: to take crops as independent
    rejects far more often."""
    smooth = np.exp(-np.abs(np.subtract.outer(np.arange(7), np.arange(7))) / 3)
    p_values = []
    for draw in range(150):
        weights, shares = (rng.normal(size=(25, 7)) @ smooth for _ in range(2))
        p_values.append(explain.weight_against_cover(weights, shares, seed=draw)["p_value"])
    assert 0.015 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert 0.4 < np.mean(p_values) < 0.6


def test_the_p_value_is_a_function_of_its_seed(rng):
    weights, shares = rng.random((20, 7)), rng.random((20, 7))
    first, again, other = (explain.weight_against_cover(weights, shares, seed)["p_value"] for seed in (0, 0, 1))
    assert first == again != other


def test_faces_drawn_with_and_without_their_occluder_differ_in_it_alone():
    """What a paired comparison of weights depends on."""
    drawn = {"seed": 3, "start": 1000, "size": 48, "difficulty": "default", "masks": True}
    hidden, free = (draw_faces(6, **drawn, occlusion=share) for share in (1.0, 0.0))
    covered = hidden.occluder_masks
    assert covered.any(axis=(1, 2)).all()
    assert not free.occluder_masks.any()
    away = np.array([cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) == 0 for mask in covered])
    difference = np.abs(hidden.images[..., 0].astype(int) - free.images[..., 0])
    assert difference[covered].mean() > 4 * difference[away].mean()
    assert (hidden.table["emotion"] == free.table["emotion"]).all()
    assert (hidden.table["yaw"] == free.table["yaw"]).all()


def test_correlation_needs_an_uneven_occluder(rng):
    shares = np.zeros((3, 7))
    shares[:, 0] = 0.4
    with pytest.raises(InputError, match="shares: no picture has crops that are covered unevenly"):
        explain.weight_against_cover(rng.random((3, 7)), shares)


@pytest.mark.parametrize(("count", "channels"), [(3, 1), (8, 3)])
def test_weights_are_drawn(rng, count, channels):
    """Every crop has an outline, the strongest with its own colour and width."""
    images = rng.integers(0, 256, (count, 48, 48, channels), dtype=np.uint8)
    weights = rng.dirichlet(np.ones(7), count)
    figure = explain_plots.weighted_regions(
        images, crop_boxes("fixed6", 48, 48), weights, [f"face {row}" for row in range(count)]
    )
    axes = [axis for axis in figure.axes if axis.images]
    assert len(axes) == count
    for axis, row in zip(axes, weights, strict=True):
        widths = [patch.get_linewidth() for patch in axis.patches]
        assert len(widths) == 6
        assert widths == sorted(widths)
        assert widths[-1] == pytest.approx(2.6)
        assert len({patch.get_edgecolor()[:3] for patch in axis.patches}) == 2
        strongest, weakest = row[1:].argmax() + 1, row[1:].argmin() + 1
        texts = [f"I{index} {row[index]:.3f}" for index in (0, strongest, weakest)]
        assert all(text in axis.get_title() for text in texts)
    figure.canvas.draw()
