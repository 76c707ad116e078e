"""Layers and image operations of the kit, in `keras.ops` alone: they run and compile on every Keras backend."""

from .augment import DRAWS, Augmentation, augment, augmentation_stages, mix
from .backbone_input import BackboneInput
from .majority import MajorityClass
from .sampling import affine_sample, sample
from .spatial_transformer import IdentityTheta, SpatialTransformer
from .squeeze_excite import SqueezeExcite

__all__ = [
    "DRAWS", "Augmentation", "BackboneInput", "IdentityTheta", "MajorityClass", "SpatialTransformer", "SqueezeExcite",
    "affine_sample", "augment", "augmentation_stages", "mix", "sample",
]  # fmt: skip
