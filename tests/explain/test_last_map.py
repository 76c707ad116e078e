"""Every model is cut at a convolutional map that all goes through, and its two halves are the model."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import InputError
from fer_tf.explain import cut_at_last_map, explain
from fer_tf.models import MODELS, build_model, model_options
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")
SHAPE = (48, 48, 1)
# Of each model at 48 px: the layer, its map's side and whether its mean and a linear layer are all that follows.
MAPS = {
    "cnn": ("relu4", 6, False),
    "cnn4": ("conv4_relu", 6, False),
    "cnn4_se": ("conv4_relu", 6, False),
    "cnn4_se_residual": ("conv4_relu", 6, False),
    "resnet18": ("stage4_block2_relu2", 2, True),
    "residual_masking": ("stage4_masked", 2, True),
    "vgg_bn": ("block4_conv2_relu", 6, True),
    "compact": ("stage4_pair_relu2", 6, True),
    "ucar_cnn": ("conv4_relu", 6, False),
    "vgg16": ("backbone/block5_conv3", 3, False),
    "mobilenet": ("backbone/conv_pw_11_relu", 3, False),
    "patt_lite": ("patch_conv1", 2, False),
    "akhand": ("backbone/conv_pw_11_relu", 3, False),
    "deep_emotion": ("pool2_relu", 9, False),
    "deepfer": ("relu7", 6, False),
    "ran": ("region_features/relu4", 6, False),
    "ran_face": ("region_features/trained_part/conv4_relu", 6, False),
    "facenet2expnet": ("expression_net/conv5_relu", 3, False),
    "ran_facenet2expnet": ("region_features/expression_net/conv5_relu", 3, False),
    "face_transfer": ("trained_part/conv4_relu", 6, True),
    "fine_tune": ("relu4", 6, False),
}


def small(name, shape=SHAPE, **options):
    keras.utils.set_random_seed(0)
    accepted = model_options(name)
    tiny = {"width": 0.05, "depth": 6, "backbone": {"akhand": "MobileNet", "ran": "cnn"}.get(name), "blocks": (1,) * 4}
    return build_model(name, shape, 7, **{key: value for key, value in tiny.items() if key in accepted} | options)


def student(*stack, head=None):
    """A Sequential model as a student writes it."""
    keras.utils.set_random_seed(0)
    head = head or [layers.Dense(7, name="scores"), layers.Softmax()]
    return keras.Sequential([keras.Input((20, 16, 1)), *stack, *head], name="mine")


def pictures(shape, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def computed(model, inputs):
    """The output without tracing a function, which takes longer than the computation."""
    return keras.ops.convert_to_numpy(model(inputs.astype(np.float32), training=False))


def assert_halves_are_the_model(model, images, cut):
    scores = computed(keras.Model(model.inputs[0], model.get_layer("scores").output), images)
    assert np.ptp(scores) > 0
    found = computed(cut.to_scores, computed(cut.to_map, images))
    np.testing.assert_allclose(found, scores, atol=1e-5 * np.ptp(scores))


def test_every_model_is_in_the_list():
    assert set(MAPS) == set(MODELS) - {"majority"}


@pytest.mark.parametrize("name", MAPS)
def test_every_model_is_cut_and_explained(name):
    model, images = small(name), pictures(SHAPE)
    cut, (layer, side, is_averaged) = cut_at_last_map(model), MAPS[name]
    assert (cut.name, cut.is_averaged) == (layer, is_averaged)
    assert cut.to_map.output_shape[1:3] == (side, side)
    assert len(cut.to_map.output_shape) == 4
    assert_halves_are_the_model(model, images, cut)
    inner = model
    for part in cut.name.split("/"):  # a reader can find the layer by this name
        inner = inner.get_layer(part)
    assert not isinstance(inner, keras.Model)
    maps = explain(model, images, target=np.array([0, 3, 5]))
    assert maps.shape == (3, 48, 48)
    assert maps.min() >= 0
    assert maps.max() == 1


def test_majority_has_nothing_to_look_at():
    for method in ("gradcam", "cam", "integrated_gradients"):
        with pytest.raises(InputError, match="model: majority has no scores to explain: it ends in MajorityClass, not"):
            explain(build_model("majority"), pictures(SHAPE), method)


def test_regions_over_a_backbone_of_keras():
    """A network in a network in a network."""
    model, images = small("ran", (32, 32, 1), backbone="VGG16"), pictures((32, 32, 1), 1)
    cut = cut_at_last_map(model)
    assert cut.name.startswith("region_features/backbone/")
    assert_halves_are_the_model(model, images, cut)


@pytest.mark.parametrize("attention", ["none", "self", "strongest"])
def test_every_attention_of_ran(attention):
    model = small("ran", attention=attention)
    cut = cut_at_last_map(model)
    assert cut.name == "region_features/relu4"
    assert len(computed(cut.to_map, pictures(SHAPE))) == (3 if attention == "none" else 21)
    assert_halves_are_the_model(model, pictures(SHAPE), cut)


@pytest.mark.parametrize(("activation", "place"), [(None, 0), ("relu", 2)])
def test_a_students_sequential_model_is_cut_at_its_last_non_negative_map(activation, place):
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(5, 3, activation=activation)]
    model = student(*stack, layers.Flatten())
    cut = cut_at_last_map(model)
    assert cut.name == model.layers[place].name
    assert cut.to_map.output_shape == model.layers[place].output.shape
    assert cut.is_non_negative
    assert cut.is_flattened
    assert not cut.remark
    assert cut.to_map.predict_on_batch(pictures((20, 16, 1))).min() >= 0
    assert_halves_are_the_model(model, pictures((20, 16, 1)), cut)
    assert explain(model, pictures((20, 16, 1))).max() == 1


def test_a_net_without_a_non_negative_map_is_cut_at_its_last_and_says_so():
    model = student(layers.Conv2D(4, 3, activation="tanh"), layers.Conv2D(5, 3), layers.Flatten())
    cut = cut_at_last_map(model)
    assert cut.name == model.layers[1].name
    assert not cut.is_non_negative
    assert cut.remark == "all late maps of this model have negative values; its explanations can be empty"
    averaged = student(layers.Conv2D(4, 3), layers.GlobalAveragePooling2D())
    assert not cut_at_last_map(averaged).remark, "class activation maps are exact there"


def test_a_map_of_the_first_layers_is_no_answer():
    """It has 25 times the cells of the last: edges, not what the net looks at."""
    first = layers.Conv2D(4, 3, activation="relu", padding="same")
    model = student(first, layers.Conv2D(4, 3, strides=5, padding="same"), layers.Flatten())
    assert cut_at_last_map(model).name == model.layers[1].name


@pytest.mark.parametrize(
    ("last", "is_positive"),
    [
        ([layers.ReLU()], True),
        ([layers.ReLU(negative_slope=0.1)], False),
        ([layers.Activation("relu6")], True),
        ([layers.Activation("softplus"), layers.Activation("linear")], True),
        ([layers.Activation("sigmoid"), layers.UpSampling2D()], True),
        ([layers.BatchNormalization(), layers.Activation("linear")], False),
        ([layers.LeakyReLU()], False),
        ([layers.Conv2D(2, 1, activation="swish")], False),
        ([layers.Conv2D(2, 1, activation=layers.ReLU())], True),
        ([keras.Sequential([layers.Conv2D(2, 1), layers.ReLU()])], True),
        ([keras.Sequential([layers.Conv2D(2, 1)])], False),
    ],
)
def test_which_maps_are_never_negative(last, is_positive):
    """The last of them all is tried; the convolution before is linear, so that none but this can be."""
    model = student(layers.Conv2D(4, 3), *last, layers.Conv2D(3, 1, name="after"), layers.Flatten())
    cut = cut_at_last_map(model)
    assert cut.is_non_negative == is_positive
    assert (cut.name == "after") != is_positive


def test_the_sum_of_non_negative_maps_is_one():
    """As at the end of a residual block whose shortcut and branch are both rectified."""
    inputs = keras.Input((20, 16, 1))
    x = layers.Conv2D(3, 3, activation="relu")(inputs)
    both = layers.Add(name="sum")([x, layers.Conv2D(3, 1, activation="sigmoid")(x)])
    linear = layers.Add(name="linear_sum")([both, layers.Conv2D(3, 1)(both)])
    model = keras.Model(inputs, layers.Dense(7, "softmax")(layers.Flatten()(linear)))
    assert cut_at_last_map(model).name == "sum"


@pytest.mark.parametrize("stack", [[], [keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])]])
def test_a_net_without_convolutions_has_no_map(stack):
    """Flipped pictures are not a map."""
    with pytest.raises(InputError, match="model: mine has no spatial map to explain"):
        cut_at_last_map(student(*stack, layers.Flatten()))


@pytest.mark.parametrize(
    ("stack", "is_averaged"),
    [
        ([layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()], True),
        ([layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()], True),
        ([layers.SeparableConv2D(4, 3), layers.MaxPooling2D(), layers.GlobalAveragePooling2D()], True),
        ([keras.Sequential([layers.Conv2D(4, 3)]), layers.GlobalAveragePooling2D(), layers.Dropout(0.5)], True),
        ([layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.ReLU()], False),
        ([layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()], False),
        ([layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(4)], False),
        ([layers.Conv2D(4, 3), layers.Flatten()], False),
    ],
)
def test_which_nets_have_exact_activation_maps(stack, is_averaged):
    model, images = student(*stack), pictures((20, 16, 1))
    assert cut_at_last_map(model).is_averaged == is_averaged
    if is_averaged:
        cam, grad_cam, hires = (explain(model, images, method, target=1) for method in ("cam", "gradcam", "hirescam"))
        np.testing.assert_allclose(cam, grad_cam, atol=1e-4)
        np.testing.assert_allclose(cam, hires, atol=1e-4)


def test_a_map_that_something_goes_around_is_passed_over():
    """The last convolution sees half of what the scores see; the one before sees all."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((20, 16, 1))
    whole = layers.Conv2D(3, 3, strides=2, name="whole")(layers.Rescaling(1 / 255)(inputs))
    half = layers.Conv2D(3, 3, name="half")(whole)
    both = layers.Concatenate()([layers.Flatten()(whole), layers.Flatten()(half)])
    model = keras.Model(inputs, layers.Softmax()(layers.Dense(7, name="scores")(both)))
    cut = cut_at_last_map(model)
    assert cut.name == "whole"
    assert_halves_are_the_model(model, pictures((20, 16, 1)), cut)


