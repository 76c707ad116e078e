"""SmoothGrad against what its mean must be (Smilkov 2017), and that a map depends on its picture and the seed alone."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.stats import norm

from fer_tf.common.checks import InputError
from fer_tf.explain import check_method, explain
from fer_tf.explain.gradients import smoothgrad
from fer_tf.models import MODELS, build_model, model_options

SHAPE = (32, 24, 1)
TARGETS = np.array([3, 0, 1, 2])


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, *SHAPE), dtype=np.uint8)


def net(shape=SHAPE):
    keras.utils.set_random_seed(0)
    return build_model("cnn", shape, 4, width=0.1)


def above(threshold, kernel):
    """Scores are weighted sums of max(0, pixel − threshold)."""
    scores = layers.Dense(kernel.shape[1], name="scores", use_bias=False)
    shift = layers.Rescaling(1.0, offset=-threshold)
    model = keras.Sequential([keras.Input(SHAPE), shift, layers.ReLU(), layers.Flatten(), scores, layers.Softmax()])
    scores.set_weights([kernel])
    return model


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_the_mean_gradient_is_the_one_over_normal_noise(images, rng, noise):
    """∂/∂x of w·max(0, x − t) is w where x is above t; over noise of deviation σ that is w·Φ((x − t) / σ)."""
    kernel = rng.normal(size=(np.prod(SHAPE), 2))
    targets = np.array([0, 1, 1, 0])
    found = smoothgrad(above(100.0, kernel), images, targets, samples=3000, noise=noise, signed=True)
    weights = kernel.T[targets].reshape(images.shape)
    expected = weights * norm.cdf((images.astype(float) - 100) / (255 * noise))
    np.testing.assert_allclose(found / weights, expected / weights, atol=0.05)


@pytest.mark.parametrize("samples", [1, 5])
def test_without_noise_it_is_the_plain_gradient(images, samples):
    tf = pytest.importorskip("tensorflow")
    model = net()
    scores = keras.Model(model.inputs[0], model.get_layer("scores").output)
    pixels = tf.constant(images.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        total = tf.reduce_sum(tf.gather(scores(pixels, training=False), TARGETS, batch_dims=1))
    expected = np.abs(tape.gradient(total, pixels).numpy()).sum(axis=-1)
    found = explain(model, images, "smoothgrad", TARGETS, noise=0, samples=samples)
    np.testing.assert_allclose(found, expected / expected.max(axis=(1, 2), keepdims=True), atol=1e-5)


def test_channels_are_summed_by_their_size():
    """Opposite gradients of two channels do not cancel in the picture's map."""
    scores = layers.Dense(2, name="scores", use_bias=False)
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), scores, layers.Softmax()])
    kernel = np.zeros((4, 4, 3, 2))
    kernel[1, 2, :, 1] = [1, -1, 0]
    kernel[3, 0, :, 1] = [0, 0, 0.5]
    scores.set_weights([kernel.reshape(48, 2)])
    expected = np.zeros((1, 4, 4))
    expected[0, 1, 2], expected[0, 3, 0] = 1, 0.25
    found = explain(model, np.full((1, 4, 4, 3), 100, np.uint8), "smoothgrad", target=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_maps_are_scaled_and_change_with_noise_and_seed_alone(images):
    model = net()
    maps = explain(model, images, "smoothgrad", TARGETS, samples=8)
    assert maps.shape == (4, 32, 24)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_array_equal(maps.max(axis=(1, 2)), 1)
    np.testing.assert_array_equal(explain(model, images, "smoothgrad", TARGETS, samples=8), maps)
    for change in ({"seed": 1}, {"noise": 0.3}, {"samples": 9}):
        assert np.abs(explain(model, images, "smoothgrad", TARGETS, **{"samples": 8, **change}) - maps).max() > 0.01


@pytest.mark.parametrize("batch_size", [1, 8, 20, 1000])
def test_batches_and_company_change_nothing(images, batch_size):
    """Fewer copies a step than one picture has, one picture's, parts of the pictures, all at once."""
    model = net()
    whole = smoothgrad(model, images, TARGETS, samples=8, signed=True)
    found = smoothgrad(model, images[::-1], TARGETS[::-1], samples=8, signed=True, batch_size=batch_size)[::-1]
    np.testing.assert_allclose(found, whole, atol=1e-5 * np.abs(whole).max())
    alone = smoothgrad(model, images[2:3], TARGETS[2:3], samples=8, signed=True, batch_size=batch_size)
    np.testing.assert_allclose(alone, whole[2:3], atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("samples", 0, "samples: must be a number >= 1; received 0"),
        ("samples", 2.5, "samples: must be a whole number; received 2.5"),
        ("noise", 1.5, "noise: must be a number >= 0 and <= 1; received 1.5"),
        ("noise", "much", "noise: must be a number >= 0 and <= 1; received 'much'"),
        ("seed", -1, "seed: must be a number >= 0; received -1"),
        ("batch_size", 0, "batch_size: must be a number >= 1; received 0"),
        ("steps", 3, "options of smoothgrad: unknown 'steps'; allowed are batch_size, noise, samples, seed"),
    ],
)
def test_wrong_options(images, option, value, message):
    with pytest.raises(InputError, match=message):
        explain(net(), images, "smoothgrad", **{option: value})


