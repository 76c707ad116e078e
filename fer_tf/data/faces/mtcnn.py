"""MTCNN (Zhang et al. 2016) by OpenCV: three small networks, each of which looks at what the one before has left.

The weights are those of the package `mtcnn`. Its own code calls Keras for each size of each picture, which takes most
of its time. Here OpenCV runs the networks, so finding faces needs neither TensorFlow nor Keras.
"""

import functools
import math
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .geometry import Face
from .onnx_bytes import Layer, opencv_network

# The first network's window in pixels, and the distance of two windows.
WINDOW, STRIDE = 12, 2
# The ratio of two sizes at which the first network sees a picture.
STEP = 0.709
# A candidate is kept if a network's probability of a face is above this. For the third network it is an option.
FIRST, SECOND = 0.6, 0.7
# Of two candidates with a larger overlap only the likelier one is kept: at one size, over all sizes, at the end.
OVERLAP_ONE, OVERLAP_ALL, OVERLAP_END = 0.5, 0.7, 0.7
# Sides in pixels of the candidates that the second and the third network see.
SIDES = 24, 48
# Candidates in one call of a network: more need memory and save no time.
CANDIDATES = 64
# Networks see pixels as (x - MIDDLE) / SPREAD. The middle is also what is outside the picture.
MIDDLE, SPREAD = 127.5, 128


class Networks(NamedTuple):
    """The networks. Each takes float 0..255 [N, 3, H, W], RGB. No two threads may use them at once.

    Attributes:
        first: any size → [N, 6, H', W'], for each window four corrections of its box and two scores.
        second: 24 px → [N, 6, 1, 1].
        third: 48 px → [N, 16, 1, 1], with the x and the y of five points between corrections and scores.
    """

    first: cv2.dnn.Net
    second: cv2.dnn.Net
    third: cv2.dnn.Net


@functools.cache
def _weights():
    """The three networks' arrays from the files of the package `mtcnn`, which need not be imported."""
    import joblib

    package = find_spec("mtcnn")
    if package is None or package.origin is None:
        raise ImportError("No module named 'mtcnn'")
    folder = Path(package.origin).parent / "assets" / "weights"
    return [joblib.load(folder / f"{name}.lz4") for name in ("pnet", "rnet", "onet")]


def load_networks() -> Networks:
    """Makes the networks from the weights in the package `mtcnn`.

    Raises: `ImportError` if the package or joblib is not installed; `ValueError` if lz4 is missing, which joblib needs.
    """
    first, second, third = _weights()
    return Networks(
        opencv_network(WINDOW, _layers(first, [(2, 1), (0, 0), (0, 0)])),
        opencv_network(SIDES[0], _layers(second, [(3, 1), (3, 0), (0, 0), (0, 0)])),
        opencv_network(SIDES[1], _layers(third, [(3, 1), (3, 0), (2, 1), (0, 0), (0, 0)])),
    )


def _layers(arrays, pools):
    """`Layer`s from the package's arrays: weights, bias and slopes for each of `pools`, then the outputs.

    A dense layer is a convolution as large as its map. Its inputs are in the order column, row, channel.
    """
    layers = []
    for number, (pool, padding) in enumerate(pools):
        weights, bias, slopes = arrays[3 * number : 3 * number + 3]
        if weights.ndim == 2:
            side = math.isqrt(len(weights) // len(layers[-1].bias))
            weights = weights.reshape(side, side, -1, len(bias)).transpose(1, 0, 2, 3)
        layers.append(Layer(weights.transpose(3, 2, 0, 1), bias, slopes.reshape(-1), pool, padding))
    outputs, biases = arrays[3 * len(pools) :: 2], arrays[3 * len(pools) + 1 :: 2]
    ends = np.concatenate([weights.reshape(-1, weights.shape[-1]) for weights in outputs], axis=1)
    layers.append(Layer(ends.T[..., None, None], np.concatenate(biases)))
    scaled = layers[0].weights / SPREAD  # the first layer scales the pixels
    layers[0] = layers[0]._replace(weights=scaled, bias=layers[0].bias - MIDDLE * scaled.sum(axis=(1, 2, 3)))
    return layers


def find_faces(networks: Networks, batch: np.ndarray, threshold: float, smallest: float) -> list[list[Face]]:
    """Finds the faces in pictures of one size.

    Args:
        networks: from `load_networks`.
        batch: uint8 [N, H, W, 3], RGB.
        threshold: least probability of a face by the third network, 0..1.
        smallest: side of the smallest face to look for, in pixels. Half of it takes four times as long.
    Returns: a list of `Face` for each picture.
    """
    batch = batch.astype(np.float32)  # rounding at each size would move boxes, and lose some faces
    found = _kept(_proposed(networks.first, batch, smallest), OVERLAP_ALL)
    for network, side, least in zip(networks[1:], SIDES, (SECOND, threshold), strict=True):
        found = _judged(network, batch, _squared(found), side, least)
        found = _kept(found, OVERLAP_END, of_smaller=side == SIDES[1])
    return [[_face(row) for row in found[found[:, 0] == picture]] for picture in range(len(batch))]


def _proposed(network, batch, smallest):
    """Candidates [M, 6]: picture, left, top, right, bottom, probability."""
    proposed = [np.zeros((0, 6))]
    height, width = batch.shape[1:3]
    scale = WINDOW / smallest
    while min(height, width) * scale >= WINDOW:
        size = max(WINDOW, int(width * scale)), max(WINDOW, int(height * scale))
        shrunk = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in batch]
        network.setInput(cv2.dnn.blobFromImages(shrunk))
        answers = network.forward()
        margin = answers[:, 5] - answers[:, 4]
        pictures, rows, columns = np.nonzero(margin > math.log(FIRST / (1 - FIRST)))
        corners = np.stack([columns, rows], axis=1) * STRIDE
        boxes = np.concatenate([corners + 1, corners + WINDOW], axis=1)
        corrections = answers[pictures, :4, rows, columns] * (WINDOW - 1)
        likely = _probability(margin[pictures, rows, columns])
        candidates = np.column_stack([pictures, (boxes + corrections) / scale, likely])
        proposed.append(_kept(candidates, OVERLAP_ONE))
        scale *= STEP
    return np.concatenate(proposed)


