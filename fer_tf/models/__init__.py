"""Models: `build_model(name, input_shape, num_classes)` returns a `keras.Model`; `MODELS` lists all of them.

Every model takes raw pixels 0..255 (uint8 or float) at its own size and returns probabilities. A layer inside the
model normalises the pixels. To add a model, write a file with a builder and add one line here.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from ..common.checks import InputError, check_choice, check_names, check_whole
from .cnn import cnn
from .cnn4 import cnn4, cnn4_se, cnn4_se_residual
from .compact import compact
from .face_transfer import face_transfer
from .facenet2expnet import facenet2expnet, ran_facenet2expnet
from .fine_tune import fine_tune
from .majority import majority
from .patt_lite import patt_lite
from .ran import ran
from .ran_face import ran_face
from .residual_masking import residual_masking
from .resnet import resnet18
from .spatial_transformers import deep_emotion, deepfer
from .transfer import akhand, is_pretrained, mobilenet, vgg16
from .ucar import ucar_cnn
from .vgg_bn import vgg_bn

MODELS: dict[str, Callable[..., keras.Model]] = {
    "majority": majority,
    "cnn": cnn,
    "cnn4": cnn4,
    "cnn4_se": cnn4_se,
    "cnn4_se_residual": cnn4_se_residual,
    "resnet18": resnet18,
    "residual_masking": residual_masking,
    "vgg_bn": vgg_bn,
    "compact": compact,
    "ucar_cnn": ucar_cnn,
    "vgg16": vgg16,
    "mobilenet": mobilenet,
    "patt_lite": patt_lite,
    "akhand": akhand,
    "deep_emotion": deep_emotion,
    "deepfer": deepfer,
    "ran": ran,
    "ran_face": ran_face,
    "facenet2expnet": facenet2expnet,
    "ran_facenet2expnet": ran_facenet2expnet,
    "face_transfer": face_transfer,
    "fine_tune": fine_tune,
}


def model_options(name: str) -> dict[str, Any]:
    """The keyword options of a model's builder.

    Args:
        name: a key of `MODELS`.
    Returns: dict option -> default value.
    Raises: `InputError` for an unknown model.
    """
    parameters = inspect.signature(MODELS[check_choice("model", name, MODELS)]).parameters
    return {key: value.default for key, value in list(parameters.items())[2:]}


def has_head_phase(name: str) -> bool:
    """True for a pretrained network with a new head: its head may be trained first (`head_epochs`, `unfreeze`)."""
    return getattr(MODELS[check_choice("model", name, MODELS)], "has_head_phase", False)


def starts_from_nothing(experiment: Any) -> bool:
    """True for such a model without pretrained weights: nothing in it could be kept frozen."""
    return has_head_phase(experiment.model) and not is_pretrained(experiment)


def build_model(
    name: str, input_shape: tuple[int, int, int] = (48, 48, 1), num_classes: int = 7, **options: Any
) -> keras.Model:
    """Builds a model.

    Args:
        name: a key of `MODELS`.
        input_shape: (height, width, channels) of the images; channels is 1 or 3.
        num_classes: C, at least 2.
        **options: options of this model's builder, see `model_options(name)`.
    Returns: `keras.Model`, raw pixels 0..255 [N, *input_shape] → probabilities [N, C].
    Raises: `InputError` for an unknown model or option, or a value that is not allowed.
    """
    allowed = model_options(name)
    check_names(f"options of {name}", options, allowed)
    if len(input_shape) != 3 or min(input_shape) < 1 or input_shape[2] not in (1, 3):
        raise InputError(f"input_shape: must be (height, width, 1 or 3); received {tuple(input_shape)}")
    check_whole("num_classes", num_classes, low=2)
    return MODELS[name](tuple(input_shape), num_classes, **options)
