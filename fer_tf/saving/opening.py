"""Opens a model in the runtime that predicts with it: Keras, or ONNX Runtime or LiteRT with a cached export."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
import warnings
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.checks import InputError, ModelFileError, check_choice
from ..common.hashes import file_fingerprint, fingerprint
from ..common.paths import cache_root
from ..common.quiet import import_keras
from .declaration import Declaration
from .keras_files import declared_model, find_model, load_model, model_info
from .runtimes import RUNTIMES, ExportedModel, is_exported, open_exported

if TYPE_CHECKING:
    import keras

# The code that makes an export.
_EXPORTING = [Path(__file__).with_name(name) for name in ("export.py", "writers.py")]


def open_in_runtime(
    model: keras.Model | ExportedModel | str | os.PathLike[str],
    runtime: str | None = None,
    declaration: Declaration | None = None,
) -> keras.Model | ExportedModel:
    """Opens a model for prediction in the chosen runtime.

    For "onnx" and "tflite" a Keras model is exported, which takes some seconds. The export is checked like every other
    one. That of a Keras file is kept in the cache under the checksum of the file.

    Args:
        model: a loaded model, or the path of a `.h5`, `.keras`, `.onnx` or `.tflite` file or of a SavedModel's folder.
        runtime: "keras", "onnx" or "tflite" (also "litert"); None for the model's own.
        declaration: the pixels, classes and channels of a model that was not made by the kit. A file needs it. A loaded
            Keras model without it and without a description is taken as one of `build_model`, with a warning: raw
            0..255 pixels, its classes are the first names of `EMOTIONS`.
    Returns: `keras.Model` or `fer_tf.saving.runtimes.ExportedModel`.
    Raises: `InputError` if the runtime is not installed, or cannot run the exported model, or the declaration does not
        fit; `ModelFileError` if the file holds no usable model, or needs a declaration.
    """
    runtime = check_choice("runtime", "tflite" if runtime == "litert" else runtime, (None, "keras", *RUNTIMES))
    if isinstance(model, str | os.PathLike):
        if is_exported(model):
            model = open_exported(model, declaration)
        elif runtime in (None, "keras"):
            return load_model(model, declaration)
        else:
            return _cached_export(find_model(model), runtime, declaration)
    else:
        model = _as_declared(model, declaration)
    if not isinstance(model, ExportedModel):
        return model if runtime in (None, "keras") else _converted(model, runtime)
    if runtime is not None and not isinstance(model, RUNTIMES.get(runtime, ())):
        raise InputError(
            f"runtime: only {model.runtime} can run {model.path.name}; leave runtime out, or give the Keras model "
            f"(.h5 or .keras); received {runtime!r}"
        )
    return model


def _as_declared(model, declaration):
    """A loaded model with what is declared about it; without a declaration unchanged, with a warning if needed."""
    if declaration is not None:
        return declared_model(model, declaration)
    if not hasattr(model, "fer_tf_info"):
        names = ", ".join(model_info(model)["class_names"])
        warnings.warn(
            f"model {model.name}: does not say its pixels and classes; it gets raw 0..255 pixels, and its classes are "
            f"taken as {names}. If it was trained on others, declare them with fer_tf.saving.Declaration",
            stacklevel=4,
        )
    return model


def _cached_export(path, runtime, declaration):
    """Opens the export of a Keras model file from the cache. It is made first if it is not there."""
    declared = f"-{fingerprint(asdict(declaration))[:8]}" if declaration else ""
    name = f"{path.stem[:60]}-{file_fingerprint(path)[:20]}{declared}-{_export_code(runtime)}.{runtime}"
    cached = cache_root() / "exports" / name
    if cached.is_file():
        with contextlib.suppress(ModelFileError):  # damaged: export again
            return open_exported(cached)
    _check_installed(runtime)
    import_keras()  # without its start-up notes
    from .export import export_model

    model = load_model(path, declaration)
    try:
        export_model(model, cached, runtime)
    except OSError as error:
        warnings.warn(f"{cached}: cannot be written ({error.strerror}); each call exports again", stacklevel=4)
        return _converted(model, runtime)
    return open_exported(cached)


def _export_code(runtime):
    """Hash of the code and packages that make an export. A cached export is not used after one of them changed."""
    packages = [*RUNTIMES[runtime].packages.values(), "tensorflow", "keras"]
    with contextlib.suppress(PackageNotFoundError):
        versions = [version(package) for package in packages]
        return fingerprint([versions, *map(file_fingerprint, _EXPORTING)])[:8]
    return "unknown"


def _converted(model, runtime):
    """Exports a loaded Keras model into a temporary file and opens it."""
    _check_installed(runtime)
    from .export import export_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model.{runtime}")
        export_model(model, path, runtime)
        return open_exported(path)


def _check_installed(runtime):
    """Names all missing packages in one error, before anything is loaded."""
    needed = RUNTIMES[runtime].packages
    missing = [package for module, package in needed.items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(
            f"runtime: {runtime} needs packages that are not installed ({', '.join(missing)}): "
            f"`pip install {' '.join(needed.values())}`"
        )
