"""`explain`: every method under one name."""

import numpy as np

from ..common.checks import InputError, check_choice, check_names, check_whole
from ..emotions import known_name
from ..models.inference import predict_probabilities
from ..saving.keras_files import model_info
from .cam import activation_maps
from .graph import cut_at_last_map
from .integrated import integrated_gradients
from .occlusion import occlusion_maps
from .regions import region_map
from .scores import scores_model
from .smooth import smoothgrad

METHODS = ("cam", "gradcam", "gradcam++", "hirescam", "occlusion", "integrated_gradients", "smoothgrad", "attention")
AUTO = "auto"
# How the methods of the default are written in captions.
TITLES = {"cam": "CAM", "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "hirescam": "HiResCAM"}
_OPTIONS = {
    "occlusion": {"size", "stride", "fill", "form", "batch_size"},
    "integrated_gradients": {"steps", "baseline", "batch_size"},
    "smoothgrad": {"samples", "noise", "seed", "squared", "batch_size"},
    "attention": set(),
}


def explain(model, images, method: str | None = None, target=None, **options) -> np.ndarray:
    """Where a model looks: one map an image.

    Args:
        model: a functional or Sequential `keras.Model` that ends in scores and a softmax, of the kit or not.
        images: [N, H, W, C] at the model's size, raw 0..255 (of a model that is not the kit's: what it takes).
        method: one of `METHODS`; None or "auto" chooses by the model's head, see `default_method`.
        target: the class to explain: None (each image's predicted one), a name (in any letters), a code, or int [N].
        **options: of the method: occlusion takes size, stride, fill and form; integrated_gradients steps and baseline;
            smoothgrad samples, noise, seed and squared; all but attention batch_size.
    Returns: float32 [N, H, W], 0..1. A map that says nothing is 0 everywhere, see `is_empty`.
    """
    method = resolve_method(model, method)
    check_names(f"options of {method}", options, _OPTIONS.get(method, {"batch_size"}))
    check_whole("batch_size", options.get("batch_size", 1), low=1)
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(model.input_shape[1:]):
        raise InputError(f"images: must be [N, {', '.join(map(str, model.input_shape[1:]))}]; received {images.shape}")
    if not len(images):
        return np.zeros(images.shape[:3], np.float32)
    if method == "attention":
        return _weighed_regions(model, images).astype(np.float32)
    targets = _targets(model, images, target)
    if method == "occlusion":
        return occlusion_maps(model, images, targets, **options)
    if method == "integrated_gradients":
        return integrated_gradients(model, images, targets, **options)
    if method == "smoothgrad":
        return smoothgrad(model, images, targets, **options)
    return activation_maps(model, images, targets, method, **options)


def default_method(model) -> str:
    """The method for a model's head; "occlusion" where there is no map or no scores to look at.

    Grad-CAM averages gradients over places. Where a dense layer follows a flattened map that average says little, and
    most maps of such nets were empty; HiResCAM keeps each place's own gradient (Draelos & Carin 2020).
    """
    try:
        return method_of_head(model)
    except InputError:
        return "occlusion"


def method_of_head(model) -> str:
    """The CAM method for a model's head: "hirescam" where the last map is flattened, or its maximum taken, before a
    dense layer, "gradcam" where its mean is.

    Raises: `InputError` if the model has no spatial map or no scores.
    """
    return "hirescam" if cut_at_last_map(model).is_flattened else "gradcam"


def resolve_method(model, method: str | None = None) -> str:
    """The name of a method; None and "auto" become the model's own default.

    Raises: `InputError` for an unknown name.
    """
    if method is None or method == AUTO:
        return default_method(model)
    return check_choice("method", method, (*METHODS, AUTO))


def check_method(model, method=None, target=None):
    """Tells before any picture is read whether a model has a method's maps.

    Args:
        model, method: see `explain`.
        target: None, or the name of one of the model's classes.
    Returns: the name of the layer whose feature map is drawn; "" for methods that look at no single layer.
    Raises: `InputError` as `explain` would.
    """
    method = resolve_method(model, method)
    if target is not None:
        class_name(model, target)
    none = np.zeros((0, *model.input_shape[1:]), np.float32)
    if method == "attention":
        _weighed_regions(model, np.zeros((1, *none.shape[1:]), np.float32))
    elif method in ("integrated_gradients", "smoothgrad"):
        scores_model(model)
    elif method != "occlusion":
        activation_maps(model, none, np.zeros(0, int), method)
        return cut_at_last_map(model).name
    return ""


def class_name(model, target):
    """The model's own name of the class `target`, which may be written in another way: "Fear" or "scared" for "fear".

    Raises: `InputError` with the allowed ones.
    """
    names = list(model_info(model)["class_names"])
    alike = [name for name in names if known_name(name) == known_name(target)]
    return check_choice("target", alike[0] if len(alike) == 1 else target, names)


def _weighed_regions(model, images):
    """`region_map` of a model that has regions and weighs them."""
    try:
        return region_map(model, images)
    except InputError as error:
        about = "attention draws how a model weighs its regions: ran and ran_facenet2expnet do"
        raise InputError(f"method: {about}; {str(error).removeprefix('model: ')}") from None


def _targets(model, images, target):
    """int [N]: which class of each image is explained."""
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
