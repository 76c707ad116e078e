"""Exporting a model to ONNX, TFLite or a SavedModel, checked against the Keras model before the file appears.

An exported file takes what the Keras model takes, raw 0..255 pixels (float32 [N, H, W, C], any N), and gives
probabilities. It holds the model's description (class names, input size, pixel range, provenance) in its own metadata:
ONNX as the property `fer_tf`; TFLite as `fer_tf.json` beside `labels.txt` in the zip that its associated files are
appended in; a SavedModel as assets.extra/fer_tf.json. `fer_tf.saving.runtimes` reads them back.

Half precision: the weights are stored in 16 bits and calculated with in 32, so it halves the file and changes no speed.
Whole numbers (int8): TFLite quantises all it can, ONNX convolutions, matrix products and what lies between them (the
sampling grids of spatial transformers stay exact); ranges come from calibration pictures.
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..common.checks import InputError, check_choice
from ..common.files import replacing
from ..common.paths import expanded
from ..data import load_dataset
from ..models.inference import predict_probabilities
from .keras_files import load_model, model_info, model_shape
from .runtimes import DESCRIPTION, ExportedModel, LiteRTModel, OnnxModel, open_exported
from .writers import WRITERS

SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "savedmodel": ""}
# What a folder is not called.
MODEL_SUFFIXES = (".h5", ".keras", ".onnx", ".tflite")
QUANTIZATIONS = ("float16", "int8")
# How far any probability may be from the Keras model's. Seen on five models trained on FER2013 and FER+, 512 pictures
# of PublicTest: up to 5e-6, 0.007 and 0.41.
BOUNDS = {None: 1e-4, "float16": 0.02, "int8": 0.5}
# So many pictures must keep their label, near ties aside. Seen with int8: all but MobileNet 97 % and more of 128
# pictures, MobileNet, whose depthwise convolutions are known to suffer, 94 %.
SAME_LABELS = 0.9
TIE = 0.1
CALIBRATION, CHECKED = 256, 128
# What `--runtime` may name beside keras -> the form that is made for it, and what opens that.
RUNTIMES = {"onnx": ("onnx", OnnxModel), "litert": ("tflite", LiteRTModel)}


@dataclass(frozen=True)
class SamplePictures:
    """Pictures to calibrate on and others to check on, uint8 [N, H, W, C] at the model's size; `source` names them."""

    calibration: np.ndarray
    checked: np.ndarray
    source: str


@dataclass(frozen=True)
class Parity:
    """How close an exported model is to the Keras model on some pictures.

    Attributes:
        pictures: their number.
        difference: largest difference of a probability.
        same: share of pictures with the same label.
        clear_same: share of pictures that keep their label, counting as kept where the Keras model's probabilities of
            the two labels lie within `TIE` of each other.
    """

    pictures: int
    difference: float
    same: float
    clear_same: float


def sample_pictures(shape, dataset="synthetic", data_dir=None, protocol=None):
    """Pictures of a dataset at a model's size: train's to calibrate on, val's to check on.

    Args:
        shape: (height, width, channels).
        dataset, data_dir, protocol: see `fer_tf.data.load_dataset`; the default, drawn faces, needs no file.
    Returns: `SamplePictures`, class shares kept.
    """
    drawn = {"count": 1280} if dataset == "synthetic" else {}
    ds = load_dataset(dataset, data_dir, protocol, size=tuple(shape[:2]), channels=shape[2], **drawn)
    checked = ds.val if len(ds.val) else ds.train
    source = f"{ds.name} {ds.protocol}"
    return SamplePictures(ds.train.sample(CALIBRATION)[0], checked.sample(CHECKED)[0], source)


def export_model(model, out, form, quantize=None, pictures=None):
    """Writes a model in another form; the file appears only if it predicts as the Keras model does.

    Args:
        model: `keras.Model` on raw 0..255 pixels, or the path of a `.h5` or `.keras` file.
        out: the file to write; for "savedmodel" a folder, new or an earlier export.
        form: "onnx", "tflite" or "savedmodel".
        quantize: None, "float16" or "int8" (not for "savedmodel").
        pictures: `SamplePictures`; default drawn faces. For "int8" better those that the model has learned from.
    Returns: `Parity`.
    Raises: `InputError` where the model cannot be written in this form, or differs by more than `BOUNDS` and
        `SAME_LABELS` allow.
    """
    out = check_out(out, form, quantize)
    model = load_model(model) if isinstance(model, str | os.PathLike) else model
    pictures = pictures or sample_pictures(model_shape(model))
    expected = predict_probabilities(model, pictures.checked)
    single = _in_single_precision(model)
    with (_replacing_folder if form == "savedmodel" else replacing)(out) as part:
        WRITERS[form](single, part, _described(model, form, quantize, pictures), quantize, pictures.calibration)
        parity = measure_parity(open_exported(part), expected, pictures.checked)
        _check_parity(parity, out, quantize or ("float16" if single is not model else None), pictures)
    return parity


