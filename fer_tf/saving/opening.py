"""Opens a model in the runtime that predicts with it: Keras, or ONNX Runtime or LiteRT with a cached export."""

import contextlib
import importlib.util
import os
import warnings
from importlib.metadata import PackageNotFoundError, version

import keras

from ..common.checks import InputError, ModelFileError
from ..common.hashes import code_fingerprint, fingerprint
from ..common.paths import cache_root
from ..data.cache import file_fingerprint
from . import export, writers
from .export import export_model, in_runtime
from .keras_files import find_model, load_model
from .runtimes import RUNTIMES, ExportedModel, is_exported, open_exported, runtime_name


def open_in_runtime(
    model: keras.Model | ExportedModel | str | os.PathLike[str], runtime: str | None = None
) -> keras.Model | ExportedModel:
    """Opens a model for prediction in the chosen runtime.

    For "onnx" and "tflite" a Keras file is exported once, which takes some seconds. The export is checked like every
    other one and kept in the cache under the checksum of the Keras file.

    Args:
        model: a loaded model, or the path of a `.h5`, `.keras`, `.onnx` or `.tflite` file or of a SavedModel's folder.
        runtime: "keras", "onnx" or "tflite" (also "litert"); None for the model's own.
    Returns: `keras.Model` or `fer_tf.saving.runtimes.ExportedModel`.
    Raises: `InputError` if the runtime is not installed, or cannot run the exported model; `ModelFileError` if the
        file holds no usable model.
    """
    runtime = runtime_name(runtime)
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
    if runtime is not None and (runtime == "keras" or not isinstance(model, RUNTIMES[runtime].opens)):
        raise InputError(
            f"runtime: only {model.runtime} can run {model.path.name}; leave runtime out, or give the Keras model "
            f"(.h5 or .keras); received {runtime!r}"
        )
    return model


def _kept_export(path, runtime):
    """Opens the export of a Keras model file from the cache. It is made first if it is not there."""
    kept = cache_root() / "exports" / f"{path.stem[:60]}-{file_fingerprint(path)[:20]}-{_maker(runtime)}.{runtime}"
    if kept.is_file():
        with contextlib.suppress(ModelFileError):  # damaged: export again
            return open_exported(kept)
    _check_installed(runtime)
    model = load_model(path)
    try:
        export_model(model, kept, runtime)
    except OSError as error:
        warnings.warn(f"{kept}: cannot be written ({error.strerror}); each call exports again", stacklevel=4)
        return _converted(model, runtime)
    return open_exported(kept)


def _maker(runtime):
    """Hash of the code and packages that make an export. A cached export is not used after one of them changed."""
    packages = [*RUNTIMES[runtime].packages.values(), "tensorflow", "keras"]
    with contextlib.suppress(PackageNotFoundError):
        versions = [version(package) for package in packages]
        return fingerprint([versions, code_fingerprint([export, writers])])[:8]
    return "unknown"


def _converted(model, runtime):
    _check_installed(runtime)
    return in_runtime(model, runtime)


def _check_installed(runtime):
    """Names all missing packages in one error, before anything is loaded."""
    needed = RUNTIMES[runtime].packages
    missing = [package for module, package in needed.items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(
            f"runtime: {runtime} needs packages that are not installed ({', '.join(missing)}): "
            f"`pip install {' '.join(needed.values())}`"
        )
