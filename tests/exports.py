"""A model whose answers differ from picture to picture, and pictures to export it with."""

import keras
import numpy as np
import pytest

for _package in ("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(_package, reason="exporting needs packages of its own, see requirements.txt")

from fer_tf.emotions import EMOTIONS  # noqa: E402
from fer_tf.models import build_model, model_options  # noqa: E402
from fer_tf.saving import describe  # noqa: E402
from fer_tf.saving.export import SamplePictures  # noqa: E402

CLASSES = EMOTIONS[:7]
NAMES = {"onnx": "m.onnx", "tflite": "m.tflite", "savedmodel": "m"}


def some_pictures(ds, shape=(48, 48, 1)):
    """32 pictures to calibrate on and 24 to check on, of drawn faces."""
    from fer_tf.data.images import convert

    calibration, checked = (convert(part.images, shape[:2], shape[2]) for part in (ds.train, ds.val))
    return SamplePictures(calibration[:32], checked[:24], "drawn faces")


def decided_model(pictures, name="cnn", **options):
    """An untrained small model with its last layer scaled and centred, so that it decides, differently on different
    pictures; without it all differences between two forms of a model would be tiny."""
    keras.utils.set_random_seed(0)
    model = build_model(name, (48, 48, 1), 7, width=0.25, **options)
    scores = model.get_layer("scores")
    found = np.asarray(keras.Model(model.inputs[0], scores.output).predict_on_batch(pictures.checked), np.float32)
    scale = 3 / found.std(axis=0)
    kernel, bias = scores.get_weights()
    scores.set_weights([kernel * scale, (bias - found.mean(axis=0)) * scale])
    model.fer_tf_info = describe(model, CLASSES, {"run": "decided", "dataset": "synthetic"})
    return model


def small(name, shape=(48, 48, 1)):
    """An untrained model with seven classes."""
    keras.utils.set_random_seed(0)
    options = {"width": 0.25} if "width" in model_options(name) else {}
    options |= {"akhand": {"backbone": "MobileNet"}, "ran": {"backbone": "cnn"}}.get(name, {})
    return build_model(name, shape, 7, **options)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())
