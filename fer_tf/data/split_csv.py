"""Writes your own split as a csv for the dataset `csv`: by subject, with copies kept together."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.checks import DataError, InputError, check_range
from ..common.files import replacing
from ..common.text import shown_path
from .base import SPLITS, FaceDataset
from .doctor.examine import examine
from .doctor.near_duplicates import connected
from .sources import sources_of


def write_split(
    ds: FaceDataset,
    out: str | Path,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    force: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Writes a csv that assigns every image of a dataset to a split, also images that its protocol leaves unused.

    All images of a subject, and all exact or near copies of an image, go into the same split. Within this rule, class
    shares are kept as well as possible. The columns are path (relative to the csv's folder) or, for images that are not
    files, row (the number of the image in the dataset); label (emotion); split; subject (if known); dataset (if the
    pictures come from several); group (images that were kept together).

    Args:
        ds: `FaceDataset`. Load it with stream=True if it is read from files, or else the paths are not known.
        out: the csv. For `load_dataset("csv")`, put it into a folder without other csv files; the pictures may be
            elsewhere.
        fractions: shares of train, val and test, each at least 0.01, with the sum 1.
        seed: for the order of groups of equal size.
        force: True overwrites an existing file.
        progress: True shows the progress of the search for copies.
    Returns: the written table as DataFrame.
    Raises: `InputError` for a wrong argument or an existing file, `DataError` for fewer than three groups.
    """
    out = Path(out)
    if out.exists() and not force:
        raise InputError(f"out: {out} already exists; give another name, or use force")
    _check_fractions(fractions)
    groups = kept_together(ds, examine(ds, progress).images["near_group"])
    table = _places(ds, out)
    table["label"] = np.array(ds.class_names)[ds.table["label"]]
    table["split"] = deal(groups, ds.table["label"].to_numpy(), fractions, seed)
    if "subject" in ds.table:
        table["subject"] = ds.table["subject"].to_numpy()
    if sources_of(ds.table):
        table["dataset"] = ds.table["source"].to_numpy()
    table["group"] = groups
    with replacing(out) as temporary:
        table.to_csv(temporary, index=False)
    return table


def _check_fractions(fractions):
    if len(fractions) != len(SPLITS):
        raise InputError(f"fractions: must be one number each for {', '.join(SPLITS)}; received {fractions!r}")
    for fraction in fractions:
        check_range("fractions", fraction, 0.01, 1)
    if not np.isclose(sum(fractions), 1):
        raise InputError(f"fractions: must have the sum 1; received {fractions!r}")


def _places(ds, out):
    """The column that says where each image is: path or row."""
    if ds.store.paths is None:
        return pd.DataFrame({"row": np.arange(len(ds.table))})
    home = out.parent.resolve()
    paths = [Path(os.path.relpath(Path(path).resolve(), home)).as_posix() for path in ds.store.paths]
    return pd.DataFrame({"path": list(map(shown_path, paths))})


def kept_together(ds: FaceDataset, copies: np.ndarray | pd.Series) -> np.ndarray:
    """Groups of images that must stay in one split: of one subject, or copies of each other, joined through both.

    Args:
        ds: `FaceDataset`; an image without a subject is only joined with its copies.
        copies: int [N], the group of copies of each image.
    Returns: int [N], the group of each image.
    """
    rows = np.arange(len(ds.table))
    links = [pd.Series(rows).groupby(np.asarray(copies)).transform("first")]
    if "subject" in ds.table:
        subject = ds.table["subject"].reset_index(drop=True)
        known = subject.notna() & (subject.astype(str).str.strip() != "")
        links.append(pd.Series(rows).groupby(subject.where(known)).transform("first").where(known, rows).astype(int))
    return connected(len(rows), np.tile(rows, len(links)), np.concatenate(links))


def deal(groups: np.ndarray, labels: np.ndarray, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Gives whole groups to splits. The largest comes first, and each goes to the split that most lacks its classes.

    Args:
        groups, labels: int [N].
        fractions: shares of `SPLITS`.
        seed: for the order of groups of equal size.
    Returns: object [N] of split names; every split gets at least one group.
    Raises: `DataError` for fewer groups than splits.
    """
    counts = pd.crosstab(np.asarray(groups), np.asarray(labels)).to_numpy()
    if len(counts) < len(SPLITS):
        raise DataError(
            f"{len(counts)} groups of images that belong together (subjects, copies) cannot fill {len(SPLITS)} splits"
        )
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    lacking = np.outer(fractions, counts.sum(axis=0))
    home = np.empty(len(counts), int)
    for group in order:
        home[group] = (lacking @ counts[group]).argmax()
        lacking[home[group]] -= counts[group]
    _fill_empty(home, counts.sum(axis=1))
    return np.array(SPLITS, object)[home[pd.factorize(np.asarray(groups), sort=True)[0]]]


def _fill_empty(home, sizes):
    """Gives each split without a group the smallest group of the split with most groups, in place."""
    for split in range(len(SPLITS)):
        if not (home == split).any():
            donor = np.flatnonzero(home == np.bincount(home).argmax())
            home[donor[sizes[donor].argmin()]] = split
