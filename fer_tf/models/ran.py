"""Region attention network (Wang et al. 2020), as document [1] describes it."""

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
    input_shape,
    num_classes,
    backbone="resnet18",
    crops="fixed6",
    attention="relation",
    normalise="sigmoid",
    margin=0.02,
    bias_weight=1.0,
    stem="standard",
    weights=None,
    resolution=0,
    dropout=0.0,
    width=1.0,
):
    """One backbone over the whole face and its crops, weighted by two attention modules (Wang et al. 2020, eq. 1 to 6).

    The regions are folded into the batch: one forward pass of the shared backbone over N·R pictures.

    Args:
        input_shape: (height, width, channels).
        num_classes: C.
        backbone: shared over regions; with stem, weights, resolution and width see `feature_extractor`.
        crops: a key of `fer_tf.layers.CROP_SETS`; "fixed6" is document [1]'s.
        attention: see `attend`; "none" is the backbone alone on the whole face.
        normalise: "sigmoid" or "softmax", see `RegionSelfAttention`.
        margin: α of the region-biased loss; the public code, with its softmax, has 0.1.
        bias_weight: of the region-biased loss beside cross-entropy; 0 leaves it out.
        dropout: share dropped before the classifier, 0..1.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → probabilities [N, num_classes].
    """
    features = feature_extractor(backbone, input_shape, REGION_FEATURES, width, stem, weights, resolution)
    inputs = keras.Input(input_shape, name="image")
    x = over_regions(inputs, features, crops, attention)
    x = attend(x, attention, normalise, margin, bias_weight)
    return keras.Model(inputs, classifier(x, num_classes, dropout), name="ran")


def over_regions(images, features, crops, attention):
    """The extractor's features of every region, [N, R, D]; with attention "none" of the whole face alone, [N, D]."""
    check_choice("crops", crops, CROP_SETS)
    if check_choice("attention", attention, ATTENTIONS) == "none":
        return features(images)
    x = FoldRegions(name="fold")(RegionCrops(crops, dtype="float32", name="crops")(images))
    return UnfoldRegions(len(CROP_SETS[crops]), name="unfold")(features(x))


def attend(features, attention, normalise, margin, bias_weight):
    """What the classifier gets of the regions' features.

    Args:
        features: float [N, R, D].
        attention: "self" (F_m, [N, D]), "relation" (P, [N, 2D]), "strongest" (the features of the crop with the
            highest μ alone, [N, D]), "mean" (the control: the same regions with equal weights, μ = ν = 1, nothing of
            them learned; P is then F_m twice, so F_m is given, [N, D]) or "none" (features are [N, D] and pass).
        normalise, margin, bias_weight: see `ran`.
    """
    if attention == "none":
        return features
    # sums of sigmoids in half precision would lose the small differences that the margin is about
    features = layers.Activation("linear", dtype="float32", name="features")(features)
    if attention == "mean":
        return layers.GlobalAveragePooling1D(dtype="float32", name="region_mean")(features)
    mu, pooled = RegionSelfAttention(normalise, dtype="float32", name="self_attention")(features)
    # F_m goes through it too: what no output depends on, Keras leaves out of the model, its loss with it
    mu, pooled = RegionBias(bias_weight, margin, dtype="float32", name="region_bias")(mu, pooled)
    if attention == "self":
        return pooled
    if attention == "strongest":
        return StrongestRegion(dtype="float32", name="strongest_region")(features, mu)
    return RegionRelationAttention(dtype="float32", name="relation_attention")(features, mu, pooled)[1]
