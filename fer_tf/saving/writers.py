"""Writes a model as ONNX, TFLite or SavedModel, with its description inside; `fer_tf.saving.export` checks the result.

Each writer is a function (model, path, description, quantize, calibration): a `keras.Model` in float32 that has been
called once, the path to write, a dict, None, "float16" or "int8", uint8 [N, H, W, C]. The conversions are the
libraries': Keras with tf2onnx and ONNX Runtime's quantiser, and TensorFlow's converter for TFLite.
"""

import contextlib
import json
import logging
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

from ..common.checks import InputError
from ..common.quiet import quiet_stderr
from .keras_files import ATTRIBUTE, _first_line
from .runtimes import DESCRIPTION, required

# What is quantised in ONNX files: the costly operators, and those between them that keep whole numbers.
_ONNX_INT8 = ["Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool"]
_CALIBRATION_BATCH = 32
_HALF_MAX = 65_504
_SMALL = 16  # numbers; what has no more of them stays in single precision


def write_onnx(model, path, description, quantize, calibration):
    """Writes an ONNX file; see the module."""
    onnx = required("onnx")
    required("tf2onnx")
    with _converting(model, "onnx"):
        model.export(str(path), format="onnx", verbose=False)
        if quantize == "int8":
            _quantize_onnx(path, calibration)
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)  # tf2onnx writes also what is no operator of ONNX
    if quantize == "float16":
        _halve(proto)
    for side in (proto.graph.input[0], proto.graph.output[0]):
        side.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, {ATTRIBUTE: json.dumps(description)})
    onnx.save(proto, str(path))


def _quantize_onnx(path, calibration):
    """Whole-number arithmetic for the ONNX file `path`, which is replaced."""
    required("onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        """Hands the calibration pictures over, batch by batch."""

        def __init__(self, name):
            starts = range(0, len(calibration), _CALIBRATION_BATCH)
            self.batches = ({name: calibration[at : at + _CALIBRATION_BATCH].astype(np.float32)} for at in starts)

        def get_next(self):
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        # normalisations are folded into convolutions first; without it the ranges of both would be rounded
        quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)
        name = required("onnx").load(str(folded)).graph.input[0].name
        # seven bits for weights: processors without VNNI add two products in 16 bits, which eight would overflow
        quantization.quantize_static(
            str(folded), str(path), Reader(name), per_channel=True, reduce_range=True, op_types_to_quantize=_ONNX_INT8
        )


def _halve(proto):
    """Stores the weights of an ONNX model in half precision; each is widened again before it is used.

    Half-precision arithmetic is left out: processors emulate it, and ONNX's converter fails on the sampling layers.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) <= _SMALL:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if np.abs(values).max() > _HALF_MAX:
            raise InputError(f"quantize: {name} holds weights beyond {_HALF_MAX:,}, the end of float16")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/widen", to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def write_tflite(model, path, description, quantize, calibration):
    """Writes a TFLite file; see the module. Only operators that LiteRT has by itself are allowed in it."""
    import tensorflow as tf

    options = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
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


def write_savedmodel(model, path, description, quantize, calibration):
    """Writes a SavedModel's folder; see the module. It has one endpoint, `serve`."""
    with _converting(model, "savedmodel"):
        model.export(str(path), format="tf_saved_model", verbose=False)
    extra = Path(path) / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")


WRITERS = {"onnx": write_onnx, "tflite": write_tflite, "savedmodel": write_savedmodel}


@contextlib.contextmanager
def _converting(model, form):
    """Keeps the converters' notes off the screen, and tells in a line what they cannot do."""
    handlers, level = logging.root.handlers[:], logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, OSError):
        raise
    except Exception as error:  # converters raise anything
        raise InputError(f"{model.name}: cannot be written as {form}: {_first_line(error)}") from error
    finally:
        logging.disable(level)
        logging.root.handlers[:] = handlers  # `logging.warning` adds one of its own
