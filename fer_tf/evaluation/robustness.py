"""Accuracy on pictures that get worse: covered, rotated, blurred, brighter, darker or compressed.

Functions take arrays and return arrays or frames.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import InputError, check_names, check_range, check_whole
from ..data.base import stratified_sample
from .comparison import macro_f1
from .intervals import wilson
from .metrics import _checked
from .photo_occluders import occluder

BATCH = 512  # pictures that are changed and predicted in one step


@dataclass(frozen=True)
class Corruption:
    """One way to make pictures worse.

    Attributes:
        change: function(image uint8 [H, W, C], level, rng) -> uint8 [H, W, C]. It draws the same random numbers from
            `rng` at all levels, so that the block on a picture grows without moving.
        levels: the levels to try; the first one leaves pictures as they are.
        unit: unit of the levels, for an axis.
        low, high: smallest and largest allowed level.
    """

    change: Callable
    levels: tuple
    unit: str
    low: float
    high: float


def _covered(name):
    """A function `change` that lays an occluder over the picture; it is mirrored on a random half of the pictures."""

    def change(image, share, rng):
        height, width = image.shape[:2]
        cover, shade = occluder(name, float(share), height, width)
        if rng.integers(2):
            cover, shade = cover[:, ::-1], shade[:, ::-1]
        colour = _skin(image) if name == "hand" else np.full(image.shape[2], 255.0)
        mixed = image * (1 - cover[..., None]) + colour * (cover * shade)[..., None]
        return np.round(mixed).clip(0, 255).astype(np.uint8)

    return change


def _skin(image):
    """The factor that makes a hand of shade 0.65 as bright as the middle of the face, [C]."""
    height, width = image.shape[:2]
    middle = image[height // 4 : -height // 4, width // 4 : -width // 4]
    return middle.reshape(-1, image.shape[2]).mean(axis=0) / 0.65


def _block(image, share, rng):
    """Covers a block at a random place with one gray or colour; its sides are at most 1:2 if there is enough room."""
    height, width, channels = image.shape
    aspect = np.exp(rng.uniform(-np.log(2), np.log(2)))
    down, across = rng.random(2)
    colour = rng.integers(0, 256, channels, dtype=np.uint8)
    tall = min(max(np.sqrt(share * aspect), share), 1.0)
    rows = min(height, max(1, round(tall * height)))
    columns = min(width, max(1, round(share * height * width / rows)))
    top, left = round(down * (height - rows)), round(across * (width - columns))
    image = image.copy()
    image[top : top + rows, left : left + columns] = colour
    return image


def _rotated(image, degrees, rng):
    """Rotates about the middle, a random half of the pictures in each direction; outside pixels repeat the border."""
    height, width = image.shape[:2]
    angle = degrees if rng.integers(2) else -degrees
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _blurred(image, sigma, rng):
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def _exposed(image, factor, rng):
    """Multiplies pixel values by a factor and clips them to 0..255."""
    return np.round(image * float(factor)).clip(0, 255).astype(np.uint8)


def _compressed(image, quality, rng):
    """Encodes and decodes as JPEG with OpenCV (colours have half the resolution)."""
    swapped = image[..., ::-1] if image.shape[2] == 3 else image  # OpenCV expects BGR
    _, file = cv2.imencode(".jpg", np.ascontiguousarray(swapped), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if image.shape[2] == 3:
        return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    return cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)


_SHARE = "share of the picture covered"
_FACTOR = "factor on pixel values"
CORRUPTIONS = {
    # smaller lenses look like wide open eyes, which is a different problem from covered eyes
    "sunglasses": Corruption(_covered("sunglasses"), (0, 0.08, 0.12, 0.16, 0.2, 0.3), _SHARE, 0, 0.6),
    "mask": Corruption(_covered("mask"), (0, 0.1, 0.2, 0.3, 0.4, 0.5), _SHARE, 0, 0.6),
    "hand": Corruption(_covered("hand"), (0, 0.1, 0.2, 0.3, 0.4, 0.5), _SHARE, 0, 0.6),
    "block": Corruption(_block, (0, 0.1, 0.2, 0.3, 0.4, 0.5), _SHARE, 0, 1),
    "rotation": Corruption(_rotated, (0, 5, 10, 20, 30, 45, 60), "degrees, in both directions", 0, 180),
    "blur": Corruption(_blurred, (0, 0.5, 1, 1.5, 2, 3), "σ of the Gaussian in pixels", 0, 50),
    "brighter": Corruption(_exposed, (1, 1.25, 1.5, 2, 2.5, 3), _FACTOR, 1, 20),
    "darker": Corruption(_exposed, (1, 0.7, 0.5, 0.3, 0.2, 0.1), _FACTOR, 0, 1),
    "jpeg": Corruption(_compressed, (100, 75, 50, 30, 20, 10, 5), "JPEG quality, 100: not compressed", 1, 100),
}


def corrupt(images: np.ndarray, name: str, level: float, seed: int = 0) -> np.ndarray:
    """Makes pictures worse.

    Random numbers depend only on the seed and the pixels of the picture. A picture is therefore always changed in the
    same way, whatever its position and the other pictures are. A block or a hand keeps its place at all levels.

    Args:
        images: uint8 [N, H, W, C], C is 1 or 3; faces fill their pictures. They are not modified.
        name: a key of `CORRUPTIONS`.
        level: number within the corruption's low..high; its first level returns the pictures as they are.
        seed: seed of the random numbers.
    Returns: uint8 [N, H, W, C].
    Raises: `InputError` for an unknown corruption, a level outside its range, or other images.
    """
    check_names("corruption", [name], CORRUPTIONS)
    spec, images = CORRUPTIONS[name], _checked_images(images)
    check_range(f"level of {name}", level, spec.low, spec.high)
    if level == spec.levels[0]:
        return images.copy()
    keys = [[seed, zlib.crc32(name.encode()), zlib.crc32(image.tobytes())] for image in images]
    changed = [spec.change(image, level, np.random.default_rng(key)) for image, key in zip(images, keys, strict=True)]
    return np.reshape(changed, images.shape).astype(np.uint8)


def _checked_images(images):
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"images: must be uint8 [N, H, W, 1 or 3], 0..255; received {images.dtype} {tuple(images.shape)}"
        )
    return images


def robustness_curves(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    corruptions: Iterable[str] | dict[str, Iterable[float] | None] | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Accuracy at each level of each corruption.

    Args:
        predict: function uint8 [n, H, W, C] -> probabilities [n, classes]; called with at most `BATCH` pictures.
        images: uint8 [N, H, W, C], test images.
        labels: int [N], codes of `class_names`.
        class_names: names of the classes.
        corruptions: keys of `CORRUPTIONS`, or dict name -> levels to try; None for all corruptions at their levels.
        limit: largest number of images; a smaller sample keeps the shares of the classes. None for all images.
        seed: seed of the sample and of the corruptions.
        progress: show a progress bar.
    Returns: DataFrame, one row for each corruption and level: corruption, level, unit, images, accuracy, low, high
        (95 % Wilson interval), macro F1 (over the classes with an image), change (accuracy minus that of the unchanged
        pictures, which are the first row of each corruption).
    Raises: `InputError` for unknown corruptions, levels outside their range, or arrays that do not fit.
    """
    images, labels = _checked_images(images), np.asarray(labels)
    if len(images) != len(labels):
        raise InputError(f"labels: must be {len(images)}, one for each image; received {len(labels)}")
    if limit is not None and check_whole("limit", limit, low=1) < len(images):
        chosen = stratified_sample(labels, limit, seed)
        images, labels = images[chosen], labels[chosen]
    clean = _scores(predict, images, labels, class_names)
    rows, steps = [], _steps(corruptions)
    for name, level in tqdm(steps, disable=not progress, unit="level", leave=False):
        spec = CORRUPTIONS[name]
        is_clean = level == spec.levels[0]
        scores = clean if is_clean else _scores(predict, images, labels, class_names, name, level, seed)
        about = {"corruption": name, "level": float(level), "unit": spec.unit}
        rows.append({**about, **scores, "change": scores["accuracy"] - clean["accuracy"]})
    names = [row["corruption"] for row in rows]
    return pd.DataFrame(rows).assign(corruption=pd.Categorical(names, dict.fromkeys(names), ordered=True))


