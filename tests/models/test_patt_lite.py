"""PAtt-Lite: each picture attends over its own patches, and over nothing else."""

import keras
import numpy as np
import pytest
from fixtures import multiply_adds

from fer_tf.common.checks import InputError
from fer_tf.models import build_model
from fer_tf.models.backbones import find_backbone, set_trainable

pytestmark = pytest.mark.usefixtures("untraced")
SCALE = 0.5


def outputs(model, layer, images):
    return keras.ops.convert_to_numpy(keras.Model(model.inputs[0], model.get_layer(layer).output)(images))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 48, 48, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model(images):
    """With a normalisation and a scale as after training: at the start, all patches weigh nearly the same."""
    keras.utils.set_random_seed(0)
    built = build_model("patt_lite", (48, 48, 1), 7, weights="drawn", width=0.25)
    units = outputs(built, "dense", images)
    mean, deviation = units.mean(axis=(0, 1)), units.std(axis=(0, 1))
    gain = np.sqrt(1e-3) / np.maximum(deviation, 1e-6)  # Keras adds 1e-3 to the variance
    built.get_layer("dense_norm").set_weights([gain, np.zeros_like(mean), mean, np.zeros_like(mean)])
    built.get_layer("attention").set_weights([np.float32(SCALE)])
    return built


def test_attention_is_over_the_four_patches_of_one_picture(model, images):
    before, after = outputs(model, "dense_norm", images), outputs(model, "attention", images)
    assert before.shape == after.shape == (6, 4, 8)
    alone = np.concatenate([outputs(model, "attention", image[None]) for image in images])
    np.testing.assert_allclose(after, alone, atol=1e-5)
    assert np.abs(after - before.mean(axis=1, keepdims=True)).max() > 0.1, "equal weights: this test proves nothing"


def test_a_batch_of_one_class_does_not_give_its_label_away(model, images):
    """The published notebook attends over the batch, so a batch of one class gives its label away.

    Here an answer is the same alone, among other pictures, and among copies of one picture.
    """
    alone = np.concatenate([keras.ops.convert_to_numpy(model(image[None])) for image in images])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(images)), alone, atol=1e-6)
    company = np.concatenate([images[:1], np.repeat(images[3:4], 5, axis=0)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(company))[0], alone[0], atol=1e-6)
    assert np.ptp(alone, axis=0).max() > 0.01, "the same answer to every picture: this test proves nothing"


@pytest.mark.parametrize(("resolution", "side"), [(0, 9), (144, 9), (224, 14)])
def test_there_are_four_patches_whatever_the_resolution(resolution, side):
    built = build_model("patt_lite", (48, 48, 1), 7, resolution=resolution, width=0.0625)
    assert find_backbone(built).output_shape[1:3] == (side, side)
    assert built.get_layer("patches").output.shape[1] == 4


@pytest.mark.parametrize(("resolution", "million"), [(144, 160), (224, 390)])
def test_figures_of_the_docstring(resolution, million):
    built = build_model("patt_lite", (48, 48, 1), 7, resolution=resolution)
    assert built.count_params() / 1e6 == pytest.approx(1.4, abs=0.05)
    assert multiply_adds(built) / 1e6 == pytest.approx(million, rel=0.05)


def test_a_resolution_that_leaves_one_patch_is_refused():
    with pytest.raises(InputError, match="resolution: patt_lite needs sides of at least 144 pixels; received 128"):
        build_model("patt_lite", (48, 48, 1), 7, resolution=128)


def test_the_first_phase_trains_the_head_alone(model):
    set_trainable(model, None)
    names = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert names == {"patch_conv4", "patch_conv2", "patch_conv1", "dense", "dense_norm", "attention", "scores"}
    set_trainable(model, "", freeze_norm=False)
    assert any(weight.path.startswith("conv1/") for weight in model.trainable_weights)
