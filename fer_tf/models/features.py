"""The kit's models without their classifier, as feature extractors that others build on."""

import keras

from ..common.checks import InputError, check_choice
from .backbones import backbone_names, transfer_model
from .cnn import cnn
from .cnn4 import cnn4, cnn4_se, cnn4_se_residual
from .compact import compact
from .resnet import resnet18
from .transformers import deep_emotion, deepfer
from .ucar import ucar_cnn
from .vgg_bn import vgg_bn

FEATURE_MODELS = {
    "cnn": cnn,
    "cnn4": cnn4,
    "cnn4_se": cnn4_se,
    "cnn4_se_residual": cnn4_se_residual,
    "compact": compact,
    "deep_emotion": deep_emotion,
    "deepfer": deepfer,
    "resnet18": resnet18,
    "ucar_cnn": ucar_cnn,
    "vgg_bn": vgg_bn,
}


def feature_extractor(backbone, input_shape, name, width=1.0, stem="standard", weights=None, resolution=0):
    """A model of the kit, or a backbone of `keras.applications`, up to the features its classifier gets.

    Args:
        backbone: a key of `FEATURE_MODELS` or a name of `keras.applications`.
        input_shape: (height, width, channels).
        name: of the extractor.
        width: scales the filters.
        stem: of resnet18.
        weights, resolution: of a backbone of `keras.applications`, see `transfer_model`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → features [N, D].
    """
    applications = backbone_names()
    check_choice("backbone", backbone, [*FEATURE_MODELS, *applications])
    if backbone in applications:
        whole = transfer_model(name, backbone, input_shape, 2, weights, resolution, 0, 0.0, width, 0.0)
    else:
        _check_own(backbone, stem, weights, resolution)
        options = {"stem": stem} if backbone == "resnet18" else {}
        whole = FEATURE_MODELS[backbone](input_shape, 2, width=width, **options)
    return keras.Model(whole.input, whole.get_layer("dropout").input, name=name)


def _check_own(backbone, stem, weights, resolution):
    """Refuses what the kit's own nets do not have, so that no record claims it."""
    if weights not in (None, "", "none"):
        raise InputError(f"weights: {backbone} has no pretrained ones, allowed is none; received {weights!r}")
    if resolution:
        raise InputError(f"resolution: is of keras.applications; {backbone} takes the picture's own size")
    if stem != "standard" and backbone != "resnet18":
        raise InputError(f"stem: only resnet18 has one; received {stem!r} for {backbone}")
