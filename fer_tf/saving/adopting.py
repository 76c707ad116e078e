"""Takes over models that were not made by the kit: tries which pixels they want, and writes files of the kit."""

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

FACES = 96


@dataclass(frozen=True)
class PixelTrial:
    """How a model answers drawn faces whose pixels were prepared in one way.

    Attributes:
        pixels: a key of `PIXELS`.
        confidence: mean probability of the most probable class, 0..1; near 1 the network is saturated.
        labels: number of different most probable classes.
        information: how much an answer depends on the face, in bits: the entropy of the mean answer minus the mean
            entropy of the answers. It is 0 if all faces get the same answer.
    """

    pixels: str
    confidence: float
    labels: int
    information: float

    def __str__(self) -> str:
        return (
            f"pixels {self.pixels}: mean confidence {self.confidence:.3f}, {self.labels} different labels, "
            f"{self.information:.2f} bits in an answer"
        )


def try_pixels(
    model: str | os.PathLike[str], classes: str | Sequence[str], channels: str | None = None
) -> list[PixelTrial]:
    """Tries which pixels a model answers best, on drawn faces.

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
    kinds = [pixels for pixels in PIXELS if count == 3 or pixels not in NEED_COLOUR]
    trials = [_trial(bare, faces, Declaration(pixels, classes, channels)) for pixels in kinds]
    return sorted(trials, key=_plausibility, reverse=True)


def _trial(model, faces, declaration):
    """The `PixelTrial` of a model on raw pixels."""
    layer = declaration.layer(faces.shape[3])
    prepared = faces if layer is None else keras.ops.convert_to_numpy(layer(faces))
    probabilities = predict_probabilities(model, prepared).astype(np.float64)
    information = _entropy(probabilities.mean(axis=0)) - _entropy(probabilities).mean()
    labels = len(set(probabilities.argmax(axis=1)))
    return PixelTrial(declaration.pixels, float(probabilities.max(axis=1).mean()), labels, float(information))


def _entropy(probabilities):
    """Entropy of the last axis in bits."""
    return -(probabilities * np.log2(np.maximum(probabilities, 1e-12))).sum(axis=-1)


def _plausibility(trial):
    return trial.information


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
    Raises: `InputError` for another suffix, or if `out` is the file itself; see `load_model` for others.
    """
    path, out = find_model(path), expanded(out)
    check_choice("suffix of the model file", out.suffix, SUFFIXES)
    if out.exists() and out.samefile(path):
        raise InputError(f"out: {out} is the model itself; give another name")
    model = load_model(path, declaration)
    info = model_info(model)
    provenance = {**info["provenance"], "adopted_from": Path(path).name}
    save_model(model, out, info["class_names"], provenance)
    return {**info, "provenance": provenance}
