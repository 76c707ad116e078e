"""Reads AffectNet's csv files, and has what the readers of all forms share; see `affectnet.py`.

Columns: subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks, expression, valence, arousal,
with or without a header. Each row is one picture, which is below `Manually_Annotated_Images/`.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError, MissingDataError
from ..csv_files import read_csv

NAME = "subDirectory_filePath"
BOX = ["face_x", "face_y", "face_width", "face_height"]
COLUMNS = [NAME, *BOX, "facial_landmarks", "expression", "valence", "arousal"]
LISTS = {"train": "training.csv", "test": "validation.csv"}
LIST_FOLDERS = (".", "Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_file_lists")
IMAGE_FOLDERS = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated_compressed/Manually_Annotated_Images",
    "Manually_Annotated_compressed",
    ".",
)
# No picture has such a side in pixels.
_LARGEST = 1_000_000
ALLOWED_CODES = "0..7 (emotions) and 8 none, 9 uncertain, 10 no face"


def scan(folder: Path) -> dict[str, tuple[int, int]]:
    """All files of a folder in one pass, because AffectNet has 400,000 pictures.

    Args:
        folder: may be missing.
    Returns: dict name -> (size in bytes, time in ns).
    """
    try:
        with os.scandir(folder) as entries:
            statuses = {entry.name: entry.stat() for entry in entries if entry.is_file()}
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return {}
        raise
    return {name: (status.st_size, status.st_mtime_ns) for name, status in statuses.items()}


def add_status(table: pd.DataFrame, statuses: Sequence[tuple[int, int] | None]) -> pd.DataFrame:
    """Adds the columns size and time in place.

    Args:
        table: DataFrame with N rows.
        statuses: N pairs (size, time); None for a missing file, which gets -1 in both columns.
    Returns: the table.
    """
    table["size"], table["time"] = np.array([status or (-1, -1) for status in statuses], np.int64).reshape(-1, 2).T
    return table


def affect(values: pd.Series | np.ndarray) -> np.ndarray:
    """Valence or arousal as float32 [N], -1..1; all else becomes NaN: AffectNet writes -2 for unknown values."""
    values = np.asarray(pd.to_numeric(values, errors="coerce"), np.float64)
    return np.where(np.abs(values) <= 1, values, np.nan).astype(np.float32)


def find_lists(root: Path) -> dict[str, Path] | None:
    """The two csv files of a copy.

    Returns: dict split -> path, or None if there are none.
    Raises: `MissingDataError` for the training list without the validation list.
    """
    folder = next((root / name for name in LIST_FOLDERS if (root / name / LISTS["train"]).is_file()), None)
    if folder is None:
        return None
    paths = {split: folder / name for split, name in LISTS.items()}
    if not paths["test"].is_file():
        raise MissingDataError(
            f"affectnet: there is {paths['train']}, but no {paths['test']}, the list of the test pictures; "
            "it comes in the same archive"
        )
    return paths


def read_lists(root: Path, lists: dict[str, Path], notes: list[str]) -> pd.DataFrame:
    """Reads the two csv files into one table.

    Args:
        root: the folder of the dataset.
        lists: dict split -> path.
        notes: list that gets a sentence on each kind of row that is left out.
    Returns: DataFrame, one row for each picture, with size and time.
    Raises: `DataError` that names the file and line.
    """
    tables = {split: _unique(_read_list(path).assign(split=split), path, notes) for split, path in lists.items()}
    is_tested = tables["train"]["name"].isin(tables["test"]["name"])
    if is_tested.any():
        notes.append(f"left out of train: {is_tested.sum():,} pictures that validation.csv lists too")
    table = pd.concat([tables["train"][~is_tested], tables["test"]], ignore_index=True)
    home = _image_home(root, table["name"])
    statuses: dict[str, tuple[int, int]] = {}
    for folder in table["name"].str.rpartition("/")[0].unique():
        statuses |= {f"{folder}/{name}".lstrip("/"): status for name, status in scan(root / home / folder).items()}
    table = add_status(table, [statuses.get(name) for name in table["name"]])
    table["name"] = table["name"] if home == "." else f"{home}/" + table["name"]
    return table


def _image_home(root, names):
    """The first of IMAGE_FOLDERS with some of the listed pictures: some copies have one folder more or less."""
    sample = names.iloc[:: max(1, len(names) // 20)]
    homes = (home for home in IMAGE_FOLDERS if any(os.path.isfile(root / home / name) for name in sample))
    return next(homes, IMAGE_FOLDERS[0])


def _unique(table, path, notes):
    """Each picture once; further rows of a picture are counted, also those that contradict the first."""
    again = table["name"].duplicated()
    if again.any():
        contradict = int((table.drop_duplicates(["name", "code"])["name"].duplicated()).sum())
        count = f"{path.name} lists {again.sum():,} pictures again, {contradict:,} of them with another label"
        notes.append(f"{count}: the first row counts")
    return table[~again]


def _read_list(path):
    """A csv as DataFrame with name, code, valence, arousal and BOX; the first wrong line raises."""
    fields, has_header = _header(path)
    columns = [name for name in fields if name in COLUMNS and name != "facial_landmarks"]
    rows = read_csv(
        path,
        header=0 if has_header else None,
        names=fields,
        usecols=columns,
        index_col=False,
        skip_blank_lines=False,
        encoding="utf-8-sig",
    )
    rows = rows[rows[NAME].str.strip() != ""]
    codes = pd.to_numeric(rows["expression"], errors="coerce")
    wrong = ~codes.isin(range(11))
    if wrong.any():
        line, text = rows.index[wrong][0] + 1 + has_header, rows["expression"][wrong].iloc[0]
        raise DataError(f"{path}, line {line}: unknown expression {text!r}; allowed are {ALLOWED_CODES}")
    table = pd.DataFrame({"name": rows[NAME].str.strip().str.replace("\\", "/"), "code": codes.astype(np.int64)})
    for name in ("valence", "arousal"):
        table[name] = affect(rows[name]) if name in rows else np.float32(np.nan)
    for name in BOX:
        values = pd.to_numeric(rows[name], errors="coerce") if name in rows else pd.Series(0.0, rows.index)
        # a number that cannot be a pixel's place is as good as none
        table[name] = values.where(values.abs() < _LARGEST, 0).round().astype(np.int32)
    return table


def _header(path):
    """(column names of a csv, True if they are its first line); without a header, the publisher's nine names."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        fields = [field.strip().strip('"') for field in file.readline().split(",")]
    if NAME in fields and "expression" in fields:
        return fields, True
    if NAME not in fields and len(fields) == len(COLUMNS):
        return COLUMNS, False
    raise DataError(
        f"{path}: neither has a header with {NAME} and expression, nor the publisher's {len(COLUMNS)} columns "
        f"({', '.join(COLUMNS)}); its first line has {len(fields)}: {', '.join(fields)[:80]}"
    )
