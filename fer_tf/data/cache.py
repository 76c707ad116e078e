"""Parsed datasets kept as one compact file, keyed by what they were read from."""

import hashlib
import os
import warnings
import zipfile

import numpy as np

from ..common.files import replacing
from ..common.paths import cache_root


def file_fingerprint(path):
    """SHA-256 of a file's bytes (0.3 s for FER2013's 301 MB)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing_fingerprint(root, paths):
    """SHA-256 of many files' relative names, sizes and times: a folder of pictures, without reading them all."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        name = os.path.relpath(path, root)  # a csv may list files outside its folder
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def cached_arrays(name, fingerprint, compute, keys=None):
    """The dict of arrays that `compute()` returns, read from the cache if it was computed before.

    Args:
        name: dataset name, the first part of the cache file's name.
        fingerprint: hash of everything the arrays depend on; a change gives another file.
        compute: function without arguments.
        keys: names the arrays must have; a cache without one of them is not used. Default: whatever is there.
    """
    path = cache_root() / f"{name}-{fingerprint[:20]}.npz"
    try:
        with np.load(path) as file:
            return {key: file[key] for key in keys or file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        arrays = compute()  # not there, or damaged

    try:
        with replacing(path) as part:
            np.savez(part, **arrays)
    except OSError as error:
        warnings.warn(
            f"{path}: cannot be written ({error.strerror}); the dataset is prepared anew each time", stacklevel=2
        )
    return arrays


def cached_parts(name, fingerprint, shape, dtype, parts):
    """An array that may be larger than the memory: written to the cache part by part, then read from there as needed.

    Args:
        name, fingerprint: as in `cached_arrays`.
        shape, dtype: of the whole array.
        parts: function without arguments that gives an iterator over the array's rows, [n, ...] each, in order.
    Returns: read-only memory map; where the cache cannot be written, an array in memory, with a warning.
    """
    path = cache_root() / f"{name}-{fingerprint[:20]}.npy"
    if (found := _mapped(path, shape, dtype)) is not None:
        return found
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": tuple(shape)}
    try:
        # not a writable memory map: on a full disk that ends the process
        with replacing(path) as part, open(part, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for rows in parts():
                file.write(np.ascontiguousarray(rows, dtype).tobytes())
    except OSError as error:
        warnings.warn(f"{path}: cannot be written ({error.strerror}); held in memory instead", stacklevel=2)
        return np.concatenate([np.asarray(rows, dtype) for rows in parts()])
    return _mapped(path, shape, dtype)


def _mapped(path, shape, dtype):
    """The file's array; None if it is not there, damaged or another."""
    try:
        found = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == tuple(shape) and found.dtype == np.dtype(dtype) else None
