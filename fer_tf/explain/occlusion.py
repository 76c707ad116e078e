"""Occlusion maps (Zeiler & Fergus 2014): how the prediction changes when a square of the picture is blanked."""

import keras
import numpy as np

from ..common.checks import check_choice, check_whole
from ..models.inference import predict_probabilities
from .maps import scaled

FORMS = ("drop", "change")


def occlusion_maps(
    model: keras.Model,
    images: np.ndarray,
    targets: np.ndarray,
    size: int = 0,
    stride: int = 0,
    fill: int = 0,
    form: str = "drop",
    batch_size: int = 512,
) -> np.ndarray:
    """How much each position matters, measured by blanking squares.

    A batch contains occluded copies of several images, so the model runs at its full speed.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        images: [N, H, W, C].
        targets: int [N], the class to explain for each image.
        size: side of the square in pixels; 0 takes a quarter of the image's side.
        stride: pixels between two squares; 0 takes a quarter of the square's side.
        fill: value of the blanked pixels, a whole number 0..255.
        form: "drop" measures how far the probability of the target falls, at least 0. "change" measures the share of
            squares over a pixel that change the prediction; this is the form of document [3].
        batch_size: occluded copies in each step.
    Returns: float32 [N, H, W], 0..1. Each pixel is the mean over the squares that cover it; "drop" is then scaled to a
        maximum of one.
    Raises: `InputError` for values that are not allowed.
    """
    check_choice("form", form, FORMS)
    height, width = images.shape[1:3]
    size = check_whole("size", size, low=0, high=min(height, width)) or max(2, min(height, width) // 4)
    stride = check_whole("stride", stride, low=0, high=size) or max(1, size // 4)
    check_whole("fill", fill, low=0, high=255)
    places = _places(height, width, size, stride)
    before = predict_probabilities(model, images)
    effects = _effects(model, images, targets, before, places, size, fill, form, batch_size)
    return _spread(effects, places, size, height, width, form)


def _places(height, width, size, stride):
    """Top left corners (y, x) of the squares, int [P, 2]; the last square of each row and column touches the border."""
    ys, xs = (np.unique([*range(0, side - size, stride), side - size]) for side in (height, width))
    return np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).reshape(-1, 2)


def _effects(model, images, targets, before, places, size, fill, form, batch_size):
    """The effect of blanking each square, float [N, P]."""
    jobs = np.stack(np.meshgrid(np.arange(len(images)), np.arange(len(places)), indexing="ij"), axis=-1).reshape(-1, 2)
    results = np.zeros(len(jobs), np.float32)
    for start in range(0, len(jobs), batch_size):
        rows, place = jobs[start : start + batch_size].T
        after = predict_probabilities(model, _blanked(images[rows], places[place], size, fill), batch_size)
        if form == "change":
            effect = after.argmax(axis=1) != before[rows].argmax(axis=1)
        else:
            classes = np.asarray(targets)[rows]
            effect = before[rows, classes] - after[np.arange(len(rows)), classes]
        results[start : start + batch_size] = effect
    return results.reshape(len(images), len(places))


def _blanked(images, corners, size, fill):
    copies = np.array(images)
    for copy, (y, x) in zip(copies, corners, strict=True):
        copy[y : y + size, x : x + size] = fill
    return copies


def _spread(effects, places, size, height, width, form):
    """The mean effect at each pixel over the squares that cover it."""
    total, count = np.zeros((len(effects), height, width), np.float32), np.zeros((height, width), np.float32)
    for index, (y, x) in enumerate(places):
        total[:, y : y + size, x : x + size] += effects[:, index, None, None]
        count[y : y + size, x : x + size] += 1
    maps = total / np.maximum(count, 1)
    return maps if form == "change" else scaled(np.maximum(maps, 0))
