"""Adopting: files of the kit made from other models, and guesses of their pixels."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from tutorial_models import BY_ALPHABET, SCRIPTS, tutorial_model, written

from fer_tf.common.checks import InputError
from fer_tf.saving import Declaration, load_model, model_info
from fer_tf.saving.adopting import adopt_model, guess_pixels, try_pixels
from fer_tf.saving.declaration import declared_text

pytestmark = pytest.mark.usefixtures("untraced")


# a file of the kit


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_an_adopted_file_is_a_model_like_any_other(suffix, theirs, faces, tmp_path):
    path, own = theirs["-1..1"]
    info = adopt_model(path, tmp_path / f"mine{suffix}", Declaration("-1..1", "alphabetical"))
    loaded = load_model(tmp_path / f"mine{suffix}")
    np.testing.assert_allclose(loaded.predict_on_batch(faces), own, atol=1e-5)
    assert model_info(loaded) == info
    assert info["class_names"] == list(BY_ALPHABET)
    assert info["pixel_range"] == [0, 255]
    assert info["provenance"]["adopted_from"] == path.name
    assert "pixels -1..1, channels gray" in declared_text(info["provenance"])


def test_an_adoption_changes_no_other_file(theirs, tmp_path):
    path, _ = theirs["-1..1"]
    before = path.read_bytes()
    with pytest.raises(InputError, match="suffix of the model file: allowed are .h5, .keras"):
        adopt_model(path, tmp_path / "mine.onnx", Declaration("-1..1", "fer2013"))
    copy = tmp_path / "copy.h5"
    copy.write_bytes(before)
    with pytest.raises(InputError, match=r"out: .*copy.h5 is the model itself; give another name"):
        adopt_model(copy, copy, Declaration("-1..1", "fer2013"))
    assert path.read_bytes() == copy.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["copy.h5"]


# guessing


@pytest.mark.parametrize("pixels", ["-1..1", "0..1"])
def test_a_guess_is_a_range_that_does_not_saturate(pixels, theirs):
    found, trials = guess_pixels(theirs[pixels][0], "fer2013")
    assert found.is_guess
    assert [trial.pixels for trial in trials][-1] == "0..255"
    assert {trial.pixels for trial in trials} == {"0..255", "0..1", "-1..1"}
    assert found.pixels == trials[0].pixels != "0..255"
    assert trials[-1].confidence > 0.99
    assert trials[0].confidence < 0.9
    model = load_model(theirs[pixels][0], found)
    assert "a guess" in declared_text(model_info(model)["provenance"])
    assert json.dumps(model_info(model))


@pytest.mark.parametrize("pixels", ["-1..1", "0..1", "standardised"])
def test_batch_normalisation_remembers_the_pixels(pixels, faces, tmp_path):
    """It has stored mean and variance of its maps, so all kinds of pixels can be distinguished."""
    norm = layers.BatchNormalization(momentum=0.0)
    ends = [layers.GlobalAveragePooling2D(), layers.Dense(7, activation="softmax")]
    model = keras.Sequential([keras.Input((48, 48, 1)), layers.Conv2D(8, 5, strides=2), norm, *ends])
    model(SCRIPTS[pixels](faces.astype(np.float32)), training=True)
    found, trials = guess_pixels(written(model, tmp_path / "m.keras"), "fer2013")
    assert found.pixels == pixels
    assert {trial.pixels for trial in trials} == {"0..255", "0..1", "-1..1", "standardised"}
    assert trials[0].mismatch < 1 < trials[-1].mismatch


def test_raw_pixels_are_guessed_too(faces, tmp_path):
    path = written(tutorial_model(lambda x: x, faces.astype(np.float32)), tmp_path / "raw.h5")
    assert guess_pixels(path, "fer2013")[0].pixels == "0..255"


def test_colour_models_try_the_pixels_of_imagenet(tmp_path):
    model = keras.Sequential([keras.Input((48, 48, 3)), layers.BatchNormalization(), layers.GlobalAveragePooling2D()])
    model.add(layers.Dense(7, activation="softmax"))
    trials = try_pixels(written(model, tmp_path / "colour.keras"), "fer2013")
    assert {"imagenet-caffe", "imagenet-torch"} < {trial.pixels for trial in trials}


def test_a_file_of_the_kit_is_not_guessed(tiny_model_path):
    with pytest.raises(InputError, match="says its pixels and classes itself"):
        guess_pixels(tiny_model_path, "fer2013")
