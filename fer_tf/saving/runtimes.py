"""Models in other forms than Keras's, behind the little of a `keras.Model` that prediction asks for.

`fer_tf.saving.export` writes them. ONNX files are run by ONNX Runtime, TFLite files by LiteRT, SavedModels by
TensorFlow. Their metadata hold what a `.h5` file has in its attribute `fer_tf`: class names, input size, pixel range,
provenance. A file without it is refused: it may want other pixels than the kit gives.
"""

import importlib
import json
import os
import threading
import warnings
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from ..common.checks import InputError, ModelFileError
from ..common.paths import expanded
from ..common.quiet import quiet_stderr
from .keras_files import ATTRIBUTE, _checked_description, _first_line, find_model, load_model

# The name of the description in a TFLite file's appended zip, and of it in a SavedModel's assets.extra.
DESCRIPTION = f"{ATTRIBUTE}.json"
_DESCRIPTION_LIMIT = 1_000_000  # bytes; a real one has some thousands


class ExportedModel(ABC):
    """A model file of another form, with what prediction asks of a `keras.Model`.

    Args:
        path: the file (a SavedModel: the folder).
    Raises: `ModelFileError` if it is no such file, has no description, or contradicts it; `InputError` where the
        runtime is not installed.

    Attributes:
        input_shape: (None, height, width, channels).
        output_shape: (None, C).
        fer_tf_info: dict, see `fer_tf.saving.keras_files.model_info`.
        runtime: name of what runs it.
    """

    runtime = ""

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.stem
        try:
            description = self._open()
        except InputError:
            raise
        except Exception as error:  # the runtimes raise anything from ValueError to their own kinds on a broken file
            raise ModelFileError(f"{path}: cannot be opened by {self.runtime} ({_first_line(error)})") from None
        if len(self.input_shape) != 4 or len(self.output_shape) != 2:
            raise ModelFileError(
                f"{path}: takes {self.input_shape} and gives {self.output_shape}, not images and one "
                "probability a class"
            )
        self.fer_tf_info = _checked_description(self.path, self, description)
        absent = self.fer_tf_info.get("provenance", {}).get("absent_classes")
        if absent:
            warnings.warn(f"{path} was trained without {', '.join(absent)}: always 0 there", stacklevel=2)

    @abstractmethod
    def _open(self):
        """Sets the shapes, makes ready to run, and returns the description, a dict."""

    @abstractmethod
    def _run(self, images):
        """Probabilities of float32 [N, H, W, C], N at least 1."""

    def predict_on_batch(self, images):
        """Probabilities of pictures.

        Args:
            images: [N, H, W, C] at the model's size, raw 0..255, any numeric type.
        Returns: float32 [N, C].
        """
        images = np.asarray(images, np.float32)
        if images.shape[1:] != self.input_shape[1:]:
            wanted = ", ".join(map(str, self.input_shape[1:]))
            raise InputError(f"images: must be [N, {wanted}]; received {images.shape}")
        if not len(images):
            return np.zeros((0, self.output_shape[-1]), np.float32)
        return np.asarray(self._run(images), np.float32)

    @property
    def layers(self):
        """Refused: an exported model has none. Methods that look inside ask for them first."""
        raise InputError(
            f"model: {self.path.name} has no layers to look into; give the Keras model (.h5 or .keras) "
            "without another runtime"
        )


class OnnxModel(ExportedModel):
    """An `.onnx` file, run by ONNX Runtime; see `ExportedModel`."""

    runtime = "ONNX Runtime"

    def _open(self):
        runtime = required("onnxruntime")
        have = runtime.get_available_providers()
        wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in have]
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors
        with quiet_stderr():
            self.session = runtime.InferenceSession(str(self.path), options, providers=wanted)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelFileError(f"{self.path}: has {len(inputs)} inputs and {len(outputs)} outputs, not one each")
        self.input_shape, self.output_shape = _sizes(inputs[0].shape), _sizes(outputs[0].shape)
        self._input = inputs[0].name
        return _description(self.path, self.session.get_modelmeta().custom_metadata_map.get(ATTRIBUTE))

    def _run(self, images):
        return self.session.run(None, {self._input: images})[0]


