"""Models: `build_model(name, input_shape, num_classes)` gives a `keras.Model`; `MODELS` lists what there is.

Every model takes raw 0..255 pixels (uint8 or float) at its own size and gives probabilities: its normalisation is a
layer inside it. To add one: a file with a builder, and a line here.
"""

import inspect

from ..common.checks import InputError, check_choice, check_names, check_whole
from .cnn import cnn
from .cnn4 import cnn4, cnn4_se, cnn4_se_residual
from .compact import compact
from .face_transfer import face_transfer
from .facenet2expnet import facenet2expnet, ran_facenet2expnet
from .majority import majority
from .ran import ran
from .resnet import resnet18
from .transfer import akhand, mobilenet, vgg16
from .transformers import deep_emotion, deepfer
from .ucar import ucar_cnn
from .vgg_bn import vgg_bn

MODELS = {
    "majority": majority,
    "cnn": cnn,
    "cnn4": cnn4,
    "cnn4_se": cnn4_se,
    "cnn4_se_residual": cnn4_se_residual,
    "resnet18": resnet18,
    "vgg_bn": vgg_bn,
    "compact": compact,
    "ucar_cnn": ucar_cnn,
    "vgg16": vgg16,
    "mobilenet": mobilenet,
    "akhand": akhand,
    "deep_emotion": deep_emotion,
    "deepfer": deepfer,
    "ran": ran,
    "facenet2expnet": facenet2expnet,
    "ran_facenet2expnet": ran_facenet2expnet,
    "face_transfer": face_transfer,
}


def model_options(name):
    """The keyword options of a model's builder and their defaults, as a dict."""
    parameters = inspect.signature(MODELS[check_choice("model", name, MODELS)]).parameters
    return {key: value.default for key, value in list(parameters.items())[2:]}


def build_model(name, input_shape=(48, 48, 1), num_classes=7, **options):
    """Builds a model.

    Args:
        name: a key of `MODELS`.
        input_shape: (height, width, channels) of its images, raw 0..255.
        num_classes: C.
        **options: the builder's own, see `model_options(name)`.
    Returns: `keras.Model`, [N, *input_shape] → probabilities [N, C].
    """
    allowed = model_options(name)
    check_names(f"options of {name}", options, allowed)
    if len(input_shape) != 3 or min(input_shape) < 1 or input_shape[2] not in (1, 3):
        raise InputError(f"input_shape: must be (height, width, 1 or 3); received {tuple(input_shape)}")
    check_whole("num_classes", num_classes, low=2)
    return MODELS[name](tuple(input_shape), num_classes, **options)
