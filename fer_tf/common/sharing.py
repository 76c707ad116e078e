"""How the batches of a training are shared among several devices and processes.

The training code calls these functions everywhere. On one device they return their first argument unchanged, so
`fer_tf.common.hashes.code_fingerprint` reads a call as its first argument. On several devices a training is the same
task. Its result can differ by rounding, and TensorFlow draws dropout for each device (DISTRIBUTED.md).
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import InputError


@dataclass(frozen=True)
class Sharing:
    """How a training is shared.

    Attributes:
        devices: of all processes together.
        processes: each reads an equal share of every batch.
        rank: of this process, 0..processes-1.
        is_mirrored: True where each device computes a step on its own pictures alone and the gradients are averaged
            (TensorFlow). False where a step is one computation on all pictures (JAX).
        place: function (array of this process, rows of the whole batch) -> array on all devices; None: not needed.
        callbacks: Keras callbacks that every fit needs.
        needs_jit: True if steps must be compiled by XLA.
    """

    devices: int = 1
    processes: int = 1
    rank: int = 0
    is_mirrored: bool = False
    place: Callable[[Any, int], Any] | None = None
    callbacks: tuple = ()
    needs_jit: bool = False


_current = Sharing()


@contextlib.contextmanager
def shared(sharing: Sharing) -> Iterator[None]:
    """Shares what is trained in this block."""
    global _current
    before, _current = _current, sharing
    try:
        yield
    finally:
        _current = before


def share(rows: Any, learns: bool = True) -> Any:
    """This process's rows of a batch.

    A batch that the devices cannot share evenly is computed whole on each device. Only the last of an epoch can be one.
    Where each device takes its part of the rows by itself (TensorFlow), there is a copy of them for each device.

    Args:
        rows: an array with a row for each picture of the batch, or a tuple of such arrays.
        learns: False in validation, where no picture may count twice.
    """
    if isinstance(rows, tuple):
        return tuple(share(array, learns) for array in rows)
    now, count = _current, len(rows)
    if now.devices == 1:
        return rows
    if count % now.devices:
        return np.concatenate([rows] * now.devices) if now.is_mirrored and learns else rows
    part = count // now.processes
    return rows[now.rank * part : (now.rank + 1) * part]


def placed(arrays: tuple, count: int) -> tuple:
    """The arrays of a batch on the devices that compute it.

    Args:
        arrays: of this process, each with a row for each of its pictures; or None.
        count: pictures in the whole batch.
    """
    if _current.place is None:
        return arrays
    return tuple(None if array is None else _current.place(array, count) for array in arrays)


def even(batch_size: int, count: int, learns: bool = False) -> int:
    """The size of batches in which each device gets a picture of every batch.

    Only where each device takes its part by itself (TensorFlow) that must be so for the last batch, too. There Keras
    also adds up the devices' parts of the first batch, so they must be equal.

    Args:
        batch_size: about this size.
        count: pictures in all.
        learns: True for training, where the batch size is the experiment's.
    Raises: `InputError` for fewer pictures than such devices.
    """
    devices = _current.devices
    if learns or devices == 1:
        return batch_size
    largest = max(batch_size // devices, 1) * devices
    if not _current.is_mirrored:
        return largest
    sizes = range(min(largest, count - count % devices), 0, -devices)
    found = next((size for size in sizes if count >= devices and not 0 < count % size < devices), None)
    if found is None:
        raise InputError(f"devices: {count} pictures cannot be shared by {devices} devices; use fewer devices")
    return found


def alone(function: Callable) -> Callable:
    """The function, computed whole by this process on one device.

    It is for networks that answer and do not learn here, such as teachers. Where devices share a training, the function
    runs in a thread of its own: both engines keep for each thread what is shared.
    """
    if _current.devices == 1:
        return function

    def in_thread(*arguments, **options):
        with shared(Sharing()), ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *arguments, **options).result()

    return in_thread


def once(answers: Any) -> Any:
    """A model's answers to one batch, each once: under TensorFlow every device has answered the whole batch."""
    return answers[: len(answers) // _current.devices] if _current.is_mirrored else answers


def callbacks(own: list) -> list:
    """The callbacks of a fit: its own, then those that sharing needs."""
    return [*own, *_current.callbacks]


def jit(wanted: bool) -> bool:
    """True if a step is compiled by XLA: it is wanted and can be shared, or it could not be shared otherwise."""
    return _current.needs_jit or (wanted and not _current.is_mirrored)


def about() -> dict[str, int]:
    """What a record says about sharing: devices and hosts; {} for one device."""
    if _current.devices == 1:
        return {}
    return {"devices": _current.devices, "hosts": _current.processes}
