"""Layers and image operations of the kit, in `keras.ops` alone: they run and compile on every Keras backend."""

from .augment import DRAWS, Augmentation, augment, augmentation_stages, mix
from .majority import MajorityClass
from .sampling import affine_sample, sample

__all__ = [
    "DRAWS", "Augmentation", "MajorityClass", "affine_sample", "augment", "augmentation_stages", "mix", "sample",
]  # fmt: skip
