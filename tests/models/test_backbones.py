"""Transfer models: pretrained weights, which of them learn, and that a frozen part does not change."""

from importlib import import_module

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from fer_tf.common.checks import InputError, MissingDataError
from fer_tf.layers import BackboneInput
from fer_tf.models import backbones, build_model
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")

MOBILENET_FILE = "mobilenet_1_0_224_tf_no_top.h5"


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """An empty Keras home and no way to fetch anything into it."""
    import urllib.error

    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    return tmp_path / "models"


def small_net(shape=(32, 32, 3), classes=3):
    """A transfer model whose backbone is four convolutions, two of them with batch norm."""
    inputs = x = keras.Input(shape)
    for index in range(4):
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{index}")(x) if index % 2 else x
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    backbone = keras.Model(inputs, x, name=backbones.BACKBONE)
    image = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(backbone(image))
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax", name="scores")(x))


def learning(model):
    """Names of the backbone's layers that learn."""
    return [layer.name for layer in model.get_layer(backbones.BACKBONE).layers if layer.trainable_weights]


@pytest.mark.parametrize(
    ("unfreeze", "freeze_norm", "expected"),
    [
        (None, True, []),
        (None, False, []),
        ("", True, ["conv0", "conv1", "conv2", "conv3"]),
        ("", False, ["conv0", "conv1", "norm1", "conv2", "conv3", "norm3"]),
        ("conv2", True, ["conv2", "conv3"]),
        ("conv2", False, ["conv2", "conv3", "norm3"]),
        ("relu1", False, ["conv2", "conv3", "norm3"]),
        ("0.5", False, ["conv2", "conv3", "norm3"]),
        ("0", True, []),
        ("1.0", True, ["conv0", "conv1", "conv2", "conv3"]),
    ],
)
def test_what_learns(unfreeze, freeze_norm, expected):
    model = small_net()
    backbones.set_trainable(model, "", False)  # whatever was free before
    backbones.set_trainable(model, unfreeze, freeze_norm)
    assert learning(model) == expected
    assert model.get_layer("scores").trainable_weights


@pytest.mark.parametrize(
    ("unfreeze", "message"),
    [
        ("conv9", "unfreeze: allowed are .*conv0, relu0, conv1.*received 'conv9'"),
        ("1.5", "unfreeze: must be a number >= 0 and <= 1; received 1.5"),
        ("nan", "unfreeze: must be a number"),
    ],
)
def test_wrong_unfreezing_names_the_layers(unfreeze, message):
    with pytest.raises(InputError, match=message):
        backbones.set_trainable(small_net(), unfreeze)


def test_frozen_batch_norm_also_keeps_its_statistics(rng):
    """Few faces at a small size would move them away from what the pretrained filters expect."""
    model = small_net()
    backbones.set_trainable(model, "", freeze_norm=True)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", jit_compile=False)
    norms = [model.get_layer(backbones.BACKBONE).get_layer(name) for name in ("norm1", "norm3")]
    before = [norm.get_weights() for norm in norms]
    for _ in range(3):
        model.train_on_batch(rng.normal(5, 3, (8, 32, 32, 3)), np.eye(3)[rng.integers(3, size=8)])
    for norm, values in zip(norms, before, strict=True):
        for one, other in zip(norm.get_weights(), values, strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_backbone_gets_its_pretrainings_normalisation(rng):
    """The table of families against the `preprocess_input` in the module of each network's function."""
    names, picture = backbones.backbone_names(), rng.uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    assert {"VGG16", "MobileNet", "MobileNetV2", "DenseNet121", "EfficientNetV2B0", "ResNet50"} <= set(names)
    for name in names:
        home = import_module(getattr(keras.applications, name).__module__)
        mode, _ = backbones.backbone_family(name)
        if not hasattr(home, "preprocess_input"):
            home = keras.applications.mobilenet_v3
        shown = np.asarray(BackboneInput(8, mode)(picture))
        np.testing.assert_allclose(shown, home.preprocess_input(picture.copy()), rtol=1e-5, atol=1e-4, err_msg=name)


# A small one of every family, and those whose graph is another one in .h5 than in Keras.
QUICK = ("VGG16", "MobileNet")

SMALLEST = (
    *QUICK,
    "ResNet50V2",
    "MobileNetV2",
    "MobileNetV3Small",
    "ResNet50",
    "DenseNet121",
    "InceptionV3",
    "InceptionResNetV2",
    "Xception",
    "NASNetMobile",
    "EfficientNetB0",
    "EfficientNetV2B0",
)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SMALLEST]
)
def test_every_family_is_read_back_from_h5(name, tmp_path, rng):
    side = backbones.backbone_family(name)[1]
    model = build_model("akhand", (side, side, 3), 3, backbone=name)
    save_model(model, tmp_path / "m.h5", ("anger", "disgust", "fear"))
    picture = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    loaded = load_model(tmp_path / "m.h5")
    np.testing.assert_allclose(loaded.predict_on_batch(picture), model.predict_on_batch(picture), atol=1e-6)


def test_every_family_is_tried():
    tried = {next(key for key in backbones._FAMILIES if name.startswith(key)) for name in SMALLEST}
    assert tried == set(backbones._FAMILIES) - {"ResNet101V2", "ResNet152V2"}  # ResNet50V2 with more blocks


