"""Attention over regions against an independent reading of Wang et al. 2020, eq. 2 to 6, in NumPy."""

import keras
import numpy as np
import pytest

from fer_tf import losses
from fer_tf.common.checks import InputError
from fer_tf.layers import RegionBias, RegionRelationAttention, RegionSelfAttention, StrongestRegion
from fer_tf.losses import region_biased_loss

PICTURES, REGIONS, DEPTH = 5, 7, 11


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def self_attention(features, q0, normalise):
    """μ [N, R] and F_m [N, D], one picture and one region after the other."""
    mus, pooled = [], []
    for picture in features.astype(np.float64):
        mu = np.array([sigmoid(feature @ q0) for feature in picture])
        mu = np.exp(mu) / np.exp(mu).sum() if normalise == "softmax" else mu
        mus.append(mu)
        pooled.append(sum(weight * feature for weight, feature in zip(mu, picture, strict=True)) / mu.sum())
    return np.array(mus), np.array(pooled)


def relation_attention(features, mus, pooled, q1):
    """ν [N, R] and P [N, 2D]."""
    nus, outputs = [], []
    for picture, mu, whole in zip(features.astype(np.float64), mus, pooled, strict=True):
        both = [np.concatenate([feature, whole]) for feature in picture]
        nu = np.array([sigmoid(pair @ q1) for pair in both])
        nus.append(nu)
        outputs.append(sum(m * n * pair for m, n, pair in zip(mu, nu, both, strict=True)) / (mu * nu).sum())
    return np.array(nus), np.array(outputs)


@pytest.fixture
def features(rng):
    return rng.normal(0, 1, (PICTURES, REGIONS, DEPTH)).astype(np.float32)


def attended(features, q0, q1, normalise="sigmoid"):
    """μ, F_m, ν, P of the two layers with these weights."""
    first, second = RegionSelfAttention(normalise), RegionRelationAttention()
    first.build(features.shape)
    first.q0.assign(q0)
    mu, pooled = first(features)
    second.build(features.shape, mu.shape, pooled.shape)
    second.q1.assign(q1)
    nu, output = second(features, mu, pooled)
    return [keras.ops.convert_to_numpy(item) for item in (mu, pooled, nu, output)]


@pytest.mark.parametrize("normalise", ["sigmoid", "softmax"])
def test_both_modules_are_the_papers_formulas(rng, features, normalise):
    q0, q1 = rng.normal(0, 0.7, DEPTH), rng.normal(0, 0.7, 2 * DEPTH)
    mu, pooled, nu, output = attended(features, q0, q1, normalise)
    expected_mu, expected_pooled = self_attention(features, q0, normalise)
    np.testing.assert_allclose(mu, expected_mu, atol=1e-6)
    np.testing.assert_allclose(pooled, expected_pooled, atol=1e-5)
    expected_nu, expected = relation_attention(features, expected_mu, expected_pooled, q1)
    np.testing.assert_allclose(nu, expected_nu, atol=1e-5)
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert output.shape == (PICTURES, 2 * DEPTH)
    assert np.ptp(mu) > 0.05
    if normalise == "softmax":
        np.testing.assert_allclose(mu.sum(axis=1), 1, atol=1e-6)


def test_untrained_attention_counts_all_regions_nearly_alike(features):
    keras.utils.set_random_seed(0)
    mu = keras.ops.convert_to_numpy(RegionSelfAttention()(features)[0])
    assert np.abs(mu - 0.5).max() < 0.05
    assert np.ptp(mu) > 0


def test_order_of_the_crops_does_not_matter(rng, features):
    q0, q1 = rng.normal(size=DEPTH), rng.normal(size=2 * DEPTH)
    order = np.r_[0, 1 + rng.permutation(REGIONS - 1)]
    mu, pooled, nu, output = attended(features, q0, q1)
    other_mu, other_pooled, other_nu, other_output = attended(features[:, order], q0, q1)
    assert (order != np.arange(REGIONS)).any()
    np.testing.assert_allclose(other_mu, mu[:, order], atol=1e-6)
    np.testing.assert_allclose(other_nu, nu[:, order], atol=1e-6)
    np.testing.assert_allclose(other_pooled, pooled, atol=1e-5)
    np.testing.assert_allclose(other_output, output, atol=1e-5)
    losses_of = [float(region_biased_loss(item, 0.3)) for item in (mu, other_mu)]
    assert losses_of[0] == pytest.approx(losses_of[1], abs=1e-7)


