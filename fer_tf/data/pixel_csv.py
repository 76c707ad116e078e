"""Reads csv files that hold each picture as a string of numbers, like FER2013.

There is no Python loop over rows: NumPy parses the pixel strings of a whole chunk and checks them as arrays.
"""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..common.checks import DataError
from .csv_files import check_columns, csv_errors

_CHUNK = 4096
# The first bytes of compressed files.
_OPENERS: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open}
_COMPRESSED = (".gz", ".xz", ".zip", ".tgz", ".tar")


@contextmanager
def open_csv(path: Path, members: Sequence[str]) -> Iterator[IO[bytes]]:
    """Opens a csv file, also a compressed one. Use it in a `with` statement.

    Its content says what it is and not its name, because browsers and unpacking programs change names.

    Args:
        path: a plain csv, a `.gz` or `.xz` file, or a `.zip` or tar archive, under any name.
        members: names of the csv to look for in an archive.
    Yields: a binary file.
    Raises: `DataError` for a broken archive, one without such a csv, or a web page.
    """
    try:
        with open(path, "rb") as plain:
            head = plain.read(512)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as zipped, zipped.open(_member(path, zipped.namelist(), members)) as member:
                yield member
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                yield archive.extractfile(_member(path, archive.getnames(), members))  # type: ignore[misc]
                while archive.fileobj.read(1 << 20):  # read to the end, where the stream's checksum is
                    pass
        else:
            with _opener(path, head)(path, "rb") as file:
                yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile) as error:
        fault = (str(error).splitlines() or [""])[0].rstrip(": ")
        raise DataError(f"{path}: the archive is broken or cut short ({fault}); fetch it again") from None


def _opener(path, head):
    """The function that opens a file, which is not an archive of several files, by its first bytes."""
    for sign, opener in _OPENERS.items():
        if head.startswith(sign):
            return opener
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise DataError(f"{path}: is a web page and not the data; sign in to the site and fetch the file again")
    if path.suffix.lower() in _COMPRESSED and b"," not in head:
        raise zipfile.BadZipFile(f"no {path.suffix} file")
    return open


def _member(path, names, members):
    matches = [name for name in names if name.rsplit("/", 1)[-1] in members and "__MACOSX" not in name]
    if not matches:
        has_folders = any("train/" in name for name in names)
        hint = f"; unpack its folders train/ and test/ into {path.parent}" if has_folders else ""
        members_text = ", ".join(names[:5]) or "nothing"
        raise DataError(f"{path}: holds none of {', '.join(members)} (it has {members_text}){hint}")
    return matches[0]


def check_pixel_csv(path: Path, members: Sequence[str], columns: Sequence[str]) -> None:
    """Opens a file of `read_pixel_csv` and reads its first rows; raises `DataError` if that is not possible."""
    with open_csv(path, members) as file:
        if next(_chunks(path, file, columns, 8), None) is None:
            raise DataError(f"{path}: has a header but no rows")


def read_pixel_csv(
    path: Path, members: Sequence[str], columns: Sequence[str], side: int, codes: tuple[Sequence[int], Sequence[str]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads a csv of labels, pixels and usages.

    Args:
        path: the file (see `open_csv`).
        members: file names to look for in an archive.
        columns: names of the label, pixel and usage columns, in this order.
        side: the pictures have side × side pixels, values 0..255.
        codes: two sequences: allowed labels, allowed usages.
    Returns: images uint8 [N, side, side, 1], labels uint8 [N], usage uint8 [N] (index into the allowed usages).
    Raises: `DataError` that names the file, the line and the fault.
    """
    chunks = []
    bar = tqdm(desc=f"reading {path.name}", unit=" rows", leave=False, disable=None)
    with bar, open_csv(path, members) as file:
        for first, chunk in _chunks(path, file, columns):
            chunks.append(_parse(path, first, chunk, columns, side, codes))
            bar.update(len(chunk))
    if not chunks:
        raise DataError(f"{path}: has a header but no rows")
    images, labels, usage = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
    return images, labels, usage


def _chunks(path, file, columns, size=_CHUNK):
    """Yields (line number of the first row, DataFrame of strings) chunk by chunk."""
    line = 2
    with csv_errors(path):
        reader = pd.read_csv(file, dtype=str, chunksize=size, skipinitialspace=True, keep_default_na=False)
        for chunk in reader:
            chunk.columns = [str(name).strip() for name in chunk.columns]
            check_columns(path, chunk, columns)
            if len(chunk):  # a header alone gives one empty chunk
                yield line, chunk[list(columns)].fillna("")
            line += len(chunk)


def _parse(path, first, chunk, columns, side, codes):
    labels = _codes(path, first, chunk[columns[0]], [str(code) for code in codes[0]], columns[0])
    images = _pixels(path, first, chunk[columns[1]], side * side)
    usage = _codes(path, first, chunk[columns[2]], list(codes[1]), columns[2])
    return images.reshape(-1, side, side, 1), np.asarray(codes[0], np.uint8)[labels], usage


def _codes(path, first, values, allowed, column):
    """The index of each value in `allowed`, uint8; the first unknown value raises `DataError`."""
    codes = pd.Index(allowed).get_indexer(values.str.strip())
    if (codes < 0).any():
        bad = int(np.argmax(codes < 0))
        hint = "; the file may be cut short here" if values.iloc[bad] == "" else ""
        raise DataError(
            f"{path}, line {first + bad}: unknown {column} {values.iloc[bad]!r}; allowed are {', '.join(allowed)}{hint}"
        )
    return codes.astype(np.uint8)


def _pixels(path, first, strings, count):
    """The numbers in the rows' strings, uint8 [rows, count]."""
    text = "\n".join(strings)
    if not _is_clean(text, len(strings), count):
        _explain(path, first, strings, count)
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if values.min() < 0 or values.max() > 255:
        _explain(path, first, strings, count)
    return values.astype(np.uint8).reshape(len(strings), count)


def _is_clean(text, rows, count):
    """True if each line of the text holds `count` runs of digits, and only spaces between them."""
    if not text or not text.isascii():
        return False
    characters = np.frombuffer(text.encode(), np.uint8)
    digit = (characters >= 48) & (characters <= 57)
    if not (digit | (characters == 32) | (characters == 10)).all():
        return False
    starts = digit.copy()
    starts[1:] &= ~digit[:-1]
    first = np.append(0, np.flatnonzero(characters == 10) + 1)
    if len(first) != rows or first[-1] == len(characters):
        return False
    return bool((np.add.reduceat(starts.view(np.uint8), first, dtype=np.int32) == count).all())


def _explain(path, first, strings, count):
    """Finds the first bad row of a chunk that is known to be bad, and raises `DataError`."""
    for offset, text in enumerate(strings):
        numbers = text.split()
        place = f"{path}, line {first + offset}"
        strange = [number for number in numbers if not number.removeprefix("-").isdecimal()]
        if strange:
            raise DataError(f"{place}: pixel {strange[0]!r} is not a whole number")
        if len(numbers) != count:
            short = "; the row is cut short" if len(numbers) < count else ""
            raise DataError(f"{place}: {len(numbers)} pixel values, {count} expected{short}")
        outside = [number for number in numbers if not 0 <= int(number) <= 255]
        if outside:
            raise DataError(f"{place}: pixel value {outside[0]} is outside 0..255")
    raise DataError(f"{path}: the pixels from line {first} on cannot be read")