def _steps(corruptions):
    """All (name, level) pairs to try; the clean level of a corruption comes first."""
    if not isinstance(corruptions, dict):
        corruptions = dict.fromkeys(CORRUPTIONS if corruptions is None else corruptions)
    check_names("corruptions", corruptions, CORRUPTIONS)
    if not corruptions:
        raise InputError(f"corruptions: must name one or more of {', '.join(CORRUPTIONS)}")
    steps = []
    for name, levels in corruptions.items():
        spec = CORRUPTIONS[name]
        levels = spec.levels if levels is None else (spec.levels[0], *levels)
        for level in dict.fromkeys(levels):
            check_range(f"level of {name}", level, spec.low, spec.high)
            steps.append((name, level))
    return steps


def _scores(predict, images, labels, class_names, name=None, level=None, seed=0):
    batches = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        batches.append(np.asarray(predict(batch.copy() if name is None else corrupt(batch, name, level, seed))))
    y_true, y_prob = _checked(labels, np.concatenate(batches or [np.zeros((0, len(class_names)))]), class_names)
    y_pred = y_prob.argmax(axis=1)
    hits = int((y_pred == y_true).sum())
    low, high = wilson(hits, len(y_true))
    shares = {"accuracy": hits / len(y_true), "low": low, "high": high, "macro F1": macro_f1(y_true, y_pred)}
    return {"images": len(y_true), **shares}