def by_hand(mu, margin):
    """The region-biased loss by its formula."""
    return float(np.mean([max(0.0, margin - (max(row[1:]) - row[0])) for row in np.asarray(mu, np.float64)]))


def test_region_biased_loss_by_hand():
    """Above the margin nothing; a crop ahead by less, the rest of the margin; the whole face ahead, margin and more."""
    mu = np.array([[0.2, 0.9, 0.1], [0.50, 0.51, 0.3], [0.8, 0.5, 0.6]], np.float32)
    parts = [float(region_biased_loss(row[None])) for row in mu]
    np.testing.assert_allclose(parts, [0, 0.01, 0.22], atol=1e-6)
    assert float(region_biased_loss(mu)) == pytest.approx(0.23 / 3, abs=1e-6)
    assert float(region_biased_loss(mu, margin=0.1)) == pytest.approx((0.09 + 0.3) / 3, abs=1e-6)
    assert "region_biased_loss" in losses.__all__


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.1, 0.9])
def test_region_biased_loss_of_random_weights(rng, margin):
    mu = rng.random((40, 7)).astype(np.float32)
    assert float(region_biased_loss(mu, margin)) == pytest.approx(by_hand(mu, margin), abs=1e-6)


def test_region_biased_loss_moves_the_whole_face_down_and_the_strongest_crop_up():
    """Below the margin +1/N for μ_0 and -1/N for the strongest crop; above it nothing."""
    tf = pytest.importorskip("tensorflow")
    mu = tf.constant([[0.5, 0.3, 0.505, 0.1], [0.5, 0.9, 0.2, 0.1], [0.6, 0.2, 0.1, 0.4]])
    with tf.GradientTape() as tape:
        tape.watch(mu)
        loss = region_biased_loss(mu)
    gradient = tape.gradient(loss, mu).numpy()
    expected = np.array([[1, 0, -1, 0], [0, 0, 0, 0], [1, 0, 0, -1]]) / 3
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    step, numbers = 1e-5, mu.numpy().astype(np.float64)
    for place in np.ndindex(numbers.shape):
        bump = np.zeros_like(numbers)
        bump[place] = step
        slope = (by_hand(numbers + bump, 0.02) - by_hand(numbers - bump, 0.02)) / (2 * step)
        assert slope == pytest.approx(gradient[place], abs=1e-5)


def test_bias_layer_adds_its_weighted_loss_and_passes_the_weights_on(rng):
    mu = rng.random((6, 4)).astype(np.float32)
    layer = RegionBias(weight=2.5, margin=0.4)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(mu)), mu)
    assert [float(loss) for loss in layer.losses] == [pytest.approx(2.5 * by_hand(mu, 0.4), abs=1e-6)]
    silent = RegionBias(weight=0)
    silent(mu)
    assert silent.losses == []


def test_mean_loss_is_that_of_the_training_steps_since_its_start(rng):
    parts = [rng.random((6, 4)).astype(np.float32) for _ in range(3)]
    layer, losses = RegionBias(weight=0, margin=0.5), [by_hand(mu, 0.5) for mu in parts]
    layer(parts[0], training=False)
    assert layer.mean_loss == 0
    assert losses[0] > 0.1
    for mu in parts:
        layer(mu, training=True)
    layer(parts[0])
    assert layer.mean_loss == pytest.approx(np.mean(losses), rel=1e-5)
    layer.start_mean()
    layer(parts[1], training=True)
    assert layer.mean_loss == pytest.approx(losses[1], rel=1e-5), "one step logs its own loss, whatever came before"
    assert layer.trainable_weights == []


def test_strongest_region_is_taken_as_it_is(features):
    """Also where the whole face has the highest weight of all."""
    mu = np.array([np.roll(np.linspace(0.1, 0.7, REGIONS), shift) for shift in range(PICTURES)], np.float32)
    mu[:, 0] = 0.99
    chosen = 1 + mu[:, 1:].argmax(axis=1)
    assert len(set(chosen)) > 1
    found = keras.ops.convert_to_numpy(StrongestRegion()(features, mu))
    np.testing.assert_allclose(found, features[np.arange(PICTURES), chosen], rtol=1e-6)


