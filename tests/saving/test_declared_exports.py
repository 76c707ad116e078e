"""ONNX and TFLite files that the kit did not export: declared, they answer as the model that they were made of."""

import zipfile

import keras
import numpy as np
import pytest
from exports import CLASSES, NAMES
from keras import layers

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.explain.logits import logits_model
from fer_tf.predict import EmotionRecognizer
from fer_tf.runs.evaluate import evaluate_model
from fer_tf.saving import Declaration, declared_model, model_info, model_shape
from fer_tf.saving.adopting import adopt_model
from fer_tf.saving.export import export_model
from fer_tf.saving.opening import open_in_runtime
from fer_tf.saving.runtimes import open_exported

pytestmark = pytest.mark.extras
BY_ALPHABET = sorted(CLASSES)


@pytest.fixture(scope="module")
def theirs(decided):
    """A network on pixels 0..1."""
    inputs = keras.Input((48, 48, 1))
    model = keras.Model(inputs, decided(layers.Rescaling(255.0)(inputs)))
    model.predict_on_batch(np.zeros((1, 48, 48, 1)))  # Keras exports to ONNX only what was called
    return model


@pytest.fixture(scope="module")
def files(theirs, tmp_path_factory):
    """form -> the file that Keras exported by itself, without a description."""
    folder, found = tmp_path_factory.mktemp("theirs"), {}
    for form, kind in (("onnx", "onnx"), ("tflite", "litert")):
        found[form] = folder / NAMES[form]
        theirs.export(str(found[form]), format=kind, verbose=False)
    return found


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_declared_answers_are_the_models_own(form, files, theirs, pictures):
    images, declaration = pictures.checked, Declaration("0..1", "alphabetical")
    expected = np.asarray(theirs.predict_on_batch(images / 255.0))
    table = EmotionRecognizer(files[form], detector="none", declaration=declaration).predict(images)
    np.testing.assert_allclose(table[BY_ALPHABET].to_numpy(float), expected, atol=1e-5)
    assert list(table["label"]) == [BY_ALPHABET[code] for code in expected.argmax(axis=1)]
    loaded = open_in_runtime(files[form], None, declaration)
    assert model_info(loaded)["provenance"]["declared"]["pixels"] == "0..1"
    for count in (1, 5):
        np.testing.assert_allclose(loaded.predict_on_batch(images[:count]), expected[:count], atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_undeclared_ones_are_refused_and_the_kits_own_take_no_declaration(form, files, exported):
    with pytest.raises(
        ModelFileError, match="does not say its classes and pixel range, .*--pixels 0..1 --classes"
    ) as error:
        open_exported(files[form])
    assert "adopt" not in str(error.value)
    with pytest.raises(InputError, match=f"{NAMES[form]}: says its pixels and classes itself"):
        open_exported(exported[form], Declaration("0..1", "fer2013"))
    with pytest.raises(InputError, match="classes: must be 7 different names"):
        open_exported(files[form], Declaration("0..1", "anger,fear"))


def test_a_declared_keras_file_runs_in_another_runtime(theirs, pictures, tmp_path, monkeypatch):
    """The cache keeps one export for each declaration."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))
    theirs.save(tmp_path / "theirs.h5")
    for pixels, images in (("0..1", pictures.checked / 255.0), ("-1..1", pictures.checked / 127.5 - 1)):
        loaded = open_in_runtime(tmp_path / "theirs.h5", "onnx", Declaration(pixels, "fer2013"))
        expected = np.asarray(theirs.predict_on_batch(images))
        np.testing.assert_allclose(loaded.predict_on_batch(pictures.checked), expected, atol=1e-4)
    assert len(list((tmp_path / "cache" / "exports").iterdir())) == 2


@pytest.mark.parametrize(
    ("form", "pixels"), [("onnx", "standardised"), ("onnx", "imagenet-caffe"), ("tflite", "standardised")]
)
def test_declared_pixels_can_be_exported(form, pixels, tmp_path, pictures):
    inputs = keras.Input((48, 48, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=4, activation="relu")(inputs))
    bare = keras.Model(inputs, layers.Dense(7, activation="softmax")(x))
    model = declared_model(bare, Declaration(pixels, "fer2013", "bgr"))
    colours = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3)).astype(np.uint8)
    shown = type(pictures)(colours, colours, "noise")
    export_model(model, tmp_path / NAMES[form], form, pictures=shown)
    loaded = open_exported(tmp_path / NAMES[form])
    np.testing.assert_allclose(loaded.predict_on_batch(colours), model.predict_on_batch(colours), atol=1e-4)


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_a_declared_export_is_evaluated_as_its_model(form, files, theirs, tiny_faces, fresh_home):
    """Also one whose outputs are in alphabetical order."""
    declaration = Declaration("0..1", "alphabetical")
    expected = evaluate_model(declared_model(theirs, declaration), tiny_faces, "keras", fresh_home / "a")
    found = evaluate_model(open_exported(files[form], declaration), tiny_faces, "exported", fresh_home / "b")
    np.testing.assert_array_equal(found.metrics["test"]["confusion"], expected.metrics["test"]["confusion"])
    assert found.record["provenance"]["declared"]["pixels"] == "0..1"


def test_exports_are_not_adopted(files, tmp_path):
    with pytest.raises(InputError, match="model: only Keras files can be adopted .*, not m.onnx; declare"):
        adopt_model(files["onnx"], tmp_path / "mine.h5", Declaration("0..1", "fer2013"))


def channels_first(path, kind="FLOAT"):
    """An ONNX file as other libraries write them: one picture at a time, [1, 3, 8, 10]. Returns its weights."""
    import onnx
    from onnx import helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(3 * 8 * 10, 7)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["picture"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["emotions"]),
    ]
    number = getattr(onnx.TensorProto, kind)
    sides = [("picture", number, [1, 3, 8, 10]), ("emotions", number, [1, 7])]
    values = weights if kind == "FLOAT" else weights.astype(np.float16)
    graph = helper.make_graph(
        nodes,
        "other",
        *([helper.make_tensor_value_info(*side)] for side in sides),
        [numpy_helper.from_array(values, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return weights


def test_channels_first_and_one_picture_at_a_time(tmp_path):
    weights = channels_first(tmp_path / "m.onnx")
    loaded = open_exported(tmp_path / "m.onnx", Declaration("0..1", "fer2013", "bgr"))
    assert model_shape(loaded) == (8, 10, 3)
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 10, 3)).astype(np.uint8)
    scores = np.moveaxis(images[..., ::-1] / 255.0, 3, 1).reshape(5, -1) @ weights
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.predict_on_batch(images), expected, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_raw_scores_are_declared(form, theirs, pictures, tmp_path):
    """As in Keras files: refused until they are declared; then a softmax is applied."""
    bare = keras.Model(theirs.inputs[0], logits_model(theirs).output)
    bare.predict_on_batch(np.zeros((1, 48, 48, 1)))
    path = tmp_path / NAMES[form]
    bare.export(str(path), format="onnx" if form == "onnx" else "litert", verbose=False)
    with pytest.raises(InputError, match=f"{NAMES[form]}: its outputs are not probabilities: .*--logits"):
        open_exported(path, Declaration("0..1", "fer2013"))
    loaded = open_exported(path, Declaration("0..1", "fer2013", logits=True))
    expected = np.asarray(theirs.predict_on_batch(pictures.checked / 255.0))
    np.testing.assert_allclose(loaded.predict_on_batch(pictures.checked), expected, atol=1e-5)
    assert model_info(loaded)["provenance"]["declared"]["logits"] is True


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_exported_probabilities_are_not_declared_as_scores(form, files):
    with pytest.raises(InputError, match="logits: the outputs of .* are probabilities already"):
        open_exported(files[form], Declaration("0..1", "fer2013", logits=True))


def test_other_numbers_are_refused(tmp_path):
    channels_first(tmp_path / "m.onnx", "FLOAT16")
    with pytest.raises(ModelFileError, match=r"takes numbers of the type tensor\(float16\); only float32"):
        open_exported(tmp_path / "m.onnx", Declaration("0..1", "fer2013"))


def test_a_zip_with_other_content_says_nothing(files, tmp_path):
    """TFLite files of other tools may carry labels, but not the kit's description."""
    path = tmp_path / "m.tflite"
    path.write_bytes(files["tflite"].read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "a\nb")
    assert open_exported(path, Declaration("0..1", "fer2013")).output_shape == (None, 7)
