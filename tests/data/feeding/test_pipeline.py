"""tf.data gives what the plan says, both from memory and from disk."""

import numpy as np
from keras import ops

from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
from fer_tf.data.feeding.pipeline import training_batches
from fer_tf.layers import DRAWS, Augmentation, augment, augmentation_stages, mix


def collect(split, settings, mixup=0.0, first=0, epochs=2):
    plan = EpochPlan(target_matrix(split), 8, 1, len(DRAWS), mixup=mixup)
    return [
        [np.asarray(part) for part in batch]
        for batch in training_batches(split, plan, augmentation_stages(settings), mix, first, epochs)
    ]


def test_batches_are_the_augmented_images_of_the_plan(splits):
    settings = Augmentation(rotation=15, flip=True, brightness=0.2, erase=0.5)
    plan = EpochPlan(target_matrix(splits[0]), 8, 1, len(DRAWS))
    expected = [batch for epoch in range(2) for batch in plan.batches(epoch)]
    found = collect(splits[0], settings)
    assert len(found) == len(expected) == 6
    for (images, targets, _), batch in zip(found, expected, strict=True):
        wanted = augment(splits[0].images[batch.positions], batch.draws, settings)
        np.testing.assert_allclose(images, np.asarray(wanted), atol=0.05)
        np.testing.assert_array_equal(targets, batch.targets)


def test_a_resumed_run_sees_the_epochs_that_were_left(splits):
    whole, rest = collect(splits[0], Augmentation(flip=True)), collect(splits[0], Augmentation(flip=True), first=1)
    assert len(rest) == 3
    np.testing.assert_array_equal(whole[3][0], rest[0][0])


def test_a_teacher_is_asked_about_the_changed_pictures(splits):
    """Its answers follow the targets; here a "teacher" that answers with the mean pixel."""
    settings = Augmentation(brightness=0.4)
    plan = EpochPlan(target_matrix(splits[0]), 8, 1, len(DRAWS))

    def answer(images):
        return ops.repeat(ops.mean(images, axis=(1, 2)), 3, axis=1)

    for images, targets, _ in training_batches(splits[0], plan, augmentation_stages(settings), mix, 0, 1, answer):
        expected = np.asarray(images).mean(axis=(1, 2))
        np.testing.assert_allclose(np.asarray(targets)[:, 3:], np.repeat(expected, 3, axis=1), rtol=1e-4)
