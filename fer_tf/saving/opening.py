"""What runs a model in prediction: Keras, or ONNX Runtime or LiteRT on an export that is made once and kept."""

import contextlib
import importlib.util
import os
import warnings
from importlib.metadata import PackageNotFoundError, version

from ..common.checks import InputError, ModelFileError, check_choice
from ..common.hashes import code_fingerprint, fingerprint
from ..common.paths import cache_root
from ..data.cache import file_fingerprint
from . import export, writers
from .export import export_model, in_runtime
from .keras_files import find_model, load_model
from .runtimes import ExportedModel, LiteRTModel, OnnxModel, is_exported, open_exported

# Beside keras: what opens the form of that name, and the modules and packages that making it takes.
_OPENED = {"onnx": OnnxModel, "tflite": LiteRTModel}
_NEEDED = {
    "onnx": {"onnx": "onnx", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"},
    "tflite": {"ai_edge_litert": "ai-edge-litert"},
}
RUNTIMES = ("keras", *_OPENED)


def open_in_runtime(model, runtime=None):
    """A model ready to predict, in the runtime that is asked for.

    Args:
        model: a loaded model, or the path of a `.h5`, `.keras`, `.onnx` or `.tflite` file or of a SavedModel's folder.
        runtime: "keras", "onnx" or "tflite"; None for the one that the model has. A Keras file is exported once for the
            other two (some seconds), checked as every export is, and kept in the cache by the checksum of its bytes.
    Returns: `keras.Model` or `fer_tf.saving.runtimes.ExportedModel`.
    Raises: `InputError` where the runtime is not installed, or is another than an exported model's own.
    """
    check_choice("runtime", runtime, (None, *RUNTIMES))
    if isinstance(model, str | os.PathLike):
        if is_exported(model):
            model = open_exported(model)
        elif runtime in (None, "keras"):
            return load_model(model)
        else:
            return _kept_export(find_model(model), runtime)
    if isinstance(model, ExportedModel):
        return _in_its_own(model, runtime)
    return model if runtime in (None, "keras") else _converted(model, runtime)


def _in_its_own(model, runtime):
    if runtime is not None and not isinstance(model, _OPENED.get(runtime, ())):
        raise InputError(
            f"runtime: {model.path.name} is run by {model.runtime} alone; leave runtime out, or give the "
            f"Keras model (.h5 or .keras); received {runtime!r}"
        )
    return model


def _kept_export(path, runtime):
    """The export of a Keras model file, out of the cache or made now."""
    kept = cache_root() / "exports" / f"{path.stem[:60]}-{file_fingerprint(path)[:20]}-{_maker(runtime)}.{runtime}"
    if kept.is_file():
        with contextlib.suppress(ModelFileError):  # damaged: made anew
            return open_exported(kept)
    _check_installed(runtime)
    model = load_model(path)
    try:
        export_model(model, kept, runtime)
    except OSError as error:
        warnings.warn(f"{kept}: cannot be written ({error.strerror}); exported anew each time", stacklevel=4)
        return _converted(model, runtime)
    return open_exported(kept)


def _maker(runtime):
    """Hash of the code and packages that make an export: kept ones are not used after a change of these."""
    packages = [*_NEEDED[runtime].values(), "tensorflow", "keras"]
    with contextlib.suppress(PackageNotFoundError):
        versions = [version(package) for package in packages]
        return fingerprint([versions, code_fingerprint([export, writers])])[:8]
    return "unknown"


def _converted(model, runtime):
    _check_installed(runtime)
    return in_runtime(model, {"tflite": "litert"}.get(runtime, runtime))


def _check_installed(runtime):
    """All packages that are missing are told at once, before anything is loaded."""
    missing = [package for module, package in _NEEDED[runtime].items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(
            f"runtime: {runtime} needs packages that are not installed ({', '.join(missing)}): "
            f"`pip install {' '.join(_NEEDED[runtime].values())}` brings it"
        )