def test_a_network_that_another_model_took_first():
    """As when a notebook's cell that puts a head on a backbone is run twice."""
    features = keras.Sequential([keras.Input((20, 16, 1)), layers.Conv2D(4, 3, strides=2)], name="features")
    first, second = (student(features, layers.Flatten()) for _ in range(2))
    for model in (first, second):
        cut = cut_at_last_map(model)
        assert cut.name == f"features/{features.layers[0].name}"
        assert_halves_are_the_model(model, pictures((20, 16, 1)), cut)


@pytest.mark.parametrize("name", ["cnn", "ran", "facenet2expnet"])
def test_explaining_leaves_the_model_as_it_was(name, tmp_path):
    """Cutting shares the layers: weights, description, predictions and the saved file stay the same."""
    model, images = small(name), pictures(SHAPE)
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    config, weights, before = model.get_config(), model.get_weights(), model.predict_on_batch(images)
    first = explain(model, images, target=1)
    np.testing.assert_array_equal(explain(model, images, target=1), first)
    assert model.get_config() == config
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    np.testing.assert_array_equal(model.predict_on_batch(images), before)
    save_model(model, tmp_path / "m.h5", names)
    loaded = load_model(tmp_path / "m.h5")
    assert cut_at_last_map(loaded).name == MAPS[name][0]
    np.testing.assert_allclose(explain(loaded, images, target=1), first, atol=1e-4)
