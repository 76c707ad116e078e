"""A csv that is written row by row beside its place and moved there when it is complete; a stopped one goes on.

Beside `scores.csv` lie meanwhile `scores.csv.part`, the rows, and `scores.csv.part.json`, which says what they belong
to and up to which byte they are whole. Rows that cannot be gone on from are kept as `scores.csv.part1.old`, 2, ...
"""

import contextlib
import csv
import errno
import io
import itertools
import json
import os
import shutil
from pathlib import Path

from ..common.checks import InputError
from ..common.files import write_text
from ..common.text import safe_cell

# The columns that hold text of others: names of files, and what libraries say of them.
FOREIGN = ("path", "error")


def unfinished_files(out):
    """What a csv that is being written to `out` has beside it: the rows and the note."""
    out = Path(out)
    return [out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.part.json")]


class ResumableCsv:
    """Writes tables below each other into a csv.

    Text is quoted and made safe against spreadsheets' formulas (`safe_cell`, columns path and error), numbers have six
    decimals, a value that there is not is empty.

    Args:
        out: path of the csv.
        columns: its columns.
        job: text that tells one job from another; only rows of the same job are gone on from.

    Attributes:
        state: what `write` was last given before the job was stopped; None at the start of a new one.
        put_aside: where rows now lie that could not be gone on from; None where there were none.
    """

    def __init__(self, out, columns, job):
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
        """(state, bytes) of the same job's whole rows; (None, 0) where there is none."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            is_ours = note["job"] == self.job and 0 < note["bytes"] <= self._size()
            return (note["state"], note["bytes"]) if is_ours else (None, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None, 0

    def _header(self):
        text = io.StringIO()
        _writer(text).writerow(self.columns)
        return text.getvalue()

    def _has_rows(self):
        """Whether anything but the columns' names is there."""
        header = self._header().encode()
        with open(self.part, "rb") as file:
            return not header.startswith(file.read(len(header) + 1))

    def _copied(self):
        names = (self.part.with_name(f"{self.part.name}{number}.old") for number in itertools.count(1))
        old = next(name for name in names if not os.path.lexists(name))
        shutil.copyfile(self.part, old)  # not renamed: the lock is on this file
        return old

    def write(self, table, state=None):
        """Appends a table's rows.

        Args:
            table: DataFrame with the columns.
            state: what to go on from, if the job stops after these rows; a JSON value. None where one cannot.
        """
        writer = _writer(self.file)
        for row in table[self.columns].astype(object).where(table[self.columns].notna(), "").to_dict("records"):
            writer.writerow([_cell(name, value) for name, value in row.items()])
        self.file.flush()
        if state is not None:
            self._write_note(state)

    def _write_note(self, state):
        write_text(self.note, json.dumps({"job": self.job, "bytes": self._size(), "state": state}))

    def _size(self):
        return os.fstat(self.file.fileno()).st_size

    def finish(self):
        """Moves the csv into its place."""
        self.file.close()
        os.replace(self.part, self.out)
        self.note.unlink(missing_ok=True)

    def close(self):
        """Closes the file; what is written stays, to go on from."""
        self.file.close()


def _writer(file):
    return csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")


def _opened_alone(path):
    """The file, made if need be, for reading and writing; refused while another process writes it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", newline="", encoding="utf-8")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass  # a system without file locks: two runs into one csv are then up to the user
    except OSError:
        file.close()
        raise InputError(f"{path}: is being written by another process; wait for it, or stop it") from None
    return file


def _cell(name, value):
    """A value as the csv holds it; Python's own types, for text alone is quoted."""
    if isinstance(value, str):
        return safe_cell(value) if name in FOREIGN and value else value
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else str(value) if isinstance(value, bool) else value


@contextlib.contextmanager
def written_csv(out, columns, job):
    """A `ResumableCsv` that is moved into place after the block, and left to go on from where the block fails."""
    rows = ResumableCsv(out, columns, job)
    try:
        yield rows
        rows.finish()
    finally:
        rows.close()


def read_rows(path):
    """The rows of such a csv, one after another, as dicts of text."""
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
