"""Occlusion maps against a loop over squares, and on a net with a known place that it looks at."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import InputError
from fer_tf.explain import explain
from fer_tf.models import build_model

SHAPE = (20, 16, 1)
TOP, LEFT, SIDE = 4, 8, 4  # what `one_place` looks at


def one_place():
    """Class 1 is as probable as the square of `SIDE` pixels at (`TOP`, `LEFT`) is bright; no other pixel counts."""
    inputs = keras.Input(SHAPE)
    x = layers.Cropping2D(((TOP, SHAPE[0] - TOP - SIDE), (LEFT, SHAPE[1] - LEFT - SIDE)))(inputs)
    scores = layers.Dense(2, name="scores")
    model = keras.Model(inputs, layers.Softmax()(scores(layers.GlobalAveragePooling2D()(x))), name="one_place")
    scores.set_weights([np.array([[-0.02, 0.02]]), np.array([2.0, -2.0])])  # even at a brightness of 100
    return model


def anywhere():
    """A net with random weights that answers every part of the picture."""
    keras.utils.set_random_seed(3)
    stack = [layers.Rescaling(1 / 50), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()]
    head = [layers.Dense(3, name="scores"), layers.Softmax()]
    return keras.Sequential([keras.Input(SHAPE), *stack, *head], name="anywhere")


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def places_by_hand(side, size, stride):
    found = list(range(0, side - size + 1, stride))
    return found if found[-1] == side - size else [*found, side - size]


def by_hand(model, image, target, size, stride, fill, form):
    """One picture, one predict call a square (Zeiler & Fergus 2014, §4.2; document [3] marks changed answers)."""
    height, width = image.shape[:2]
    before = model.predict_on_batch(image[None])[0]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for y in places_by_hand(height, size, stride):
        for x in places_by_hand(width, size, stride):
            copy = image.copy()
            copy[y : y + size, x : x + size] = fill
            after = model.predict_on_batch(copy[None])[0]
            effect = before[target] - after[target] if form == "drop" else after.argmax() != before.argmax()
            total[y : y + size, x : x + size] += effect
            count[y : y + size, x : x + size] += 1
    assert count.min() > 0, "every pixel is under a square"
    if form == "change":
        return total / count
    drop = np.maximum(total / count, 0)
    return drop / drop.max() if drop.max() > 0 else drop


@pytest.mark.parametrize("form", ["drop", "change"])
@pytest.mark.parametrize(("size", "stride", "fill"), [(5, 2, 0), (4, 4, 255), (7, 3, 100)])
def test_maps_are_those_of_a_loop_over_squares(images, form, size, stride, fill):
    model, targets = anywhere(), np.array([0, 1, 2, 0, 1])
    found = explain(model, images, "occlusion", targets, form=form, size=size, stride=stride, fill=fill)
    expected = [
        by_hand(model, image, target, size, stride, fill, form) for image, target in zip(images, targets, strict=True)
    ]
    assert found.shape == (5, 20, 16)
    assert found.dtype == np.float32
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_sizes_that_are_not_given_are_quarters(images):
    """Of the smaller side 16: squares of 4, a pixel apart."""
    model = anywhere()
    given = explain(model, images, "occlusion", size=4, stride=1, fill=0, form="drop")
    np.testing.assert_array_equal(explain(model, images, "occlusion"), given)


@pytest.mark.parametrize("form", ["drop", "change"])
@pytest.mark.parametrize(("size", "stride"), [(4, 1), (4, 2), (3, 2), (6, 2)])
def test_the_map_is_highest_where_the_net_looks(form, size, stride):
    images = np.full((2, *SHAPE), 200, np.uint8)
    for found in explain(one_place(), images, "occlusion", form=form, size=size, stride=stride):
        inside = np.zeros(SHAPE[:2], bool)
        inside[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = True
        assert inside[np.unravel_index(found.argmax(), found.shape)]
        assert found[inside].mean() > 3 * found[~inside].mean()
        reach = np.zeros_like(inside)
        reach[max(0, TOP - size + 1) : TOP + SIDE + size - 1, max(0, LEFT - size + 1) : LEFT + SIDE + size - 1] = True
        assert not found[~reach].any(), "no square over the net's place covers these pixels"


def test_a_drop_is_of_the_target_and_never_negative():
    """Blanking the bright place makes class 0 likelier: nothing drops."""
    images = np.full((1, *SHAPE), 200, np.uint8)
    assert explain(one_place(), images, "occlusion", target=1).max() == 1
    assert not explain(one_place(), images, "occlusion", target=0).any()


def test_change_is_a_share_of_squares_and_unscaled():
    """Squares as large as the place, side by side and on its grid: one of them changes the answer, all of the time."""
    images = np.full((1, *SHAPE), 200, np.uint8)
    found = explain(one_place(), images, "occlusion", form="change", size=SIDE, stride=SIDE)
    expected = np.zeros((1, *SHAPE[:2]))
    expected[0, TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 1
    np.testing.assert_array_equal(found, expected)
    # a quarter of the place blanked leaves a brightness of 150: the answer stays
    assert not explain(one_place(), images, "occlusion", form="change", size=2, stride=2).any()


def test_what_is_blanked_with_counts():
    """A place as bright as the fill loses nothing."""
    images = np.full((1, *SHAPE), 180, np.uint8)
    assert not explain(one_place(), images, "occlusion", 1, fill=180).any()
    assert explain(one_place(), images, "occlusion", 1, fill=0).any()


@pytest.mark.parametrize(("side", "size", "stride"), [(10, 4, 3), (10, 4, 4), (16, 5, 3), (9, 9, 9), (11, 3, 2)])
def test_squares_touch_both_borders_and_leave_no_gap(side, size, stride):
    """A net that sees only one pixel in the last corner: the squares reach it."""
    inputs = keras.Input((side, side, 1))
    x = layers.Flatten()(layers.Cropping2D(((side - 1, 0), (side - 1, 0)))(inputs))
    scores = layers.Dense(2, name="scores")
    model = keras.Model(inputs, layers.Softmax()(scores(x)))
    scores.set_weights([np.array([[0, 0.02]]), np.zeros(2)])
    found = explain(model, np.full((1, side, side, 1), 255, np.uint8), "occlusion", 1, size=size, stride=stride)[0]
    assert found[-1, -1] == 1
    inside = np.zeros((side, side), bool)
    inside[side - size :, side - size :] = True
    assert (found[inside] > 0).all()
    assert not found[~inside].any()


@pytest.mark.parametrize("form", ["drop", "change"])
def test_batches_change_nothing(images, form):
    model = anywhere()
    whole = explain(model, images, "occlusion", form=form, size=5, stride=3)
    for size in (7, 24, 1000):
        found = explain(model, images, "occlusion", form=form, size=5, stride=3, batch_size=size)
        np.testing.assert_allclose(found, whole, atol=1e-5)
    alone = np.concatenate(
        [explain(model, images[row : row + 1], "occlusion", form=form, size=5, stride=3) for row in (4, 0)]
    )
    np.testing.assert_allclose(alone, whole[[4, 0]], atol=1e-5)


def test_occluded_copies_share_their_batches(images, monkeypatch):
    """5 pictures × 6·5 squares are 150 copies: two batches of 100, and one for the untouched pictures. No call sees
    a single copy."""
    model, sizes = anywhere(), []
    predict = model.predict_on_batch
    monkeypatch.setattr(model, "predict_on_batch", lambda batch: sizes.append(len(batch)) or predict(batch))
    explain(model, images, "occlusion", target=0, size=5, stride=3, batch_size=100)
    assert sizes == [5, 100, 50]
    sizes.clear()
    explain(model, images, "occlusion", target=0, size=5, stride=3)
    assert sizes == [5, 150]


@pytest.mark.parametrize("form", ["drop", "change"])
def test_a_constant_answer_has_an_empty_map(rng, form):
    model, images = build_model("majority"), rng.integers(0, 256, (2, 48, 48, 1), dtype=np.uint8)
    assert not explain(model, images, "occlusion", form=form).any()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("size", 17, "size: must be a number >= 0 and <= 16; received 17"),
        ("size", -1, "size: must be a number >= 0"),
        ("size", 2.5, "size: must be a whole number; received 2.5"),
        ("stride", 5, "stride: must be a number >= 0 and <= 4; received 5"),
        ("stride", -1, "stride: must be a number >= 0"),
        ("fill", 256, "fill: must be a number >= 0 and <= 255; received 256"),
        ("fill", -1, "fill: must be a number >= 0 and <= 255; received -1"),
        ("fill", "mean", "fill: must be a whole number; received 'mean'"),
        ("form", "square", "form: allowed are drop, change; received 'square'"),
        ("batch_size", 0, "batch_size: must be a number >= 1; received 0"),
    ],
)
def test_wrong_options(images, option, value, message):
    options = {"size": 4, option: value}
    with pytest.raises(InputError, match=message):
        explain(one_place(), images, "occlusion", **options)
