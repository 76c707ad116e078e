"""The kit's models without their classifier: feature extractors for other models."""

from collections.abc import Callable

import keras

from ..common.checks import InputError, check_choice
from .backbones import backbone_names, transfer_model
from .cnn import cnn
from .cnn4 import cnn4, cnn4_se, cnn4_se_residual
from .compact import compact
from .drawn_weights import load_drawn
from .resnet import resnet18
from .spatial_transformers import deep_emotion, deepfer
from .ucar import ucar_cnn
from .vgg_bn import vgg_bn

FEATURE_MODELS: dict[str, Callable[..., keras.Model]] = {
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


def feature_extractor(
    backbone: str,
    input_shape: tuple[int, int, int],
    name: str,
    width: float = 1.0,
    stem: str = "standard",
    weights: str | None = None,
    resolution: int = 0,
) -> keras.Model:
    """A model of the kit, or a backbone of `keras.applications`, without its classifier.

    Args:
        backbone: a key of `FEATURE_MODELS` or a name of `keras.applications`.
        input_shape: (height, width, channels).
        name: name of the extractor.
        width: scales the filters.
        stem: "standard" or "small", for resnet18 only.
        weights: "drawn" for the weights of `fer_tf.models.drawn_weights`; a backbone of `keras.applications` also takes
            others, see `transfer_model`.
        resolution: for a backbone of `keras.applications` only, see `transfer_model`.
    Returns: `keras.Model`, [N, H, W, C] raw 0..255 → features [N, D].
    Raises: `InputError` for an unknown backbone, or an option that this backbone does not have.
    """
    applications = backbone_names()
    check_choice("backbone", backbone, [*FEATURE_MODELS, *applications])
    if backbone in applications:
        whole = transfer_model(name, backbone, input_shape, 2, weights, resolution, 0, 0.0, width, 0.0)
    else:
        _check_own(backbone, stem, weights, resolution)
        options = {"stem": stem} if backbone == "resnet18" else {}
        whole = FEATURE_MODELS[backbone](input_shape, 2, width=width, **options)
    extractor = keras.Model(whole.input, whole.get_layer("dropout").input, name=name)
    if weights == "drawn" and backbone in FEATURE_MODELS:
        load_drawn(extractor, backbone, width)
    return extractor


def _check_own(backbone, stem, weights, resolution):
    """Refuses options that the kit's own nets do not have, so that no record claims them."""
    if weights not in (None, "", "none", "drawn"):
        raise InputError(f"weights: {backbone} has no ImageNet weights, allowed are none, drawn; received {weights!r}")
    if resolution:
        raise InputError(f"resolution: only for backbones of keras.applications; {backbone} keeps the picture's size")
    if stem != "standard" and backbone != "resnet18":
        raise InputError(f"stem: only resnet18 has one; received {stem!r} for {backbone}")
