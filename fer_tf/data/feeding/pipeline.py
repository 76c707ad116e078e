"""Gives images to a model: held in memory or read from disk, augmented in batches, on any Keras backend."""

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

import keras

from ..base import Split
from . import plain_pipeline
from .epoch_plan import EpochPlan


def training_batches(
    split: Split,
    plan: EpochPlan,
    stages: Sequence[Callable],
    mix: Callable,
    first_epoch: int,
    epochs: int,
    answer: Callable | None = None,
) -> Iterable[tuple]:
    """The batches of the epochs first_epoch..epochs-1: tf.data under TensorFlow, else a generator.

    Each epoch has `plan.steps` batches. XLA compiles the stages, which makes them several times faster, also on a CPU.

    Args:
        split: `Split` that the images come from.
        plan: `EpochPlan`.
        stages: the steps of the augmentation: functions (float images [B, H, W, C], draws [B, D]) -> float images.
        mix: function (images, partners, shares [B]) -> images, used if the plan has mixup.
        first_epoch, epochs: ints; a resumed run starts at a later epoch.
        answer: function images -> float [B, C]: a teacher's answers to the augmented pictures, placed after the
            targets.
    Yields: images float32 [B, H, W, C] in 0..255, targets float [B, C] ([B, 2C] with answers), weights float [B].
    """
    return feeder().training_batches(split, plan, stages, mix, first_epoch, epochs, answer)


def evaluation_batches(split: Split, batch_size: int = 256) -> Iterable[tuple]:
    """A split in its own order: batches of uint8 images [B, H, W, C] and float targets [B, C]."""
    return feeder().evaluation_batches(split, batch_size)


def feeder() -> ModuleType:
    """The module that feeds models under the current backend."""
    if keras.backend.backend() != "tensorflow":
        return plain_pipeline
    from . import tf_pipeline

    return tf_pipeline