def test_strongest_region_of_tiny_weights_is_taken_as_it_is(features):
    """Sigmoids of a net that has gone far are below any floor; the crop is the same crop."""
    mu = np.full((PICTURES, REGIONS), 1e-12, np.float32)
    mu[:, 3] = 3e-12
    found = keras.ops.convert_to_numpy(StrongestRegion()(features, mu))
    np.testing.assert_allclose(found, features[:, 3], rtol=1e-6)


def test_strongest_region_gives_the_weights_a_gradient(rng, features):
    """That of the crops mixed by their shares, Σ g·(F_j − Σ share_k F_k) / Σ μ for crop j, which moves no weights
    all the same way; the features get g where they were taken."""
    tf = pytest.importorskip("tensorflow")
    mu, given = tf.constant(rng.uniform(0.2, 0.8, (PICTURES, REGIONS)).astype(np.float32)), tf.constant(features)
    upstream = rng.normal(size=(PICTURES, DEPTH)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch([mu, given])
        score = tf.reduce_sum(StrongestRegion()(given, mu, training=True) * upstream)
    by_mu, by_features = (item.numpy() for item in tape.gradient(score, [mu, given]))
    expected, taken = np.zeros((PICTURES, REGIONS)), np.zeros(features.shape)
    for row, weights in enumerate(mu.numpy()):
        gains, total = features[row, 1:] @ upstream[row], weights[1:].sum()
        expected[row, 1:] = (gains - weights[1:] @ gains / total) / total
        taken[row, 1 + weights[1:].argmax()] = upstream[row]
    np.testing.assert_allclose(by_mu, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((by_mu * mu.numpy()).sum(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(by_features, taken, rtol=1e-4, atol=1e-6)


def small_model(attention, normalise="sigmoid", weight=1.0):
    """The layers in one model over ready features, a score a picture."""
    given = keras.Input((REGIONS, DEPTH))
    mu, pooled = RegionSelfAttention(normalise, name="self")(given)
    mu = RegionBias(weight, name="bias")(mu)
    if attention == "relation":
        x = RegionRelationAttention(name="relation")(given, mu, pooled)[1]
    else:
        x = StrongestRegion(name="strongest")(given, mu)
    return keras.Model(given, keras.layers.Dense(1, name="score")(x))


@pytest.mark.parametrize("attention", ["relation", "strongest"])
@pytest.mark.parametrize("normalise", ["sigmoid", "softmax"])
def test_nothing_is_nan_when_all_weights_are_tiny(attention, normalise):
    """Features of -1e4 make every sigmoid 0: neither outputs nor weights after a step may be lost."""
    model = small_model(attention, normalise)
    model.get_layer("self").q0.assign(np.ones(DEPTH))
    features = np.full((4, REGIONS, DEPTH), -1e4, np.float32)
    assert np.isfinite(model.predict_on_batch(features)).all()
    model.compile(keras.optimizers.SGD(1e-9), "mse", jit_compile=False)
    assert np.isfinite(model.train_on_batch(features, np.zeros((4, 1))))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("attention", ["relation", "strongest"])
def test_a_step_compiled_by_xla_is_the_plain_step(rng, features, attention):
    """A layer that XLA refuses would keep the whole model off the accelerator's fast path."""
    targets, results = rng.normal(size=(PICTURES, 1)), []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = small_model(attention)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        assert model.jit_compile == jit
        loss = model.train_on_batch(features, targets)
        results.append([np.asarray(loss), *model.get_weights()])
    for plain, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "layer", [RegionSelfAttention("softmax", name="a"), RegionBias(0.5, 0.1, name="b"), StrongestRegion(name="c")]
)
def test_config_round_trip(layer):
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_wrong_arguments():
    with pytest.raises(InputError, match="normalise: allowed are sigmoid, softmax; received 'none'"):
        RegionSelfAttention("none")
    with pytest.raises(InputError, match="bias_weight: must be a number >= 0; received -1"):
        RegionBias(-1)
    with pytest.raises(InputError, match="margin: must be a number >= 0 and <= 1; received 2"):
        RegionBias(margin=2)
