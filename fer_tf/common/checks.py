"""Errors that explain themselves in a line, and the checks that raise them."""

import math


class InputError(ValueError):
    """A wrong argument or input file; its message says what is allowed and what came. The command line prints
    it without a traceback."""


class DataError(InputError):
    """A dataset's file is there but broken; the message names the file, the place in it and the fault."""


class MissingDataError(DataError, FileNotFoundError):
    """A dataset's file is not there; the message says which, where it belongs and how to get it."""

    def __str__(self):  # FileNotFoundError would format its arguments as an errno
        return str(self.args[0])


class ModelFileError(InputError):
    """A file that should hold a model does not, or contradicts itself."""


class OutOfTime(Exception):
    """A training that stopped because its time budget ends; the same command resumes it."""


def check_choice(parameter, value, allowed):
    """Returns `value` if it is one of `allowed`; otherwise raises `InputError` naming them."""
    if value not in allowed:
        raise InputError(f"{parameter}: allowed are {', '.join(map(str, allowed))}; received {value!r}")
    return value


def check_names(parameter, names, allowed):
    """Raises `InputError` if any of `names` is not in `allowed` (an unknown option, column or override)."""
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        choices = ", ".join(sorted(allowed)) or "none"
        raise InputError(f"{parameter}: unknown {', '.join(map(repr, unknown))}; allowed are {choices}")


def check_range(parameter, value, low=None, high=None):
    """Returns the number `value` if low <= value <= high; otherwise raises `InputError`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        not is_number
        or not math.isfinite(value)
        or (low is not None and value < low)
        or (high is not None and value > high)
    ):
        bounds = " and ".join(
            text for text in (f">= {low}" if low is not None else "", f"<= {high}" if high is not None else "") if text
        )
        raise InputError(f"{parameter}: must be a number {bounds}; received {value!r}")
    return value


def check_whole(parameter, value, low=None, high=None):
    """Returns the int `value` if low <= value <= high; otherwise raises `InputError`."""
    if not isinstance(value, int):
        raise InputError(f"{parameter}: must be a whole number; received {value!r}")
    return check_range(parameter, value, low, high)
