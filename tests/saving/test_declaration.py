"""Models that the kit did not make: what is declared about them decides their answers, and undeclared ones are refused.

Each model here answers nonsense if it is given raw pixels or the kit's order of classes, as public models do.
"""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from tutorial_models import BY_ALPHABET, SCRIPTS, tutorial_model, written

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.emotions import AFFECTNET_CODES, EMOTIONS, FERPLUS_COLUMNS, RAFDB_CODES
from fer_tf.explain import explain
from fer_tf.predict import EmotionRecognizer
from fer_tf.runs.evaluate import class_probabilities, evaluate_model
from fer_tf.saving import Declaration, load_model, model_info, save_model
from fer_tf.saving.adopting import adopt_model, guess_pixels
from fer_tf.saving.declaration import declared_text, named_orders

pytestmark = pytest.mark.usefixtures("untraced")


# answers


def test_raw_pixels_saturate_the_network(theirs, faces):
    """The fault that a declaration prevents: all faces become one emotion with certainty, whatever they show."""
    path, own = theirs["-1..1"]
    raw = load_model(path, Declaration("0..255", "fer2013")).predict_on_batch(faces)
    assert np.asarray(raw).max(axis=1).min() > 0.999
    assert (np.asarray(raw).argmax(axis=1) != own.argmax(axis=1)).mean() > 0.4
    assert len(set(own.argmax(axis=1))) > 3


@pytest.mark.parametrize("pixels", SCRIPTS)
def test_declared_answers_are_the_models_own(pixels, theirs, faces):
    path, own = theirs[pixels]
    recognizer = EmotionRecognizer(path, detector="none", declaration=Declaration(pixels, "fer2013"))
    table = recognizer.predict(faces)
    np.testing.assert_allclose(table[list(EMOTIONS[:7])].to_numpy(float), own, atol=1e-4)
    assert list(table["label"]) == [EMOTIONS[code] for code in own.argmax(axis=1)]


def test_alphabetical_outputs_get_their_own_names(theirs, faces):
    path, own = theirs["0..1"]
    table = EmotionRecognizer(path, detector="none", declaration=Declaration("0..1", "alphabetical")).predict(faces)
    assert list(table["label"]) == [BY_ALPHABET[code] for code in own.argmax(axis=1)]
    np.testing.assert_allclose(table[list(BY_ALPHABET)].to_numpy(float), own, atol=1e-5)


def test_an_evaluation_measures_the_declared_model(theirs, fer2013_root, fresh_home):
    """Also a model whose outputs are in another order than the dataset's classes."""
    from fer_tf.data import load_dataset

    ds = load_dataset("fer2013", fer2013_root)
    path, _ = theirs["0..1"]
    model = load_model(path, Declaration("0..1", "alphabetical"))
    own = np.asarray(keras.models.load_model(path).predict_on_batch(ds.test.images / 255.0))
    found = class_probabilities(model, ds.test)
    np.testing.assert_allclose(found, own[:, [BY_ALPHABET.index(name) for name in ds.class_names]], atol=1e-5)
    run = evaluate_model(model, ds, "theirs", fresh_home / "out")
    right = np.array(BY_ALPHABET)[own.argmax(axis=1)] == np.array(ds.class_names)[ds.test.labels]
    assert run.metrics["test"]["accuracy"] == pytest.approx(right.mean())
    assert run.record["provenance"]["declared"] == {"pixels": "0..1", "channels": "gray", "guess": False}


def test_channels_are_given_as_declared(faces):
    colours = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3)).astype(np.uint8)
    model = tutorial_model(SCRIPTS["0..1"], colours.astype(np.float32), channels=3)
    expected = model.predict_on_batch(colours[..., ::-1] / 255.0)
    recognizer = EmotionRecognizer(model, detector="none", declaration=Declaration("0..1", "fer2013", "bgr"))
    found = recognizer.predict(colours)[list(EMOTIONS[:7])].to_numpy(float)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    thrice = EmotionRecognizer(model, detector="none", declaration=Declaration("0..1", "fer2013", "gray"))
    gray = np.repeat(faces, 3, axis=-1) / 255.0
    np.testing.assert_allclose(
        thrice.predict(faces)[list(EMOTIONS[:7])].to_numpy(float), model.predict_on_batch(gray), atol=1e-4
    )


