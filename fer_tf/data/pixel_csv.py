"""Reading csv files whose rows hold a picture as a string of numbers, as FER2013 and its relatives come.

No Python loop over rows: each chunk's pixel strings are parsed by one NumPy call and checked by array operations.
"""

import gzip
import lzma
import sys
import tarfile
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import DataError

_CHUNK = 4096


@contextmanager
def open_csv(path, members):
    """Opens a csv that may be plain, `.gz`, `.xz`, or a member (named as in `members`) of a `.zip` or tarball."""
    name = path.name.lower()
    try:
        if name.endswith((".tar.gz", ".tgz", ".tar")):
            with tarfile.open(path) as archive:
                yield archive.extractfile(_member(path, archive.getnames(), members))
                while archive.fileobj.read(1 << 20):  # to its end, where the compressed stream's checksum is
                    pass
        elif name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive.namelist(), members)) as file:
                yield file
        else:
            opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
            with opener(path, "rb") as file:
                yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile) as error:
        fault = (str(error).splitlines() or [""])[0].rstrip(": ")
        raise DataError(f"{path}: the archive is broken or cut short ({fault}); fetch it again") from None


def _member(path, names, members):
    found = [name for name in names if name.rsplit("/", 1)[-1] in members and "__MACOSX" not in name]
    if not found:
        raise DataError(f"{path}: holds none of {', '.join(members)} (it has {', '.join(names[:5]) or 'nothing'})")
    return found[0]


def read_pixel_csv(path, members, columns, side, codes):
    """Reads a csv of label, pixels and usage.

    Args:
        path: the file (see `open_csv`).
        members: file names to look for in an archive.
        columns: names of the label, pixels and usage columns, in this order.
        side: pixels are side × side, values 0..255.
        codes: allowed labels, and allowed usages, as two sequences.
    Returns: images uint8 [N, side, side, 1], labels uint8 [N], usage uint8 [N] (index into the allowed usages).
    Raises: `DataError` naming the file, the line and the fault.
    """
    parts = []
    bar = tqdm(desc=f"reading {path.name}", unit=" rows", leave=False, disable=not sys.stderr.isatty())
    with bar, open_csv(path, members) as file:
        for first, chunk in _chunks(path, file, columns):
            parts.append(_parse(path, first, chunk, columns, side, codes))
            bar.update(len(chunk))
    if not parts:
        raise DataError(f"{path}: has a header and no row")
    images, labels, usage = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return images, labels, usage


def _chunks(path, file, columns):
    """Yields (line number of the first row, DataFrame of strings) chunk by chunk."""
    line = 2
    try:
        reader = pd.read_csv(file, dtype=str, chunksize=_CHUNK, skipinitialspace=True, keep_default_na=False)
        for chunk in reader:
            chunk.columns = [str(name).strip() for name in chunk.columns]
            missing = [name for name in columns if name not in chunk.columns]
            if missing:
                raise DataError(f"{path}: has no column {', '.join(missing)} (its columns: {', '.join(chunk.columns)})")
            if len(chunk):  # a header alone gives one empty chunk
                yield line, chunk[list(columns)].fillna("")
            line += len(chunk)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a csv that can be read ({str(error).strip()})") from None


def _parse(path, first, chunk, columns, side, codes):
    labels = _codes(path, first, chunk[columns[0]], [str(code) for code in codes[0]], columns[0])
    images = _pixels(path, first, chunk[columns[1]], side * side)
    usage = _codes(path, first, chunk[columns[2]], list(codes[1]), columns[2])
    return images.reshape(-1, side, side, 1), np.asarray(codes[0], np.uint8)[labels], usage


def _codes(path, first, values, allowed, column):
    """Index of each value in `allowed`, uint8; the first unknown value raises."""
    codes = pd.Index(allowed).get_indexer(values.str.strip())
    if (codes < 0).any():
        bad = int(np.argmax(codes < 0))
        hint = "; the file may be cut short here" if values.iloc[bad] == "" else ""
        raise DataError(
            f"{path}, line {first + bad}: unknown {column} {values.iloc[bad]!r}; allowed are {', '.join(allowed)}{hint}"
        )
    return codes.astype(np.uint8)


def _pixels(path, first, strings, count):
    """uint8 [rows, count] out of the rows' strings of numbers."""
    text = "\n".join(strings)
    if not _is_clean(text, len(strings), count):
        _explain(path, first, strings, count)
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if values.min() < 0 or values.max() > 255:
        _explain(path, first, strings, count)
    return values.astype(np.uint8).reshape(len(strings), count)


def _is_clean(text, rows, count):
    """True if every one of the text's lines holds `count` runs of digits and nothing else but blanks."""
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
    """Finds the first bad row and raises; only ever run on a chunk known to be bad."""
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
