"""Decides which row of a dataset goes into which file."""

import re

import numpy as np
import pandas as pd

from ...common.text import plain_name, shown_path
from ...emotions import EMOTIONS, RAFDB_CODES
from ..base import SPLITS, FaceDataset
from ..images import picture_stem

# Document [4]: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, the numbers of RAF-DB.
LAYOUTS = {
    "numbered": {emotion: str(code) for code, emotion in RAFDB_CODES.items() if code <= 6},
    "names": {emotion: emotion for emotion in EMOTIONS},
}
# Why a row is not written.
UNUSED, NO_CLASS = "not used by the protocol", "class not in the layout"
NO_FACE, UNREADABLE = "no face found", "cannot be read"
REASONS = (UNUSED, NO_CLASS, NO_FACE, UNREADABLE)
_LONGEST = 60


def plan(ds: FaceDataset, layout: str, suffix: str) -> pd.DataFrame:
    """The rows of a dataset and the files that they go into.

    Args:
        ds: `FaceDataset`.
        layout: a key of `LAYOUTS`.
        suffix: of the files, "jpg" or "png".
    Returns: DataFrame, one row for each image, in the order of `ds.table`: path (relative to the output folder, "" if
        the row is left out), label (emotion), split, dataset, source (its name in the dataset), subject ("" if
        unknown), row (in `ds.table`) and reason (why it is left out, "" if it is not).
    """
    folders: dict = LAYOUTS[layout]
    if layout == "names":
        folders = folders | {name: name for name in ds.class_names}
    table = pd.DataFrame({"label": np.array(ds.class_names, object)[ds.table["label"].to_numpy()]})
    table["split"] = ds.table["split"].to_numpy()
    table["dataset"] = ds.name
    table["source"] = [shown_path(name) for name in ds.table["name"]]
    table["subject"] = _subjects(ds)
    table["row"] = np.arange(len(table))
    is_used, has_folder = table["split"].isin(SPLITS), table["label"].isin(list(folders))
    table["reason"] = np.where(~is_used, UNUSED, np.where(~has_folder, NO_CLASS, ""))
    paths = [
        "" if row.reason else f"{row.split}/{folders[row.label]}/{_file_name(row, suffix)}"
        for row in table.itertuples()
    ]
    table.insert(0, "path", paths)
    return table


def _subjects(ds):
    """The subjects, with the dataset's name in front: two datasets may both have a subject 1."""
    if "subject" not in ds.table:
        return ""
    known = ds.table["subject"].notna() & (ds.table["subject"].astype(str).str.strip() != "")
    return np.where(known, f"{ds.name} " + ds.table["subject"].astype(str), "")


def _file_name(row, suffix):
    """`<dataset>-<row>-<name>.jpg`: the row makes it unique, and plain letters work in every archive."""
    plain = plain_name(picture_stem(row.source), ascii_only=True).strip("._-")[:_LONGEST]
    return f"{row.dataset}-{row.row:07d}{f'-{plain}' if plain else ''}.{suffix}"


# The form of `_file_name`: only such files are ever deleted.
OWN_NAME = re.compile(r"[a-z0-9_]+-\d{7,}(-[A-Za-z0-9._-]+)?\.(jpg|png)")
