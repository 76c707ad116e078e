"""Exported files for prediction: they answer like a Keras model, and a broken or foreign one gives a one-line error."""

import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from exports import CLASSES, NAMES

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.explain import explain
from fer_tf.predict import EmotionRecognizer
from fer_tf.saving import describe, model_info, model_shape, runtimes
from fer_tf.saving.export import export_model
from fer_tf.saving.opening import open_in_runtime
from fer_tf.saving.runtimes import DESCRIPTION, ExportedModel, is_exported, open_exported

pytestmark = pytest.mark.extras

FORMS = list(NAMES)


# what they are


@pytest.mark.parametrize("form", FORMS)
def test_an_exported_file_has_what_prediction_asks_for(form, exported, decided):
    loaded = open_in_runtime(exported[form])
    assert isinstance(loaded, ExportedModel)
    assert is_exported(exported[form])
    assert model_shape(loaded) == (48, 48, 1)
    assert loaded.output_shape == (None, 7)
    assert model_info(loaded)["class_names"] == list(CLASSES)
    assert model_info(loaded)["provenance"]["run"] == "decided"


@pytest.mark.parametrize("form", FORMS)
def test_answers_do_not_depend_on_company_or_type(form, exported, decided, pictures):
    loaded, images = open_exported(exported[form]), pictures.checked
    expected = decided.predict_on_batch(images)
    for count in (1, 24, 3, 1):  # LiteRT is set up again for each
        found = loaded.predict_on_batch(images[:count])
        assert found.shape == (count, 7)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:count], atol=1e-5)
    np.testing.assert_allclose(loaded.predict_on_batch(images[::-1].astype(np.float64))[::-1], expected, atol=1e-5)
    assert loaded.predict_on_batch(images[:0]).shape == (0, 7)


@pytest.mark.parametrize("form", FORMS)
def test_pictures_of_another_size_are_refused(form, exported):
    loaded = open_exported(exported[form])
    for wrong in (np.zeros((1, 64, 64, 1)), np.zeros((1, 48, 48, 3)), np.zeros((48, 48, 1))):
        with pytest.raises(InputError, match=r"images: must be \[N, 48, 48, 1\]; received"):
            loaded.predict_on_batch(wrong)