def _judged(network, batch, candidates, side, least):
    """The candidates that a network takes for faces, [M, 6 or 16], with its boxes, probabilities and points."""
    answers = [np.zeros((0, 6))]
    for start in range(0, len(candidates), CANDIDATES):
        network.setInput(_cut(batch, candidates[start : start + CANDIDATES], side))
        answers.append(network.forward()[..., 0, 0])
    answers = np.concatenate(answers[len(candidates) > 0 :])
    likely = _probability(answers[:, -1] - answers[:, -2])
    is_face = likely > least
    pictures, corners, answers = candidates[is_face, :1], candidates[is_face, 1:5], answers[is_face]
    sides = corners[:, 2:] - corners[:, :2] + 1
    boxes = corners + answers[:, :4] * np.tile(sides, 2)
    points = answers[:, 4:-2] * np.repeat(sides, 5, axis=1)[:, : answers.shape[1] - 6]
    points += np.repeat(corners[:, :2] - 1, 5, axis=1)[:, : points.shape[1]]
    return np.column_stack([pictures, boxes, likely[is_face], points])


def _probability(margin):
    """The softmax of two scores from the second minus the first."""
    return 1 / (1 + np.exp(-margin.astype(float)))


def _cut(batch, candidates, side):
    """The candidates' pixels, resized: float [M, 3, side, side]."""
    steps = np.arange(side, dtype=np.float32)[None] / (side - 1)
    # TensorFlow's crop_and_resize, for which the networks' boxes are right, puts a box's edges on the outer pixels
    limits = [(length - 1) / length for length in (batch.shape[2], batch.shape[1])]
    lefts, tops, rights, bottoms = candidates[:, 1:5].T[..., None].astype(np.float32)
    columns = np.repeat((lefts + (rights - lefts) * steps)[:, None] * limits[0], side, axis=1)
    rows = np.repeat((tops + (bottoms - tops) * steps)[:, :, None] * limits[1], side, axis=2)
    cuts = []
    for picture in np.unique(candidates[:, 0]).astype(int):
        chosen = candidates[:, 0] == picture
        places = [part[chosen].reshape(-1, side).astype(np.float32) for part in (columns, rows)]
        pixels = cv2.remap(batch[picture], *places, cv2.INTER_LINEAR, borderValue=[MIDDLE] * 3)
        cuts.append(pixels.reshape(-1, side, side, 3))
    return cv2.dnn.blobFromImages(list(np.concatenate(cuts)))


def _squared(candidates):
    """The candidates with square boxes: the shorter sides are made longer, the middles stay."""
    corners = candidates[:, 1:5]
    middles, sides = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]).max(axis=1, initial=0)
    reach = sides[:, None] / 2
    return np.column_stack([candidates[:, :1], middles - reach, middles + reach, candidates[:, 5:]])


def _kept(candidates, overlap, of_smaller=False):
    """The likeliest candidate first, without those that overlap a likelier one of the same picture by more.

    The overlap is the shared area as a share of the joint area, or of the smaller box.
    """
    candidates = candidates[np.lexsort((-candidates[:, 5], candidates[:, 0]))]
    chosen = np.ones(len(candidates), bool)
    areas = (candidates[:, 3] - candidates[:, 1]) * (candidates[:, 4] - candidates[:, 2])
    ends = np.searchsorted(candidates[:, 0], candidates[:, 0], side="right")
    for index in range(len(candidates)):
        if not chosen[index]:
            continue
        box, others = candidates[index, 1:5], candidates[index + 1 : ends[index], 1:5]
        shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        shared = shared.clip(0).prod(axis=1)
        rest = areas[index + 1 : ends[index]]
        whole = np.minimum(areas[index], rest) if of_smaller else areas[index] + rest - shared
        chosen[index + 1 : ends[index]] &= shared <= overlap * whole
    return candidates[chosen]


def _face(row):
    """A `Face` from a row: picture, corners, score, five x, five y (of `POINTS`)."""
    x1, y1, x2, y2, score = map(float, row[1:6])
    points = [(float(row[6 + number]), float(row[11 + number])) for number in range(5)]
    return Face((x1, y1, x2 - x1, y2 - y1), score, *points)
