"""FaceNet2ExpNet.h5 has its outputs in the proposal's order: its maps must be those of the class that was asked for."""

import keras
import numpy as np
import pytest

from fer_tf.emotions import EMOTION_LABELS, EMOTIONS, canonical_emotion
from fer_tf.explain import explain, scrambled
from fer_tf.explain.methods import class_name
from fer_tf.models import build_model
from fer_tf.saving import Declaration, load_model, model_info, save_facenet2expnet, save_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(a model in the kit's order, the same as FaceNet2ExpNet.h5)"""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    model = build_model("facenet2expnet", (48, 48, 1), 8, depth=6, width=0.1)
    save_model(model, folder / "run.h5", EMOTIONS)
    own = load_model(folder / "run.h5")
    return own, load_model(save_facenet2expnet(own, folder / "FaceNet2ExpNet.h5"))


@pytest.mark.parametrize(
    "method", ["gradcam", "gradcam++", "hirescam", "occlusion", "integrated_gradients", "smoothgrad"]
)
def test_a_map_is_of_the_class_in_the_files_own_order(models, method):
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1), dtype=np.uint8)
    own, exported = models
    shown = 0
    for emotion, label in [("happiness", "Happiness"), ("anger", "Anger"), ("neutral", "Neutrality")]:
        expected = explain(own, images, method, target=emotion)
        np.testing.assert_allclose(explain(exported, images, method, target=label), expected, atol=1e-4)
        shown += bool(expected.any())
    assert shown


def test_a_scrambled_copy_knows_its_classes(models):
    """`clone_model` forgets them, and the default order would be another."""
    names = [model_info(scrambled(model))["class_names"] for model in models]
    assert names == [model_info(model)["class_names"] for model in models]


@pytest.mark.parametrize("target", ["Neutrality", "neutral", "NEUTRAL"])
def test_a_class_may_be_named_as_the_kit_does(models, target):
    assert class_name(models[1], target) == "Neutrality"
    assert class_name(models[0], target) == "neutral"


def test_saved_again_by_keras_it_keeps_its_order(models, tmp_path):
    """As a student does who trains it on."""
    models[1].save(tmp_path / "own.h5")
    loaded = load_model(tmp_path / "own.h5", Declaration("0..255", EMOTION_LABELS))
    assert model_info(loaded)["class_names"] == [canonical_emotion(label) for label in EMOTION_LABELS]
