"""The generator for backends without tf.data gives the batches of the plan, also from disk."""

import numpy as np
import pytest
from keras import ops

from fer_tf.common.sharing import Sharing, shared
from fer_tf.data.feeding import plain_pipeline
from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
from fer_tf.layers import DRAWS, Augmentation, augment, augmentation_stages, mix

SETTINGS = Augmentation(brightness=0.2, contrast=0.3)


def plan_of(split, mixup=0.0):
    return EpochPlan(target_matrix(split), 8, 1, len(DRAWS), mixup=mixup)


def batches_of(split, mixup=0.0, first=0, answer=None):
    batches = plain_pipeline.training_batches(
        split, plan_of(split, mixup), augmentation_stages(SETTINGS), mix, first, 2, answer
    )
    return [[np.asarray(values) for values in batch] for batch in batches]


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_batches_are_the_augmented_images_of_the_plan(splits, mixup):
    pixels = splits[0].images
    planned = [batch for epoch in range(2) for batch in plan_of(splits[0], mixup).batches(epoch)]
    for split in splits:
        for (images, targets, _), batch in zip(batches_of(split, mixup), planned, strict=True):
            wanted = augment(pixels[batch.positions], batch.draws, SETTINGS)
            partners = augment(pixels[batch.partners], batch.draws[::-1], SETTINGS)
            wanted = mix(wanted, partners, batch.shares) if mixup else wanted
            np.testing.assert_allclose(images, np.asarray(wanted), atol=0.05)
            np.testing.assert_array_equal(targets, batch.targets)


def test_a_later_start_skips_whole_epochs(splits):
    whole, rest = batches_of(splits[0]), batches_of(splits[0], first=1)
    assert len(rest) == len(whole) // 2
    np.testing.assert_array_equal(rest[0][0], whole[3][0])


def test_answers_follow_the_targets(splits):
    def answer(images):
        return ops.repeat(ops.mean(images, axis=(1, 2)), 3, axis=1)

    for images, targets, _ in batches_of(splits[0], answer=answer):
        np.testing.assert_allclose(targets[:, 3:], np.repeat(images.mean(axis=(1, 2)), 3, axis=1), rtol=1e-4)


def test_evaluation_can_be_read_twice_in_order(splits):
    for split in splits:
        batches = plain_pipeline.evaluation_batches(split, 6)
        for _ in range(2):
            images = np.concatenate([batches[index][0] for index in range(len(batches))])
            np.testing.assert_array_equal(images, split.images)
        assert len(batches[3][1]) == 2


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_two_processes_together_see_what_one_sees(splits, mixup):
    """Also with mixup, whose partners get the draws of the whole batch in reversed order."""
    whole, parts = batches_of(splits[0], mixup), []
    for rank in range(2):
        with shared(Sharing(2, 2, rank)):
            parts.append(batches_of(splits[0], mixup))
    assert {len(batch[0]) % 2 for batch in whole} == {0}
    for batch, first, second in zip(whole, *parts, strict=True):
        for wanted, *found in zip(batch, first, second, strict=True):
            np.testing.assert_allclose(np.concatenate(found), wanted, rtol=1e-5, atol=1e-3)


def test_a_process_reads_only_its_share_for_validation(splits):
    read = []
    for rank in range(2):
        with shared(Sharing(2, 2, rank)):
            batches = plain_pipeline.evaluation_batches(splits[0], 6)
            read.append([batches[index][1] for index in range(len(batches))])
    targets = target_matrix(splits[0])
    for index, (first, second) in enumerate(zip(*read, strict=True)):
        wanted = targets[index * 6 : index * 6 + 6]
        np.testing.assert_array_equal(np.concatenate([first, second]), wanted)
