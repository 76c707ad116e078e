"""Exports a model to ONNX, TFLite or a SavedModel, and compares it with the Keras model before the file appears.

An exported file takes the same input as the Keras model: raw 0..255 pixels, float32 [N, H, W, C], any N. It returns
probabilities; a second output (valence and arousal, or action units) is left out. Its own metadata holds the model's
description (class names, input size, pixel range, provenance):

- ONNX: the property `fer_tf`.
- TFLite: `fer_tf.json`, together with `labels.txt`, in the zip that is appended to the model.
- SavedModel: assets.extra/fer_tf.json.

`fer_tf.saving.runtimes` reads these files.

float16: weights are stored in 16 bits, and the model calculates in 32 bits. The file is half as large, the speed is the
same. int8: TFLite quantises all operators that it can. ONNX quantises convolutions, matrix products and the operators
between them; the sampling grids of spatial transformers stay exact. Calibration pictures give the ranges.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..common.checks import InputError, check_choice
from ..common.files import replacing, temporary_folder
from ..common.paths import expanded
from ..data import DATASETS, load_dataset
from ..models.inference import predict_probabilities
from .keras_files import DESCRIPTION, load_model, model_info, model_shape
from .keras_files import SUFFIXES as KERAS_SUFFIXES
from .runtimes import ExportedModel, open_exported
from .writers import WRITERS

SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "savedmodel": ""}
# A SavedModel's folder must not end in one of these.
MODEL_SUFFIXES = (*KERAS_SUFFIXES, *filter(None, SUFFIXES.values()))
# The largest allowed difference of a probability from the Keras model's. Measured on five models trained on FER2013 and
# FER+, with 512 pictures of PublicTest: up to 5e-6, 0.007 and 0.41.
BOUNDS = {None: 1e-4, "float16": 0.02, "int8": 0.5}
# The share of pictures that must keep their label; near ties are not counted. Measured with int8 on 128 pictures: 94 %
# for MobileNet, whose depthwise convolutions are known to lose precision, and at least 97 % for all other models.
SAME_LABELS = 0.9
TIE = 0.1
CALIBRATION, CHECKED = 256, 128


@dataclass(frozen=True)
class SamplePictures:
    """Pictures for an export.

    Attributes:
        calibration: uint8 [N, H, W, C] at the model's size, to calibrate on.
        checked: uint8 [M, H, W, C] at the model's size, to compare the models on.
        source: the name of the dataset and its protocol.
    """

    calibration: np.ndarray
    checked: np.ndarray
    source: str


@dataclass(frozen=True)
class Parity:
    """How close an exported model is to the Keras model on some pictures.

    Attributes:
        pictures: number of pictures.
        difference: largest absolute difference of a probability, 0..1; infinity if the export gives NaN.
        same: share of pictures with the same label, 0..1.
        clear_same: share of pictures that keep their label, 0..1. A changed label counts as kept if the Keras model's
            probabilities of the two labels differ by at most `TIE`.
    """

    pictures: int
    difference: float
    same: float
    clear_same: float


def sample_pictures(
    shape: tuple[int, int, int],
    dataset: str = "synthetic",
    data_dir: str | Path | None = None,
    protocol: str | None = None,
) -> SamplePictures:
    """Draws pictures of a dataset at a model's size: from train to calibrate on, from val to check on.

    Args:
        shape: (height, width, channels).
        dataset, data_dir, protocol: see `fer_tf.data.load_dataset`. The default, drawn faces, needs no file.
    Returns: `SamplePictures`: up to 256 to calibrate on and up to 128 to check on, with the dataset's class shares.
    """
    drawn = {"count": 1280} if dataset in DATASETS and DATASETS[dataset].is_drawn else {}
    ds = load_dataset(dataset, data_dir, protocol, size=(shape[0], shape[1]), channels=shape[2], **drawn)
    checked = ds.val if len(ds.val) else ds.train
    source = f"{ds.name} {ds.protocol}"
    return SamplePictures(ds.train.sample(CALIBRATION)[0], checked.sample(CHECKED)[0], source)


def export_model(
    model: keras.Model | str | os.PathLike[str],
    out: str | os.PathLike[str],
    form: str,
    quantize: str | None = None,
    pictures: SamplePictures | None = None,
) -> Parity:
    """Writes a model in another form. The file appears only if it predicts like the Keras model.

    Args:
        model: `keras.Model` on raw 0..255 pixels, or the path of a `.h5` or `.keras` file.
        out: the file to write. For "savedmodel" a folder: a new one, or an earlier export, which is replaced.
        form: "onnx", "tflite" or "savedmodel".
        quantize: None, "float16" or "int8" (not for "savedmodel").
        pictures: `SamplePictures`; None for drawn faces. For "int8", pictures of the training dataset are better.
    Returns: `Parity`.
    Raises: `InputError` if the model cannot be written in this form, or differs by more than `BOUNDS` and
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