def check_out(out, form, quantize):
    """The path `out`, if it fits the form and the form can be quantised so; told before anything is computed."""
    check_choice("form", form, SUFFIXES)
    check_choice("quantize", quantize, (None, *QUANTIZATIONS))
    if form == "savedmodel" and quantize:
        raise InputError(f"quantize: a SavedModel holds float32 alone; {quantize} can be had as onnx and tflite")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"export: needs KERAS_BACKEND=tensorflow; received {keras.backend.backend()}. A file saved "
            "under another backend loads there"
        )
    out = expanded(out)
    is_wrong = out.suffix in MODEL_SUFFIXES if form == "savedmodel" else out.suffix != SUFFIXES[form]
    if is_wrong:
        wanted = f"must end in {SUFFIXES[form]}" if SUFFIXES[form] else f"is a folder, not {out.suffix}"
        raise InputError(f"out: the export to {form} {wanted}; received {out}")
    return out


def default_out(path, form, quantize=None):
    """Where the export of a model file goes: beside it, X.h5 to X.onnx, X-int8.tflite or X-savedmodel."""
    path = Path(path)
    kind = f"-{quantize}" if quantize else ""
    return path.with_name(f"{path.stem}{kind}{SUFFIXES[form] or '-savedmodel'}")


def in_runtime(model, runtime=None):
    """A Keras model in another runtime, converted on the spot (some seconds) and checked as an export is.

    Args:
        model: `keras.Model`, or a `fer_tf.saving.runtimes.ExportedModel`, which has its runtime already.
        runtime: "keras", "onnx" or "litert"; None for the one that the model has.
    Returns: the model or an `ExportedModel`.
    Raises: `InputError` for an exported model of another runtime.
    """
    check_choice("runtime", runtime, (None, "keras", *RUNTIMES))
    if isinstance(model, ExportedModel):
        if runtime not in (None, *(name for name, kind in RUNTIMES.items() if isinstance(model, kind[1]))):
            raise InputError(f"runtime: {model.path.name} is run by {model.runtime}; received {runtime!r}")
        return model
    if runtime in (None, "keras"):
        return model
    form = RUNTIMES[runtime][0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIXES[form]}"
        export_model(model, path, form)
        return open_exported(path)


def measure_parity(exported, expected, images):
    """Compares an exported model with the Keras model's probabilities, the first picture alone, the others together.

    Args:
        exported: has `predict_on_batch`.
        expected: float [N, C], the Keras model's.
        images: uint8 [N, H, W, C].
    Returns: `Parity`.
    """
    parts = [exported.predict_on_batch(part) for part in (images[:1], images[1:])]
    found = np.concatenate(parts)
    rows, wanted, got = np.arange(len(expected)), expected.argmax(axis=1), found.argmax(axis=1)
    is_near = expected[rows, wanted] - expected[rows, got] <= TIE
    difference = float(np.abs(found - expected).max())
    # NaN is no small difference
    difference = difference if np.isfinite(difference) else float("inf")
    return Parity(len(images), difference, float((got == wanted).mean()), float(is_near.mean()))


def _check_parity(parity, out, quantize, pictures):
    if parity.difference <= BOUNDS[quantize] and parity.clear_same >= SAME_LABELS:
        return
    advice = f"; calibrated on {pictures.source}: best is what it has learned from" if quantize == "int8" else ""
    raise InputError(
        f"{out.name}: not written: on {parity.pictures} pictures of {pictures.source} a probability differs from the "
        f"Keras model's by {parity.difference:.2g} (allowed {BOUNDS[quantize]:g}), and {100 * parity.clear_same:.1f} % "
        f"keep their label (at least {100 * SAME_LABELS:g} %, near ties aside){advice}"
    )


def _described(model, form, quantize, pictures):
    """The model's description with what this export is."""
    info = model_info(model)
    made = {"form": form, "quantize": quantize or "none"}
    made |= {"calibrated_on": f"{len(pictures.calibration)} of {pictures.source}"} if quantize == "int8" else {}
    return {**info, "provenance": {**info.get("provenance", {}), "export": made}}


def _in_single_precision(model):
    """The model; a copy in float32 where it was trained in mixed precision, which other forms do not know."""
    if all(layer.compute_dtype in (None, "float32") for layer in model._flatten_layers()):
        return model

    def single(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=single, recursive=True)
    copy.set_weights(model.get_weights())
    copy.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32))  # ONNX: only what has been called
    return copy


@contextlib.contextmanager
def _replacing_folder(path):
    """As `replacing`, for a folder; one that is there is taken away if it is an export, else refused."""
    if path.exists() and not (path / "assets.extra" / DESCRIPTION).is_file():
        raise InputError(f"out: {path} is there and no SavedModel of the kit; give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        part = folder / path.name
        yield part
        if path.exists():
            os.replace(path, folder / "before")
        os.replace(part, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
