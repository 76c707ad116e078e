"""Splits rows into train, val and test: with class shares kept, by seed, and by group where groups are known."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from ..common.checks import DataError

# Share of the rows that is held out for val, and the same for test.
HELD_OUT = 0.1
# A class with fewer pictures stays in train: it has none for each of train, val and test.
SPLIT_FROM = 3


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Puts `place` (a dataset, a folder) in front of the message of a `DataError` that is raised inside."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def stratified_holdout(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Holds out about `fraction` of the rows, with the class shares kept.

    A class with only one row cannot be split: its row is not held out.

    Args:
        labels: int [N].
        fraction: share of the rows to hold out, 0..1.
        seed: of the draw.
    Returns: bool [N], True for rows that are held out.
    Raises: `DataError` if there are too few images.
    """
    labels = np.asarray(labels)
    eligible = np.flatnonzero(np.bincount(labels)[labels] >= 2)
    classes = len(np.unique(labels[eligible]))
    if not 1 <= classes <= np.ceil(fraction * len(eligible)) <= len(eligible) - classes:
        several = f"{classes} classes" if classes else "classes with two or more images"
        raise DataError(f"{len(labels)} images are too few to hold out {fraction:.0%} of {several}")
    from sklearn.model_selection import train_test_split  # here, because its import takes longer than most predictions

    held = train_test_split(eligible, test_size=fraction, stratify=labels[eligible], random_state=seed)[1]
    mask = np.zeros(len(labels), bool)
    mask[held] = True
    return mask


def mark_held_out(split: np.ndarray, labels: np.ndarray, name: str, seed: int, fraction: float = HELD_OUT) -> None:
    """Moves a share of the train rows to another split, in place, with the class shares kept.

    Args:
        split: object [N], the split of each row.
        labels: int [N].
        name: the split to fill.
        seed, fraction: see `stratified_holdout`.
    Raises: `DataError` if there are too few images.
    """
    train = np.flatnonzero(split == "train")
    split[train[stratified_holdout(labels[train], fraction, seed)]] = name


def group_split(groups: np.ndarray, fractions: dict[str, float], seed: int) -> np.ndarray:
    """Assigns whole groups (subjects, identities) to splits.

    Args:
        groups: [N], the group of each row.
        fractions: dict split -> share of the groups; the sum is 1.
        seed: of the draw.
    Returns: object [N] of split names; each group is in one split only.
    """
    unique, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    sizes = np.diff(np.round(np.cumsum([0, *fractions.values()]) * len(unique)).astype(int))
    while sizes.min() == 0 and sizes.max() > 1:  # few groups: every split gets one before any split gets several
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    assigned = np.empty(len(unique), object)
    assigned[order] = np.repeat(np.array(list(fractions), object), sizes)
    return assigned[inverse]


def subject_folds(subjects: np.ndarray, fold: int, count: int) -> np.ndarray:
    """The split of each row in one fold of a cross-validation by subject.

    Folds are as in the literature (Ding et al. 2017 and others): test is every `count`-th subject from number `fold`
    on, in the order of their ids. val is the next fold's test, and train is all others.

    Args:
        subjects: [N], the subject of each row.
        fold: 0..count-1.
        count: number of folds, 3 or more.
    Returns: object [N] of split names.
    Raises: `DataError` if there are fewer subjects than folds.
    """
    ordered = np.unique(subjects)
    if len(ordered) < count:
        raise DataError(f"{len(ordered)} subjects are too few for {count} folds")
    names = np.full(count, "train", object)
    names[fold], names[(fold + 1) % count] = "test", "val"
    return names[np.searchsorted(ordered, subjects) % count]


