"""Which images an epoch shows, in which order, and how they are changed. Plain NumPy, a function of (seed, epoch).

An epoch does not depend on the epochs before it. So a resumed run sees the same images as an uninterrupted one, and
every backend sees the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...common.checks import check_choice, check_range
from ..base import Split

SAMPLINGS = ("shuffle", "balanced")


@dataclass(frozen=True)
class BatchPlan:
    """One batch of B images out of N.

    Attributes:
        positions: int [B], 0..N-1.
        targets: float [B, C]; with a teacher's answers [B, 2C].
        weights: float [B], weight of each image in the loss.
        draws: float [B, D], uniform random numbers 0..1 for the augmentation.
        partners: int [B], positions of the images to mix in (mixup).
        shares: float [B], 0..1, share of the image itself in the mixture; 1 without mixup.
    """

    positions: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    draws: np.ndarray
    partners: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class EpochPlan:
    """The plan for every epoch of a training run.

    Attributes:
        targets: float [N, C], one-hot or soft labels.
        batch_size: images in a batch; the last batch of an epoch may be smaller.
        seed: int.
        draws: uniform random numbers that each image needs (`fer_tf.layers.DRAWS`).
        sampling: "shuffle" (each image once) or "balanced" (the same number of images, all classes equally likely).
        mixup: alpha of the Beta distribution, 0 for no mixup.
        class_weights: float [C] or None.
        answers: float [N, C], a teacher's probabilities, placed after the targets; None without a teacher.
        passes: an epoch shows each image this many times (balanced: N * passes images).
    Raises: `InputError` for a wrong sampling, batch size or number of passes.
    """

    targets: np.ndarray
    batch_size: int
    seed: int
    draws: int
    sampling: str = "shuffle"
    mixup: float = 0.0
    class_weights: np.ndarray | None = None
    answers: np.ndarray | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        check_choice("sampling", self.sampling, SAMPLINGS)
        check_range("batch_size", self.batch_size, low=1)
        check_range("passes", self.passes, low=1)

    @property
    def columns(self) -> int:
        """Number of columns in a batch's targets."""
        return self.targets.shape[1] * (1 if self.answers is None else 2)

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self.targets) * self.passes // self.batch_size)

    def batches(self, epoch: int) -> Iterator[BatchPlan]:
        """Yields the `BatchPlan`s of an epoch, counted from 0."""
        rng = np.random.default_rng([self.seed, epoch])
        order = self._order(rng)
        draws = rng.random((len(order), self.draws), dtype=np.float32)
        partners = rng.permutation(order)
        shares = rng.beta(self.mixup, self.mixup, len(order)) if self.mixup else np.ones(len(order))
        shares = shares.astype(np.float32)
        targets = self._mixed(self.targets, order, partners, shares)
        weights = np.ones(len(order)) if self.class_weights is None else targets @ self.class_weights
        if self.answers is not None:
            targets = np.concatenate([targets, self._mixed(self.answers, order, partners, shares)], axis=1)
        arrays: Sequence = (order, targets, weights, draws, partners, shares)
        types = (np.int32, np.float32, np.float32, np.float32, np.int32, np.float32)
        arrays = [np.asarray(array, dtype) for array, dtype in zip(arrays, types, strict=True)]
        for start in range(0, len(order), self.batch_size):
            yield BatchPlan(*(array[start : start + self.batch_size] for array in arrays))

    @staticmethod
    def _mixed(values, order, partners, shares):
        return values[order] * shares[:, None] + values[partners] * (1 - shares[:, None])

    def _order(self, rng):
        if self.sampling == "shuffle":
            return np.concatenate([rng.permutation(len(self.targets)) for _ in range(self.passes)])
        share = self.targets.mean(axis=0)
        chance = self.targets @ np.divide(1, share, out=np.zeros_like(share), where=share > 0)
        return rng.choice(len(self.targets), len(self.targets) * self.passes, p=chance / chance.sum())


def target_matrix(split: Split) -> np.ndarray:
    """Targets of a split, float32 [N, C]: its soft labels if it has them, else one-hot labels."""
    if split.probabilities is not None:
        return split.probabilities.astype(np.float32)
    return np.eye(len(split.class_names), dtype=np.float32)[split.labels]


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights that make all classes count the same.

    Args:
        labels: int [N].
        num_classes: C.
    Returns: float [C]; the mean over the images is 1. A class without images gets 0.
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = np.count_nonzero(counts)
    return np.divide(len(labels), present * counts, out=np.zeros(num_classes), where=counts > 0)
