"""The region attention network (Wang et al. 2020), as document [1] describes it."""

import keras
from keras import layers

from ..common.checks import check_choice
from ..layers import (
    CROP_SETS,
    FoldRegions,
    RegionBias,
    RegionCrops,
    RegionRelationAttention,
    RegionSelfAttention,
    StrongestRegion,
    UnfoldRegions,
)
from .features import feature_extractor
from .parts import classifier

ATTENTIONS = ("none", "mean", "self", "relation", "strongest")
REGION_FEATURES = "region_features"


def ran(
    input_shape: tuple[int, int, int],
    num_classes: int,
    backbone: str = "resnet18",
    crops: str = "fixed6",
    attention: str = "relation",
    normalise: str = "sigmoid",
    margin: float = 0.02,
    bias_weight: float = 1.0,
    stem: str = "standard",
    weights: str | None = None,
    resolution: int = 0,
    dropout: float = 0.0,
    width: float = 1.0,
) -> keras.Model:
    """Region attention network: two attention modules weight the whole face and its crops (Wang et al. 2020, eq. 1-6).

    All regions share one backbone. They are folded into the batch, so one forward pass handles N·R pictures.

    Args:
        input_shape: (height, width, channels).
        num_classes: C.
        backbone: network that all regions share, see `feature_extractor`.
        crops: a key of `fer_tf.layers.CROP_SETS`; document [1] uses "fixed6".
        attention: one of `ATTENTIONS`, see `attend`; "none" runs the backbone on the whole face only.
        normalise: "sigmoid" or "softmax", see `RegionSelfAttention`.
        margin: α of the region-biased loss; the paper's public code uses 0.1 together with its softmax.
        bias_weight: weight of the region-biased loss, which is added to the cross-entropy; 0 leaves it out.
        stem, weights, resolution, width: options of the backbone, see `feature_extractor`.
        dropout: share of features dropped before the classifier, 0..1.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    features = feature_extractor(backbone, input_shape, REGION_FEATURES, width, stem, weights, resolution)
    inputs = keras.Input(input_shape, name="image")
    x = over_regions(inputs, features, crops, attention)
    x = attend(x, attention, normalise, margin, bias_weight)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="ran")


def over_regions(images: keras.KerasTensor, features: keras.Model, crops: str, attention: str) -> keras.KerasTensor:
    """Features of every region.

    Args:
        images: [N, H, W, C].
        features: extractor, [N, H, W, C] → [N, D].
        crops: a key of `CROP_SETS`.
        attention: one of `ATTENTIONS`.
    Returns: float [N, R, D]; with attention "none" the features of the whole face, float [N, D].
    """
    check_choice("crops", crops, CROP_SETS)
    if check_choice("attention", attention, ATTENTIONS) == "none":
        return features(images)
    x = FoldRegions(name="fold")(RegionCrops(crops, dtype="float32", name="crops")(images))
    return UnfoldRegions(len(CROP_SETS[crops]), name="unfold")(features(x))


def attend(
    features: keras.KerasTensor, attention: str, normalise: str, margin: float, bias_weight: float
) -> keras.KerasTensor:
    """Combines the features of all regions into the features that the classifier gets.

    Args:
        features: float [N, R, D]; with "none" [N, D].
        attention: "self" returns F_m and "relation" returns P. "strongest" returns the features of the crop with the
            highest μ. "mean" is the control: all regions have the fixed weights μ = ν = 1. P would then be F_m twice,
            so "mean" returns F_m. "none" returns the features as they are.
        normalise, margin, bias_weight: see `ran`.
    Returns: float [N, D]; with "relation" [N, 2D].
    """
    if attention == "none":
        return features
    # half precision would lose the small differences between sigmoids that the margin compares
    features = layers.Activation("linear", dtype="float32", name="features")(features)
    if attention == "mean":
        return layers.GlobalAveragePooling1D(dtype="float32", name="region_mean")(features)
    mu, pooled = RegionSelfAttention(normalise, dtype="float32", name="self_attention")(features)
    # F_m goes through this layer too: Keras drops a layer that no output depends on, and its loss with it
    mu, pooled = RegionBias(bias_weight, margin, dtype="float32", name="region_bias")(mu, pooled)
    if attention == "self":
        return pooled
    if attention == "strongest":
        return StrongestRegion(dtype="float32", name="strongest_region")(features, mu)
    return RegionRelationAttention(dtype="float32", name="relation_attention")(features, mu, pooled)[1]
