"""Finds damage in HDF5 files over which the HDF5 library loops for ever, before the library reads them.

A file keeps its texts in global heaps: objects one after another, each with its size (HDF5 File Format Specification,
version 3.0, section III.E). HDF5 1.14 does not check that a size leads to the next object. Nothing can stop the library
once it loops, also not Ctrl-C.
"""

import mmap
from pathlib import Path

from ..common.checks import ModelFileError

_HEAP = b"GCOL\x01\x00\x00\x00"  # signature, version and reserved bytes
_HEADER = 16  # bytes of the header of a heap, and of an object


def check_heaps(path: Path) -> None:
    """Raises `ModelFileError` if an object in a global heap of the file has a size that cannot be right."""
    if not path.stat().st_size:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin = content.find(_HEAP)
        while begin >= 0:
            if not _is_whole(content, begin):
                raise ModelFileError(f"{path}: is damaged (the sizes in its HDF5 heap at byte {begin:,} are wrong)")
            begin = content.find(_HEAP, begin + _HEADER)


def _is_whole(content, begin):
    """True if the objects of the heap at `begin` follow one another up to its end."""
    end, place = begin + _number(content, begin + 8, 8), begin + _HEADER
    if end > len(content):
        return True  # the library refuses a heap that is cut off
    while place + _HEADER <= end:
        size = _number(content, place + 8, 8)
        # the size of object 0, the free space, includes its header; data are padded to 8 bytes
        is_free = _number(content, place, 2) == 0
        step = size if is_free else _HEADER + (size + 7) // 8 * 8
        if step < _HEADER or place + step > end:
            return False
        place += step
    return True


def _number(content, place, size):
    return int.from_bytes(content[place : place + size], "little")
