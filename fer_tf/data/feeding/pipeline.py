"""Feeding a model: images held once in memory (or read from disk), augmented once a batch, on any Keras backend."""

import keras

from . import plain_pipeline


def training_batches(split, plan, stages, mix, first_epoch, epochs, answer=None):
    """The epochs first_epoch..epochs-1, `plan.steps` batches each: tf.data under TensorFlow, else a generator.

    The stages are compiled by XLA, which runs them several times faster than op by op, also on a processor.

    Args:
        split: `Split` to draw images from.
        plan: `EpochPlan`.
        stages: functions (float images [B, H, W, C], draws [B, D]) -> float images: the augmentation's steps.
        mix: function (images, partners, shares [B]) -> images, used where the plan has mixup.
        first_epoch, epochs: ints; a resumed run begins later.
        answer: function images -> float [B, C]: a teacher's answers to the changed pictures, which follow the targets.
    Yields: images float32 [B, H, W, C] 0..255, targets float [B, C], weights float [B].
    """
    return feeder().training_batches(split, plan, stages, mix, first_epoch, epochs, answer)


def evaluation_batches(split, batch_size=256):
    """A split in its own order: uint8 images [B, H, W, C] and float targets [B, C]."""
    return feeder().evaluation_batches(split, batch_size)


def feeder():
    """The module that feeds models under the present backend."""
    if keras.backend.backend() != "tensorflow":
        return plain_pipeline
    from . import tf_pipeline

    return tf_pipeline
