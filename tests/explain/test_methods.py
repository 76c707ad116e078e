"""`explain`: what all methods promise, and the errors for wrong arguments."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.common.checks import InputError
from fer_tf.emotions import EMOTIONS
from fer_tf.explain import METHODS, default_method, explain, region_map, resolve_method
from fer_tf.models import build_model
from fer_tf.models.inference import predict_probabilities
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")
SHAPE = (32, 32, 1)
# few steps and large squares: these tests are about agreement, not about fine maps
QUICK = {"occlusion": {"size": 12, "stride": 6}, "integrated_gradients": {"steps": 4}, "smoothgrad": {"samples": 4}}


@pytest.fixture(scope="module")
def models():
    """An averaged net (it has every method but attention) and one with region attention."""
    keras.utils.set_random_seed(0)
    averaged = build_model("vgg_bn", SHAPE, 7, width=0.05)
    ran = build_model("ran", SHAPE, 7, backbone="cnn", width=0.1)
    ran.get_layer("self_attention").set_weights(
        [np.random.default_rng(0).normal(0, 3, (ran.get_layer("features").output.shape[-1],))]
    )
    return tuple(map(of_many_answers, (averaged, ran)))


def of_many_answers(model):
    """The model with scores of mean 0 and deviation 1 over pictures of noise: its predictions differ between them."""
    scores, layer = keras.Model(model.inputs[0], model.get_layer("scores").output), model.get_layer("scores")
    found = scores.predict_on_batch(np.random.default_rng(1).integers(0, 256, (50, *SHAPE)).astype(np.float32))
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel / found.std(axis=0), (bias - found.mean(axis=0)) / found.std(axis=0)])
    return model


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (7, *SHAPE), dtype=np.uint8)


def model_for(models, method):
    return models[method == "attention"]


def quick(models, images, method, **options):
    return explain(model_for(models, method), images, method, **QUICK.get(method, {}), **options)


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def usual(models, images, known):
    """A function of a method that gives its maps of `images`; computed once for the whole file."""

    def maps(method):
        if method not in known:
            known[method] = quick(models, images, method)
        return known[method]

    return maps


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_at_the_pictures_size_and_end_at_one(usual, method):
    maps = usual(method)
    assert maps.shape == (7, 32, 32)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    highest = maps.max(axis=(1, 2))
    assert set(highest.round(5)) <= {0, 1}
    assert highest.sum() >= 3


@pytest.mark.parametrize("method", METHODS)
def test_maps_do_not_depend_on_company(models, images, usual, method):
    maps = usual(method)
    np.testing.assert_allclose(quick(models, images[::-1], method)[::-1], maps, atol=1e-4)
    np.testing.assert_allclose(quick(models, images[4:5], method), maps[4:5], atol=1e-4)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "attention"])
def test_maps_do_not_depend_on_the_batch_size(models, images, usual, method):
    maps = usual(method)
    for size in (1, 3) if method != "occlusion" else (20, 50):  # each picture has many copies
        np.testing.assert_allclose(quick(models, images, method, batch_size=size), maps, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_any_type_are_alike_and_stay_as_they_are(models, images, usual, method):
    for given in (images.astype(np.float32), images.astype(np.int64), images.tolist()):
        before = np.array(given)
        np.testing.assert_allclose(quick(models, given, method), usual(method), atol=1e-5)
        np.testing.assert_array_equal(given, before)
    before = images.copy()
    images.flags.writeable = False
    quick(models, images, method)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("target", [None, "fear", 3, []])
@pytest.mark.parametrize("method", METHODS)
def test_no_pictures_have_no_maps(models, images, method, target):
    maps = quick(models, images[:0], method, target=target)
    assert maps.shape == (0, 32, 32)
    assert maps.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_a_model_read_from_its_file_has_the_same_maps(models, images, usual, method, tmp_path):
    model = model_for(models, method)
    save_model(model, tmp_path / "m.h5", EMOTIONS[:7])
    loaded = explain(load_model(tmp_path / "m.h5"), images, method, **QUICK.get(method, {}))
    np.testing.assert_allclose(loaded, usual(method), atol=1e-4)


@pytest.mark.parametrize(("place", "method"), [(0, "gradcam"), (1, "hirescam")])
def test_unasked_the_method_is_that_of_the_models_head(models, images, place, method):
    """The first net pools its last map, the second flattens it."""
    expected = explain(models[place], images, method=method)
    for unasked in ({}, {"method": None}, {"method": "auto"}):
        np.testing.assert_array_equal(explain(models[place], images, **unasked), expected)
    assert default_method(models[place]) == resolve_method(models[place], "auto") == method
    assert resolve_method(models[place], "smoothgrad") == "smoothgrad"


def test_a_net_without_a_map_is_explained_by_occlusion(images):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(7, "softmax")])
    assert default_method(model) == "occlusion"
    maps = explain(model, images, size=12, stride=6)
    np.testing.assert_array_equal(maps, explain(model, images, "occlusion", size=12, stride=6))


def test_attention_is_the_region_map(models, images):
    np.testing.assert_allclose(explain(models[1], images, "attention"), region_map(models[1], images), atol=1e-6)


@pytest.mark.parametrize("method", ["gradcam", "occlusion", "integrated_gradients"])
def test_a_target_is_a_name_a_code_or_a_code_for_each_picture(models, images, method):
    by_code = quick(models, images, method, target=EMOTIONS.index("sadness"))
    for same in ("sadness", np.int64(4), np.full(7, 4), [4] * 7, np.full(7, 4, np.uint8)):
        np.testing.assert_array_equal(quick(models, images, method, target=same), by_code)
    mixed = quick(models, images, method, target=[4, 4, 0, 0, 4, 4, 0])
    np.testing.assert_allclose(mixed[[0, 1, 4, 5]], by_code[[0, 1, 4, 5]], atol=1e-5)
    other = quick(models, images, method, target="anger")
    np.testing.assert_allclose(mixed[[2, 3, 6]], other[[2, 3, 6]], atol=1e-5)
    assert np.abs(other - by_code).max() > 0.1


@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_without_a_target_it_is_each_pictures_predicted_class(models, images, method):
    predicted = predict_probabilities(models[0], images).argmax(axis=1)
    assert len(set(predicted)) > 1
    given = quick(models, images, method, target=predicted)
    np.testing.assert_array_equal(quick(models, images, method), given)


def test_a_name_means_the_models_own_order(models, images, tmp_path):
    save_model(models[0], tmp_path / "m.h5", EMOTIONS[6::-1])
    model = load_model(tmp_path / "m.h5")
    expected = explain(models[0], images, target=6 - EMOTIONS.index("disgust"))
    np.testing.assert_allclose(explain(model, images, target="disgust"), expected, atol=1e-4)


WRONG_TARGET = "target: must be a class name, a code 0..6, or a code for each of the 7 images; received "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "saliency"}, "method: allowed are cam, gradcam, .*; received 'saliency'"),
        ({"method": ["gradcam"]}, "method: allowed are cam, gradcam, .*; received .'gradcam'"),
        ({"target": "bored"}, "target: allowed are anger, disgust, fear, .*; received 'bored'"),
        ({"target": 7}, WRONG_TARGET + "7"),
        ({"target": -1}, WRONG_TARGET + "-1"),
        ({"target": 2.0}, WRONG_TARGET + "2.0"),
        ({"target": True}, WRONG_TARGET + "True"),
        ({"target": [0, 1]}, WRONG_TARGET + ".0, 1."),
        ({"target": [0] * 6 + [7]}, WRONG_TARGET),
        ({"target": np.zeros((7, 1), int)}, WRONG_TARGET),
        ({"target": ["anger"] * 7}, WRONG_TARGET),
        ({"target": []}, WRONG_TARGET),
        ({"size": 3}, "options of gradcam: unknown 'size'; allowed are batch_size"),
        ({"method": "attention", "batch_size": 3}, "options of attention: unknown 'batch_size'; allowed are none"),
        ({"method": "occlusion", "steps": 3}, "options of occlusion: unknown 'steps'; allowed are batch_size, fill, "),
        ({"batch_size": 0}, "batch_size: must be a number >= 1; received 0"),
        ({"batch_size": -2}, "batch_size: must be a number >= 1; received -2"),
        ({"method": "attention"}, "method: attention .* ran_facenet2expnet; vgg_bn has no region"),
    ],
)
def test_wrong_arguments(models, images, options, message):
    with pytest.raises(InputError, match=message):
        explain(models[0], images, **options)


@pytest.mark.parametrize("shape", [(32, 32, 1), (2, 32, 32), (2, 32, 31, 1), (2, 32, 32, 3), (0,)])
def test_pictures_of_another_shape(models, shape):
    with pytest.raises(InputError, match=r"images: must be \[N, 32, 32, 1\]; received \(" + ", ".join(map(str, shape))):
        explain(models[0], np.zeros(shape, np.uint8))


def test_a_model_without_softmax_is_refused(images):
    """What ends in scores has no probabilities to predict or to drop."""
    stack = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(7, name="scores")]
    model = keras.Sequential([keras.Input(SHAPE), *stack])
    for method in ("gradcam", "occlusion"):
        with pytest.raises(InputError, match="model: outputs are not probabilities .*; end the model in a softmax"):
            explain(model, images, method)
