"""tf.data: batches from disk are those from memory, and evaluation keeps the order."""

import numpy as np
import pytest

from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
from fer_tf.data.feeding.pipeline import evaluation_batches, training_batches
from fer_tf.layers import DRAWS, Augmentation, augmentation_stages, mix


def collect(split, settings, mixup=0.0, first=0, epochs=2):
    plan = EpochPlan(target_matrix(split), 8, 1, len(DRAWS), mixup=mixup)
    return [
        [np.asarray(part) for part in batch]
        for batch in training_batches(split, plan, augmentation_stages(settings), mix, first, epochs)
    ]


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_streaming_gives_the_same_as_memory(splits, mixup):
    settings = Augmentation(zoom=0.2, shift=0.1)
    in_memory, streamed = (collect(split, settings, mixup) for split in splits)
    for one, other in zip(in_memory, streamed, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_evaluation_keeps_the_order_and_the_pixels(splits):
    for split in splits:
        batches = list(evaluation_batches(split, batch_size=6))
        images = np.concatenate([np.asarray(batch[0]) for batch in batches])
        np.testing.assert_array_equal(images, split.images)
        assert images.dtype == np.uint8
        targets = np.concatenate([np.asarray(batch[1]) for batch in batches])
        np.testing.assert_array_equal(targets.argmax(axis=1), split.labels)


def test_batches_are_made_without_autotuning(splits):
    """Its thread kept the end of `fit` waiting for up to a minute."""
    train, val, *_ = splits
    plan = EpochPlan(target_matrix(train), 8, 1, len(DRAWS))
    batches = training_batches(train, plan, augmentation_stages(Augmentation()), mix, 0, 1)
    assert batches.options().autotune.enabled is False
    assert evaluation_batches(val, 8).options().autotune.enabled is False
