"""Networks without their classifier."""

import keras
import numpy as np
import pytest
from tiny_nets import CLASSES, SHAPE, small

from fer_tf.common.checks import InputError
from fer_tf.models import build_model
from fer_tf.models.features import FEATURE_MODELS, feature_extractor
from fer_tf.models.ran import REGION_FEATURES

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def faces(rng):
    return rng.integers(0, 256, (6, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("backbone", [*FEATURE_MODELS, "MobileNet"])
def test_any_backbone_can_be_shared(faces, backbone):
    # narrower than 16 filters, TensorFlow 2.21's processor kernels (oneDNN) write outside their memory here
    model = small(backbone=backbone, width=0.25 if backbone == "resnet18" else 0.1)
    assert model.get_layer(REGION_FEATURES).output.ndim == 2
    found = np.asarray(model(faces[:2].astype(np.float32)))
    assert found.shape == (2, CLASSES)
    assert np.isfinite(found).all()


def test_features_are_what_the_models_classifier_gets(faces):
    """`feature_extractor` of a kit's model: its own layers up to the dropout before the scores."""
    keras.utils.set_random_seed(0)
    extractor = feature_extractor("ucar_cnn", SHAPE, "features", width=0.1)
    whole = build_model("ucar_cnn", SHAPE, 2, width=0.1)
    body = keras.Model(whole.input, whole.get_layer("dropout").input)
    body.set_weights(extractor.get_weights())
    np.testing.assert_allclose(extractor.predict_on_batch(faces), body.predict_on_batch(faces), atol=1e-6)
    assert extractor.name == "features"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "imagenet"}, "weights: cnn has no ImageNet weights, allowed are none, drawn; received 'imagenet'"),
        ({"resolution": 96}, "resolution: only for backbones of keras.applications"),
        ({"stem": "small"}, "stem: only resnet18 has one"),
    ],
)
def test_what_a_backbone_does_not_have_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        feature_extractor("cnn", SHAPE, "features", **options)


def test_stem_goes_to_resnet18():
    standard, fine = (
        feature_extractor("resnet18", SHAPE, "f", width=0.25, stem=stem) for stem in ("standard", "small")
    )
    sides = [model.get_layer("stage1_block2_sum").output.shape[1] for model in (standard, fine)]
    assert sides == [8, 32]


def test_resolution_goes_to_backbones_of_keras():
    extractor = feature_extractor("MobileNet", SHAPE, "f", width=0.1, resolution=64)
    assert extractor.get_layer("backbone").input_shape == (None, 64, 64, 3)