@pytest.mark.parametrize("form", FORMS)
def test_several_threads_may_ask_at_once(form, exported, decided, pictures):
    loaded, expected = open_exported(exported[form]), decided.predict_on_batch(pictures.checked)
    parts = [slice(start, start + 1 + start % 3) for start in range(20)] * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda part: loaded.predict_on_batch(pictures.checked[part]), parts))
    for part, answer in zip(parts, found, strict=True):
        np.testing.assert_allclose(answer, expected[part], atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_recognizer_takes_them(form, exported, decided, pictures):
    expected = EmotionRecognizer(decided, detector="none").predict(pictures.checked)
    found = EmotionRecognizer(open_in_runtime(exported[form]), detector="none").predict(pictures.checked)
    assert list(found["label"]) == list(expected["label"])
    assert found["label"].nunique() > 2
    names = list(CLASSES)
    np.testing.assert_allclose(found[names].to_numpy(float), expected[names].to_numpy(float), atol=1e-5)


def test_occlusion_needs_no_layers_and_other_maps_are_refused(exported, decided, pictures):
    loaded, images = open_exported(exported["onnx"]), pictures.checked[:1]
    options = {"size": 16, "stride": 16}
    expected = explain(decided, images, "occlusion", **options)
    np.testing.assert_allclose(explain(loaded, images, "occlusion", **options), expected, atol=1e-3)
    for method in ("gradcam", "attention", "smoothgrad"):
        with pytest.raises(InputError, match="m.onnx has no layers to look at; give the Keras model"):
            explain(loaded, images, method)


def test_files_are_found_in_the_models_folder(fresh_home, exported):
    (fresh_home / "models").mkdir()
    (fresh_home / "models" / "small.onnx").write_bytes(exported["onnx"].read_bytes())
    assert open_in_runtime("small.onnx").output_shape == (None, 7)
    with pytest.raises(ModelFileError, match="no model file lost.tflite; looked at"):
        open_in_runtime("lost.tflite")


def test_keras_files_are_opened_as_ever(tiny_model_path):
    assert not is_exported(tiny_model_path)
    assert len(open_in_runtime(tiny_model_path).layers) > 3


def test_absent_classes_are_named(tmp_path, decided, pictures):
    kept = decided.fer_tf_info
    try:
        decided.fer_tf_info = describe(decided, CLASSES, {"absent_classes": ["fear"]})
        with pytest.warns(UserWarning, match="was trained without fear"):
            export_model(decided, tmp_path / "m.onnx", "onnx", pictures=pictures)
    finally:
        decided.fer_tf_info = kept


# broken and foreign files


def _with_description(path, out, text):
    """A copy of an exported file with this text as its description; None leaves it out."""
    if path.suffix == ".onnx":
        import onnx

        proto = onnx.load(str(path))
        del proto.metadata_props[:]
        onnx.helper.set_model_props(proto, {} if text is None else {"fer_tf": text})
        onnx.save(proto, str(out))
        return out
    raw = path.read_bytes()
    out.write_bytes(raw[: raw.index(b"PK\x03\x04")])
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("labels.txt" if text is None else DESCRIPTION, text or "a\nb")
    return out


@pytest.mark.parametrize("form", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not say its classes and pixel range, because it was not made by the kit"),
        ("{", "its fer_tf description is not JSON"),
        ("[1]", "its fer_tf description has no input_shape"),
        ('{"input_shape": [48, 48, 1]}', "its fer_tf description has no class_names"),
        (json.dumps({"input_shape": [48, 48, 1], "class_names": CLASSES[:3]}), "names 3 classes .* has 7 outputs"),
        (json.dumps({"input_shape": [64, 64, 1], "class_names": CLASSES}), r"says input \(64, 64, 1\) but takes"),
        (
            json.dumps({"input_shape": [48, 48, 1], "class_names": CLASSES, "pixel_range": [0, 1]}),
            r"wants pixels in \[0, 1\]",
        ),
        (json.dumps({"input_shape": [48, 48, 1], "class_names": [*CLASSES[:6], "x"]}), "has a class name that"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(form, text, message, exported, tmp_path):
    path = _with_description(exported[form], tmp_path / NAMES[form], text)
    with pytest.raises(ModelFileError, match=f"{NAMES[form]}: {message}"):
        open_exported(path)


def test_a_description_that_would_fill_memory_is_refused(exported, tmp_path):
    path = _with_description(exported["tflite"], tmp_path / "m.tflite", " " * 1_000_001)
    with pytest.raises(ModelFileError, match="has over 1,000,000 bytes"):
        open_exported(path)


def _cut(raw):
    return raw[: len(raw) // 2]


@pytest.mark.parametrize("form", ["onnx", "tflite"])
@pytest.mark.parametrize("spoil", [_cut, lambda raw: b"", lambda raw: b"no model" * 9, lambda raw: raw[500:]])
def test_a_broken_file_is_reported_in_one_line(form, spoil, exported, tmp_path):
    path = tmp_path / NAMES[form]
    path.write_bytes(spoil(exported[form].read_bytes()))
    with pytest.raises(ModelFileError, match=f"{NAMES[form]}: (cannot be opened by|does not say its classes)") as error:
        open_exported(path)
    assert "\n" not in str(error.value)


def test_a_zip_without_a_model_names_the_fault(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.tflite", "w") as archive:
        archive.writestr(DESCRIPTION, json.dumps({"input_shape": [48, 48, 1], "class_names": CLASSES}))
    with pytest.raises(ModelFileError, match="cannot be opened by LiteRT"):
        open_exported(tmp_path / "m.tflite")


def test_a_folder_without_an_export_names_the_fault(tmp_path, exported):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="does not say its classes"):
        open_in_runtime(tmp_path / "m")
    extra = tmp_path / "m" / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION).write_bytes((exported["savedmodel"] / "assets.extra" / DESCRIPTION).read_bytes())
    with pytest.raises(ModelFileError, match="m: cannot be opened by TensorFlow"):
        open_in_runtime(tmp_path / "m")


@pytest.mark.parametrize(
    ("form", "module", "package"),
    [("onnx", "onnxruntime", "onnxruntime"), ("tflite", "ai_edge_litert", "ai-edge-litert")],
)
def test_a_runtime_that_is_not_installed_is_named(form, module, package, exported, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [item for item in sys.meta_path if "Path" in getattr(item, "__name__", "")])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(InputError, match=f"{package} is not installed: .*pip install {package}"):
        runtimes.open_exported(exported[form])
