"""Integrated gradients: what the paper proves of them (Sundararajan 2017), on nets of the kit and on a linear one."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import InputError
from fer_tf.explain import explain
from fer_tf.explain.gradients import integrated_gradients
from fer_tf.models import build_model

SHAPE = (48, 40, 1)
TARGETS = np.array([3, 0, 1, 2])


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, *SHAPE), dtype=np.uint8)


def net(name="cnn", **options):
    keras.utils.set_random_seed(0)
    return build_model(name, SHAPE, 4, width=0.1, **options)


def linear():
    """Scores are a weighted sum of the pixels."""
    keras.utils.set_random_seed(0)
    stack = [layers.Rescaling(1 / 255, offset=-0.3), layers.Flatten(), layers.Dense(4, name="scores"), layers.Softmax()]
    return keras.Sequential([keras.Input(SHAPE), *stack])


def scores_of(model, images, targets):
    scores = keras.Model(model.inputs[0], model.get_layer("scores").output).predict_on_batch(images.astype(np.float32))
    return scores[np.arange(len(images)), targets]


@pytest.mark.parametrize("name", ["cnn", "cnn4_se_residual", "ran"])
@pytest.mark.parametrize("baseline", [0, 128])
def test_attributions_sum_to_the_scores_difference(name, baseline, images):
    """Completeness (proposition 1): Σ = F(x) − F(x')."""
    images, targets = images[:2], TARGETS[:2]
    model = net(name, **({"backbone": "cnn"} if name == "ran" else {}))
    found = integrated_gradients(model, images, targets, steps=64, baseline=baseline, signed=True)
    difference = scores_of(model, images, targets) - scores_of(model, np.full_like(images, baseline), targets)
    assert found.shape == images.shape
    error = np.abs(found.sum(axis=(1, 2, 3)) - difference)
    assert error.max() < 0.01 * np.abs(difference).max()


@pytest.mark.parametrize(("steps", "baseline"), [(1, 0), (5, 90)])
def test_a_linear_models_attributions_are_exact(images, steps, baseline):
    """(x − x')·w, with any number of steps."""
    model = linear()
    found = integrated_gradients(model, images, TARGETS, steps=steps, baseline=baseline, signed=True)
    weights = model.get_layer("scores").get_weights()[0].T[TARGETS].reshape(images.shape) / 255
    by_hand = (images.astype(float) - baseline) * weights
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    expected = (np.abs(by_hand) / np.abs(by_hand).max(axis=(1, 2), keepdims=True))[..., 0]
    given = explain(model, images, "integrated_gradients", TARGETS, steps=steps, baseline=baseline)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_channels_are_summed_by_their_size(rng):
    """Opposite attributions of two channels do not cancel in the picture's map."""
    scores = layers.Dense(2, name="scores", use_bias=False)
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), scores, layers.Softmax()])
    kernel = np.zeros((4, 4, 3, 2))
    kernel[1, 2, :, 1] = [1, -1, 0]
    kernel[3, 0, :, 1] = [0, 0, 0.5]
    scores.set_weights([kernel.reshape(48, 2)])
    expected = np.zeros((1, 4, 4))
    expected[0, 1, 2], expected[0, 3, 0] = 1, 0.25
    found = explain(model, np.full((1, 4, 4, 3), 100, np.uint8), "integrated_gradients", target=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pixels_like_the_baseline_have_no_attribution(images):
    images[:, :10] = 77
    model = net()
    blanked = explain(model, images, "integrated_gradients", TARGETS, baseline=77)
    assert not blanked[:, :10].any()
    assert blanked[:, 10:].any()
    assert explain(model, images, "integrated_gradients", TARGETS, baseline=0)[:, :10].any()
    assert not explain(model, np.full_like(images, 77), "integrated_gradients", TARGETS, baseline=77).any()


@pytest.mark.parametrize("batch_size", [1, 8, 30, 1000])
def test_batches_change_nothing(images, batch_size):
    """Fewer pictures a step than steps, one picture's steps, parts of the pictures, all at once."""
    model = net()
    whole = integrated_gradients(model, images, TARGETS, steps=8, signed=True)
    found = integrated_gradients(model, images, TARGETS, steps=8, signed=True, batch_size=batch_size)
    np.testing.assert_allclose(found, whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("steps", 0, "steps: must be a number >= 1; received 0"),
        ("steps", 2.5, "steps: must be a whole number; received 2.5"),
        ("baseline", 256, "baseline: must be a number >= 0 and <= 255; received 256"),
        ("baseline", "black", "baseline: must be a number >= 0 and <= 255; received 'black'"),
        ("signed", True, "options of integrated_gradients: unknown 'signed'; allowed are baseline, batch_size, steps"),
    ],
)
def test_wrong_options(images, option, value, message):
    with pytest.raises(InputError, match=message):
        explain(linear(), images, "integrated_gradients", **{option: value})