def test_raw_pixels_need_no_layer_in_front(theirs):
    path, _ = theirs["0..1"]
    assert len(load_model(path, Declaration("0..255", "fer2013")).layers) == 1 + 5
    assert [layer.name for layer in load_model(path, Declaration("0..1", "fer2013")).layers][1] == "declared_input"


def test_a_declared_model_can_be_explained(theirs, faces):
    path, _ = theirs["0..1"]
    model = load_model(path, Declaration("0..1", "fer2013"))
    for method in ("gradcam", "hirescam", "integrated_gradients"):
        maps = explain(model, faces[:3], method)
        assert maps.shape == (3, 48, 48)
        assert maps.any()


# what must be declared


def test_an_undeclared_file_is_refused_with_the_commands_to_type(theirs):
    path, _ = theirs["-1..1"]
    with pytest.raises(ModelFileError, match="does not say its classes and pixel range") as error:
        EmotionRecognizer(path)
    text = str(error.value)
    assert "`--pixels 0..1 --classes fer2013`" in text
    assert f"`fer-tf adopt {path} --pixels 0..1 --classes fer2013 --out 0-adopted.h5`" in text
    assert "--guess" in text
    assert "\n" not in text


def test_a_loaded_model_without_a_word_is_taken_with_a_warning(theirs):
    model = keras.models.load_model(theirs["0..1"][0])
    with pytest.warns(
        UserWarning, match="it gets raw 0..255 pixels, and its classes are taken as anger, disgust, fear"
    ):
        EmotionRecognizer(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pixels in ("0..1", "0..255", "0..255"):  # the model stays as it is
            EmotionRecognizer(model, declaration=Declaration(pixels, "fer2013"))


def test_a_file_of_the_kit_takes_no_declaration(tiny_model_path):
    with pytest.raises(InputError, match=r"tiny.h5: says its pixels and classes itself; leave pixels, .* out"):
        load_model(tiny_model_path, Declaration("0..1", "fer2013"))
    with pytest.raises(InputError, match="says its pixels and classes itself"):
        EmotionRecognizer(load_model(tiny_model_path), declaration=Declaration("0..255", "fer2013"))
    with pytest.raises(InputError, match=r"ferplus.h5: says its pixels"):
        EmotionRecognizer(declaration=Declaration("0..255", "fer2013"))


def test_a_command_to_type_fits_the_number_of_outputs(tmp_path):
    for outputs, names in ((5, ",".join(EMOTIONS[:5])), (6, "alphabetical"), (8, "ferplus")):
        last = layers.Dense(outputs, activation="softmax")
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), last])
        path = written(model, tmp_path / f"with space {outputs}.keras")
        with pytest.raises(ModelFileError, match=f"adopt '{path}' --pixels 0..1 --classes {names} --out") as error:
            load_model(path)
        assert f"or {outputs} names with commas" in str(error.value)
        assert load_model(path, Declaration("0..1", names)).output_shape == (None, outputs)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("imagenet", r"classes: the named orders of 7 classes are fer2013 \(anger .*received 'imagenet'"),
        ("anger,fear", "classes: must be 7 different names, one for each output; received anger, fear"),
        (",".join(["anger"] * 7), "classes: must be 7 different names"),
        ("1,2,3,4,5,6,7", "classes: unknown emotion '1'; known are anger"),
        ("path,b,c,d,e,f,g", "classes: class 'path': is the name of a column"),
        (EMOTIONS, "classes: must be 7 different names"),
    ],
)
def test_classes_must_fit_the_outputs(classes, message, theirs):
    path, _ = theirs["0..1"]
    with pytest.raises(InputError, match=message):
        load_model(path, Declaration("0..1", classes))


def test_classes_of_ones_own_keep_their_names(theirs, faces):
    path, own = theirs["0..1"]
    names = ["bored", "confused", "happiness", "Tired eyes", "sadness", "neutral", "hapiness"]
    declaration = Declaration("0..1", "bored,confused,happy,Tired eyes,sad,neutral,hapiness")
    with pytest.warns(UserWarning, match=r"classes: hapiness is taken as a class of its own; is happiness meant\?"):
        recognizer = EmotionRecognizer(path, detector="none", declaration=declaration)
    table = recognizer.predict(faces)
    np.testing.assert_allclose(table[names].to_numpy(float), own, atol=1e-5)
    assert list(table["label"]) == [names[code] for code in own.argmax(axis=1)]


