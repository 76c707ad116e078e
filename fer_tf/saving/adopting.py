"""Takes over models that were not made by the kit: tests which pixel range they need, and writes files of the kit."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..common.checks import InputError, check_choice
from ..common.paths import expanded
from ..data.drawn_faces import draw_faces
from ..data.images import convert
from ..layers.declared_input import NEED_COLOUR, PIXELS
from ..models.inference import predict_probabilities
from .declaration import Declaration
from .keras_files import SUFFIXES, find_model, load_model, model_info, model_shape, save_model
from .opening import open_in_runtime
from .runtimes import ExportedModel, is_exported

FACES = 96
# The ranges that answers alone can tell apart. Other kinds differ too little from them; for these the maps before batch
# normalisations must speak.
RANGES = ("0..255", "0..1", "-1..1")
# A network with a larger mean confidence on drawn faces is taken for saturated.
SATURATED = 0.9
# Answers with less information, in bits, are taken for the same answer to all faces.
ALIKE = 0.02


@dataclass(frozen=True)
class PixelTrial:
    """How a model answers drawn faces whose pixels were prepared in one way.

    Attributes:
        pixels: a key of `PIXELS`.
        confidence: mean probability of the most probable class, 0..1; near 1 the network is saturated.
        information: how much an answer depends on the face, in bits: the entropy of the mean answer minus the mean
            entropy of the answers. It is 0 if all faces get the same answer.
        mismatch: how far the maps before the batch normalisations are from those of the training, which the layers have
            stored: 0 if mean and variance are the same. None for a model without such layers.
    """

    pixels: str
    confidence: float
    information: float
    mismatch: float | None = None

    def __str__(self) -> str:
        stored = "" if self.mismatch is None else f", {self.mismatch:.2f} from the maps of its training"
        answers = f"mean confidence {self.confidence:.3f}, {self.information:.3f} bits in an answer"
        return f"pixels {self.pixels}: {answers}{stored}"


def try_pixels(
    model: str | os.PathLike[str], classes: str | Sequence[str], channels: str | None = None
) -> list[PixelTrial]:
    """Tries which pixels a model answers best, on drawn faces.

    A network with batch normalisation has stored the mean and the variance of its maps in training, so the pixels that
    give the same ones come first, of all kinds. For other networks only the three `RANGES` are tried: those come first
    that do not saturate the network, and of these the ones with the most information in the answers. The rules were
    made on nine small networks for FER2013: they find the pixels of the four with batch normalisation, and of the three
    others on one of the ranges. Two on standardised pixels are taken for -1..1.

    Args:
        model: the path of a file that was not made by the kit.
        classes, channels: see `Declaration`.
    Returns: a `PixelTrial` for each kind of pixels, the most plausible one first. It is a guess: only the code of the
        training knows.
    Raises: see `open_in_runtime`.
    """
    bare = open_in_runtime(model, None, Declaration("0..255", classes))
    height, width, count = model_shape(bare)
    faces = convert(draw_faces(FACES, seed=0).images, (height, width), count)
    norms = _batch_norms(bare)
    kinds = [pixels for pixels in PIXELS if count == 3 or pixels not in NEED_COLOUR] if norms else RANGES
    trials = [_trial(bare, faces, Declaration(pixels, classes, channels), norms) for pixels in kinds]
    return sorted(trials, key=_plausibility, reverse=True)


def _batch_norms(model):
    """The batch normalisations of a Keras model, without those of nested models."""
    layers = [] if isinstance(model, ExportedModel) else model.layers
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def _trial(model, faces, declaration, norms):
    """The `PixelTrial` of a model on raw pixels."""
    layer = declaration.layer(faces.shape[3])
    prepared = faces if layer is None else keras.ops.convert_to_numpy(layer(faces))
    probabilities = predict_probabilities(model, prepared).astype(np.float64)
    information = _entropy(probabilities.mean(axis=0)) - _entropy(probabilities).mean()
    confidence = float(probabilities.max(axis=1).mean())
    return PixelTrial(declaration.pixels, confidence, float(information), _mismatch(model, prepared, norms))


def _entropy(probabilities):
    """Entropy of the last axis in bits."""
    return -(probabilities * np.log2(np.maximum(probabilities, 1e-12))).sum(axis=-1)


def _mismatch(model, images, norms):
    """Mean difference of the maps before batch normalisations from the stored ones; None without such layers.

    For each channel it is the difference of the means in stored deviations, plus that of the variances' logarithms.
    """
    if not norms:
        return None
    maps = keras.Model(model.inputs[0], {layer.name: layer.input for layer in norms}).predict_on_batch(images)
    differences = []
    for layer in norms:
        mean, variance = (keras.ops.convert_to_numpy(item) for item in (layer.moving_mean, layer.moving_variance))
        values = np.asarray(maps[layer.name], np.float64).reshape(-1, len(mean))
        means = np.abs(values.mean(axis=0) - mean) / np.sqrt(variance + layer.epsilon)
        differences.append(means + np.abs(np.log((values.var(axis=0) + layer.epsilon) / (variance + layer.epsilon))))
    return float(np.mean(np.concatenate(differences)))


def _plausibility(trial):
    """The larger, the more plausible."""
    if trial.mismatch is not None:
        return -trial.mismatch
    is_useful = trial.confidence < SATURATED and trial.information > ALIKE
    return is_useful, trial.information


def guess_pixels(
    model: str | os.PathLike[str], classes: str | Sequence[str], channels: str | None = None
) -> tuple[Declaration, list[PixelTrial]]:
    """Guesses the pixels of a model that was not made by the kit; see `try_pixels` for arguments and errors.

    Returns: a declaration with the most plausible pixels, marked as a guess; and all trials, the best one first.
    """
    trials = try_pixels(model, classes, channels)
    return Declaration(trials[0].pixels, classes, channels, is_guess=True), trials


def adopt_model(path: str | os.PathLike[str], out: str | os.PathLike[str], declaration: Declaration) -> dict:
    """Writes a model that was not made by the kit into a file of the kit, with a layer that makes its pixels.

    Args:
        path: `.h5`, `.hdf5` or `.keras`.
        out: the file to write, ends in `.h5` or `.keras`. It takes raw 0..255 pixels.
        declaration: what the model was trained on.
    Returns: the description of the new file, see `model_info`.
    Raises: `InputError` for another suffix or an exported model, or if `out` is the file itself; see `load_model` for
        others.
    """
    if is_exported(path):
        raise InputError(
            f"model: only Keras files can be adopted (.h5, .hdf5, .keras), not {Path(path).name}; declare its "
            "pixels and classes in each command"
        )
    path, out = find_model(path), expanded(out)
    check_choice("suffix of the model file", out.suffix, SUFFIXES)
    if out.exists() and out.samefile(path):
        raise InputError(f"out: {out} is the model itself; give another name")
    model = load_model(path, declaration)
    info = model_info(model)
    provenance = {**info["provenance"], "adopted_from": Path(path).name}
    save_model(model, out, info["class_names"], provenance)
    return {**info, "provenance": provenance}
