"""Splitting rows into train, val and test: stratified, seeded, by group where groups are known."""

import numpy as np
from sklearn.model_selection import train_test_split

from ..checks import DataError


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
        raise DataError(f"{len(labels)} images are too few to hold out {fraction:.0%} of {classes} classes")
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