class LiteRTModel(ExportedModel):
    """A `.tflite` file, run by LiteRT; see `ExportedModel`."""

    runtime = "LiteRT"

    def _open(self):
        description = self._packed()
        interpreter = required("ai_edge_litert.interpreter", "ai-edge-litert").Interpreter
        with quiet_stderr():
            # from memory: a file that is mapped could not be replaced on Windows
            self.interpreter = interpreter(model_content=self.path.read_bytes(), num_threads=os.cpu_count())
        self._input, self._output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        self.input_shape, self.output_shape = (_sizes(side["shape_signature"]) for side in (self._input, self._output))
        self._batch, self._lock = None, threading.Lock()
        return description

    def _packed(self):
        """The description in the zip that TFLite files carry their associated files in, appended to the model."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                found = DESCRIPTION in archive.namelist()
                if found and archive.getinfo(DESCRIPTION).file_size > _DESCRIPTION_LIMIT:
                    raise ModelFileError(f"{self.path}: its {DESCRIPTION} has over {_DESCRIPTION_LIMIT:,} bytes")
                return _description(self.path, archive.read(DESCRIPTION) if found else None)
        except zipfile.BadZipFile:
            return _description(self.path, None)

    def _run(self, images):
        with self._lock:  # an interpreter holds one batch at a time
            if self._batch != len(images):
                self._resize(images.shape)
            self.interpreter.set_tensor(self._input["index"], images)
            self.interpreter.invoke()
            return self.interpreter.get_tensor(self._output["index"])

    def _resize(self, shape):
        self._batch = None  # should it fail, the next batch is set up anew
        with quiet_stderr():  # says which delegate it has chosen
            self.interpreter.resize_tensor_input(self._input["index"], shape)
            self.interpreter.allocate_tensors()
        self._batch = shape[0]


class SavedModel(ExportedModel):
    """A SavedModel's folder, run by TensorFlow; see `ExportedModel`.

    A SavedModel is a program, which may also read and write files: open only what comes from where you trust.
    """

    runtime = "TensorFlow"

    def _open(self):
        extra = self.path / "assets.extra" / DESCRIPTION
        description = _description(self.path, extra.read_bytes() if extra.is_file() else None)
        import keras

        self.input_shape = (None, *(int(side) for side in description["input_shape"]))
        with quiet_stderr():
            self._layer = keras.layers.TFSMLayer(str(self.path), call_endpoint="serve")
            self.output_shape = (None, *self._run(np.zeros((1, *self.input_shape[1:]), np.float32)).shape[1:])
        return description

    def _run(self, images):
        return np.asarray(self._layer(images))


# Suffix of a model file -> what opens it; a folder is a SavedModel.
EXPORTED = {".onnx": OnnxModel, ".tflite": LiteRTModel}


def is_exported(path):
    """Whether `path` names a model of another form than Keras's, by its suffix or because it is a SavedModel."""
    return Path(path).suffix.lower() in EXPORTED or (expanded(path) / "saved_model.pb").is_file()


def open_exported(path):
    """Opens a model file that `export` wrote.

    Args:
        path: `.onnx` or `.tflite`, looked for as given, then in models/, then in models/bundled/; or a SavedModel's
            folder.
    Returns: `ExportedModel`.
    """
    if Path(path).suffix.lower() not in EXPORTED:
        return SavedModel(expanded(path))
    return EXPORTED[Path(path).suffix.lower()](find_model(path))


def open_model(path):
    """Opens any model file for prediction: `open_exported` for what `export` wrote, else `fer_tf.load_model`."""
    return open_exported(path) if is_exported(path) else load_model(path)


def required(module, package=None):
    """Imports a module that the kit itself can do without; says how to install the package where it is not there."""
    package = package or module
    try:
        with quiet_stderr():
            return importlib.import_module(module)
    except ModuleNotFoundError:
        raise InputError(f"{package} is not installed: `pip install {package}` brings it") from None


def _description(path, text):
    """The description in JSON `text`, a dict; `ModelFileError` where there is none."""
    if text is None:
        raise ModelFileError(f"{path}: does not say its classes and pixels; only files of `fer-tf export` can be used")
    try:
        description = json.loads(text)
    except ValueError:
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description is not JSON") from None
    if not isinstance(description, dict) or not isinstance(description.get("input_shape"), list):
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description has no input_shape")
    return description


def _sizes(shape):
    """A runtime's shape as a tuple; None where a side is free (a name, -1 or None there)."""
    return tuple(int(side) if isinstance(side, int | np.integer) and side >= 0 else None for side in shape)
