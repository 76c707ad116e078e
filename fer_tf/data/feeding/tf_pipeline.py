"""Gives images to a model under TensorFlow: tf.data over images held in memory or read from disk."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ...common import sharing
from ..base import Split
from .epoch_plan import BatchPlan, EpochPlan, target_matrix


def training_batches(
    split: Split,
    plan: EpochPlan,
    stages: Sequence[Callable],
    mix: Callable,
    first_epoch: int,
    epochs: int,
    answer: Callable | None = None,
) -> Iterable[tuple]:
    """See `fer_tf.data.feeding.pipeline.training_batches`."""
    import tensorflow as tf

    def plans():
        for epoch in range(first_epoch, epochs):
            for batch in plan.batches(epoch):
                yield sharing.share(dataclasses.astuple(batch))

    data = tf.data.Dataset.from_generator(plans, output_signature=_signature(plan))
    data = data.map(_loader(split, plan, stages, mix, answer), num_parallel_calls=2, deterministic=True)
    return _untuned(data.prefetch(4))


def _loader(split, plan, stages, mix, answer):
    """A graph function that turns a `BatchPlan`'s arrays into augmented pictures, targets and weights."""
    import tensorflow as tf

    fetch = _fetcher(split)
    stages = [tf.function(stage, jit_compile=True) for stage in stages]

    def augmented(positions, draws):
        images = tf.cast(fetch(positions), tf.float32)
        for stage in stages:
            images = stage(images, draws)
        return images

    def load(positions, targets, weights, draws, partners, shares):
        images = augmented(positions, draws)
        if plan.mixup:
            # partners get their own augmentation: the draws in reversed order
            images = mix(images, augmented(partners, tf.reverse(draws, [0])), shares)
        if answer:
            targets = tf.concat([targets, tf.cast(answer(images), tf.float32)], axis=1)
        return images, targets, weights

    return load


def _signature(plan):
    import tensorflow as tf

    shapes = {"targets": (None, plan.columns), "draws": (None, plan.draws)}
    whole = {"positions", "partners"}
    return tuple(
        tf.TensorSpec(shapes.get(field.name, (None,)), tf.int32 if field.name in whole else tf.float32)
        for field in dataclasses.fields(BatchPlan)
    )


def evaluation_batches(split: Split, batch_size: int) -> Iterable[tuple]:
    """See `fer_tf.data.feeding.pipeline.evaluation_batches`."""
    import tensorflow as tf

    fetch = _fetcher(split)
    positions = tf.data.Dataset.range(len(split), output_type=tf.int32)
    targets = tf.data.Dataset.from_tensor_slices(target_matrix(split))
    data = tf.data.Dataset.zip(positions, targets).batch(sharing.even(batch_size, len(split)))
    data = data.map(lambda index, target: (fetch(index), target), num_parallel_calls=2, deterministic=True)
    return _untuned(data.prefetch(2))


def _untuned(data):
    """The dataset without tf.data's autotuning, for which nothing is left to choose here.

    Its thread sleeps twice as long each time, up to a minute, and the end of `fit` often waited until it woke up.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def _fetcher(split):
    """A graph function positions int [B] -> uint8 images: a gather, or a file read for streamed datasets."""
    import tensorflow as tf

    shape = split.store.shape
    if split.streamed:

        def read(positions):
            images = tf.numpy_function(
                lambda index: split.fetch(np.asarray(index)), [positions], tf.uint8, stateful=False
            )
            return tf.ensure_shape(images, (None, *shape))

        return read
    with tf.device("CPU:0"):
        images = tf.constant(split.images)
    return lambda positions: tf.gather(images, positions)
