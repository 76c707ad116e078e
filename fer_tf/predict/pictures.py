"""Reads one picture from a file or an array, and brings it to the size that a model takes."""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ..common.checks import DataError, InputError
from ..common.paths import expanded, reports_root
from ..common.quiet import quiet_stderr
from ..common.text import one_line
from ..data.faces import Face
from ..data.images import convert, picture_pixels, read_image
from ..saving.keras_files import DEFAULT_SHAPE, model_shape
from .addresses import PICTURE_BYTES, is_address, local_copy, shown_name
from .inputs import check_harmless, list_fault

if TYPE_CHECKING:
    import keras

# The largest number of pixels that are read and not yet predicted (three bytes each, if coloured).
HELD_PIXELS = 2**24


def load_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Loads any picture (the proposal's pseudocode, line 4).

    Args:
        path: the file, or its address on the web; `~` is the user's folder. A relative path is searched as given,
            then in reports/, where notebook 07 writes `example.jpg`.
    Returns: uint8 [height, width, 3], RGB, upright.
    Raises: `DataError` if there is no such file, or it is not a readable picture.
    """
    if is_address(path):
        with local_copy(path, PICTURE_BYTES) as copy:
            return read_image(copy, channels=3)
    path = expanded(path)
    in_reports = reports_root() / path
    if path.exists() or path.is_absolute():
        return read_image(path, channels=3)
    if not in_reports.is_file():
        raise DataError(f"{path}: no such file; looked at {path.absolute()} and {in_reports}")
    return read_image(in_reports, channels=3)


def preprocess_image(
    image: np.ndarray | Image.Image | str | os.PathLike[str], model: "keras.Model | None" = None
) -> np.ndarray:
    """Makes a batch with one picture at a model's size (the proposal's pseudocode, line 6).

    Args:
        image: uint8 or float 0..255, [H, W], [H, W, 1] or [H, W, 3] (RGB); a PIL image or a path works too.
        model: the model that will take the batch; None for the size of FaceNet2ExpNet.h5.
    Returns: float32 [1, height, width, channels], 0..255. The models normalise inside.
    Raises: `InputError` for another shape or range; `DataError` for a file that cannot be read.
    """
    height, width, channels = DEFAULT_SHAPE if model is None else model_shape(model)
    return convert(_as_pixels(image)[None], (height, width), channels).astype(np.float32)


def sample_path() -> Path:
    """The path of a picture to try: the astronaut Eileen Collins (NASA, public domain), which scikit-image ships.

    It is the file of `skimage.data.astronaut()`. It is in scikit-image's package, so nothing is downloaded.

    Raises: `DataError` if scikit-image is not installed.
    """
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise DataError("sample: the sample picture is in scikit-image; `pip install scikit-image`")
    return Path(package.origin).parent / "data" / "astronaut.png"


class Picture(NamedTuple):
    """A picture to predict.

    Attributes:
        path: the path as text, "" for an array.
        pixels: uint8 [H, W, 1 or 3], or None if the file could not be read.
        error: why the file could not be read, or "".
        frame: the number of a film's frame, from 0; None for other pictures.
        time: the time of the frame in seconds; None for other pictures.
    """

    path: str
    pixels: np.ndarray | None
    error: str = ""
    frame: int | None = None
    time: float | None = None


class Searched(NamedTuple):
    """Some pictures, and what is known about their faces before the recogniser gets them.

    Attributes:
        pictures: the pictures.
        face_boxes: the faces of each picture that could be read, the largest first; None if they must be searched.
        state: a JSON value from which the search can continue after these pictures, or None.
    """

    pictures: Sequence[Picture]
    face_boxes: Sequence[Sequence[Face]] | None = None
    state: dict | None = None


class Faces(NamedTuple):
    """The faces in some pictures.

    Attributes:
        rows: dicts of the table's first columns, one per face, and one per picture that could not be read. "picture" is
            the position of the picture.
        crops: uint8 [M, H, W, C] at the model's size, one for each row without an error, in the same order.
        probabilities: float [M, classes], 0..1, in the same order.
    """

    rows: list[dict]
    crops: np.ndarray
    probabilities: np.ndarray


def read_picture(image: np.ndarray | Image.Image | str | os.PathLike[str]) -> Picture:
    """Makes a `Picture` of a path, an address on the web, an array or a PIL image.

    For a file that cannot be read, the picture holds the error. A wrong array raises `InputError`.
    """
    if not isinstance(image, str | os.PathLike):
        return Picture("", _as_pixels(image))
    name = shown_name(image)
    try:
        with local_copy(image, PICTURE_BYTES) as path:
            return Picture(name, _read_file(path))
    except DataError as error:
        is_list = not is_address(image) and os.fspath(image).lower().endswith(".csv")
        fault = is_list and list_fault(image) or str(error).removeprefix(f"{image}: ").removeprefix(f"{name}: ")
        return Picture(name, None, one_line(fault))


def in_chunks(pictures: Iterable[Picture], count: int, pixels: int = HELD_PIXELS) -> Iterator[list[Picture]]:
    """Yields lists of at most `count` pictures with at most `pixels` pixels in total.

    A picture that is larger than `pixels` comes in its own list.
    """
    chunk: list[Picture] = []
    held = 0
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
    # libtiff writes about damage directly to stderr
    is_tiff = os.fspath(path).lower().endswith((".tif", ".tiff"))
    with warnings.catch_warnings(), quiet_stderr() if is_tiff else contextlib.nullcontext():
        warnings.simplefilter("ignore")  # Pillow warns about damage that it can handle
        try:
            return read_image(path)
        except DataError:
            raise
        except Exception as error:  # Pillow's readers raise errors of any type on broken files
            raise DataError(f"{path}: is a broken picture ({type(error).__name__})") from None


def _as_pixels(image):
    """A path, a PIL image or an array as uint8 [H, W, 1 or 3]."""
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
        raise InputError("image: pixels seem to be scaled to 0..1; give 0..255, the models normalise inside")
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"image: pixels must be in 0..255; received {pixels.min()} to {pixels.max()}")
    return pixels.astype(np.uint8) if np.issubdtype(pixels.dtype, np.integer) else pixels.round().astype(np.uint8)
