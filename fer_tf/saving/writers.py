"""Writes a model as ONNX, TFLite or SavedModel, with its description inside; `fer_tf.saving.export` checks the result.

Each writer is a function (model, path, description, quantize, calibration). It raises `InputError` if the model cannot
be converted, or if a weight is too large for float16.

- model: a `keras.Model` in float32 that was called at least once.
- path: the file or folder to write.
- description: a dict, see `fer_tf.saving.keras_files.model_info`.
- quantize: None, "float16" or "int8".
- calibration: uint8 [N, H, W, C], the pictures that give the ranges for int8.

Libraries do the conversion: Keras with tf2onnx and ONNX Runtime's quantiser, and TensorFlow's converter for TFLite.
"""

import contextlib
import json
import logging
import tempfile
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from ..common.checks import InputError
from ..common.quiet import quiet_stderr
from .keras_files import ATTRIBUTE, DESCRIPTION, first_line
from .runtimes import required

# The operators that are quantised in ONNX files: the costly ones, and those between them that keep whole numbers.
_ONNX_INT8 = ["Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool"]
_CALIBRATION_BATCH = 32
_HALF_MAX = 65_504
_SMALL = 16  # a weight with at most this many numbers stays in single precision


def write_onnx(
    model: keras.Model, path: Path, description: dict, quantize: str | None, calibration: np.ndarray
) -> None:
    """Writes an ONNX file; see the module for the arguments."""
    onnx = required("onnx")
    required("tf2onnx")
    with _converting(model, "onnx"):
        model.export(str(path), format="onnx", verbose=False)
        if quantize == "int8":
            _quantize_onnx(path, calibration)
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)  # tf2onnx may write operators that ONNX does not have
    if quantize == "float16":
        _halve(proto)
    for side in (proto.graph.input[0], proto.graph.output[0]):
        side.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, {ATTRIBUTE: json.dumps(description)})
    onnx.save(proto, str(path))


def _quantize_onnx(path, calibration):
    """Replaces the ONNX file `path` by one that calculates with whole numbers."""
    required("onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        """Gives the calibration pictures batch by batch."""

        def __init__(self, name):
            starts = range(0, len(calibration), _CALIBRATION_BATCH)
            self.batches = ({name: calibration[i : i + _CALIBRATION_BATCH].astype(np.float32)} for i in starts)

        def get_next(self):
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        # folds normalisations into convolutions first, otherwise both would be rounded separately
        quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)
        name = required("onnx").load(str(folded)).graph.input[0].name
        # 7 bits for weights: processors without VNNI add two products in 16 bits, and 8 bits would overflow
        quantization.quantize_static(
            str(folded), str(path), Reader(name), per_channel=True, reduce_range=True, op_types_to_quantize=_ONNX_INT8
        )


def _halve(proto):
    """Stores the weights of an ONNX model in half precision. The model casts each one to float32 before it is used.

    It does not calculate in half precision: processors emulate that, and ONNX's converter fails on the sampling layers.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) <= _SMALL:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if np.abs(values).max() > _HALF_MAX:
            raise InputError(f"quantize: {name} holds weights beyond {_HALF_MAX:,}, the largest float16 number")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/widen", to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def write_tflite(
    model: keras.Model, path: Path, description: dict, quantize: str | None, calibration: np.ndarray
) -> None:
    """Writes a TFLite file that uses only LiteRT's built-in operators; see the module for the arguments."""
    import tensorflow as tf

    options: dict = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if quantize:
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        options["target_spec"]["supported_types"] = [tf.float16]
    if quantize == "int8":
        options["representative_dataset"] = lambda: ([image[None].astype(np.float32)] for image in calibration)
    with _converting(model, "tflite"):
        model.export(str(path), format="litert", verbose=False, **options)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, json.dumps(description))
        archive.writestr("labels.txt", "".join(f"{name}\n" for name in description["class_names"]))


def write_savedmodel(
    model: keras.Model, path: Path, description: dict, quantize: str | None, calibration: np.ndarray
) -> None:
    """Writes a SavedModel's folder with one endpoint, `serve`; see the module for the arguments."""
    with _converting(model, "savedmodel"):
        model.export(str(path), format="tf_saved_model", verbose=False)
    extra = Path(path) / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")


WRITERS = {"onnx": write_onnx, "tflite": write_tflite, "savedmodel": write_savedmodel}


@contextlib.contextmanager
def _converting(model, form):
    """Hides the converters' notes, and turns their errors into an `InputError` of one line."""
    handlers, level = logging.root.handlers[:], logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, OSError):
        raise
    except Exception as error:  # converters raise anything
        raise InputError(f"{model.name}: cannot be written as {form}: {first_line(error)}") from error
    finally:
        logging.disable(level)
        logging.root.handlers[:] = handlers  # `logging.warning` adds a handler
