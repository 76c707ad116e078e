"""Export: every form predicts as the Keras model does and carries its description, or no file appears."""

import shutil
import zipfile

import keras
import numpy as np
import pytest
from exports import CLASSES, NAMES, decided_model, left_in, small, some_pictures
from second_outputs import save_with

from fer_tf.common.checks import InputError
from fer_tf.data.images import convert
from fer_tf.models import MODELS
from fer_tf.saving import describe, export, model_info
from fer_tf.saving.export import (
    Parity,
    SamplePictures,
    default_out,
    export_model,
    measure_parity,
    sample_pictures,
)
from fer_tf.saving.opening import open_in_runtime
from fer_tf.saving.runtimes import open_exported

pytestmark = pytest.mark.extras

# Those with long graphs, and kinds of what others here have.
LONG = (
    "akhand",
    "cnn4_se",
    "cnn4_se_residual",
    "deepfer",
    "mobilenet",
    "patt_lite",
    "ran_facenet2expnet",
    "residual_masking",
    "resnet18",
    "vgg16",
)

FORMS = [
    ("onnx", None),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("tflite", None),
    ("tflite", "float16"),
    ("tflite", "int8"),
    ("savedmodel", None),
]


# every model


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in MODELS]
)
def test_every_model_can_be_had_as_onnx(name, tmp_path, pictures):
    model = small(name)
    parity = export_model(model, tmp_path / "m.onnx", "onnx", pictures=pictures)
    loaded = open_exported(tmp_path / "m.onnx")
    expected = model.predict_on_batch(pictures.checked)
    for count in (1, 5):
        found = loaded.predict_on_batch(pictures.checked[:count])
        np.testing.assert_allclose(found, expected[:count], atol=1e-4)
    assert parity.pictures == 24
    assert parity.difference < 1e-4
    assert loaded.fer_tf_info["input_shape"] == [48, 48, 1]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["tflite", "savedmodel"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_had_in_the_other_forms(name, form, tmp_path, pictures):
    assert export_model(small(name), tmp_path / NAMES[form], form, pictures=pictures).difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("form", "quantize"), [item for item in FORMS if item[1]])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_had_smaller(name, form, quantize, tmp_path, pictures):
    bound = 0.02 if quantize == "float16" else 0.5
    assert export_model(small(name), tmp_path / NAMES[form], form, quantize, pictures).difference < bound


def test_coloured_pictures_of_another_size(tmp_path, tiny_faces):
    model = small("cnn", (64, 64, 3))
    export_model(model, tmp_path / "m.tflite", "tflite", pictures=some_pictures(tiny_faces, (64, 64, 3)))
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    found = open_exported(tmp_path / "m.tflite").predict_on_batch(images)
    np.testing.assert_allclose(found, model.predict_on_batch(images), atol=1e-5)


# every form


@pytest.mark.parametrize(("form", "quantize"), FORMS)
def test_a_form_predicts_as_the_model_and_says_what_it_is(form, quantize, tmp_path, decided, pictures):
    out = tmp_path / NAMES[form]
    parity = export_model(decided, out, form, quantize, pictures)
    expected, found = decided.predict_on_batch(pictures.checked), open_exported(out).predict_on_batch(pictures.checked)
    assert np.ptp(expected, axis=0).min() > 0.3, "the scores of the pictures are equal: nothing is proved here"
    bound = {None: 1e-5, "float16": 0.02, "int8": 0.2}[quantize]
    np.testing.assert_allclose(found, expected, atol=bound)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)  # int8 rounds each to a multiple of 1/256
    assert parity.difference == pytest.approx(np.abs(found - expected).max(), abs=1e-5)
    assert quantize is None or parity.difference > 1e-5, "nothing has been rounded"
    info = open_exported(out).fer_tf_info
    made = info["provenance"].pop("export")
    assert info == model_info(decided)
    assert made["form"] == form
    assert made["quantize"] == (quantize or "none")
    assert ("calibrated_on" in made) == (quantize == "int8")
    assert left_in(tmp_path) == [out.name]
    if form == "tflite":  # phones look for them there
        with zipfile.ZipFile(out) as archive:
            assert archive.read("labels.txt").decode().split() == list(CLASSES)
    if form != "savedmodel":
        share = {None: 1.2, "float16": 0.65, "int8": 0.45}[quantize]
        assert out.stat().st_size < share * 4 * decided.count_params()


