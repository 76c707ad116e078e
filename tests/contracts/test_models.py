"""What every entry of MODELS promises; a new model is tested as soon as it is added."""

import keras
import numpy as np
import pytest

from fer_tf.losses import classification_loss
from fer_tf.models import MODELS, build_model, model_options
from fer_tf.saving import load_model, model_info, save_model

# One model of each family learns in `make test`: of plain convolutions, pretrained nets, spatial transformers, region
# attention and face networks. The others are tried by `make test-all`.
FAMILIES = ("cnn", "vgg16", "deep_emotion", "ran", "face_transfer")
LEARNING = [
    name if name in FAMILIES else pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name != "majority"
]
NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def small(name, shape=(48, 48, 1), classes=7, **options):
    keras.utils.set_random_seed(0)
    accepted = model_options(name)
    if "width" in accepted:
        options.setdefault("width", 0.25)
    if name == "akhand":  # its default backbone has 121 layers, which take a minute to compile
        options["backbone"] = "MobileNet"
    if name == "ran":  # seven regions of ResNet18 take a quarter of a minute to compile
        options["backbone"] = "cnn"
    if name == "residual_masking":  # so do its sixteen blocks and twenty in its masks
        options |= {"blocks": (1, 1, 1, 1), "depths": (2, 1, 1, 1)}
    return build_model(name, shape, classes, **options)


@pytest.fixture
def faces(tiny_faces):
    return tiny_faces.train.images[:20]


def answers(model, images):
    """Probabilities without tracing a function, which takes longer than the computation."""
    return keras.ops.convert_to_numpy(model(images.astype(np.float32), training=False))


@pytest.mark.parametrize("name", MODELS)
def test_no_convolution_that_tensorflow_computes_beyond_its_memory(name):
    """Its gradient destroys memory if a 1×1 convolution with strides has fewer than 16 channels, see `conv_norm`."""
    options = {"width": 0.1} if "width" in model_options(name) else {}
    model = build_model(name, (48, 48, 1), 7, **options) if name == "ran" else small(name, **options)
    of_one = [layer for layer in walked(model) if getattr(layer, "kernel_size", None) == (1, 1)]
    assert not [layer.name for layer in of_one if layer.strides != (1, 1) and layer.kernel.shape[-2] < 16]


def walked(model):
    """All layers, also those inside of other layers."""
    return [layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)]


@pytest.mark.parametrize("name", MODELS)
def test_colour_pictures_of_another_size_and_eight_classes(name, rng):
    images = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    probabilities = answers(small(name, (64, 64, 3), 8), images)
    assert probabilities.shape == (3, 8)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_that_do_not_depend_on_company_and_are_saved(name, tmp_path, faces):
    model = small(name)
    together = model.predict_on_batch(faces)
    assert together.shape == (20, 7)
    assert together.dtype == np.float32
    assert together.min() >= 0
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together[::-1], model.predict_on_batch(faces[::-1]), atol=1e-5)
    np.testing.assert_allclose(together[3:4], answers(model, faces[3:4]), atol=1e-5)
    expected = answers(model, faces)
    for suffix in (".h5", ".keras"):
        save_model(model, tmp_path / f"m{suffix}", NAMES, {"run": "x"})
        loaded = load_model(tmp_path / f"m{suffix}")
        np.testing.assert_allclose(answers(loaded, faces), expected, atol=1e-6, err_msg=suffix)
        info = model_info(loaded)
        assert info["class_names"] == list(NAMES)
        assert info["input_shape"] == [48, 48, 1]
        assert info["pixel_range"] == [0, 255]


@pytest.mark.parametrize("name", LEARNING)
def test_ten_images_are_learned_by_heart_in_steps_compiled_by_xla(name, faces):
    faces = faces[:10, ::2, ::2] if name == "ran" else faces[:10]  # its seven regions of each face take long
    options = {"dropout": 0.0} if "dropout" in model_options(name) else {}
    model = small(name, faces.shape[1:], **options)
    # many convolutions without normalisation learn at a tenth of the others' rate
    rate = 3e-4 if name in ("vgg16", "deepfer") else 3e-3
    model.compile(keras.optimizers.Adam(rate), classification_loss(), jit_compile=True)
    targets = np.eye(7, dtype=np.float32)[np.arange(10) % 7]
    # The number of steps depends on rounding: batch norms must settle, and DeepFER keeps moving the picture.
    slow = ("mobilenet", "akhand", "patt_lite", "deepfer", "facenet2expnet", "ran_facenet2expnet")
    for _ in range(8 if name in slow else 2):
        for _ in range(30):
            model.train_on_batch(faces, targets)
        learned = (answers(model, faces).argmax(axis=1) == np.arange(10) % 7).mean()
        if learned >= 0.9:
            break
    assert model.jit_compile
    assert learned >= 0.9
