"""Makes the pictures of a dataset: reads them, cuts faces out if asked, and resizes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ...common.checks import DataError
from ..base import FaceDataset
from ..faces import crop_faces
from ..images import convert, read_image
from .layouts import NO_FACE, UNREADABLE
from .settings import Settings

# Pictures in a batch; with detection, the largest number of pictures and of pixels (photographs) in a batch.
BATCH, DETECTED, PIXELS = 256, 64, 2**25
# Side in pixels for pictures that the dataset itself cuts out of its files.
CUT_SIDE = 256


class Picture(NamedTuple):
    """The result for one row.

    Attributes:
        row: row of the dataset's table.
        image: uint8 [size, size, C], None if there is nothing to write.
        outcome: "as it is", "face", "whole" (no face was found), `NO_FACE` or `UNREADABLE`.
        detail: what is wrong with a file that cannot be read, else "".
    """

    row: int
    image: np.ndarray | None
    outcome: str
    detail: str = ""


def pictures(ds: FaceDataset, rows: list[int], settings: Settings, pool: ThreadPoolExecutor) -> Iterator[list[Picture]]:
    """The pictures of some rows, in batches.

    Args:
        ds: `FaceDataset`.
        rows: list of int, rows of its table.
        settings: `Settings`.
        pool: executor of threads, for reading files.
    Yields: lists of `Picture`, in the order of `rows`.
    """
    channels = settings.channels or ds.image_shape[2]
    make = _cut_out if settings.detects else _as_they_are
    return make(ds.store, rows, settings, channels, pool)


def _as_they_are(store, rows, settings, channels, pool):
    side = (settings.size, settings.size)
    if store.streamed:  # read the file at the final size, without going through the dataset's own size
        store = store.converted(side, channels)
    for batch in _parts(rows, BATCH):
        yield [
            Picture(row, None, UNREADABLE, fault)
            if image is None
            else Picture(row, convert(image[None], side, channels)[0], "as it is")
            for row, (image, fault) in zip(batch, _fetched(store, batch), strict=True)
        ]


def _cut_out(store, rows, settings, channels, pool):
    options = {"margin": settings.margin, "align": settings.align, "missing": settings.missing}
    for batch in _originals(store, rows, pool):
        images = [image for _, image, _ in batch if image is not None]
        crops = iter(crop_faces(images, settings.size, settings.detector, **options))
        yield [
            Picture(row, None, UNREADABLE, fault) if image is None else _picture(row, next(crops), channels)
            for row, image, fault in batch
        ]


def _picture(row, crops, channels):
    if not crops:
        return Picture(row, None, NO_FACE)
    return Picture(row, convert(crops[0].image[None], None, channels)[0], "face" if crops[0].detected else "whole")


def _originals(store, rows, pool):
    """Yields batches of (row, image or None, fault). Files are read at their own size: smaller faces may be missed."""
    is_whole_files = store.streamed and store.boxes is None
    if store.streamed and not is_whole_files:
        store = store.converted((CUT_SIDE, CUT_SIDE), None)
    batch = []
    for few in _parts(rows, 8):  # photographs may have 12 million pixels, so few are read at once
        results = pool.map(_read, store.paths[few]) if is_whole_files else _fetched(store, few)
        batch += [(row, *result) for row, result in zip(few, results, strict=True)]
        if len(batch) >= DETECTED or sum(image.size for _, image, _ in batch if image is not None) >= PIXELS:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(path):
    try:
        return read_image(path), ""
    except DataError as error:
        return None, str(error)


def _fetched(store, rows):
    """(image or None, fault) for each row; a row that cannot be read does not affect the others."""
    try:
        return [(image, "") for image in store.fetch(np.asarray(rows))]
    except DataError as error:
        if len(rows) == 1:
            return [(None, str(error))]
    return [result for row in rows for result in _fetched(store, [row])]


def _parts(rows, count):
    return [rows[start : start + count] for start in range(0, len(rows), count)]