def test_a_model_of_mixed_precision_is_exported_in_single(tmp_path, pictures):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = decided_model(pictures)
    finally:
        keras.config.set_dtype_policy(before)
    parity = export_model(model, tmp_path / "m.onnx", "onnx", pictures=pictures)
    assert 1e-6 < parity.difference < 0.02
    assert any(layer.compute_dtype == "float16" for layer in model.layers), "the model that was given has been changed"


def test_what_is_given_may_be_a_file(tmp_path, tiny_model_path, pictures):
    assert export_model(tiny_model_path, tmp_path / "m.onnx", "onnx", pictures=pictures).same == 1


# what is refused


def _another_model(writer):
    """A writer that writes the model with its classes turned around."""

    def write(model, *arguments):
        turned = keras.Model(model.inputs[0], keras.ops.flip(model.outputs[0], axis=1))
        turned.predict_on_batch(np.zeros((1, 48, 48, 1), np.float32))
        writer(turned, *arguments)

    return write


@pytest.mark.parametrize(("form", "quantize"), [("onnx", None), ("tflite", "int8"), ("savedmodel", None)])
def test_what_predicts_otherwise_is_not_written(form, quantize, tmp_path, decided, pictures, monkeypatch):
    out = tmp_path / NAMES[form]
    monkeypatch.setitem(export.WRITERS, form, _another_model(export.WRITERS[form]))
    with pytest.raises(InputError, match=rf"{out.name}: not written: on 24 pictures .* differs .* by [01]\.?\d*"):
        export_model(decided, out, form, quantize, pictures)
    assert left_in(tmp_path) == []


def test_an_earlier_file_outlives_a_refused_one(tmp_path, decided, pictures, monkeypatch):
    (tmp_path / "m.onnx").write_text("of an earlier export")
    monkeypatch.setitem(export.BOUNDS, None, 0.0)
    monkeypatch.setitem(export.WRITERS, "onnx", _another_model(export.WRITERS["onnx"]))
    with pytest.raises(InputError, match="allowed 0"):
        export_model(decided, tmp_path / "m.onnx", "onnx", pictures=pictures)
    assert (tmp_path / "m.onnx").read_text() == "of an earlier export"
    assert left_in(tmp_path) == ["m.onnx"]


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_whole_numbers_calibrated_on_black_pictures_are_refused(form, tmp_path, decided, pictures):
    black = SamplePictures(np.zeros_like(pictures.calibration), pictures.checked, "black pictures")
    with pytest.raises(InputError, match="calibrated on black pictures: the training dataset works best"):
        export_model(decided, tmp_path / NAMES[form], form, "int8", black)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("form", "quantize", "out", "message"),
    [
        ("coreml", None, "m.x", "form: allowed are onnx, tflite, savedmodel; received 'coreml'"),
        ("onnx", "int4", "m.onnx", "quantize: allowed are None, float16, int8; received 'int4'"),
        ("savedmodel", "int8", "m", "quantize: a SavedModel holds only float32"),
        ("onnx", None, "m.h5", "out: the export to onnx must end in .onnx; received m.h5"),
        ("savedmodel", None, "m.onnx", "out: the export to savedmodel is a folder and must not end in .onnx"),
    ],
)
def test_a_wrong_argument_is_reported_first(form, quantize, out, message):
    with pytest.raises(InputError, match=message):
        export_model("no such model.h5", out, form, quantize)


def test_another_backend_is_reported(monkeypatch, decided):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow; received jax"):
        export_model(decided, "m.onnx", "onnx")


def test_only_an_export_is_replaced_by_a_savedmodel(tmp_path, decided, pictures, exported):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="photos exists and is not a SavedModel of the kit"):
        export_model(decided, tmp_path / "photos", "savedmodel", pictures=pictures)
    assert (tmp_path / "photos" / "mine.txt").read_text() == "mine"
    shutil.copytree(exported["savedmodel"], tmp_path / "m")
    (tmp_path / "m" / "of the earlier one").touch()
    export_model(decided, tmp_path / "m", "savedmodel", pictures=pictures)
    assert left_in(tmp_path) == ["m", "photos"]
    assert left_in(tmp_path / "m") == left_in(exported["savedmodel"])


