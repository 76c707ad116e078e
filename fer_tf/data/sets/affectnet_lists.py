"""AffectNet's csv files, and what the readers of all its forms share; see `affectnet.py`.

Columns: subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks, expression, valence, arousal,
with or without a line of names; a row a picture, which lies below `Manually_Annotated_Images/`.
"""

import os

import numpy as np
import pandas as pd

from ...common.checks import DataError, MissingDataError

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
ALLOWED_CODES = "0..7 (emotions) and 8 none, 9 uncertain, 10 no face"


def scan(folder):
    """Every file of a folder: dict name -> (size, time in ns); one pass, because AffectNet has 400,000 pictures."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _size_and_time(entry.stat()) for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _size_and_time(status):
    return status.st_size, status.st_mtime_ns


def add_status(table, statuses):
    """Adds the columns size and time; both -1 where the file is not there (None)."""
    table["size"], table["time"] = np.array([status or (-1, -1) for status in statuses], np.int64).reshape(-1, 2).T
    return table


def affect(values):
    """Valence or arousal as float32, -1..1; AffectNet writes -2 where there is none: NaN."""
    values = np.asarray(pd.to_numeric(values, errors="coerce"), np.float32)
    return np.where(values == -2, np.float32(np.nan), values)


def find_lists(root):
    """The two csv files, dict split -> path, or None; one without the other raises."""
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


def read_lists(root, lists, notes):
    """A row a picture of the two csv files (dict split -> path), with size and time; what is left out is noted."""
    tables = {split: _unique(_read_list(path).assign(split=split), path, notes) for split, path in lists.items()}
    is_tested = tables["train"]["name"].isin(tables["test"]["name"])
    if is_tested.any():
        notes.append(f"left out of train: {is_tested.sum():,} pictures that validation.csv lists too")
    table = pd.concat([tables["train"][~is_tested], tables["test"]], ignore_index=True)
    home = _image_home(root, table["name"])
    known = {}
    for folder in table["name"].str.rpartition("/")[0].unique():
        known |= {f"{folder}/{name}".lstrip("/"): status for name, status in scan(root / home / folder).items()}
    table = add_status(table, [known.get(name) for name in table["name"]])
    table["name"] = table["name"] if home == "." else f"{home}/" + table["name"]
    return table


def _image_home(root, names):
    """The first of IMAGE_FOLDERS with some of the listed pictures: copies lie a folder deeper or shallower."""
    sample = names.iloc[:: max(1, len(names) // 20)]
    homes = (home for home in IMAGE_FOLDERS if any((root / home / name).is_file() for name in sample))
    return next(homes, IMAGE_FOLDERS[0])


def _unique(table, path, notes):
    """Each picture once; a second row of it is counted (and whether it contradicts the first)."""
    again = table["name"].duplicated()
    if again.any():
        contradict = int((table.drop_duplicates(["name", "code"])["name"].duplicated()).sum())
        notes.append(
            f"{path.name} lists {again.sum():,} pictures again, {contradict:,} of them with another label: "
            "the first row counts"
        )
    return table[~again]


def _read_list(path):
    """A csv as DataFrame: name, code, valence, arousal, BOX; the first wrong line raises."""
    fields, has_header = _header(path)
    wanted = [name for name in fields if name in COLUMNS and name != "facial_landmarks"]
    try:
        rows = pd.read_csv(
            path,
            header=0 if has_header else None,
            names=fields,
            usecols=wanted,
            index_col=False,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a csv that can be read ({str(error).strip()})") from None
    rows = rows[rows[NAME].str.strip() != ""]
    codes = pd.to_numeric(rows["expression"], errors="coerce")
    _check_codes(path, rows["expression"], codes, 1 + has_header)
    table = pd.DataFrame({"name": rows[NAME].str.strip().str.replace("\\", "/"), "code": codes.astype(np.int64)})
    for name in ("valence", "arousal"):
        table[name] = affect(rows[name]) if name in rows else np.float32(np.nan)
    for name in BOX:
        values = pd.to_numeric(rows[name], errors="coerce") if name in rows else pd.Series(0.0, rows.index)
        table[name] = values.fillna(0).round().astype(np.int32)
    return table


def _header(path):
    """The column names of a csv and whether it has a line of them; the publisher's nine where it has not."""
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


def _check_codes(path, texts, codes, first_line):
    wrong = ~codes.isin(range(11))
    if wrong.any():
        raise DataError(
            f"{path}, line {texts.index[wrong][0] + first_line}: unknown expression {texts[wrong].iloc[0]!r}; "
            f"allowed are {ALLOWED_CODES}"
        )
