"""Transfer models: the head learns first, and the preprocessing is inside the saved model."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.experiments import EXPERIMENTS
from fer_tf.models import MODELS, build_model, has_head_phase, starts_from_nothing
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("akhand", {"backbone": "DenseNet161"}, "backbone: allowed are .*DenseNet121.*received 'DenseNet161'"),
        ("akhand", {"backbone": "ConvNeXtTiny"}, "backbone: ConvNeXtTiny cannot be used: Keras cannot load its .h5"),
        ("akhand", {"backbone": "Xception", "resolution": 64}, "resolution: Xception needs sides of at least 71"),
        ("mobilenet", {"resolution": 31}, "resolution: MobileNet needs sides of at least 32 pixels; received 31"),
        ("mobilenet", {"resolution": 48.5}, "resolution: must be a whole number"),
        ("mobilenet", {"width": 0.5, "weights": "imagenet"}, "width: pretrained weights need width 1; received 0.5"),
    ],
)
def test_wrong_arguments(name, options, message):
    with pytest.raises(InputError, match=message):
        build_model(name, (48, 48, 1), 7, **options)


def test_preprocessing_is_inside_the_saved_model(tmp_path, rng):
    """Raw gray bytes in. What the backbone gets is compared with the same steps done by hand."""
    model = build_model("mobilenet", (40, 40, 1), 3, resolution=32, width=0.25)
    save_model(model, tmp_path / "m.h5", ("anger", "disgust", "fear"))
    loaded, gray = load_model(tmp_path / "m.h5"), rng.integers(0, 256, (4, 40, 40, 1), dtype=np.uint8)
    resized = np.asarray(keras.ops.image.resize(gray.astype(np.float32), (32, 32)))
    shown = keras.applications.mobilenet.preprocess_input(np.repeat(resized, 3, axis=-1))
    pooled = loaded.get_layer("backbone").predict_on_batch(shown).mean(axis=(1, 2))
    kernel, bias = loaded.get_layer("scores").get_weights()
    powers = np.exp(pooled @ kernel + bias)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.predict_on_batch(gray), expected, atol=1e-5)


def test_the_builder_says_that_its_head_can_learn_first():
    assert {name for name in MODELS if has_head_phase(name)} == {
        "vgg16",
        "mobilenet",
        "akhand",
        "patt_lite",
        "fine_tune",
    }
    experiment = EXPERIMENTS["vgg16"]
    assert not starts_from_nothing(experiment)
    assert starts_from_nothing(replace(experiment, weights="none"))
    assert not starts_from_nothing(replace(EXPERIMENTS["ran"], weights="none")), "its backbone is a part, not the model"
