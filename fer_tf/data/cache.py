"""Keeps prepared datasets in one compact file each; the name depends on what they were read from."""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from ..common.files import replacing
from ..common.paths import cache_root


def listing_fingerprint(root: Path, paths: Iterable[Path]) -> str:
    """SHA-256 of the names, sizes and times of many files. It identifies a folder of pictures without reading them.

    Args:
        root: the folder that names are relative to.
        paths: the files, in a fixed order.
    Returns: 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        name = os.path.relpath(path, root)  # a csv may list files outside its folder
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def cached_arrays(
    name: str, fingerprint: str, compute: Callable[[], dict[str, np.ndarray]], keys: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The dict of arrays that `compute()` returns. It is read from the cache if it was computed before.

    Args:
        name: dataset name, the first part of the cache file's name.
        fingerprint: hash of everything that the arrays depend on; another hash means another file.
        compute: function without arguments.
        keys: names of the arrays; a cache file that lacks one of them is not used. Default: all arrays in the file.
    Returns: dict name -> array. If the cache cannot be written, there is a warning.
    """
    path = cache_root() / f"{name}-{fingerprint[:20]}.npz"
    try:
        with np.load(path) as file:
            return {key: file[key] for key in keys or file.files}
    except Exception:  # no such file, or a damaged one: NumPy then raises errors of any type
        arrays = compute()

    try:
        with replacing(path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(
            f"{path}: cannot be written ({error.strerror}); the dataset will be prepared again each time", stacklevel=2
        )
    return arrays


def cached_parts(
    name: str, fingerprint: str, shape: tuple[int, ...], dtype: DTypeLike, parts: Callable[[], Iterable[np.ndarray]]
) -> np.ndarray:
    """An array that may be larger than the memory, written to the cache in parts and read from there as needed.

    Args:
        name, fingerprint: as in `cached_arrays`.
        shape, dtype: of the whole array.
        parts: function without arguments that returns an iterator over the array's rows in order, [n, ...] each.
    Returns: read-only memory map. If the cache cannot be written, an array in memory, with a warning.
    """
    path = cache_root() / f"{name}-{fingerprint[:20]}.npy"
    if (cached := _mapped(path, shape, dtype)) is not None:
        return cached
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": tuple(shape)}
    try:
        # a writable memory map would end the process when the disk is full
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for rows in parts():
                file.write(np.ascontiguousarray(rows, dtype).tobytes())
    except OSError as error:
        warnings.warn(f"{path}: cannot be written ({error.strerror}); held in memory instead", stacklevel=2)
        return np.concatenate([np.asarray(rows, dtype) for rows in parts()])
    return _mapped(path, shape, dtype)


def _mapped(path, shape, dtype):
    """The array in the file; None if there is no file, or it is damaged or has another shape or type."""
    try:
        array = np.load(path, mmap_mode="r")
    except Exception:  # NumPy parses the header as Python, with errors of any type if it is broken
        return None
    return array if array.shape == tuple(shape) and array.dtype == np.dtype(dtype) else None
