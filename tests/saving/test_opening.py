"""Other runtimes in prediction: the same probabilities as Keras's, exported once, one-line errors if it cannot be."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from exports import CLASSES, decided_model
from fixtures import assert_refused, run_cli
from PIL import Image

from fer_tf.common.checks import InputError
from fer_tf.predict import EmotionRecognizer
from fer_tf.saving import export, opening, save_model
from fer_tf.saving.opening import open_in_runtime

pytestmark = pytest.mark.extras

NAMES = list(CLASSES)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory, pictures):
    path = tmp_path_factory.mktemp("models") / "decided ä.h5"
    save_model(decided_model(pictures), path, CLASSES)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder of its own for exports alone: drawn faces are kept where they are."""
    monkeypatch.setattr(opening, "cache_root", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch):
    """The exports made in a test, by suffix."""
    made = []
    real = export.export_model
    monkeypatch.setattr(export, "export_model", lambda *given: made.append(given[2]) or real(*given))
    return made


def test_an_export_in_the_cache_predicts_without_keras(model_path, tmp_path, monkeypatch):
    """So the first answer comes before Keras and TensorFlow would be imported."""
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path))
    expected = EmotionRecognizer(model_path, detector="none", runtime="onnx").predict(
        np.full((1, 48, 48, 1), 99, np.uint8)
    )
    code = (
        "import sys, numpy as np\n"
        "from fer_tf.predict import EmotionRecognizer\n"
        "picture = np.full((1, 48, 48, 1), 99, np.uint8)\n"
        "found = EmotionRecognizer(sys.argv[1], detector='none', runtime='onnx').predict(picture)\n"
        "print(found['confidence'][0])\n"
        "assert EmotionRecognizer(sys.argv[1], runtime='onnx').predict(picture)['error'][0] == ''\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, model_path], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(expected["confidence"][0], abs=1e-5)


def scores(frame):
    return frame[NAMES].to_numpy(float)


@pytest.mark.parametrize("runtime", ["onnx", "tflite"])
def test_a_keras_file_is_exported_once_and_answers_alike(runtime, model_path, pictures, cache, written):
    expected = EmotionRecognizer(model_path, detector="none").predict(pictures.checked)
    assert expected["label"].nunique() > 2
    assert not cache.exists()
    for _ in range(2):
        recognizer = EmotionRecognizer(model_path, detector="none", runtime=runtime)
        found = recognizer.predict(pictures.checked)
        np.testing.assert_allclose(scores(found), scores(expected), atol=1e-5)
        assert list(found["label"]) == list(expected["label"])
    assert written == [runtime]
    assert recognizer.class_names == NAMES
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert [path.suffix for path in kept] == [f".{runtime}"]
    assert list(model_path.parent.iterdir()) == [model_path]


def test_a_changed_file_is_exported_anew_and_a_damaged_export_mended(model_path, pictures, cache, written, tmp_path):
    own = tmp_path / "own.h5"
    own.write_bytes(model_path.read_bytes())
    open_in_runtime(own, "onnx")
    other = decided_model(pictures)
    scores_layer = other.get_layer("scores")
    scores_layer.set_weights([-weight for weight in scores_layer.get_weights()])
    save_model(other, own, CLASSES)
    changed = open_in_runtime(own, "onnx")
    expected = other.predict_on_batch(pictures.checked)
    np.testing.assert_allclose(changed.predict_on_batch(pictures.checked), expected, atol=1e-5)
    assert written == ["onnx"] * 2
    changed.path.write_bytes(changed.path.read_bytes()[:500])
    np.testing.assert_allclose(open_in_runtime(own, "onnx").predict_on_batch(pictures.checked), expected, atol=1e-5)
    assert written == ["onnx"] * 3


def test_a_cache_that_cannot_be_written_only_costs_time(model_path, pictures, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(opening, "cache_root", lambda: tmp_path / "file")
    with pytest.warns(UserWarning, match="cannot be written .*; each call exports again"):
        found = open_in_runtime(model_path, "onnx")
    expected = open_in_runtime(model_path).predict_on_batch(pictures.checked)
    np.testing.assert_allclose(found.predict_on_batch(pictures.checked), expected, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "tflite", "savedmodel"])
def test_exported_files_are_known_by_themselves(form, model_path, pictures, exported):
    path = exported[form]
    found = EmotionRecognizer(path, detector="none").predict(pictures.checked)
    expected = EmotionRecognizer(model_path, detector="none", runtime="keras").predict(pictures.checked)
    np.testing.assert_allclose(scores(found), scores(expected), atol=1e-5)
    own = form if form != "savedmodel" else None
    assert open_in_runtime(path, own).runtime in ("ONNX Runtime", "LiteRT", "TensorFlow")
    with pytest.raises(InputError, match=f"runtime: only .* can run {path.name}; leave runtime out.*received 'keras'"):
        open_in_runtime(path, "keras")


def test_a_loaded_model_is_taken_too_and_a_wrong_runtime_named(decided, pictures):
    assert open_in_runtime(decided) is decided is open_in_runtime(decided, "keras")
    found = open_in_runtime(decided, "tflite")
    expected = decided.predict_on_batch(pictures.checked)
    np.testing.assert_allclose(found.predict_on_batch(pictures.checked), expected, atol=1e-5)
    assert open_in_runtime(found, "tflite") is found
    with pytest.raises(InputError, match="runtime: allowed are None, keras, onnx, tflite; received 'torch'"):
        open_in_runtime(decided, "torch")


def test_missing_packages_are_told_together(model_path, cache, monkeypatch):
    real = importlib.util.find_spec
    lacking = ("tf2onnx", "onnxruntime")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in lacking else real(name))
    with pytest.raises(InputError, match=r"\(tf2onnx, onnxruntime\): `pip install onnx tf2onnx onnxruntime`"):
        open_in_runtime(model_path, "onnx")
    assert not cache.exists()


def test_the_command_predicts_in_a_runtime(capsys, fresh_home, cache, model_path, pictures, monkeypatch):
    monkeypatch.chdir(fresh_home)
    os.mkdir("faces")
    for number, image in enumerate(pictures.checked[:4]):
        Image.fromarray(image[..., 0]).save(f"faces/{number}.png")
    common = ("predict", "faces", "--no-detect", "--model", model_path)
    for runtime, out in (("keras", "keras.csv"), ("onnx", "onnx.csv")):
        answer = run_cli(capsys, *common, "--runtime", runtime, "--out", out)
        assert answer.code == 0, answer.err
        assert "4 of 4 files predicted" in answer.out, answer.err
    expected, found = pd.read_csv("keras.csv"), pd.read_csv("onnx.csv")
    np.testing.assert_allclose(scores(found), scores(expected), atol=1e-5)
    maps = run_cli(capsys, *common, "--runtime", "onnx", "--out", "x.csv", "--annotate", "a", "--explain", "gradcam")
    assert_refused(maps, "has no layers to look at; give the Keras model (.h5 or .keras) without another runtime")
    assert_refused(run_cli(capsys, *common, "--runtime", "torch"), "allowed are None, keras, onnx, tflite")
    assert not re.search("Traceback|absl", maps.err)
    assert not os.path.exists("x.csv")
