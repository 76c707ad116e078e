"""A csv that is written row by row, appears when it is complete, and can be resumed if it was stopped.

Until `scores.csv` is complete, two files are next to it. `scores.csv.part` holds the rows. `scores.csv.part.json` says
which job they belong to and up to which byte they are complete. Rows that cannot be resumed are kept as
`scores.csv.part1.old`, `scores.csv.part2.old`, ...
"""

import csv
import errno
import io
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..common.checks import InputError
from ..common.files import write_text
from ..common.text import safe_cell

if TYPE_CHECKING:
    import pandas as pd

# The columns with text from outside: names of files, and messages of libraries.
FOREIGN = ("path", "error")


def unfinished_files(out: str | Path) -> list[Path]:
    """The two files that are next to the csv `out` until it is complete: the rows and the note."""
    out = Path(out)
    return [out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.part.json")]


class ResumableCsv:
    """Writes tables one after another into a csv. After a `with` block without an error it moves the csv to its path.

    Text is quoted. In the columns path and error it is also safe against formulas in spreadsheets (`safe_cell`).
    Numbers have six decimals. A missing value gives an empty cell.

    Args:
        out: path of the csv.
        columns: its columns.
        job: text that identifies the job. Only rows of the same job are resumed.
    Raises: `IsADirectoryError` if `out` is a folder; `InputError` if another process is writing the csv.

    Attributes:
        state: the last state that `write` received before the job was stopped; None for a new job.
        put_aside: path of the rows that could not be resumed; None if there were none.
    """

    def __init__(self, out: str | Path, columns: Sequence[str], job: str) -> None:
        self.out, self.columns, self.job = Path(out), list(columns), job
        if self.out.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to write", str(out))
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.part, self.note = unfinished_files(out)
        self.file = _opened_alone(self.part)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self):
        self.state, whole = self._left()
        self.put_aside = self._copied() if self.state is None and self._has_rows() else None
        self.file.truncate(whole)
        self.file.seek(0, os.SEEK_END)
        if not whole:
            self.file.write(self._header())
            self.file.flush()
            self._write_note({})

    def _left(self):
        """(state, number of bytes) of the complete rows of the same job; (None, 0) if there are none."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            is_ours = note["job"] == self.job and 0 < note["bytes"] <= self.part.stat().st_size
            return (note["state"], note["bytes"]) if is_ours else (None, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None, 0

    def _header(self):
        text = io.StringIO()
        _writer(text).writerow(self.columns)
        return text.getvalue()

    def _has_rows(self):
        """True if the file holds more than the names of the columns."""
        header = self._header().encode()
        with open(self.part, "rb") as file:
            return not header.startswith(file.read(len(header) + 1))

    def _copied(self):
        names = (self.part.with_name(f"{self.part.name}{number}.old") for number in itertools.count(1))
        old = next(name for name in names if not os.path.lexists(name))
        shutil.copyfile(self.part, old)  # a copy, because the lock belongs to this file
        return old

    def write(self, table: "pd.DataFrame", state: dict | None = None) -> None:
        """Appends a table's rows.

        Args:
            table: DataFrame with the columns.
            state: a JSON value from which the job can be resumed if it stops after these rows. None if it cannot be
                resumed from here.
        """
        write_rows(self.file, table, self.columns)
        self.file.flush()
        if state is not None:
            self._write_note(state)

    def _write_note(self, state):
        note = {"job": self.job, "bytes": self.part.stat().st_size, "state": state}
        write_text(self.note, json.dumps(note))

    def __enter__(self) -> "ResumableCsv":
        return self

    def __exit__(self, error_type: type | None, *_: object) -> None:
        self.close()
        if error_type is None:
            os.replace(self.part, self.out)
            self.note.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file. The written rows stay, so that the job can be resumed."""
        self.file.close()


def write_rows(file: IO[str], table: "pd.DataFrame", columns: Sequence[str], with_header: bool = False) -> None:
    """Writes a table's rows into an open file in the form of `ResumableCsv`.

    Args:
        file: open for text, with newline="".
        table: DataFrame with the columns.
        columns: the columns to write, in this order.
        with_header: write their names first.
    """
    writer = _writer(file)
    if with_header:
        writer.writerow(columns)
    chosen = table[list(columns)]
    for row in chosen.astype(object).where(chosen.notna(), "").to_dict("records"):
        writer.writerow([_cell(name, value) for name, value in row.items()])


def _writer(file):
    return csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")


def _opened_alone(path):
    """Opens or creates the file for reading and writing; raises `InputError` while another process writes it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", newline="", encoding="utf-8")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass  # this system has no file locks, so the user must not start two runs with the same csv
    except OSError:
        file.close()
        raise InputError(f"{path}: is being written by another process; wait for it, or stop it") from None
    return file


def _cell(name, value):
    """A value for the csv as a Python type, because the writer quotes everything that is not a number."""
    if isinstance(value, str):
        return safe_cell(value) if name in FOREIGN and value else value
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else str(value) if isinstance(value, bool) else value


def read_rows(path: str | Path) -> Iterator[dict[str, str]]:
    """Yields the rows of such a csv as dicts of text."""
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
