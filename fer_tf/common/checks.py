"""Errors with a one-line explanation, and the checks that raise them."""

import math
from collections.abc import Collection, Iterable
from typing import TypeVar

T = TypeVar("T")
Number = TypeVar("Number", bound=float)


class InputError(ValueError):
    """A wrong argument or input file. The message says what is allowed and what was received.

    The command line prints it without a traceback.
    """


class DataError(InputError):
    """A data file exists but is broken. The message names the file, the place in it and the fault."""


class MissingDataError(DataError, FileNotFoundError):
    """A data file does not exist. The message says which one, where it belongs and how to get it."""

    def __str__(self) -> str:  # FileNotFoundError would format its arguments as an errno
        return str(self.args[0])


class ModelFileError(InputError):
    """A model file holds no usable model, or its description contradicts the model."""


class OutOfTime(Exception):
    """Work stopped before its end: its time budget is used up, or a cluster lost it. The same command resumes it."""


def check_choice(parameter: str, value: T, allowed: Collection) -> T:
    """Checks that a value is one of the allowed ones.

    Args:
        parameter: name of the parameter, for the message.
        value: the value to check.
        allowed: the allowed values.
    Returns: `value`.
    Raises: `InputError` with the allowed values otherwise.
    """
    if value not in allowed:
        raise InputError(f"{parameter}: allowed are {', '.join(map(str, allowed))}; received {value!r}")
    return value


def check_names(parameter: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    """Raises `InputError` if one of `names` is not in `allowed`, such as an unknown option, column or override."""
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        choices = ", ".join(sorted(allowed)) or "none"
        raise InputError(f"{parameter}: unknown {', '.join(map(repr, unknown))}; allowed are {choices}")


def check_range(parameter: str, value: Number, low: float | None = None, high: float | None = None) -> Number:
    """Returns the number `value` if it is finite and low <= value <= high; raises `InputError` otherwise."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or (low is not None and value < low) or (high is not None and value > high):
        bounds = [f"{sign} {bound}" for sign, bound in ((">=", low), ("<=", high)) if bound is not None]
        raise InputError(f"{parameter}: must be a number {' and '.join(bounds)}; received {value!r}")
    return value


def check_whole(parameter: str, value: int, low: int | None = None, high: int | None = None) -> int:
    """Returns the int `value` if low <= value <= high; raises `InputError` otherwise."""
    if not isinstance(value, int):
        raise InputError(f"{parameter}: must be a whole number; received {value!r}")
    return check_range(parameter, value, low, high)
