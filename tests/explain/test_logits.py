"""Any Keras classifier can be explained: models as tutorials write them, saved and loaded, without the kit's layers."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import InputError
from fer_tf.explain import cut_at_last_map, default_method, explain, mass_inside
from fer_tf.explain.logits import logits_model
from fer_tf.saving import Declaration, load_model

SHAPE = (32, 32, 1)


def planted(count, seed):
    """A patch somewhere on a dark ground: bright, or striped across or along, which is its class. Pictures, labels,
    masks of the patch with a border of 5 pixels: so far from it the second convolution still sees it."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 10, (count, *SHAPE), dtype=np.uint8)
    labels, masks = rng.integers(0, 3, count), np.zeros((count, *SHAPE[:2]), bool)
    patches = np.full((3, 8, 8, 1), 200, np.uint8)
    patches[1, ::2], patches[2, :, ::2] = 0, 0
    for row, (y, x) in enumerate(rng.integers(5, 20, (count, 2))):
        images[row, y : y + 8, x : x + 8] = patches[labels[row]]
        masks[row, y - 5 : y + 13, x - 5 : x + 13] = True
    return images, labels, masks


def sequential():
    """A tutorial's first script."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def nested():
    """A tutorial's second: a backbone as a layer, then its maximum and a dense layer with softmax."""
    start = x = keras.Input(SHAPE)
    for filters in (8, 8):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
        x = layers.MaxPooling2D()(x)
    backbone = keras.Model(start, x, name="backbone")
    inputs = keras.Input(SHAPE)
    x = layers.GlobalMaxPooling2D()(backbone(layers.Rescaling(1 / 255)(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


@pytest.fixture(scope="module", params=[sequential, nested])
def trained(request, tmp_path_factory):
    """Trained for some seconds, saved by `model.save` and loaded by the kit, which knows nothing of it."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("models") / "tutorial.keras"
    model, (images, labels, _) = request.param(), planted(1024, 0)
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, epochs=5, batch_size=32, verbose=0)
    model.save(path)
    return load_model(path, Declaration("0..255", "anger,disgust,fear"))


@pytest.mark.parametrize("method", [None, "occlusion"])
def test_the_map_finds_the_planted_patch(trained, method):
    images, labels, masks = planted(30, 1)
    assert (trained.predict_on_batch(images).argmax(axis=1) == labels).all()
    assert default_method(trained) == "hirescam"
    maps = explain(trained, images, method)
    assert mass_inside(maps, masks).mean() >= 0.8
    assert masks.mean() < 0.33, "an even map has a third there"


def test_scores_and_softmax_are_the_models_answer(trained):
    images = planted(10, 2)[0]
    scores = keras.ops.convert_to_numpy(logits_model(trained)(images.astype(np.float32)))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = trained.predict_on_batch(images)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=1e-5)
    assert np.abs(scores.sum(axis=1) - 1).max() > 0.1, "scores, not probabilities"


def of(*end, named=False):
    """A small net with this end; its dense layers get random weights and biases."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(layers.Rescaling(0.01)(x)))
    for layer in end:
        x = layer(x)
    model = keras.Model(inputs, x)
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    return model


ENDS = {
    "dense with softmax": lambda: [layers.Dense(3, "softmax")],
    "without a bias": lambda: [layers.Dense(3, "softmax", use_bias=False)],
    "softmax layer as activation": lambda: [layers.Dense(3, activation=layers.Softmax())],
    "an activation layer": lambda: [layers.Dense(3), layers.Activation("softmax", dtype="float32")],
    "a softmax layer": lambda: [layers.Dense(3), layers.Softmax()],
    "an operation": lambda: [layers.Dense(3), keras.ops.softmax],
    "a cast at the end": lambda: [layers.Dense(3, "softmax"), layers.Activation("linear", dtype="float32")],
    "a nested head": lambda: [keras.Sequential([layers.Dense(5, "relu"), layers.Dense(3, "softmax")])],
    "a head in a head": lambda: [keras.Sequential([keras.Sequential([layers.Dense(3)]), layers.Softmax()])],
    "scores by name": lambda: [layers.Dense(3, name="scores"), layers.Softmax(), layers.Dropout(0.1)],
}


@pytest.mark.parametrize("end", ENDS)
def test_every_form_of_the_end_is_read(end):
    model, images = of(*ENDS[end]()), np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    config, weights = model.get_config(), model.get_weights()
    scores = keras.ops.convert_to_numpy(logits_model(model)(images.astype(np.float32)))
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(scores - scores[:, :1], np.log(expected / expected[:, :1]), atol=1e-3)
    maps = explain(model, images, target=np.array([0, 1, 2, 0, 1]))
    assert maps.max() == 1
    assert default_method(model) == "gradcam", "the map is pooled"
    assert model.get_config() == config
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    "whole", [keras.Sequential, lambda inner: keras.Model(inner[0].inputs[0], inner[0].outputs[0])]
)
def test_a_whole_net_inside_another_has_the_same_maps(whole):
    """As after `keras.Sequential([loaded])`."""
    inner = of(layers.Dense(3, "softmax"))
    outer, images = whole([inner]), np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    outer(images.astype(np.float32))
    for method in ("gradcam", "cam", "hirescam", "integrated_gradients"):
        np.testing.assert_allclose(
            explain(outer, images, method, target=1), explain(inner, images, method, target=1), atol=1e-5
        )
    assert cut_at_last_map(outer).is_averaged


@pytest.mark.parametrize("end", [[layers.Dense(3, "sigmoid")], [layers.UnitNormalization()]])
def test_what_ends_in_no_softmax_is_refused(end):
    kind = type(end[-1]).__name__
    with pytest.raises(InputError, match=f"has no scores to explain: it ends in {kind}, not in a dense layer with a"):
        logits_model(of(*end))


def test_a_model_of_ones_own_class_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    model = Own(name="own")
    with pytest.raises(InputError, match="model: own is not a functional or Sequential model, so its scores cannot be"):
        logits_model(model)
