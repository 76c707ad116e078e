"""Class activation maps.

CAM (Zhou et al. 2016), Grad-CAM (Selvaraju et al. 2017), Grad-CAM++ (Chattopadhay et al. 2018) and HiResCAM (Draelos &
Carin 2020).
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import keras
import numpy as np

from ..common.checks import InputError
from ..layers import RegionCrops, SpatialTransformer, crop_boxes
from .gradients import score_gradients
from .last_map import cut_at_last_map
from .logits import last_dense
from .maps import scaled
from .windows import sampled_windows


def activation_maps(
    model: keras.Model, images: np.ndarray, targets: np.ndarray, method: str, batch_size: int = 64
) -> np.ndarray:
    """A class activation map for each image.

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N], the class to explain for each image.
        method: a key of `CAMS`.
        batch_size: images in each step; maps do not depend on it.
    Returns: float32 [N, H, W], 0..1. The largest value of a map is one; a map is all zero if nothing in the image
        supports the class. With region attention, the map of each region is placed at the region's position on the
        face. With a spatial transformer, the map is placed inside its window and is 0 outside.
    Raises: `InputError` if the model does not fit the method.
    """
    cut = cut_at_last_map(model)
    if method == "cam" and not cut.is_averaged:
        raise InputError(
            f"method: cam needs a net whose last map is averaged before a linear layer, with its outputs in the order "
            f"of that layer; {model.name} is different: use {'hirescam' if cut.is_flattened else 'gradcam'}"
        )
    weigh, batches = CAMS[method].weigh, []
    for start in range(0, len(images), batch_size):
        pictures, classes = images[start : start + batch_size], targets[start : start + batch_size]
        maps = keras.ops.convert_to_numpy(cut.to_map(np.asarray(pictures, np.float32), training=False))
        batches.append(_on_face(np.maximum(weigh(cut, maps, classes), 0), model, len(pictures)))
    maps = np.concatenate(batches) if batches else np.zeros((0, *model.input_shape[1:3]), np.float32)
    return scaled(_unwarped(maps, model, images))


def _cam(cut, maps, targets):
    """Σ_k w_k A_k, where w_k are the weights of the score for each channel (Zhou et al. 2016, eq. 2): [N, h, w]."""
    kernel = keras.ops.convert_to_numpy(last_dense(cut.to_scores).kernel)
    return np.einsum("nhwd,nd->nhw", maps, kernel.T[targets])


def _gradcam(cut, maps, targets):
    """Σ_k α_k A_k, where α_k is the mean over the map of ∂score/∂A_k (Selvaraju et al. 2017, eq. 1, 2): [M, h, w]."""
    weights = score_gradients(cut.to_scores, maps, targets).mean(axis=(1, 2))
    return np.einsum("nhwd,nd->nhw", maps, weights)


def _hirescam(cut, maps, targets):
    """Σ_k ∂score/∂A_k ⊙ A_k, with a separate gradient at each position (Draelos & Carin 2020, §3.3): [M, h, w].

    If one linear layer follows the flattened map, the sum over positions is the score without its bias: the map then
    shows exactly how the score arises. On a net that averages the map first, it equals CAM and Grad-CAM.
    """
    return np.einsum("nhwd,nhwd->nhw", maps, score_gradients(cut.to_scores, maps, targets))


def _gradcam_plus_plus(cut, maps, targets):
    """Σ_k A_k Σ_ij α_ij relu(g_ij), α = g² / (2 g² + Σ A · g³) (Chattopadhay et al. 2018, eq. 19 and 5): [M, h, w]."""
    gradients = score_gradients(cut.to_scores, maps, targets)
    squared = gradients**2
    denominator = 2 * squared + maps.sum(axis=(1, 2), keepdims=True) * gradients**3
    alpha = np.divide(squared, denominator, out=np.zeros_like(squared), where=np.abs(denominator) > 1e-20)
    return np.einsum("nhwd,nd->nhw", maps, (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2)))


class Cam(NamedTuple):
    """A class activation map, which draws the map of one layer.

    Attributes:
        title: its name in captions.
        weigh: function (cut, maps [M, h, w, D], targets) -> float [M, h, w], the weighted sum of the channels.
    """

    title: str
    weigh: Callable[..., np.ndarray]


CAMS = {
    "cam": Cam("CAM", _cam),
    "gradcam": Cam("Grad-CAM", _gradcam),
    "gradcam++": Cam("Grad-CAM++", _gradcam_plus_plus),
    "hirescam": Cam("HiResCAM", _hirescam),
}


def _on_face(maps, model, count):
    """Maps [M, h, w] resized to the images and scaled to a maximum of one, float32 [N, H, W]."""
    height, width = model.input_shape[1:3]
    if len(maps) == count:
        return scaled(np.stack([_resized(face_map, width, height) for face_map in maps]))
    crops = next(layer for layer in model.layers if isinstance(layer, RegionCrops)).crops
    boxes = crop_boxes(crops, height, width).round().astype(int)
    face = np.zeros((count, height, width), np.float32)
    for index, (left, top, w, h) in enumerate(boxes):
        for image in range(count):
            face[image, top : top + h, left : left + w] += _resized(maps[image * len(boxes) + index], w, h)
    return scaled(face)


def _unwarped(maps, model, images):
    """Moves maps of warped pictures back to the window that a spatial transformer sampled."""
    if not len(images) or not any(isinstance(layer, SpatialTransformer) for layer in model.layers):
        return maps
    height, width = maps.shape[1:]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1]], np.float32)
    windows = sampled_windows(model, images)[1][:, :3].astype(np.float32)
    back = [cv2.getAffineTransform(corners, window) for window in windows]
    return np.stack(
        [cv2.warpAffine(face_map, matrix, (width, height)) for face_map, matrix in zip(maps, back, strict=True)]
    )


def _resized(face_map, width, height):
    return cv2.resize(face_map.astype(np.float32), (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
