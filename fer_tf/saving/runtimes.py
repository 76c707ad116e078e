"""Opens exported models, with the few attributes and methods of a `keras.Model` that prediction needs.

`fer_tf.saving.export` writes them. ONNX Runtime runs ONNX files, LiteRT runs TFLite files, TensorFlow runs SavedModels.
Their metadata holds the same description as the attribute `fer_tf` of a `.h5` file: class names, input size, pixel
range, provenance. A file without a description may need other pixel values than the kit gives: it is refused, unless
the user declares them.
"""

import importlib
import json
import os
import threading
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np

from ..common.checks import InputError, ModelFileError
from ..common.paths import expanded
from ..common.quiet import quiet_stderr
from .declaration import Declaration, check_undescribed, drawn_pictures
from .keras_files import (
    ASKED,
    ATTRIBUTE,
    DESCRIPTION,
    attach_description,
    checked_declaration,
    describe,
    find_model,
    first_line,
    model_shape,
)

_DESCRIPTION_LIMIT = 1_000_000  # bytes; a real one has a few thousand


class ExportedModel(ABC):
    """An exported model, with the attributes and methods of a `keras.Model` that prediction needs.

    Args:
        path: the file, or the folder of a SavedModel.
        declaration: the pixels, classes, ... of a file without a description; None for a file of the kit. A
            SavedModel must have a description.
    Raises: `ModelFileError` if the file cannot be opened, contradicts its description, or has none and there is no
        declaration; `InputError` if the runtime is not installed, the declaration does not fit, or
        the file has a description already.

    Attributes:
        path: the file or folder, a `Path`.
        name: the stem of the path.
        input_shape: (None, height, width, channels).
        output_shape: (None, C).
        fer_tf_info: dict, see `fer_tf.saving.keras_files.model_info`.
        runtime: name of the library that runs it.
        packages: dict of a module that an export to this form imports -> the package to install.
    """

    runtime = ""
    packages: dict[str, str] = {}
    input_shape: tuple[None, int, int, int]
    output_shape: tuple[None, int]

    def __init__(self, path: str | os.PathLike[str], declaration: Declaration | None = None) -> None:
        self.path = Path(path)
        self._prepare = None  # the layer that makes the declared pixels
        self._returns_scores = False  # its outputs are declared as raw scores
        self._is_rounded = False  # its softmax gives multiples of 1/256, which need not sum to one
        self._batch_limit = None  # pictures in one run; None for any number
        self._has_channels_first = False
        self.name = self.path.stem
        try:
            description = self._open()
        except InputError:
            raise
        except Exception as error:  # on a broken file the runtimes raise ValueError, their own errors and others
            raise ModelFileError(f"{path}: cannot be opened by {self.runtime} ({first_line(error)})") from None
        if len(self.input_shape) != 4 or len(self.output_shape) != 2:
            raise ModelFileError(
                f"{path}: takes {self.input_shape} and returns {self.output_shape}; it must take images and return "
                "one probability for each class"
            )
        if description is None:
            self._declare(checked_declaration(self.path, self, declaration))
        else:
            check_undescribed(self.path, declaration)
            attach_description(self, self.path, description)
            export = description.get("provenance", {}).get("export", {})
            self._is_rounded = isinstance(export, dict) and export.get("quantize") == "int8"

    def _declare(self, declaration):
        """Makes the declared pixels and classes those of this model."""
        (first, *_), (size, *_), (batch, channels, *sides) = self.output_shape, self.input_shape, self.input_shape
        self._batch_limit = first or size
        self._has_channels_first = channels in (1, 3) and sides[-1] not in (1, 3)
        if self._has_channels_first:
            self.input_shape = (batch, *sides, channels)
        shape, names = model_shape(self), declaration.class_names(self.output_shape[-1])
        self._prepare = declaration.layer(shape[2])
        declaration.check_answers(self.path, self.predict_on_batch(drawn_pictures(shape, ASKED)))
        self._returns_scores = declaration.logits
        self.fer_tf_info = describe(self, names, {"declared": declaration.about(shape[2])})

    @abstractmethod
    def _open(self) -> dict | None:
        """Prepares the runtime, sets the shapes and returns the description; None if there is none."""

    def _check_number(self, is_float, number_type):
        """Raises `ModelFileError` if the model takes another kind of numbers than float32."""
        if not is_float:
            raise ModelFileError(f"{self.path}: takes numbers of the type {number_type}; only float32 can be used")

    @abstractmethod
    def _run(self, images: np.ndarray) -> np.ndarray:
        """Returns the outputs [N, C] for float32 [N, H, W, C], N at least 1: probabilities, or declared raw scores."""

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Predicts the probabilities of pictures.

        Args:
            images: [N, H, W, C] at the model's size, raw 0..255, any numeric type.
        Returns: float32 [N, C], 0..1.
        Raises: `InputError` for pictures of another shape.
        """
        images = np.asarray(images, np.float32)
        if images.shape[1:] != self.input_shape[1:]:
            sides = ", ".join(map(str, self.input_shape[1:]))
            raise InputError(f"images: must be [N, {sides}]; received {images.shape}")
        if not len(images):
            return np.zeros((0, self.output_shape[-1]), np.float32)
        if self._prepare is not None:
            import keras

            images = keras.ops.convert_to_numpy(self._prepare(images))
        if self._has_channels_first:
            images = np.ascontiguousarray(np.moveaxis(images, 3, 1))
        step = self._batch_limit or len(images)
        parts = [self._run(images[start : start + step]) for start in range(0, len(images), step)]
        outputs = np.asarray(np.concatenate(parts), np.float32)
        if self._is_rounded:
            outputs /= outputs.sum(axis=1, keepdims=True)
        return _softmax(outputs) if self._returns_scores else outputs

    def count_params(self) -> None:
        """Returns None: the runtimes do not say how many weights a model has."""
        return None  # noqa: RET501

    @property
    def layers(self) -> NoReturn:
        """Raises `InputError`: an exported model has no layers that an explanation method could look at."""
        raise InputError(
            f"model: {self.path.name} has no layers to look at; give the Keras model (.h5 or .keras) "
            "without another runtime"
        )


class OnnxModel(ExportedModel):
    """An `.onnx` file, opened with ONNX Runtime; see `ExportedModel`."""

    runtime = "ONNX Runtime"
    packages = {"onnx": "onnx", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"}

    def _open(self):
        runtime = required("onnxruntime")
        available = runtime.get_available_providers()
        providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors
        with quiet_stderr():
            self.session = runtime.InferenceSession(str(self.path), options, providers=providers)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelFileError(
                f"{self.path}: must have one input and one output; it has {len(inputs)} and {len(outputs)}"
            )
        self._check_number(inputs[0].type == "tensor(float)", inputs[0].type)
        self.input_shape, self.output_shape = _sizes(inputs[0].shape), _sizes(outputs[0].shape)
        self._input = inputs[0].name
        return _description(self.path, self.session.get_modelmeta().custom_metadata_map.get(ATTRIBUTE))

    def _run(self, images):
        return self.session.run(None, {self._input: images})[0]


class LiteRTModel(ExportedModel):
    """A `.tflite` file, opened with LiteRT; see `ExportedModel`."""

    runtime = "LiteRT"
    packages = {"ai_edge_litert": "ai-edge-litert"}

    def _open(self):
        description = self._read_description()
        interpreter = required("ai_edge_litert.interpreter", "ai-edge-litert").Interpreter
        with quiet_stderr():
            # from memory: Windows cannot replace a file that is mapped into memory
            self.interpreter = interpreter(model_content=self.path.read_bytes(), num_threads=os.cpu_count())
        self._input, self._output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        self._check_number(self._input["dtype"] == np.float32, np.dtype(self._input["dtype"]).name)
        self.input_shape, self.output_shape = (_sizes(side["shape_signature"]) for side in (self._input, self._output))
        self._batch, self._lock = None, threading.Lock()
        return description

    def _read_description(self):
        """The description from the zip of associated files that is appended to a TFLite model."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                is_described = DESCRIPTION in archive.namelist()
                if is_described and archive.getinfo(DESCRIPTION).file_size > _DESCRIPTION_LIMIT:
                    raise ModelFileError(f"{self.path}: its {DESCRIPTION} has over {_DESCRIPTION_LIMIT:,} bytes")
                return _description(self.path, archive.read(DESCRIPTION) if is_described else None)
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
        self._batch = None  # if this fails, the next batch is resized again
        with quiet_stderr():  # hides LiteRT's note about the delegate that it chose
            self.interpreter.resize_tensor_input(self._input["index"], shape)
            self.interpreter.allocate_tensors()
        self._batch = shape[0]