# how it is measured


class Answers:
    def __init__(self, found):
        self.found, self.asked = np.array(found, np.float32), []

    def predict_on_batch(self, images):
        start = sum(self.asked)
        self.asked.append(len(images))
        return self.found[start : start + len(images)]


def test_parity_counts_labels_with_and_without_near_ties():
    expected = np.array([[0.9, 0.1], [0.52, 0.48], [0.8, 0.2], [0.3, 0.7]], np.float32)
    answers = Answers([[0.8, 0.2], [0.45, 0.55], [0.4, 0.6], [0.3, 0.7]])
    parity = measure_parity(answers, expected, np.zeros((4, 48, 48, 1), np.uint8))
    assert parity == Parity(4, pytest.approx(0.4), 0.5, 0.75)
    assert answers.asked == [1, 3]


def test_no_number_is_no_parity():
    expected = np.full((2, 2), 0.5, np.float32)
    answers = Answers([[0.5, 0.5], [np.nan, np.nan]])
    assert measure_parity(answers, expected, np.zeros((2, 48, 48, 1), np.uint8)).difference == np.inf


def test_too_many_changed_labels_are_refused_within_the_bound(pictures):
    with pytest.raises(InputError, match=r"89.0 % keep their label \(at least 90 %"):
        export._check_parity(Parity(100, 0.3, 0.85, 0.89), export.Path("m.onnx"), "int8", pictures)
    export._check_parity(Parity(100, 0.3, 0.85, 0.9), export.Path("m.onnx"), "int8", pictures)


def test_sample_pictures_are_of_train_and_val_at_the_models_size(fer2013_root):
    found = sample_pictures((64, 64, 3), "fer2013", fer2013_root)
    from fer_tf.data import load_dataset

    ds = load_dataset("fer2013", fer2013_root)
    wanted = [convert(split.images, (64, 64), 3) for split in (ds.train, ds.val)]
    for pixels, expected in zip((found.calibration, found.checked), wanted, strict=True):
        assert pixels.shape == (min(len(expected), len(pixels)), 64, 64, 3)
        assert pixels.dtype == np.uint8
        assert {image.tobytes() for image in pixels} <= {image.tobytes() for image in expected}
    assert found.source == "fer2013 official"


def test_default_names_stand_beside_the_model():
    assert str(default_out("models/a.h5", "onnx")) == "models/a.onnx"
    assert str(default_out("models/a.h5", "tflite", "int8")) == "models/a-int8.tflite"
    assert str(default_out("models/a.keras", "savedmodel")) == "models/a-savedmodel"


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "litert"])
def test_a_model_in_another_runtime_answers_alike(runtime, decided, pictures):
    other = open_in_runtime(decided, runtime)
    expected = decided.predict_on_batch(pictures.checked)
    np.testing.assert_allclose(other.predict_on_batch(pictures.checked), expected, atol=1e-5)
    assert open_in_runtime(other, runtime) is other is open_in_runtime(other)
    with pytest.raises(InputError, match="runtime: only .* can run model.*; received 'keras'"):
        open_in_runtime(other, "keras")


def test_a_model_stays_in_keras_unless_another_runtime_is_named(decided):
    assert open_in_runtime(decided, "keras") is decided is open_in_runtime(decided)
    with pytest.raises(InputError, match="runtime: allowed are None, keras, onnx, tflite; received 'torch'"):
        open_in_runtime(decided, "torch")


def test_a_model_without_description_is_described_by_its_outputs(decided):
    bare = keras.models.clone_model(decided)
    assert model_info(bare) == describe(bare, CLASSES)


def test_an_export_has_the_classes_alone_and_says_so(tmp_path, pictures):
    """It must not promise valence and arousal that nobody can read from it."""
    path = save_with(tmp_path / "m.h5")
    export_model(path, tmp_path / "m.onnx", "onnx", pictures=pictures)
    loaded = open_exported(tmp_path / "m.onnx")
    assert loaded.output_shape[-1] == len(model_info(loaded)["class_names"]) == 7
    assert "second_output" not in model_info(loaded)
