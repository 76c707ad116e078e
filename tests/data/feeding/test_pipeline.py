"""tf.data gives what the plan says, both from memory and from disk."""

import numpy as np
import pytest
from keras import ops
from PIL import Image

from fer_tf.data.base import ArrayImages, FileImages, Split
from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
from fer_tf.data.feeding.pipeline import evaluation_batches, training_batches
from fer_tf.layers import DRAWS, Augmentation, augment, augmentation_stages, mix

NAMES = ("anger", "disgust", "fear")


@pytest.fixture
def splits(tmp_path, rng):
    """The same 20 images as an array split and as a streamed one."""
    images = rng.integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    paths = [tmp_path / f"{row}.png" for row in range(20)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    labels, rows = rng.integers(0, 3, 20), np.arange(20)
    return [Split(store, rows, labels, NAMES) for store in (ArrayImages(images), FileImages(paths, (12, 12), 1))]


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


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_streaming_gives_the_same_as_memory(splits, mixup):
    settings = Augmentation(zoom=0.2, shift=0.1)
    in_memory, streamed = (collect(split, settings, mixup) for split in splits)
    for one, other in zip(in_memory, streamed, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_resumed_run_sees_the_epochs_that_were_left(splits):
    whole, rest = collect(splits[0], Augmentation(flip=True)), collect(splits[0], Augmentation(flip=True), first=1)
    assert len(rest) == 3
    np.testing.assert_array_equal(whole[3][0], rest[0][0])


def test_evaluation_keeps_the_order_and_the_pixels(splits):
    for split in splits:
        batches = list(evaluation_batches(split, batch_size=6))
        images = np.concatenate([np.asarray(batch[0]) for batch in batches])
        np.testing.assert_array_equal(images, split.images)
        assert images.dtype == np.uint8
        targets = np.concatenate([np.asarray(batch[1]) for batch in batches])
        np.testing.assert_array_equal(targets.argmax(axis=1), split.labels)


def test_a_teacher_is_asked_about_the_changed_pictures(splits):
    """Its answers follow the targets; here a "teacher" that answers with the mean pixel."""
    settings = Augmentation(brightness=0.4)
    plan = EpochPlan(target_matrix(splits[0]), 8, 1, len(DRAWS))

    def answer(images):
        return ops.repeat(ops.mean(images, axis=(1, 2)), 3, axis=1)

    for images, targets, _ in training_batches(splits[0], plan, augmentation_stages(settings), mix, 0, 1, answer):
        expected = np.asarray(images).mean(axis=(1, 2))
        np.testing.assert_allclose(np.asarray(targets)[:, 3:], np.repeat(expected, 3, axis=1), rtol=1e-4)
