"""Splitting rows into train, val and test: stratified, seeded, by group where groups are known."""

from contextlib import contextmanager

import numpy as np
from sklearn.model_selection import train_test_split

from ..common.checks import DataError


@contextmanager
def naming(place):
    """Puts `place` (a dataset, a folder) before the message of a `DataError` raised inside."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def stratified_holdout(labels, fraction, seed):
    """Boolean mask of about `fraction` of the rows, class shares kept.

    A class with a single row cannot be stratified and stays out of the mask (so: in the larger part).

    Args:
        labels: int [N].
        fraction: share to hold out, 0..1.
        seed: int.
    Returns: bool [N].
    """
    labels = np.asarray(labels)
    eligible = np.flatnonzero(np.bincount(labels)[labels] >= 2)
    classes = len(np.unique(labels[eligible]))
    if not 1 <= classes <= np.ceil(fraction * len(eligible)) <= len(eligible) - classes:
        several = f"{classes} classes" if classes else "classes that have two images or more"
        raise DataError(f"{len(labels)} images are too few to hold out {fraction:.0%} of {several}")
    held = train_test_split(eligible, test_size=fraction, stratify=labels[eligible], random_state=seed)[1]
    mask = np.zeros(len(labels), bool)
    mask[held] = True
    return mask


def group_split(groups, fractions, seed):
    """Assigns whole groups (subjects, identities) to splits.

    Args:
        groups: [N] group of each row.
        fractions: dict split -> share of the groups; shares sum to one.
        seed: int.
    Returns: object [N] of split names; no group stands in two.
    """
    unique, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    sizes = np.diff(np.round(np.cumsum([0, *fractions.values()]) * len(unique)).astype(int))
    while sizes.min() == 0 and sizes.max() > 1:  # few groups: each split gets one before any gets many
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    assigned = np.empty(len(unique), object)
    assigned[order] = np.repeat(np.array(list(fractions), object), sizes)
    return assigned[inverse]


def pick_per_class(labels, candidates, count, rng, class_names):
    """`count` rows of each class out of `candidates` (bool [N]), drawn by `rng`; a class with too few raises.

    Returns: int rows, sorted.
    """
    chosen = []
    for code, name in enumerate(class_names):
        rows = np.flatnonzero(candidates & (labels == code))
        if len(rows) < count:
            raise DataError(f"{name} has {len(rows)} images to draw from, the protocol takes {count}")
        chosen.append(rng.choice(rows, count, replace=False))
    return np.sort(np.concatenate(chosen))


# What `split_table` holds out for each of val and test.
HELD_OUT = 0.1


def split_table(table, seed):
    """Fills a table's column `split` as far as the set does not tell it: 80/10/10, by subject where one is known.

    Args:
        table: DataFrame with label (int), emotion, and perhaps split and subject; changed in place. Pictures without a
            subject count as a person each.
        seed: int.
    Returns: list of notes: how it was split, what was too small, whose pictures stand in several splits.
    Raises: `DataError` if there is too little to split.
    """
    people, notes = _people(table)
    if "split" not in table or (table["split"] == "").all():
        table["split"] = "train"
        told = hold_out(table, ("test", "val"), seed, people)
        return notes + (told if people is None else ["split by subject: no subject stands in two splits"])
    absent = [split for split in ("test", "val") if not (table["split"] == split).any()]
    notes += hold_out(table, absent, seed, people) if absent else []
    if people is not None:
        shared = int((table["split"].groupby(people).nunique() > 1).sum())
        notes += [f"{shared} subjects stand in several splits: the set's own split has it so"] if shared else []
    return notes


def _people(table):
    """The person of each row, or None where no subject is told; and a note on rows without one."""
    if "subject" not in table or not (named := table["subject"].astype(str).str.strip()).any():
        return None, []
    blank = (named == "").to_numpy()
    people = np.where(blank, [f"\0{row}" for row in range(len(table))], named)
    note = f"{blank.sum()} pictures without a subject are taken as a person each"
    return people, [note] if blank.any() else []


def hold_out(table, splits, seed, people=None):
    """Moves a tenth of all rows out of train for each of `splits`: class shares kept, or whole people.

    Args:
        table: DataFrame with label, emotion and split, changed in place.
        splits: names of splits to fill.
        seed: int.
        people: [N] person of each row, or None.
    Returns: list of notes.
    """
    labels = table["label"].to_numpy()
    for split in splits:
        rows = np.flatnonzero(table["split"] == "train")
        if not len(rows):
            raise DataError("no picture is in train, so none can be held out of it")
        share = min(HELD_OUT * len(table) / len(rows), 0.5)
        table.loc[rows[_held(labels, rows, share, seed, people)], "split"] = split
    named = " and ".join(splits)
    notes = [f"{named} drawn from train, a tenth of all {'each' if len(splits) > 1 else 'pictures'}"]
    if people is not None:
        return [f"{named} drawn from train, by subject"]
    counts = table.groupby("emotion").size()
    small = list(counts.index[counts < 2])
    return notes + ([f"too few images to split, all in train: {', '.join(small)}"] if small else [])


def _held(labels, rows, share, seed, people):
    """bool [len(rows)]: which rows are held out."""
    if people is None:
        return stratified_holdout(labels[rows], share, seed)
    count = len(np.unique(people[rows]))
    if count < 2:
        raise DataError(f"{count} subjects are too few to hold any out")
    return group_split(people[rows], {"train": 1 - share, "held": share}, seed) == "held"
