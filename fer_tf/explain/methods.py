"""`explain`: one function for all explanation methods."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from ..common.checks import InputError, check_choice, check_names, check_whole
from ..emotions import known_name
from ..models.inference import predict_probabilities
from ..saving.keras_files import model_info
from .attention_weights import region_map
from .cam import CAMS, activation_maps
from .gradients import integrated_gradients, smoothgrad
from .last_map import cut_at_last_map
from .occlusion import occlusion_maps

AUTO = "auto"
# The names of class activation maps in captions.
TITLES = {name: cam.title for name, cam in CAMS.items()}


class Method(NamedTuple):
    """A line of the `METHODS` table.

    Attributes:
        maps: function (model, images, targets, **options) -> float [N, H, W], see `explain`. It also takes no images,
            and then still raises `InputError` if the model does not fit.
        options: names of its options.
        has_target: False if its maps belong to all classes together.
    """

    maps: Callable[..., np.ndarray]
    options: tuple[str, ...] = ("batch_size",)
    has_target: bool = True


def _attention_maps(model, images, _):
    """`region_map`, with an error that explains which models have one."""
    try:
        return region_map(model, images)
    except InputError as error:
        need = "attention needs a model with weights for regions, such as ran, ran_face or ran_facenet2expnet"
        raise InputError(f"method: {need}; {str(error).removeprefix('model: ')}") from None


METHODS = {
    **{name: Method(partial(activation_maps, method=name)) for name in CAMS},
    "occlusion": Method(occlusion_maps, ("size", "stride", "fill", "form", "batch_size")),
    "integrated_gradients": Method(integrated_gradients, ("steps", "baseline", "batch_size")),
    "smoothgrad": Method(smoothgrad, ("samples", "noise", "seed", "squared", "batch_size")),
    "attention": Method(_attention_maps, (), has_target=False),
}


def explain(
    model: keras.Model,
    images: np.ndarray,
    method: str | None = None,
    target: str | int | np.ndarray | None = None,
    **options: Any,
) -> np.ndarray:
    """Shows where a model looks: one map for each image.

    Args:
        model: a functional or Sequential `keras.Model` that ends in scores and a softmax, from the kit or not.
        images: [N, H, W, C] at the size of the model, raw 0..255 (for other models: the pixels that they expect).
        method: one of `METHODS`; None or "auto" chooses by the head of the model, see `default_method`.
        target: the class to explain: None (the predicted class of each image), a class name (upper or lower case), a
            code, or int [N] with a code for each image.
        **options: options of the method. occlusion has size, stride, fill and form; integrated_gradients has steps and
            baseline; smoothgrad has samples, noise, seed and squared. All except attention have batch_size.
    Returns: float32 [N, H, W], 0..1. An empty map is 0 everywhere, see `is_empty`.
    Raises: `InputError` for an unknown method, option or class, images of another shape, or a model that does not fit
        the method.
    """
    method = resolve_method(model, method)
    check_names(f"options of {method}", options, METHODS[method].options)
    check_whole("batch_size", options.get("batch_size", 1), low=1)
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(model.input_shape[1:]):
        raise InputError(f"images: must be [N, {', '.join(map(str, model.input_shape[1:]))}]; received {images.shape}")
    if not len(images):
        return np.zeros(images.shape[:3], np.float32)
    targets = _targets(model, images, target) if METHODS[method].has_target else None
    return METHODS[method].maps(model, images, targets, **options).astype(np.float32, copy=False)


def default_method(model: keras.Model) -> str:
    """The method that fits a model: that of its head, or "occlusion" if it has no spatial map or no scores."""
    try:
        return method_of_head(model)
    except InputError:
        return "occlusion"


def method_of_head(model: keras.Model) -> str:
    """The CAM method that fits the head of a model.

    Grad-CAM averages gradients over positions. If a dense layer follows a flattened map, this average says little: most
    Grad-CAM maps of such nets were empty. HiResCAM keeps a separate gradient at each position (Draelos & Carin 2020).

    Returns: "hirescam" if a dense layer follows the flattened map or its maximum; "gradcam" if it follows the mean.
    Raises: `InputError` if the model has no spatial map or no scores.
    """
    return "hirescam" if cut_at_last_map(model).is_flattened else "gradcam"


def resolve_method(model: keras.Model, method: str | None = None) -> str:
    """Replaces None and "auto" by the default method of a model. An unknown name raises `InputError`."""
    if method is None or method == AUTO:
        return default_method(model)
    return check_choice("method", method, (*METHODS, AUTO))


def check_method(model: keras.Model, method: str | None = None, target: str | None = None) -> str:
    """Checks that a method works with a model before any picture is read.

    Args:
        model, method: see `explain`.
        target: None, or the name of a class of the model.
    Returns: the name of the layer whose feature map is drawn; "" for methods that do not use a single layer.
    Raises: `InputError`, as `explain` would.
    """
    method = resolve_method(model, method)
    if target is not None:
        class_name(model, target)
    METHODS[method].maps(model, np.zeros((0, *model.input_shape[1:]), np.float32), np.zeros(0, int))
    return cut_at_last_map(model).name if method in CAMS else ""


def class_name(model: keras.Model, target: str) -> str:
    """The name that a model uses for a class; other spellings such as "Fear" or "scared" for "fear" also work.

    Raises: `InputError` with the allowed names.
    """
    names = list(model_info(model)["class_names"])
    alike = [name for name in names if known_name(name) == known_name(target)]
    return check_choice("target", alike[0] if len(alike) == 1 else target, names)


def _targets(model, images, target):
    """The class to explain for each image, int [N]."""
    if target is None:
        return predict_probabilities(model, images).argmax(axis=1)
    if isinstance(target, str):
        target = list(model_info(model)["class_names"]).index(class_name(model, target))
    codes, classes = np.asarray(target), model.output_shape[-1]
    is_whole = np.issubdtype(codes.dtype, np.integer) and codes.shape in ((), (len(images),))
    if not is_whole or codes.min() < 0 or codes.max() >= classes:
        raise InputError(
            f"target: must be a class name, a code 0..{classes - 1}, or a code for each of the "
            f"{len(images)} images; received {target!r}"
        )
    return np.broadcast_to(codes, (len(images),))