class CustomScaleLayer(keras.layers.Layer):
    """A replacement for InceptionResNetV2's, which takes 20 s to build. Code that loads the file does not know it."""

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        return inputs[0] + inputs[1] * self.scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@pytest.mark.parametrize("weights", ["none", "file"])
def test_what_h5_cannot_hold_is_made_of_layers_that_it_can(tmp_path, monkeypatch, rng, weights):
    """MobileNetV3's hard sigmoid (numbers added to and multiplied with maps), and a layer of Keras's own."""

    def build(include_top, weights, input_shape):
        inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, padding="same", name="first", bias_initializer="normal")(inputs)
        gate = keras.layers.ReLU(6.0)(keras.layers.Conv2D(4, 1, name="gate")(x) + 3.0) * (1.0 / 6.0)
        x = CustomScaleLayer(0.17, name="residual")([x, keras.layers.Multiply()([x, gate])])
        return keras.Model(inputs, x)

    monkeypatch.setattr(keras.applications, "MobileNetTiny", build, raising=False)
    plain = build(False, None, (32, 32, 3))
    plain.save_weights(tmp_path / "own.weights.h5")
    given = None if weights == "none" else str(tmp_path / "own.weights.h5")
    found = backbones.load_backbone("MobileNetTiny", 32, given)
    if weights == "none":
        plain.set_weights(found.get_weights())
    found.save(tmp_path / "found.h5")
    images = rng.normal(size=(2, 32, 32, 3))
    loaded = keras.models.load_model(tmp_path / "found.h5", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(images), plain.predict_on_batch(images), atol=1e-6)


@pytest.mark.slow
def test_a_backbone_that_cannot_be_scaled_says_so():
    with pytest.raises(InputError, match="width: the scaled layers of nasnet_mobile do not fit together; only width=1"):
        backbones.load_backbone("NASNetMobile", 32, width=0.25)


def test_a_missing_weights_file_is_named():
    message = "weights: no file lost.weights.h5; allowed are none, imagenet, drawn or a .weights.h5 file"
    with pytest.raises(MissingDataError, match=message):
        backbones.load_backbone("MobileNet", 32, "lost.weights.h5")


@pytest.mark.parametrize("kind", ["another net's", "no weights"])
def test_a_weights_file_that_does_not_fit_is_named(tmp_path, kind):
    path = tmp_path / "other.weights.h5"
    path.write_bytes(b"no weights")
    if kind == "another net's":
        inputs = keras.Input((32, 32, 3))
        keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)).save_weights(path)
    with pytest.raises(InputError, match="weights: .*other.weights.h5 does not fit mobilenet"):
        backbones.load_backbone("MobileNet", 32, str(path))


@pytest.mark.parametrize(
    ("name", "file"),
    [("mobilenet", MOBILENET_FILE), ("akhand", "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5")],
)
def test_imagenet_without_network_says_where_the_file_belongs(no_network, name, file):
    with pytest.raises(MissingDataError) as caught:
        build_model(name, (48, 48, 1), 7, weights="imagenet")
    text = str(caught.value)
    assert f"not in {no_network} " in text
    assert f"Put {file} there" in text
    assert "https://storage.googleapis.com" in text
    assert "--weights none (with make: WEIGHTS=none)" in text


def test_imagenet_weights_are_taken_from_kerass_cache(no_network, rng):
    """At any resolution: the cached file is for 224 px, the filters are the same."""
    source = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(224, 224, 3))
    source.set_weights([rng.random(weight.shape) for weight in source.get_weights()])
    no_network.mkdir(exist_ok=True)
    source.save(no_network / MOBILENET_FILE)
    backbone = build_model("mobilenet", (48, 48, 1), 7, weights="imagenet", resolution=64).get_layer("backbone")
    assert backbone.input_shape == (None, 64, 64, 3)
    for one, other in zip(backbone.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_a_file_are_taken(tmp_path):
    source = backbones.load_backbone("MobileNet", 32)
    source.save_weights(tmp_path / "own.weights.h5")
    loaded = backbones.load_backbone("MobileNet", 48, str(tmp_path / "own.weights.h5"))
    for one, other in zip(loaded.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pretrained_efficientnet_keeps_its_own_scaling(no_network, monkeypatch, rng):
    """With ImageNet's weights Keras adds a layer to EfficientNet's input that has no weights."""
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)
    no_network.mkdir()
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(224, 224, 3))
    source.save(no_network / "efficientnetb0_notop.h5")
    expected = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    loaded = backbones.load_backbone("EfficientNetB0", 64, "imagenet")
    kinds = [[type(layer).__name__ for layer in model.layers[:6]] for model in (loaded, expected)]
    assert kinds[0] == kinds[1]
    assert kinds[0].count("Rescaling") == 2
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    stems = [keras.Model(model.input, model.get_layer("stem_conv").output) for model in (loaded, expected)]
    first, second = (stem.predict_on_batch(images) for stem in stems)
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5 * np.abs(second).max())


def test_a_cut_file_in_the_cache_is_named(no_network):
    no_network.mkdir()
    (no_network / "mobilenet_1_0_224_tf_no_top.h5").write_bytes(b"half a file")
    with pytest.raises(InputError, match="weights: MobileNet's file in .* cannot be read"):
        build_model("mobilenet", (48, 48, 1), 7, weights="imagenet")