def test_pixels_and_channels_are_checked_before_a_file_is_read():
    with pytest.raises(InputError, match="pixels: allowed are 0..255, 0..1, -1..1, .*; received '1/255'"):
        Declaration("1/255", "fer2013")
    with pytest.raises(InputError, match="channels: allowed are None, gray, rgb, bgr; received 'RGB'"):
        Declaration("0..1", "fer2013", "RGB")


def test_named_orders_are_the_publishers():
    eight, seven = named_orders(8), named_orders(7)
    assert eight["ferplus"] == tuple(FERPLUS_COLUMNS[:8])
    assert eight["affectnet"] == tuple(AFFECTNET_CODES.values())
    assert seven["affectnet"] == eight["affectnet"][:7]
    assert seven["rafdb"] == tuple(RAFDB_CODES.values())
    assert seven["fer2013"] == EMOTIONS[:7]
    assert seven["alphabetical"] == BY_ALPHABET
    assert set(eight) == {"ferplus", "affectnet", "alphabetical"}
    assert set(named_orders(6)) == {"alphabetical"}
    assert named_orders(5) == {}


def test_names_may_be_spelled_as_folders_are():
    spelled = Declaration("0..1", "Angry, disgust,fear,HAPPY,neutral,sad,surprise")
    assert spelled.class_names(7) == BY_ALPHABET


# raw scores


@pytest.fixture(scope="module")
def scores(faces, tmp_path_factory):
    """(file of a network that ends in raw scores, its softmax on its own pixels)."""
    model = tutorial_model(SCRIPTS["0..1"], faces.astype(np.float32))
    bare = keras.Model(model.inputs[0], model.get_layer("last").output)
    path = written(bare, tmp_path_factory.mktemp("scores") / "scores.keras")
    return path, np.asarray(model.predict_on_batch(faces / 255.0))


@pytest.mark.parametrize("pixels", ["0..1", "0..255"])
def test_raw_scores_are_refused_until_they_are_declared(pixels, scores):
    path, _ = scores
    with pytest.raises(InputError, match=r"scores.keras: its outputs are not probabilities: .* negative .*--logits"):
        load_model(path, Declaration(pixels, "fer2013"))
    model = load_model(path, Declaration(pixels, "fer2013", logits=True))
    assert declared_text(model_info(model)["provenance"]).endswith("the classes, raw scores as outputs")


def test_scores_that_do_not_sum_to_one_are_refused(tmp_path):
    """For example a sigmoid for each class: no row is negative."""
    last = layers.Dense(7, activation="sigmoid")
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), last])
    with pytest.raises(InputError, match=r"not probabilities: on drawn faces a row sums to [\d.]+\. If they are raw"):
        load_model(written(model, tmp_path / "m.h5"), Declaration("0..1", "fer2013"))


def test_declared_scores_become_probabilities(scores, faces, tmp_path):
    path, expected = scores
    declaration = Declaration("0..1", "alphabetical", logits=True)
    table = EmotionRecognizer(path, detector="none", declaration=declaration).predict(faces)
    np.testing.assert_allclose(table[list(BY_ALPHABET)].to_numpy(float), expected, atol=1e-5)
    info = adopt_model(path, tmp_path / "mine.h5", declaration)
    assert info["provenance"]["declared"]["logits"] is True
    adopted = load_model(tmp_path / "mine.h5")
    np.testing.assert_allclose(adopted.predict_on_batch(faces), expected, atol=1e-5)
    maps = explain(adopted, faces[:2], method="gradcam", target=3)
    assert maps.shape == (2, 48, 48)
    assert maps.max() == pytest.approx(1)


def test_probabilities_are_not_declared_as_scores(theirs):
    """A second softmax would leave the label and make all probabilities nearly equal."""
    with pytest.raises(InputError, match=r"logits: the outputs of .* are probabilities already; leave it out"):
        load_model(theirs["0..1"][0], Declaration("0..1", "fer2013", logits=True))


def test_pixels_of_raw_scores_are_guessed(scores):
    found, _ = guess_pixels(scores[0], "fer2013", logits=True)
    assert (found.pixels != "0..255", found.logits, found.is_guess) == (True, True, True)


def test_a_stranger_kept_by_the_kit_needs_no_declaration(theirs, tmp_path):
    """As every run does: a declared model that is saved by the kit is described."""
    model = load_model(theirs["0..1"][0], Declaration("0..1", "fer2013"))
    save_model(model, tmp_path / "kept.h5", model_info(model)["class_names"])
    assert model_info(load_model(tmp_path / "kept.h5"))["class_names"] == list(EMOTIONS[:7])
