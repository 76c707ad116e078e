"""FER+'s published lists of hard test faces: occluded, turned by more than 30°, by more than 45° (Wang et al. 2020).

A list is a csv with the columns row (of fer2013.csv, from 0) and label (in FER+'s own order), or the authors' text
file. A line of that file starts with the label and FER+'s name of the image: `1_fer0034656.png 8 0`,
`0/fer0032226.jpg`.
"""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError
from ...emotions import FERPLUS_COLUMNS
from ..base import FaceDataset

FOLDER = "lists"
# table column -> the csv, the authors' file; the first existing file is read
LISTS = {
    "occluded": ("occlusion.csv", "jianfei_occlusion_list.txt"),
    "pose30": ("pose30.csv", "pose_30_ferplus_list.txt"),
    "pose45": ("pose45.csv", "pose_45_ferplus_list.txt"),
}
_LABELS = 8  # lists only hold emotions, no "unknown" and no "no face"


def read_lists(root: Path, row_of: pd.Series, rows: int) -> dict[str, tuple[Path, pd.DataFrame]]:
    """Reads the lists that exist.

    Args:
        root: the ferplus folder.
        row_of: Series, row of fer2013.csv by FER+'s image name.
        rows: number of rows in fer2013.csv.
    Returns: dict table column -> (path, DataFrame with int columns row and label).
    Raises: `DataError` that names file and line.
    """
    paths = {column: [root / FOLDER / name for name in names] for column, names in LISTS.items()}
    existing = {column: next((path for path in choices if path.is_file()), None) for column, choices in paths.items()}
    return {column: (path, _read(path, row_of, rows)) for column, path in existing.items() if path}


def add_columns(table: pd.DataFrame, lists: dict[str, tuple[Path, pd.DataFrame]]) -> None:
    """Adds a bool column for each list to FER+'s table, in place; its column `row` is FER2013's row."""
    for column, (_, listed) in lists.items():
        table[column] = table["row"].isin(listed["row"])


def list_notes(ds: FaceDataset, lists: dict[str, tuple[Path, pd.DataFrame]], label_mode: str) -> list[str]:
    """A sentence on each list: how many of its rows are test images, how many are not, and how many have another label.

    Args:
        ds: the FER+ `FaceDataset`.
        lists: see `read_lists`.
        label_mode: for the text.
    Returns: list of notes.
    """
    test = ds.table[ds.table["split"] == "test"].set_index("row")["label"]
    notes = []
    for column, (path, listed) in lists.items():
        tested = listed[listed["row"].isin(test.index)]
        ours = np.array(ds.class_names, object)[test[tested["row"]].to_numpy(int)]
        differ = int((np.array(FERPLUS_COLUMNS, object)[tested["label"]] != ours).sum())
        notes.append(
            f"{column}: {len(tested):,} of the {len(listed):,} rows in {FOLDER}/{path.name} are among the "
            f"{len(test):,} test images, {len(listed) - len(tested):,} are not (label_mode {label_mode}); {differ:,} "
            "have another label"
        )
    return notes


def lists_text(root: Path, lists: dict[str, tuple[Path, pd.DataFrame]]) -> str:
    """A line of text on which lists exist."""
    existing = ", ".join(f"{path.name} ({len(listed):,} rows)" for path, listed in lists.values())
    absent = ", ".join(f"no {LISTS[column][0]}" for column in LISTS if column not in lists)
    absent = absent and f"{absent} (only needed for accuracy on these faces)"
    return f"{root / FOLDER}: {'; '.join(filter(None, (existing, absent)))}"


def _read(path, row_of, rows):
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None
    lines = list(_csv_lines(path, text) if path.suffix == ".csv" else _text_lines(path, text, row_of))
    listed = pd.DataFrame(
        [(_whole(path, at, "row", row, rows), _whole(path, at, "label", label, _LABELS)) for at, row, label in lines],
        columns=["row", "label"],
        dtype=int,
    )
    twice = np.flatnonzero(listed["row"].duplicated())
    if len(twice):
        raise DataError(f"{path}, line {lines[twice[0]][0]}: row {listed['row'][twice[0]]} is listed twice")
    return listed


def _csv_lines(path, text):
    """(line number, row, label) of a csv, as text; None for a missing cell."""
    reader = csv.DictReader(io.StringIO(text))
    absent = [name for name in ("row", "label") if name not in (reader.fieldnames or [])]
    if absent:
        raise DataError(f"{path}, line 1: has no column {', '.join(absent)}; its columns must be row,label")
    for line in reader:
        yield reader.line_num, line["row"], line["label"]


def _text_lines(path, text, row_of):
    """(line number, row, label) of the authors' file, as text."""
    for at, line in enumerate(text.splitlines(), start=1):
        match = re.match(r"(\d+)[/_](\w+)\.(?:jpg|png)\b", line.strip())
        if match and f"{match[2]}.png" in row_of.index:
            yield at, str(row_of[f"{match[2]}.png"]), match[1]
        elif line.strip():
            raise DataError(
                f"{path}, line {at}: must start with a label and an image name of fer2013new.csv; received {line!r}"
            )


def _whole(path, at, name, text, count):
    """A cell as a whole number below `count`."""
    if text is None or not text.strip().isdecimal() or int(text) >= count:
        raise DataError(f"{path}, line {at}: {name} must be a whole number from 0 to {count - 1}; received {text!r}")
    return int(text)
