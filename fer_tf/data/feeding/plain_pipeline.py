"""Feeding a model without TensorFlow: a generator over the same plan, for JAX (compiled) and other Keras backends."""

import math

import keras
import numpy as np
from keras import ops

from .epoch_plan import target_matrix


def training_batches(split, plan, stages, mix, first_epoch, epochs, answer=None):
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
            images = augmented(batch.positions, batch.draws)
            if plan.mixup:
                # partners get their own change: the draws of the picture beside them in the batch
                images = mix(images, augmented(batch.partners, batch.draws[::-1]), batch.shares)
            targets = batch.targets
            if answer:
                targets = np.concatenate([targets, ops.convert_to_numpy(answer(images))], axis=1, dtype=np.float32)
            yield images, targets, batch.weights


class _InOrder(keras.utils.PyDataset):
    """A split's batches in order; may be gone through any number of times."""

    def __init__(self, split, batch_size):
        super().__init__()
        self.split, self.batch_size, self.targets = split, batch_size, target_matrix(split)
        self.images = None if split.streamed else split.images

    def __len__(self):
        return math.ceil(len(self.split) / self.batch_size)

    def __getitem__(self, index):
        rows = np.arange(index * self.batch_size, min((index + 1) * self.batch_size, len(self.split)))
        return (self.split.fetch(rows) if self.images is None else self.images[rows]), self.targets[rows]


def evaluation_batches(split, batch_size):
    """See `fer_tf.data.feeding.pipeline.evaluation_batches`."""
    return _InOrder(split, batch_size)


def _fetcher(split):
    """positions int [B] -> images; arrays are put on the device once."""
    if split.streamed:
        return lambda positions: split.fetch(np.asarray(positions))
    images = ops.convert_to_tensor(split.images, "uint8")
    return lambda positions: ops.take(images, positions, axis=0)


def _compiled(stage):
    if keras.backend.backend() != "jax":
        return stage
    import jax

    return jax.jit(stage)