class SavedModel(ExportedModel):
    """A SavedModel's folder, opened with TensorFlow; see `ExportedModel`.

    A SavedModel is a program that may also read and write files. Open only models from sources that you trust.
    """

    runtime = "TensorFlow"

    def _open(self):
        extra = self.path / "assets.extra" / DESCRIPTION
        description = _description(self.path, extra.read_bytes() if extra.is_file() else None)
        if description is None:
            raise ModelFileError(
                f"{self.path}: does not say its classes and pixel range; of SavedModels only those from `fer-tf "
                "export` can be used"
            )
        self.input_shape = (None, *(int(side) for side in description["input_shape"]))
        with quiet_stderr():
            import keras

            self._layer = keras.layers.TFSMLayer(str(self.path), call_endpoint="serve")
            self.output_shape = (None, *self._run(np.zeros((1, *self.input_shape[1:]), np.float32)).shape[1:])
        return description

    def _run(self, images):
        return np.asarray(self._layer(images))


# Runtimes other than keras: the form that they run, which is also the suffix of its files -> the class of their models.
RUNTIMES: dict[str, type[ExportedModel]] = {"onnx": OnnxModel, "tflite": LiteRTModel}


def is_exported(path: str | os.PathLike[str]) -> bool:
    """True if `path` has the suffix of an exported model, or is the folder of a SavedModel."""
    return Path(path).suffix.lower()[1:] in RUNTIMES or os.path.isfile(expanded(path) / "saved_model.pb")


