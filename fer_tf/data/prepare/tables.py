"""Tables of what was written and what was left out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError
from ...common.files import replacing
from ...common.text import shown_path
from ...emotions import class_order
from ..base import SPLITS
from .layouts import NO_FACE, REASONS, UNREADABLE
from .settings import Settings
from .target import RECORD


def results(
    plans: Sequence[pd.DataFrame], outcomes: dict[tuple[str, int], tuple[str, str]], settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables of a finished run.

    Args:
        plans: list of DataFrames of `layouts.plan`.
        outcomes: see `Target.outcomes`; every planned row has one.
        settings: `Settings`.
    Returns: (labels, skipped, summary), three DataFrames.
    """
    table = pd.concat(plans, ignore_index=True)
    keys = [(row.dataset, row.row if row.path else -1) for row in table.itertuples()]
    table["outcome"], table["detail"] = zip(*(outcomes.get(key, ("", "")) for key in keys), strict=True)
    table["detail"] = table["detail"].map(shown_path)
    failed = table["outcome"].isin((NO_FACE, UNREADABLE))
    table["reason"] = np.where(failed, table["outcome"], table["reason"])
    skipped = table[table["reason"] != ""].reset_index(drop=True)
    skipped = skipped[["dataset", "row", "source", "label", "split", "reason", "detail"]]
    return _labels(table, settings), skipped, summarise(table, settings)


def _labels(table, settings):
    written = table[table["reason"] == ""]
    columns = ["path", "label", "split", "dataset", "source"]
    columns += ["subject"] * bool((written["subject"] != "").any())
    labels = written[columns].reset_index(drop=True)
    if settings.detects:
        labels["detected"] = (written["outcome"] == "face").to_numpy()
    return labels


def summarise(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Counts of pictures: one row for each dataset and class, and a row of totals.

    Args:
        table: rows of `layouts.plan` with their outcomes.
        settings: `Settings`.
    Returns: DataFrame with the columns dataset, class, train, val, test, written (their sum), and one for each of
        `REASONS`. With a detector also whole picture (written, but without a face).
    """
    written = table["reason"] == ""
    counts = {split: written & (table["split"] == split) for split in SPLITS} | {"written": written}
    if settings.detects:
        counts["whole picture"] = table["outcome"] == "whole"
    counts |= {reason: table["reason"] == reason for reason in REASONS}
    label = pd.Categorical(table["label"], class_order(table["label"]))
    summary = pd.DataFrame(counts).groupby([table["dataset"], label], sort=False, observed=True).sum()
    summary = summary.sort_index(level=1, sort_remaining=False).loc[list(dict.fromkeys(table["dataset"]))]
    summary.loc[("all", ""), :] = summary.sum()
    return summary.astype(int).rename_axis(["dataset", "class"]).reset_index()


def save(out: Path, labels: pd.DataFrame, skipped: pd.DataFrame, summary: pd.DataFrame) -> None:
    """Writes the tables: labels.csv next to the pictures, where the dataset `csv` looks for it, the others in record/.

    Raises: `DataError` if no picture was written.
    """
    places = {f"{RECORD}/skipped.csv": skipped, f"{RECORD}/summary.csv": summary, "labels.csv": labels}
    for name, frame in places.items():
        with replacing(out / name) as path:
            frame.to_csv(path, index=False)
    if labels.empty:
        reasons = f"see {RECORD}/skipped.csv for the reasons"
        raise DataError(f"{out}: none of {len(skipped):,} pictures could be written; {reasons}")


def shared_pictures(out: Path, labels: pd.DataFrame) -> list[str]:
    """A note on val and test pictures that are also in train, byte for byte.

    Datasets may share photographs (FER+ has those of FER2013), so one's test set may be in the other's train set.

    Args:
        out: the folder.
        labels: DataFrame as in labels.csv.
    Returns: list with one note, or an empty list.
    """
    digests = pd.Series([hashlib.blake2b((out / path).read_bytes()).hexdigest() for path in labels["path"]])
    train = set(digests[(labels["split"] == "train").to_numpy()])
    leaked = {split: int(digests[(labels["split"] == split).to_numpy()].isin(train).sum()) for split in SPLITS[1:]}
    if not any(leaked.values()):
        return []
    return [
        f"these datasets share pictures: {leaked['test']} test and {leaked['val']} val pictures are also in train; "
        "`data split` on the result keeps copies together"
    ]
