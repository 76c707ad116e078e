"""Layers and image operations, written in `keras.ops` only: they run and compile on every Keras backend."""

from .augment import DRAWS, Augmentation, augment, augmentation_stages, mix
from .backbone_input import BackboneInput
from .class_order import ClassOrder
from .concordance import concordance_loss
from .declared_input import DeclaredInput
from .majority import MajorityClass
from .patch_attention import PatchAttention
from .region_attention import (
    RegionBias,
    RegionRelationAttention,
    RegionSelfAttention,
    StrongestRegion,
    region_biased_loss,
)
from .region_crops import CROP_SETS, FoldRegions, RegionCrops, UnfoldRegions, crop_boxes
from .sampling import affine_sample, sample
from .spatial_transformer import IdentityTheta, SpatialTransformer
from .squeeze_excite import SqueezeExcite

__all__ = [
    "CROP_SETS",
    "DRAWS",
    "Augmentation",
    "BackboneInput",
    "ClassOrder",
    "DeclaredInput",
    "FoldRegions",
    "IdentityTheta",
    "MajorityClass",
    "PatchAttention",
    "RegionBias",
    "RegionCrops",
    "RegionRelationAttention",
    "RegionSelfAttention",
    "SpatialTransformer",
    "SqueezeExcite",
    "StrongestRegion",
    "UnfoldRegions",
    "affine_sample",
    "augment",
    "augmentation_stages",
    "concordance_loss",
    "crop_boxes",
    "mix",
    "region_biased_loss",
    "sample",
]
