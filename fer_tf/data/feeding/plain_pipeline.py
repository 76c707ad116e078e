"""Gives images to a model without TensorFlow: a generator over the same plan, for JAX (compiled) and other backends."""

import math
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
from keras import ops

from ...common import sharing
from ..base import Split
from .epoch_plan import EpochPlan, target_matrix


def training_batches(
    split: Split,
    plan: EpochPlan,
    stages: Sequence[Callable],
    mix: Callable,
    first_epoch: int,
    epochs: int,
    answer: Callable | None = None,
) -> Iterator[tuple]:
    """See `fer_tf.data.feeding.pipeline.training_batches`."""
    fetch = _fetcher(split)
    stages = [_compiled(stage) for stage in stages]

    def augmented(positions, draws):
        images = ops.cast(fetch(positions), "float32")
        for stage in stages:
            images = stage(images, draws)
        return images

    for epoch in range(first_epoch, epochs):
        for batch in plan.batches(epoch):
            images = augmented(sharing.share(batch.positions), sharing.share(batch.draws))
            if plan.mixup:
                # partners get their own augmentation: the draws in reversed order
                images = mix(
                    images,
                    augmented(sharing.share(batch.partners), sharing.share(batch.draws[::-1])),
                    sharing.share(batch.shares),
                )
            targets = sharing.share(batch.targets)
            if answer:
                targets = np.concatenate([targets, ops.convert_to_numpy(answer(images))], axis=1, dtype=np.float32)
            yield sharing.placed((images, targets, sharing.share(batch.weights)), len(batch.positions))


class _InOrder(keras.utils.PyDataset):
    """The batches of a split in order; can be read any number of times."""

    def __init__(self, split, batch_size):
        super().__init__()
        self.split, self.batch_size, self.targets = split, batch_size, target_matrix(split)
        self.images = None if split.streamed else split.images

    def __len__(self):
        return math.ceil(len(self.split) / self.batch_size)

    def __getitem__(self, index):
        rows = sharing.share(
            np.arange(index * self.batch_size, min((index + 1) * self.batch_size, len(self.split))), learns=False
        )
        return sharing.placed(
            ((self.split.fetch(rows) if self.images is None else self.images[rows]), self.targets[rows]),
            min(self.batch_size, len(self.split) - index * self.batch_size),
        )


def evaluation_batches(split: Split, batch_size: int) -> keras.utils.PyDataset:
    """See `fer_tf.data.feeding.pipeline.evaluation_batches`."""
    return _InOrder(split, sharing.even(batch_size, len(split)))


def _fetcher(split):
    """A function positions int [B] -> images. Images in memory are put on the device once."""
    if split.streamed:
        return lambda positions: split.fetch(np.asarray(positions))
    images = ops.convert_to_tensor(split.images, "uint8")
    return lambda positions: ops.take(images, positions, axis=0)


def _compiled(stage):
    if keras.backend.backend() != "jax":
        return stage
    import jax

    return jax.jit(stage)