def check_out(out: str | os.PathLike[str], form: str, quantize: str | None) -> Path:
    """Checks an export's arguments before anything is computed.

    Args:
        out, form, quantize: see `export_model`.
    Returns: `out` as a path, with `~` replaced.
    Raises: `InputError` if the path does not fit the form, or the form cannot be quantised this way, or the backend is
        not TensorFlow.
    """
    check_choice("form", form, SUFFIXES)
    check_choice("quantize", quantize, BOUNDS)
    if form == "savedmodel" and quantize:
        raise InputError(f"quantize: a SavedModel holds only float32; {quantize} works for onnx and tflite")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"export: needs KERAS_BACKEND=tensorflow; received {keras.backend.backend()}. TensorFlow also loads files "
            "that were saved under another backend"
        )
    out = expanded(out)
    is_wrong = out.suffix in MODEL_SUFFIXES if form == "savedmodel" else out.suffix != SUFFIXES[form]
    if is_wrong:
        rule = f"must end in {SUFFIXES[form]}" if SUFFIXES[form] else f"is a folder and must not end in {out.suffix}"
        raise InputError(f"out: the export to {form} {rule}; received {out}")
    return out


def default_out(path: str | os.PathLike[str], form: str, quantize: str | None = None) -> Path:
    """The default path of an export, in the model file's folder: X.h5 gives X.onnx, X-int8.tflite or X-savedmodel."""
    path, suffix = Path(path), SUFFIXES[check_choice("form", form, SUFFIXES)]
    ending = f"-{quantize}" if quantize else ""
    return path.with_name(f"{path.stem}{ending}{suffix or '-savedmodel'}")


def measure_parity(exported: ExportedModel, expected: np.ndarray, images: np.ndarray) -> Parity:
    """Compares an exported model with the Keras model's probabilities.

    The first picture is predicted alone and the others together, so that two batch sizes are tried.

    Args:
        exported: a model with `predict_on_batch`.
        expected: float [N, C], the probabilities of the Keras model.
        images: uint8 [N, H, W, C].
    Returns: `Parity`.
    """
    probabilities = np.concatenate([exported.predict_on_batch(batch) for batch in (images[:1], images[1:])])
    rows, expected_labels, labels = np.arange(len(expected)), expected.argmax(axis=1), probabilities.argmax(axis=1)
    is_near = expected[rows, expected_labels] - expected[rows, labels] <= TIE
    difference = float(np.abs(probabilities - expected).max())
    # NaN must not pass as a small difference
    difference = difference if np.isfinite(difference) else float("inf")
    return Parity(len(images), difference, float((labels == expected_labels).mean()), float(is_near.mean()))


def _check_parity(parity, out, quantize, pictures):
    if parity.difference <= BOUNDS[quantize] and parity.clear_same >= SAME_LABELS:
        return
    advice = f"; calibrated on {pictures.source}: the training dataset works best" if quantize == "int8" else ""
    raise InputError(
        f"{out.name}: not written: on {parity.pictures} pictures of {pictures.source} a probability differs from the "
        f"Keras model's by {parity.difference:.2g} (allowed {BOUNDS[quantize]:g}), and {100 * parity.clear_same:.1f} % "
        f"keep their label (at least {100 * SAME_LABELS:g} %, near ties not counted){advice}"
    )


def _described(model, form, quantize, pictures):
    """The model's description, with this export added to its provenance; an export has the classes alone."""
    export = {"form": form, "quantize": quantize or "none"}
    info = {key: value for key, value in model_info(model).items() if key != "second_output"}
    if quantize == "int8":
        export["calibrated_on"] = f"{len(pictures.calibration)} of {pictures.source}"
    return {**info, "provenance": {**info.get("provenance", {}), "export": export}}


def _in_single_precision(model):
    """The model itself, or a float32 copy if it was trained in mixed precision, which other forms do not support."""
    if all(layer.compute_dtype in (None, "float32") for layer in model._flatten_layers()):
        return model

    def single(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=single, recursive=True)
    copy.set_weights(model.get_weights())
    copy.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32))  # the ONNX export needs a called model
    return copy


@contextlib.contextmanager
def _replacing_folder(path):
    """Like `replacing`, for a folder. It replaces an existing folder only if that is an earlier export."""
    if path.exists() and not (path / "assets.extra" / DESCRIPTION).is_file():
        raise InputError(f"out: {path} exists and is not a SavedModel of the kit; give another name")
    with temporary_folder(path) as folder:
        part = Path(folder, path.name)
        yield part
        if path.exists():
            os.replace(path, Path(folder, "before"))
        os.replace(part, path)