# what a model can be explained by


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        ("gradcam", "relu4"),
        ("hirescam", "relu4"),
        (None, "relu4"),
        ("gradcam++", "relu4"),
        ("occlusion", ""),
        ("integrated_gradients", ""),
        ("smoothgrad", ""),
    ],
)
def test_check_method_names_the_layer(method, layer):
    assert check_method(net(), method, target="fear") == layer


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        ("cam", None, "method: cam needs a net whose last map is averaged .*; cnn is different: use hirescam"),
        ("attention", None, "method: attention needs .*ran, ran_face or ran_facenet2expnet; cnn has no regions"),
        ("saliency", None, "method: allowed are cam, gradcam, .*; received 'saliency'"),
        ("gradcam", "bored", "target: allowed are anger, disgust, fear, happiness; received 'bored'"),
    ],
)
def test_check_method_refuses_what_explain_would(images, method, target, message):
    with pytest.raises(InputError, match=message):
        check_method(net(), method, target)
    with pytest.raises(InputError, match=message):
        explain(net(), images, method, target)


def test_the_message_names_the_models_that_have_attention():
    """And those alone."""
    for name in MODELS:
        options = {"width": 0.05, "depth": 6, "backbone": {"akhand": "MobileNet", "ran": "cnn"}.get(name)}
        model = build_model(name, (48, 48, 1), 7, **{k: v for k, v in options.items() if k in model_options(name)})
        try:
            assert check_method(model, "attention") == ""
            assert name in ("ran", "ran_face", "ran_facenet2expnet")
        except InputError:
            assert name not in ("ran", "ran_face", "ran_facenet2expnet")


def test_attention_of_ran_without_attention_is_refused():
    model = build_model("ran", (48, 48, 1), 7, width=0.05, backbone="cnn", attention="none")
    with pytest.raises(InputError, match="method: attention needs .*; ran has no regions"):
        check_method(model, "attention")


def test_a_class_may_be_written_in_capitals(images):
    model = net()
    np.testing.assert_array_equal(explain(model, images, target=" Fear"), explain(model, images, target="fear"))
    assert check_method(model, "gradcam", "FEAR") == "relu4"


@pytest.mark.parametrize("method", ["gradcam", "integrated_gradients", "smoothgrad"])
def test_check_method_refuses_a_model_without_scores(method):
    with pytest.raises(InputError, match="model: majority has no scores to explain"):
        check_method(build_model("majority"), method)
    assert check_method(build_model("majority"), "occlusion") == ""


def test_squared_sums_the_squares_of_the_mean_gradient(rng):
    images = rng.integers(0, 256, (4, 32, 24, 3), dtype=np.uint8)
    model = net((32, 24, 3))
    mean = smoothgrad(model, images, TARGETS, samples=4, signed=True)
    expected = (mean.astype(np.float64) ** 2).sum(axis=-1)
    found = explain(model, images, "smoothgrad", TARGETS, samples=4, squared=True)
    np.testing.assert_allclose(found, expected / expected.max(axis=(1, 2), keepdims=True), atol=1e-5)
    with pytest.raises(InputError, match="signed: squares have no sign"):
        smoothgrad(model, images, TARGETS, signed=True, squared=True)
