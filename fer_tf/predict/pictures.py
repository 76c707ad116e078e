"""Reading one picture: from a file or an array to the pixels that a model takes."""

import contextlib
import os
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..common.checks import DataError, InputError
from ..common.paths import expanded, reports_root
from ..common.quiet import quiet_stderr
from ..common.text import one_line, shown_path
from ..data.images import convert, picture_pixels, read_image
from ..saving.keras_files import DEFAULT_SHAPE, model_shape
from .inputs import check_harmless, list_fault

# Pixels of pictures that are held at once, read and not yet predicted (three bytes each, if coloured).
HELD_PIXELS = 2**25


def load_image(path):
    """Loads any picture as uint8 [height, width, 3], RGB, upright (the proposal's pseudocode, line 4).

    A relative path is looked for as it stands, then in reports/, where notebook 07 leaves `example.jpg`; `~` is the
    user's folder.
    """
    path = expanded(path)
    kept = reports_root() / path
    if path.exists() or path.is_absolute():
        return read_image(path, channels=3)
    if not kept.is_file():
        raise DataError(f"{path}: no such file; looked at {path.absolute()} and {kept}")
    return read_image(kept, channels=3)


def preprocess_image(image, model=None):
    """Makes a batch of one at a model's size (the proposal's pseudocode, line 6).

    Args:
        image: uint8 or float 0..255, [H, W], [H, W, 1] or [H, W, 3] (RGB).
        model: a model whose input it shall fit; None for the size of FaceNet2ExpNet.h5.
    Returns: float32 [1, height, width, channels], range 0..255: the models normalise by themselves.
    """
    height, width, channels = DEFAULT_SHAPE if model is None else model_shape(model)
    return convert(_as_pixels(image)[None], (height, width), channels).astype(np.float32)


class Picture(NamedTuple):
    """A picture to predict: its `path` as text ("" for an array), its `pixels`, uint8 [H, W, 1 or 3], or None and the
    `error` why they cannot be had; of a film also the number of the `frame` and its `time` in seconds."""

    path: str
    pixels: np.ndarray | None
    error: str = ""
    frame: int | None = None
    time: float | None = None


class Found(NamedTuple):
    """What was found in some pictures: `rows`, dicts of the first columns of the table, one a face and one a picture
    that could not be read ("picture" tells which it is from); for each row without an error, in order, `crops`, uint8
    [M, H, W, C] at the model's size, and `probabilities`, float [M, classes]."""

    rows: list
    crops: np.ndarray
    probabilities: np.ndarray


def read_picture(image):
    """The `Picture` of a path, array or PIL image; what is wrong with a file stands in it, a bad array raises."""
    if not isinstance(image, str | os.PathLike):
        return Picture("", _as_pixels(image))
    try:
        return Picture(shown_path(image), _read_file(image))
    except DataError as error:
        is_list = os.fspath(image).lower().endswith(".csv")
        fault = is_list and list_fault(image) or str(error).removeprefix(f"{image}: ")
        return Picture(shown_path(image), None, one_line(fault))


def in_chunks(pictures, count, pixels=HELD_PIXELS):
    """Lists of at most `count` pictures that together have at most `pixels` pixels (one may have more alone)."""
    chunk, held = [], 0
    for picture in pictures:
        size = 0 if picture.pixels is None else picture.pixels.shape[0] * picture.pixels.shape[1]
        if chunk and held + size > pixels:
            yield chunk
            chunk, held = [], 0
        chunk.append(picture)
        held += size
        if len(chunk) == count:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _read_file(path):
    check_harmless(path)
    # libtiff tells of damage past Python
    is_tiff = os.fspath(path).lower().endswith((".tif", ".tiff"))
    with warnings.catch_warnings(), quiet_stderr() if is_tiff else contextlib.nullcontext():
        warnings.simplefilter("ignore")  # Pillow remarks on damage that it can live with
        try:
            return read_image(path)
        except DataError:
            raise
        except Exception as error:  # broken files bring Pillow's readers to raise anything
            raise DataError(f"{path}: is a broken picture ({type(error).__name__})") from None


def _as_pixels(image):
    """Any of the accepted pictures as uint8 [H, W, 1 or 3]."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        return picture_pixels(image)
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise InputError(f"image: must be [H, W], [H, W, 1] or [H, W, 3]; received {np.shape(image)}")
    if not np.issubdtype(pixels.dtype, np.number) or not np.isfinite(pixels).all():
        raise InputError("image: must hold finite numbers")
    if not np.issubdtype(pixels.dtype, np.integer) and 0 < pixels.max() <= 1:
        raise InputError("image: pixels seem to be scaled to 0..1; give 0..255, the models normalise by themselves")
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"image: pixels must be in 0..255; received {pixels.min()} to {pixels.max()}")
    return pixels.astype(np.uint8) if np.issubdtype(pixels.dtype, np.integer) else pixels.round().astype(np.uint8)
