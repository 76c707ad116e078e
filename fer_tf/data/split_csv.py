"""Writing a split of one's own as a csv that the dataset `csv` loads: by subject, copies kept together."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.checks import DataError, InputError, check_range
from ..common.files import replacing
from .base import SPLITS
from .doctor.examine import examine
from .doctor.near_duplicates import connected


def write_split(ds, out, fractions=(0.8, 0.1, 0.1), seed=0, force=False, progress=False):
    """Writes a csv that assigns every image of a dataset (also those its protocol leaves unused) to a split.

    No subject and no group of exact or near copies stands in two splits; within that, class shares are kept as well as
    they can be. The columns are path (relative to the csv's folder; for images that are not files, row: the number of
    the image in the dataset), label (emotion), split, subject (where known) and group (what was kept together).

    Args:
        ds: `FaceDataset`; load it with stream=True where it is read from files, else their paths are not known.
        out: the csv; put it alone into a folder for `load_dataset("csv")`, whose pictures may lie elsewhere.
        fractions: shares of train, val and test, above 0, of sum 1.
        seed: of the order in which groups of one size are dealt out.
        force: True writes over a file that is there.
        progress: True shows how far the search for copies is.
    Returns: DataFrame as written.
    Raises: `InputError` for a wrong argument or a file that is there, `DataError` for fewer than three groups.
    """
    out = Path(out)
    if out.exists() and not force:
        raise InputError(f"out: {out} is there already; give another name, or force")
    _check_fractions(fractions)
    groups = kept_together(ds, examine(ds, progress).images["near_group"])
    table = _places(ds, out)
    table["label"] = np.array(ds.class_names)[ds.table["label"]]
    table["split"] = deal(groups, ds.table["label"].to_numpy(), fractions, seed)
    if "subject" in ds.table:
        table["subject"] = ds.table["subject"].to_numpy()
    table["group"] = groups
    with replacing(out) as part:
        table.to_csv(part, index=False)
    return table


def _check_fractions(fractions):
    if len(fractions) != len(SPLITS):
        raise InputError(f"fractions: one each for {', '.join(SPLITS)} is needed; received {fractions!r}")
    for fraction in fractions:
        check_range("fractions", fraction, 0.01, 1)
    if not np.isclose(sum(fractions), 1):
        raise InputError(f"fractions: must have the sum 1; received {fractions!r}")


def _places(ds, out):
    """The column that says where each image is."""
    if ds.store.paths is None:
        return pd.DataFrame({"row": np.arange(len(ds.table))})
    home = out.parent.resolve()
    return pd.DataFrame({"path": [Path(os.path.relpath(Path(p).resolve(), home)).as_posix() for p in ds.store.paths]})


def kept_together(ds, copies):
    """Groups that no split may part: images of one subject and images of one group of copies, joined through both.

    Args:
        ds: `FaceDataset`; an image without a subject is joined by its copies only.
        copies: int [N], a group for each image.
    Returns: int [N].
    """
    rows = np.arange(len(ds.table))
    links = [pd.Series(rows).groupby(np.asarray(copies)).transform("first")]
    if "subject" in ds.table:
        subject = ds.table["subject"].reset_index(drop=True)
        known = subject.notna() & (subject.astype(str).str.strip() != "")
        links.append(pd.Series(rows).groupby(subject.where(known)).transform("first").where(known, rows).astype(int))
    return connected(len(rows), np.tile(rows, len(links)), np.concatenate(links))


def deal(groups, labels, fractions, seed):
    """Deals whole groups to splits, the largest first, each to the split that lacks most of its classes.

    Args:
        groups, labels: int [N].
        fractions: shares of `SPLITS`.
        seed: int.
    Returns: object [N] of split names; every split gets a group.
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
    """Gives each split without a group the smallest group of the split that has most groups, in place."""
    for split in range(len(SPLITS)):
        if not (home == split).any():
            donor = np.flatnonzero(home == np.bincount(home).argmax())
            home[donor[sizes[donor].argmin()]] = split
