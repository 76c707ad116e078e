"""The pictures of a dataset as they are to be written: read, faces cut out if asked, at one size."""

from typing import NamedTuple

import numpy as np

from ...common.checks import DataError
from ..base import FileImages
from ..faces import crop_faces
from ..images import convert, read_image
from .layouts import NO_FACE, UNREADABLE

# Pictures a step where they are small; for detection at most so many of them or so many pixels (photographs).
BATCH, DETECTED, PIXELS = 256, 64, 2**25
# Pictures that a dataset cuts out of its files by itself are looked at in this size, pixels.
CUT_SIDE = 256


class Picture(NamedTuple):
    """What became of a row.

    Attributes:
        row: of the dataset's table.
        image: uint8 [size, size, C], None where there is none to write.
        outcome: "as it is", "face", "whole" (no face was found), `NO_FACE` or `UNREADABLE`.
        detail: the fault of a file that cannot be read, else "".
    """

    row: int
    image: np.ndarray | None
    outcome: str
    detail: str = ""


def pictures(ds, rows, settings, pool):
    """The rows' pictures, in batches: yields lists of `Picture`, in order.

    Args:
        ds: `FaceDataset`.
        rows: list of int, rows of its table.
        settings: `Settings`.
        pool: executor of threads, for reading files.
    """
    channels = settings.channels or ds.image_shape[2]
    make = _cut_out if settings.detects else _as_they_are
    return make(ds.store, rows, settings, channels, pool)


def _as_they_are(store, rows, settings, channels, pool):
    side = (settings.size, settings.size)
    if store.streamed:  # read from the file at the size wanted, not by way of the dataset's own
        store = store.converted(side, channels)
    for some in _parts(rows, BATCH):
        yield [
            Picture(row, None, UNREADABLE, fault)
            if image is None
            else Picture(row, convert(image[None], side, channels)[0], "as it is")
            for row, (image, fault) in zip(some, _fetched(store, some), strict=True)
        ]


def _cut_out(store, rows, settings, channels, pool):
    for batch in _originals(store, rows, pool):
        crops = iter(_crops([image for _, image, _ in batch if image is not None], settings))
        yield [
            Picture(row, None, UNREADABLE, fault) if image is None else _picture(row, next(crops), channels)
            for row, image, fault in batch
        ]


def _crops(images, settings):
    how = {"margin": settings.margin, "align": settings.align, "missing": settings.missing}
    return crop_faces(images, settings.size, settings.detector, **how)


def _picture(row, crops, channels):
    if not crops:
        return Picture(row, None, NO_FACE)
    return Picture(row, convert(crops[0].image[None], None, channels)[0], "face" if crops[0].detected else "whole")


def _originals(store, rows, pool):
    """Batches of (row, image or None, fault), files at their own size: at the dataset's a face may be too small."""
    if type(store) is not FileImages and store.streamed:
        store = store.converted((CUT_SIDE, CUT_SIDE), None)
    batch = []
    for some in _parts(rows, 8):  # photographs of 12 million pixels: as many as memory bears
        if type(store) is FileImages:
            found = list(pool.map(_read, store.paths[some]))
        else:
            found = _fetched(store, some)
        batch += [(row, *each) for row, each in zip(some, found, strict=True)]
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
    """(image or None, fault) of each row; one that cannot be read does not take the others with it."""
    try:
        return [(image, "") for image in store.fetch(np.asarray(rows))]
    except DataError as error:
        if len(rows) == 1:
            return [(None, str(error))]
    return [found for row in rows for found in _fetched(store, [row])]


def _parts(rows, count):
    return [rows[start : start + count] for start in range(0, len(rows), count)]