def open_exported(path: str | os.PathLike[str], declaration: Declaration | None = None) -> ExportedModel:
    """Opens a SavedModel's folder, or an `.onnx` or `.tflite` file, which `find_model` looks for.

    Args:
        path, declaration: see `ExportedModel`.
    Raises: see `ExportedModel`.
    """
    opens = RUNTIMES.get(Path(path).suffix.lower()[1:])
    return opens(find_model(path), declaration) if opens else SavedModel(expanded(path), declaration)


def required(module: str, package: str | None = None) -> ModuleType:
    """Imports an optional module. `package` is what `pip` installs for it; None if it has the same name.

    Raises: `InputError` with the `pip install` command if it is not installed.
    """
    package = package or module
    try:
        with quiet_stderr():
            return importlib.import_module(module)
    except ModuleNotFoundError:
        raise InputError(f"{package} is not installed: `pip install {package}`") from None


def _description(path, text):
    """The description in the JSON `text`, a dict; None if there is no text. Raises `ModelFileError` for other text."""
    if text is None:
        return None
    try:
        description = json.loads(text)
    except ValueError:
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description is not JSON") from None
    if not isinstance(description, dict) or not isinstance(description.get("input_shape"), list):
        raise ModelFileError(f"{path}: its {ATTRIBUTE} description has no input_shape")
    return description


def _softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _sizes(shape):
    """A runtime's shape as a tuple, with None for a free side, which runtimes write as a name, -1 or None."""
    return tuple(int(side) if isinstance(side, int | np.integer) and side >= 0 else None for side in shape)
