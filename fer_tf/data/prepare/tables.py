"""What was written and what was not, as tables."""

import hashlib

import numpy as np
import pandas as pd

from ...common.files import replacing
from ...emotions import EMOTIONS
from ..base import SPLITS
from .layouts import NO_FACE, REASONS, UNREADABLE, shown
from .target import RECORD


def results(plans, outcomes, settings):
    """(labels, skipped, summary) of a finished run.

    Args:
        plans: list of DataFrames of `layouts.plan`.
        outcomes: see `Target.outcomes`; every planned row has one.
        settings: `Settings`.
    """
    table = pd.concat(plans, ignore_index=True)
    keys = zip(table["dataset"], table["row"], strict=True)
    found = [outcomes.get(key, ("", "")) if path else ("", "") for key, path in zip(keys, table["path"], strict=True)]
    table["outcome"], table["detail"] = zip(*found, strict=True)
    table["detail"] = table["detail"].map(shown)
    failed = table["outcome"].isin((NO_FACE, UNREADABLE))
    table["reason"] = np.where(failed, table["outcome"], table["reason"])
    return _labels(table, settings), _skipped(table), summarise(table, settings)


def _labels(table, settings):
    written = table[table["reason"] == ""]
    columns = ["path", "label", "split", "dataset", "source"]
    columns += ["subject"] * bool((written["subject"] != "").any())
    labels = written[columns].reset_index(drop=True)
    if settings.detects:
        labels["detected"] = (written["outcome"] == "face").to_numpy()
    return labels


def _skipped(table):
    left = table[table["reason"] != ""]
    return left[["dataset", "row", "source", "label", "split", "reason", "detail"]].reset_index(drop=True)


def summarise(table, settings):
    """Counts, a row a dataset and class and one of totals.

    Returns: DataFrame with columns dataset, class, train, val, test, written (their sum), where faces were looked for
        also whole picture (of those written: no face was found), and one for each of `REASONS`.
    """
    written = table["reason"] == ""
    counts = {split: written & (table["split"] == split) for split in SPLITS} | {"written": written}
    if settings.detects:
        counts["whole picture"] = table["outcome"] == "whole"
    counts |= {reason: table["reason"] == reason for reason in REASONS}
    label = pd.Categorical(table["label"], EMOTIONS)
    summary = pd.DataFrame(counts).groupby([table["dataset"], label], sort=False, observed=True).sum()
    summary = summary.sort_index(level=1, sort_remaining=False).loc[list(dict.fromkeys(table["dataset"]))]
    summary.loc[("all", ""), :] = summary.sum()
    return summary.astype(int).rename_axis(["dataset", "class"]).reset_index()


def save(out, labels, skipped, summary):
    """Writes the tables; the csv of labels alone stands beside the pictures, where the dataset `csv` looks for one."""
    places = {f"{RECORD}/skipped.csv": skipped, f"{RECORD}/summary.csv": summary, "labels.csv": labels}
    for name, frame in places.items():
        with replacing(out / name) as part:
            frame.to_csv(part, index=False)


def shared_pictures(out, labels):
    """A note, as a list of none or one, on val and test pictures that stand in train too, byte for byte.

    Datasets may share photographs (FER+ has FER2013's), and one's test set may be in the other's train set.
    """
    digests = pd.Series([hashlib.blake2b((out / path).read_bytes()).hexdigest() for path in labels["path"]])
    train = set(digests[(labels["split"] == "train").to_numpy()])
    leaked = {split: int(digests[(labels["split"] == split).to_numpy()].isin(train).sum()) for split in SPLITS[1:]}
    if not any(leaked.values()):
        return []
    return [
        f"these datasets share pictures: {leaked['test']} test and {leaked['val']} val pictures stand in train; "
        "`data split` on the result keeps copies together"
    ]