def pick_per_class(
    labels: np.ndarray, candidates: np.ndarray, count: int, rng: np.random.Generator, class_names: Sequence[str]
) -> np.ndarray:
    """Draws `count` rows of each class.

    Args:
        labels: int [N].
        candidates: bool [N], the rows to draw from.
        count: rows for each class.
        rng: NumPy generator.
        class_names: tuple of C names.
    Returns: int [C * count], sorted rows.
    Raises: `DataError` for a class with too few candidates.
    """
    chosen = []
    for code, name in enumerate(class_names):
        rows = np.flatnonzero(candidates & (labels == code))
        if len(rows) < count:
            raise DataError(f"{name} has {len(rows)} images to draw from, the protocol needs {count}")
        chosen.append(rng.choice(rows, count, replace=False))
    return np.sort(np.concatenate(chosen))


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws some rows with the class shares kept to within one image (largest remainders).

    Args:
        labels: int [N].
        count: how many rows to draw.
        seed: of the draw.
    Returns: int [count], sorted positions.
    """
    return np.sort(stratified_order(labels, seed)[:count])


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order of all positions, int [N], in which any first part has the class shares of `labels`, int [N]."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
    size = np.bincount(labels)[labels[order]]
    # An image of rank r in a class of n comes at (r + 1/2) / n of the order, so any first part keeps the shares.
    return order[np.argsort((rank + 0.5) / size, kind="stable")]


def split_table(table: pd.DataFrame, seed: int, at_least_one: bool = False) -> list[str]:
    """Fills a table's column `split` where the dataset does not define it: 80/10/10, by subject if subjects are known.

    Args:
        table: DataFrame with label (int), emotion, and optionally split and subject; changed in place. Each picture
            without a subject counts as a separate person.
        seed: of the draw.
        at_least_one: see `hold_out`.
    Returns: list of notes: how the rows were split, which classes were too small, how many subjects are in several
        splits.
    Raises: `DataError` if there are too few rows or subjects to split.
    """
    people, notes = _people(table)
    if "split" not in table or (table["split"] == "").all():
        table["split"] = "train"
        notes_on_split = hold_out(table, ("test", "val"), seed, people, at_least_one)
        return notes + (notes_on_split if people is None else ["split by subject: each subject is in one split only"])
    absent = [split for split in ("test", "val") if not (table["split"] == split).any()]
    notes += hold_out(table, absent, seed, people, at_least_one) if absent else []
    if people is not None:
        shared = int((table["split"].groupby(people).nunique() > 1).sum())
        notes += [f"{shared} subjects are in several splits: this is the dataset's own split"] if shared else []
    return notes


def _people(table):
    """The person of each row and a note on rows without a subject; None if no subject is known."""
    if "subject" not in table or not (named := table["subject"].astype(str).str.strip()).any():
        return None, []
    blank = (named == "").to_numpy()
    people = np.where(blank, [f"\0{row}" for row in range(len(table))], named)
    note = f"{blank.sum()} pictures without a subject: each counts as a separate person"
    return people, [note] if blank.any() else []


def hold_out_few(labels: np.ndarray, fraction: float, seed: int, later: int = 0) -> np.ndarray:
    """Holds out about `fraction` of each class, and at least one picture.

    Args:
        labels: int [N], without the classes that are too small to be split.
        fraction: share of each class, 0..1.
        seed: of the draw.
        later: splits that are drawn after this one; each class keeps a picture for each of them, and one for train.
    Returns: bool [N], True for rows that are held out.
    """
    rng, mask = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for code in np.unique(labels):
        rows = np.flatnonzero(labels == code)
        count = min(max(1, round(fraction * len(rows))), len(rows) - later - 1)
        mask[rng.choice(rows, count, replace=False)] = True
    return mask


def hold_out(
    table: pd.DataFrame,
    splits: Sequence[str],
    seed: int,
    people: np.ndarray | None = None,
    at_least_one: bool = False,
) -> list[str]:
    """Moves a tenth of all rows out of train for each of `splits`, with the class shares kept or by whole people.

    Args:
        table: DataFrame with label, emotion and split, changed in place.
        splits: names of the splits to fill.
        seed: of the draw.
        people: [N], the person of each row, or None.
        at_least_one: True for few pictures: if a tenth of a class is less than one picture, each class of three or more
            gives at least one picture to each split, and smaller classes stay in train.
    Returns: list of notes.
    Raises: `DataError` if there are too few rows or people.
    """
    labels = table["label"].to_numpy()
    in_train = table["split"] == "train"
    if not in_train.any():
        raise DataError("train has no pictures, so none can be held out")
    counts = table[in_train].groupby("emotion").size()
    few = at_least_one and people is None and _is_few(counts.to_numpy(), HELD_OUT * len(table) / in_train.sum())
    small = list(counts.index[counts < (SPLIT_FROM if few else 2)])
    for number, split in enumerate(splits, start=1):
        rows = np.flatnonzero(table["split"] == "train")
        share = min(HELD_OUT * len(table) / len(rows), 0.5)
        if few:
            rows = rows[~table["emotion"].iloc[rows].isin(small).to_numpy()]
            held = hold_out_few(labels[rows], share, seed, len(splits) - number)
        else:
            held = _held(labels, rows, share, seed, people)
        table.loc[rows[held], "split"] = split
    names = " and ".join(splits)
    notes = [f"{names} drawn from train, a tenth of all {'each' if len(splits) > 1 else 'pictures'}"]
    if people is not None:
        return [f"{names} drawn from train, by subject"]
    if few:
        notes = [f"{names} drawn from train, at least one picture of each class of {SPLIT_FROM} or more"]
    return notes + ([f"too few images to split, all in train: {', '.join(small)}"] if small else [])


def _is_few(counts, share):
    """True if a share of some class is less than one picture; raises if no class is large enough to be split."""
    if not (counts >= SPLIT_FROM).any() and len(counts):
        raise DataError(
            f"{counts.sum()} images are too few to hold out any: a class needs {SPLIT_FROM} or more; the largest has "
            f"{counts.max()}"
        )
    return bool(((counts >= 2) & (counts * share < 1 - 1e-9)).any())


def _held(labels, rows, share, seed, people):
    """Which of `rows` are held out, bool [len(rows)]."""
    if people is None:
        return stratified_holdout(labels[rows], share, seed)
    count = len(np.unique(people[rows]))
    if count < 2:
        raise DataError(f"{count} subjects are too few to hold one out")
    return group_split(people[rows], {"train": 1 - share, "held": share}, seed) == "held"
