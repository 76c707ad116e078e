"""Files of Keras 2: two old forms are read, and otherwise the error has Keras's reason, the layer and the versions."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import ModelFileError
from fer_tf.saving import Declaration, load_model
from fer_tf.saving.old_files import WITHOUT_GROUPS, read_keras

pytestmark = pytest.mark.usefixtures("untraced")


def depthwise_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="conv_dw_1"),
            layers.Conv2DTranspose(4, 3, name="up_1"),
            layers.SeparableConv2D(4, 3, name="sep_1"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7, activation="softmax"),
        ]
    )


def as_keras_2(path, change, version="2.4.0"):
    """Rewrites a file's layers as Keras 2 did: `change` is called with each layer's class name and config."""
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in all_layers(config):
            change(layer["class_name"], layer["config"])
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = version
    return path


def all_layers(config):
    """The layers in a model's config, also those of nested models."""
    for layer in config["config"].get("layers", []):
        yield layer
        yield from all_layers(layer)


def with_groups(name, config, groups=1):
    if name in WITHOUT_GROUPS:
        config["groups"] = groups


@pytest.fixture
def old(tmp_path):
    """A file with `groups` as Keras 2 wrote it, and the model itself."""
    model = depthwise_model()
    model.save(tmp_path / "old.h5")
    return as_keras_2(tmp_path / "old.h5", with_groups), model


def test_groups_of_layers_without_groups_are_read(old, rng):
    path, model = old
    with pytest.raises(TypeError, match="Unrecognized keyword arguments"):
        keras.models.load_model(path, compile=False)  # the fault itself
    loaded = load_model(path, Declaration("0..255", "fer2013"))
    images = rng.uniform(0, 255, (5, 8, 8, 1))
    np.testing.assert_allclose(loaded.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)
    assert type(loaded.get_layer("conv_dw_1")) is layers.DepthwiseConv2D
    assert type(loaded.get_layer("up_1")) is layers.Conv2DTranspose


def test_an_old_file_saved_again_needs_no_help(old, tmp_path, rng):
    path, model = old
    read_keras(path).save(tmp_path / "again.h5")
    images = rng.uniform(0, 255, (5, 8, 8, 1))
    found = keras.models.load_model(tmp_path / "again.h5", compile=False).predict_on_batch(images)
    np.testing.assert_allclose(found, model.predict_on_batch(images), atol=1e-6)


def test_old_layers_inside_nested_models_are_read(tmp_path, rng):
    """As in a tutorial's network on a MobileNet."""
    start, inputs = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    backbone = keras.Model(start, layers.DepthwiseConv2D(3, name="dw")(start), name="backbone")
    model = keras.Model(inputs, layers.Dense(7, activation="softmax")(layers.Flatten()(backbone(inputs))))
    model.save(tmp_path / "old.hdf5")
    path = as_keras_2(tmp_path / "old.hdf5", with_groups)
    with h5py.File(path) as file:
        assert '"groups": 1' in file.attrs["model_config"]
    images = rng.uniform(0, 255, (5, 8, 8, 1))
    np.testing.assert_allclose(read_keras(path).predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)


def unknown_argument(name, config):
    if name == "DepthwiseConv2D":
        config["data_type"] = "x"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unknown_argument, r"Unrecognized keyword arguments passed to DepthwiseConv2D: \{'data_type': 'x'\}"),
        (
            lambda name, config: with_groups(name, config, 3),
            r"Unrecognized keyword .* DepthwiseConv2D: \{'groups': 3\}",
        ),
    ],
)
def test_the_reason_names_the_layer_and_the_versions(tmp_path, change, reason):
    depthwise_model().save(tmp_path / "other.h5")
    path = as_keras_2(tmp_path / "other.h5", change)
    versions = f"; the file was written by Keras 2.4.0, this is Keras {keras.__version__}"
    with pytest.raises(ModelFileError, match=rf"layer 'conv_dw_1' \(DepthwiseConv2D\): {reason}{versions}\)") as error:
        load_model(path)
    assert "\n" not in str(error.value)


class Halved(keras.layers.Layer):
    """A layer of somebody else, which the kit does not know."""

    def call(self, inputs):
        return inputs / 2


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_layer_that_is_not_there_is_named(suffix, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), Halved(name="half"), layers.Flatten(), layers.Dense(7)])
    model.save(tmp_path / f"own{suffix}")
    with pytest.raises(ModelFileError, match="Halved") as error:
        load_model(tmp_path / f"own{suffix}")
    assert "\n" not in str(error.value)
    assert f"the file was written by Keras {keras.__version__})" in str(error.value)


def test_a_lambda_is_refused_with_its_reason(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Lambda(lambda x: x / 2, name="half"), layers.Flatten()])
    model.save(tmp_path / "own.keras")
    with pytest.raises(ModelFileError, match="[Ll]ambda"):
        load_model(tmp_path / "own.keras")


def test_a_broken_file_still_gives_one_line(tmp_path):
    depthwise_model().save(tmp_path / "broken.h5")
    with h5py.File(tmp_path / "broken.h5", "a") as file:
        del file["model_weights"]
    with pytest.raises(ModelFileError, match=r"cannot be loaded as a Keras model \(KeyError: 'model_weights'") as error:
        load_model(tmp_path / "broken.h5")
    assert "\n" not in str(error.value)
