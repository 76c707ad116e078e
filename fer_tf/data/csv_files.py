"""Reads csv and text files as text. Errors name the file and the columns that it lacks."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ..common.checks import DataError


@contextmanager
def csv_errors(path: Path) -> Iterator[None]:
    """Turns pandas's errors about a csv that cannot be read into a `DataError` that names it."""
    try:
        yield
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a csv that can be read ({_fault(error)})") from None


def _fault(error):
    """What is wrong with a csv, in words instead of pandas's."""
    if isinstance(error, pd.errors.EmptyDataError):
        return "it is empty"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in UTF-8, from byte {error.start} on"
    if match := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
        return f"line {match[2]} has {match[3]} columns, {match[1]} are expected"
    if match := re.search(r"EOF inside string starting at row (\d+)", str(error)):
        return f"a quotation mark in line {int(match[1]) + 1} has no end"
    return str(error).strip()


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; raises `DataError` if it is not in UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read ({_fault(error)})") from None


def check_columns(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raises `DataError` if the table of a csv lacks one of the columns."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)} (its columns: {', '.join(table.columns)})")


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Reads a csv as text, empty cells as ""; options are those of `pandas.read_csv`.

    Raises: `DataError` if it cannot be read.
    """
    with csv_errors(path):
        return pd.read_csv(path, dtype=str, keep_default_na=False, **options)
