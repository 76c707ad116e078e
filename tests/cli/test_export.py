"""The command that exports a model."""

import re

import keras
import pytest
from exports import CLASSES
from fixtures import assert_refused, run_cli

from fer_tf.saving import save_model
from fer_tf.saving.runtimes import open_exported

pytestmark = pytest.mark.extras


# the command


def test_the_command_writes_and_tells(capsys, tmp_path, decided):
    decided = keras.models.clone_model(decided)
    save_model(decided, tmp_path / "m.h5", CLASSES, {"dataset": "fer2013"})
    answer = run_cli(capsys, "export", tmp_path / "m.h5", "--to", "tflite", "--quantize", "int8")
    assert answer.code == 0, answer.err
    assert "note: calibrated on synthetic; the model was trained on fer2013" in answer.out
    assert re.search(r"m-int8.tflite: 0\.\d+ MB \(m\.h5: 0\.\d+ MB\)", answer.out)
    assert re.search(r"probability .* on \d+ pictures of synthetic identity: [\d.e-]+; same label on \d+", answer.out)
    assert open_exported(tmp_path / "m-int8.tflite").fer_tf_info["class_names"] == list(CLASSES)


def test_the_command_refuses_in_a_line(capsys, tmp_path, tiny_model_path):
    assert_refused(run_cli(capsys, "export", tmp_path / "lost.h5", "--to", "onnx"), "no model file", "lost.h5")
    answer = run_cli(capsys, "export", tiny_model_path, "--to", "savedmodel", "--quantize", "int8")
    assert_refused(answer, "quantize: a SavedModel holds only float32")
    assert_refused(run_cli(capsys, "export", tiny_model_path, "--to", "pmml"), "form: allowed are onnx", "'pmml'")
