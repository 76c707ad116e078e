"""Class activation maps: CAM (Zhou 2016), Grad-CAM (Selvaraju 2017), Grad-CAM++ (Chattopadhay 2018), HiResCAM (Draelos
& Carin 2020)."""

import cv2
import keras
import numpy as np

from ..common.checks import InputError
from ..layers import RegionCrops, SpatialTransformer, crop_boxes
from .gradients import score_gradients
from .graph import cut_at_last_map
from .scores import last_dense
from .windows import sampled_windows


def activation_maps(model, images, targets, method, batch_size=64):
    """One map an image, at the image's size, its largest value one (or all zero where nothing speaks for the class).

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N].
        method: "cam", "gradcam", "gradcam++" or "hirescam".
        batch_size: images a step; maps do not depend on it.
    Returns: float32 [N, H, W], 0..1. With region attention the regions' maps are put back to their places on the face,
        with a spatial transformer to where its window lies (0 outside).
    """
    cut = cut_at_last_map(model)
    if method == "cam" and not cut.is_averaged:
        raise InputError(
            f"method: cam needs a net whose last map is averaged before a linear layer, with its outputs "
            f"in that layer's order; {model.name} is none: take {'hirescam' if cut.is_flattened else 'gradcam'}"
        )
    speak = {"cam": _cam, "gradcam": _gradcam, "gradcam++": _gradcam_plus_plus, "hirescam": _hirescam}[method]
    found = []
    for start in range(0, len(images), batch_size):
        part, wanted = images[start : start + batch_size], targets[start : start + batch_size]
        maps = keras.ops.convert_to_numpy(cut.to_map(np.asarray(part, np.float32), training=False))
        found.append(_on_face(np.maximum(speak(cut, maps, wanted), 0), model, len(part)))
    maps = np.concatenate(found) if found else np.zeros((0, *model.input_shape[1:3]), np.float32)
    return scaled(_unwarped(maps, model, images))


def _cam(cut, maps, targets):
    """Σ_k w_k A_k with the scores' own weights of each channel (Zhou 2016, eq. 2): float [N, h, w]."""
    kernel = keras.ops.convert_to_numpy(last_dense(cut.to_scores).kernel)
    return np.einsum("nhwd,nd->nhw", maps, kernel.T[targets])


def _gradcam(cut, maps, targets):
    """Σ_k α_k A_k, α_k the mean over the map of ∂score/∂A_k (Selvaraju 2017, eq. 1 and 2): float [M, h, w]."""
    weights = score_gradients(cut.to_scores, maps, targets).mean(axis=(1, 2))
    return np.einsum("nhwd,nd->nhw", maps, weights)


def _hirescam(cut, maps, targets):
    """Σ_k ∂score/∂A_k ⊙ A_k, each place with its own gradient (Draelos & Carin 2020, §3.3): float [M, h, w].

    Where one linear layer follows the flattened map, the sum over places is the score without its bias: the map shows
    exactly what the score is made of. On a net whose map is averaged first it equals CAM and Grad-CAM.
    """
    return np.einsum("nhwd,nhwd->nhw", maps, score_gradients(cut.to_scores, maps, targets))


def _gradcam_plus_plus(cut, maps, targets):
    """Σ_k A_k Σ_ij α_ij relu(g_ij) with α = g² / (2 g² + Σ A · g³) (Chattopadhay 2018, eq. 19 and 5): [M, h, w]."""
    gradients = score_gradients(cut.to_scores, maps, targets)
    squared = gradients**2
    below = 2 * squared + maps.sum(axis=(1, 2), keepdims=True) * gradients**3
    alpha = np.divide(squared, below, out=np.zeros_like(squared), where=np.abs(below) > 1e-20)
    return np.einsum("nhwd,nd->nhw", maps, (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2)))


def _on_face(maps, model, count):
    """Maps [M, h, w] at the images' size and scaled to a maximum of one, float32 [N, H, W]."""
    height, width = model.input_shape[1:3]
    if len(maps) == count:
        return scaled(np.stack([_resized(item, width, height) for item in maps]))
    crops = next(layer for layer in model.layers if isinstance(layer, RegionCrops)).crops
    boxes = crop_boxes(crops, height, width).round().astype(int)
    face = np.zeros((count, height, width), np.float32)
    for index, (left, top, w, h) in enumerate(boxes):
        for image in range(count):
            part = _resized(maps[image * len(boxes) + index], w, h)
            face[image, top : top + h, left : left + w] += part
    return scaled(face)


def _unwarped(maps, model, images):
    """Maps of what a spatial transformer sampled, back where it sampled them."""
    if not len(images) or not any(isinstance(layer, SpatialTransformer) for layer in model.layers):
        return maps
    height, width = maps.shape[1:]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1]], np.float32)
    windows = sampled_windows(model, images)[1][:, :3].astype(np.float32)
    back = [cv2.getAffineTransform(corners, window) for window in windows]
    return np.stack([cv2.warpAffine(item, matrix, (width, height)) for item, matrix in zip(maps, back, strict=True)])


def _resized(item, width, height):
    return cv2.resize(item.astype(np.float32), (int(width), int(height)), interpolation=cv2.INTER_LINEAR)


def scaled(maps):
    """Each map divided by its largest value; a map without a positive value stays zero."""
    highest = maps.max(axis=(1, 2), initial=0, keepdims=True)
    return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)
