"""Optimizers, schedules and averages against plain NumPy; the same weights for pictures of other sizes."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.experiments import resolve
from fer_tf.models import build_model
from fer_tf.training import fitting
from fer_tf.training.compiling import at_size, compile_model, optimizer, scheduled


def step(its_optimizer, variable, gradient):
    its_optimizer.apply([np.asarray(gradient, np.float32)], [variable])


def test_the_moving_average_is_that_of_a_plain_loop(rng):
    """average ← m·average + (1 − m)·weights after every step, beginning with the first weights."""
    experiment = resolve("cnn", overrides={"optimizer": "sgd", "ema": 0.9})
    sgd, weights = optimizer(experiment, 0.1), keras.Variable(np.ones(4, np.float32))
    sgd.build([weights])
    average = None
    for gradient in rng.normal(size=(7, 4)):
        step(sgd, weights, gradient)
        now = np.asarray(weights)
        average = now if average is None else 0.9 * average + 0.1 * now
    raw = np.asarray(weights)
    sgd.finalize_variable_values([weights])
    np.testing.assert_allclose(np.asarray(weights), average, rtol=1e-5)
    assert np.abs(raw - average).max() > 1e-3


def test_warm_up_rises_by_steps_and_the_cosine_falls_by_steps():
    experiment = resolve("cnn", overrides={"schedule": "cosine", "warmup": 0.5})
    schedule = scheduled(experiment, 0.2, (100, 20))
    rates = np.array([float(schedule(number)) for number in range(101)])
    expected = [
        0.2 * number / 10 if number < 10 else 0.1 * (1 + np.cos(np.pi * (number - 10) / 90)) for number in range(101)
    ]
    np.testing.assert_allclose(rates, expected, atol=1e-6)


def test_without_warm_up_the_rate_is_a_number_that_training_sets():
    assert scheduled(resolve("cnn"), 0.2, 0) == 0.2


def test_warm_up_needs_a_cosine():
    with pytest.raises(InputError, match="warmup: needs schedule=cosine; received schedule 'constant'"):
        resolve("cnn", overrides={"warmup": 1.0})


def test_gradients_are_clipped_by_their_common_norm():
    experiment = resolve("cnn", overrides={"optimizer": "sgd", "clip_norm": 1.0})
    sgd = keras.optimizers.SGD(1.0, global_clipnorm=optimizer(experiment, 1.0).global_clipnorm)
    one, other = keras.Variable(np.zeros(1, np.float32)), keras.Variable(np.zeros(1, np.float32))
    sgd.apply([np.array([3.0], np.float32), np.array([4.0], np.float32)], [one, other])
    np.testing.assert_allclose([np.asarray(one)[0], np.asarray(other)[0]], [-0.6, -0.8], rtol=1e-5)


def test_adamw_leaves_biases_and_norms_out_of_the_decay():
    model = build_model("compact", width=0.1)
    compile_model(model, resolve("compact", overrides={"optimizer": "adamw", "weight_decay": 0.5, "warmup": 0.0}), 0.1)
    model.optimizer.build(model.trainable_variables)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    model.optimizer.apply([np.zeros_like(value) for value in before], model.trainable_variables)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        factor = 1 - 0.1 * 0.5 if variable.name == "kernel" else 1
        np.testing.assert_allclose(np.asarray(variable), value * factor, rtol=1e-5, err_msg=variable.path)


def test_another_size_has_the_same_weights(rng):
    model = build_model("compact", width=0.1)
    small = at_size(model, 32)
    assert small.input_shape == (None, 32, 32, 1)
    assert [id(variable) for variable in small.variables] == [id(variable) for variable in model.variables]
    images = rng.integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    plain = build_model("compact", (32, 32, 1), width=0.1)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(small.predict_on_batch(images), plain.predict_on_batch(images), atol=1e-6)


def test_a_flattened_head_fits_one_size():
    with pytest.raises(InputError, match="sizes: cnn takes one picture size only, because of its layer flatten"):
        at_size(build_model("cnn", width=0.1), 32)


@pytest.mark.parametrize(
    ("sizes", "start", "end", "expected"),
    [
        ("", 0, 9, [(48, 0, 9)]),
        ("32:12,40:12,48:24", 0, 48, [(32, 0, 12), (40, 12, 24), (48, 24, 48)]),
        ("32:12,40:12,48:24", 0, 8, [(32, 0, 2), (40, 2, 4), (48, 4, 8)]),  # a shorter training has the same course
        ("32:12,40:12,48:24", 0, 1, [(48, 0, 1)]),
        ("32:1,48:1", 3, 5, [(32, 3, 4), (48, 4, 5)]),
        ("24:9,48:1", 0, 2, [(24, 0, 1), (48, 1, 2)]),  # the last epoch always has the pictures' own size
    ],
)
def test_sizes_share_the_epochs(sizes, start, end, expected):
    assert fitting.size_bounds(resolve("compact", overrides={"sizes": sizes}), start, end, 48) == expected


@pytest.mark.parametrize("sizes", ["48:1,32:1", "32:1,32:1,48:1", "32:0,48:1", "0:1,48:1"])
def test_sizes_grow(sizes):
    with pytest.raises(InputError, match="sizes: must grow, with more than 0 epochs each; received"):
        resolve("compact", overrides={"sizes": sizes})


def test_sizes_and_patience_exclude_each_other():
    with pytest.raises(InputError, match="sizes: cannot be used with patience"):
        resolve("compact", overrides={"patience": 3})


@pytest.mark.parametrize("sizes", ["32", "32:", "32:2,", "a:3", "32:1;48:1"])
def test_wrong_sizes(sizes):
    with pytest.raises(InputError, match="sizes: must be size:epochs pairs such as 32:12,48:24; received"):
        resolve("compact", overrides={"sizes": sizes})


def test_the_last_size_is_the_pictures_own():
    with pytest.raises(InputError, match="sizes: the last must be the pictures' own, 64; received '32:1,48:1'"):
        fitting.size_bounds(resolve("compact", overrides={"sizes": "32:1,48:1"}), 0, 4, 64)
