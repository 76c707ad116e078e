"""Weights of regions in region attention networks, and maps of them on the face."""

import keras
import numpy as np
from scipy.stats import permutation_test, rankdata

from ..common.checks import InputError, check_choice
from ..layers import RegionCrops, RegionRelationAttention, RegionSelfAttention, StrongestRegion, crop_boxes
from .maps import scaled

ATTENTIONS = ("final", "self", "relation")


def region_weights(
    model: keras.Model, images: np.ndarray, attention: str = "final", batch_size: int = 256
) -> np.ndarray:
    """How much each region of a picture counts.

    Args:
        model: `keras.Model` with region attention (`ran`, `ran_face`, `ran_facenet2expnet`).
        images: [N, H, W, C], raw 0..255.
        attention: "self" returns μ and "relation" returns ν. "final" returns the share of each region in the input of
            the classifier; the shares of a picture sum to one. They are μ_i ν_i / Σ μ ν with relation-attention and
            μ_i / Σ μ with self-attention only. If the classifier gets only the strongest crop, its share is 1.
        batch_size: images in each step.
    Returns: float [N, R], 0..1; index 0 is the whole face.
    Raises: `InputError` if the model does not have this attention.
    """
    check_choice("attention", attention, ATTENTIONS)
    mu_layer, nu_layer = (_layer(model, cls) for cls in (RegionSelfAttention, RegionRelationAttention))
    if mu_layer is None or (attention == "relation" and nu_layer is None):
        missing = "region attention" if mu_layer is None else "relation-attention"
        raise InputError(f"model: {model.name} has no {missing}")
    if not len(images):
        return np.zeros((0, mu_layer.output[0].shape[1]), np.float32)
    outputs = [layer.output[0] for layer in (mu_layer, nu_layer) if layer]
    weights = keras.Model(model.input, outputs).predict(images, batch_size, verbose=0)
    mu, nu = weights if nu_layer else (weights, np.ones_like(weights))
    if attention != "final":
        return mu if attention == "self" else nu
    if _layer(model, StrongestRegion) is not None:
        return np.eye(mu.shape[1], dtype=mu.dtype)[1 + mu[:, 1:].argmax(axis=1)]
    weights = mu * nu
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-7)


def region_boxes(model: keras.Model) -> np.ndarray:
    """The regions of a model: float [R, 4], (left, top, width, height) in pixels; index 0 is the whole face.

    Raises: `InputError` if the model has no regions.
    """
    return crop_boxes(_crops(model).crops, *model.input_shape[1:3])


def region_pictures(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The regions of images [N, H, W, C], raw 0..255, as the model sees them: uint8 [N, R, H, W, C].

    Raises: `InputError` if the model has no regions.
    """
    regions = keras.ops.convert_to_numpy(_crops(model)(np.asarray(images, np.float32)))
    return regions.round().clip(0, 255).astype(np.uint8)


def strongest_crop(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crop with the highest weight, without the whole face (`example.jpg` in document [1]).

    Args:
        model: `keras.Model` with region attention.
        images: [N, H, W, C], raw 0..255.
    Returns: its number 1..R-1, int [N], and its picture, uint8 [N, H, W, C].
    Raises: `InputError` if the model has no region attention.
    """
    numbers = 1 + region_weights(model, images)[:, 1:].argmax(axis=1)
    return numbers, region_pictures(model, images)[np.arange(len(images)), numbers]


def region_map(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Region weights as a map: each pixel has the sum of the weights of the crops that contain it.

    The whole face is left out, because it adds the same value everywhere.

    Args:
        model: `keras.Model` with region attention.
        images: [N, H, W, C], raw 0..255.
    Returns: float [N, H, W], 0..1. The largest value of a map is one; a map is all zero if no crop counts.
    Raises: `InputError` if the model has no region attention.
    """
    height, width = model.input_shape[1:3]
    inside = region_masks(region_boxes(model), height, width)
    return scaled(np.einsum("nr,rhw->nhw", region_weights(model, images)[:, 1:], inside[1:]))


def region_masks(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks of boxes [R, 4], see `region_boxes`: float [R, height, width], 1 where a pixel's centre is in the box."""
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    left, top, w, h = (side[:, None] for side in np.asarray(boxes).T)
    columns, rows = (x >= left) & (x <= left + w), (y >= top) & (y <= top + h)
    return (rows[:, :, None] & columns[:, None, :]).astype(float)


def covered_shares(boxes: np.ndarray, occluders: np.ndarray) -> np.ndarray:
    """The share of each region that an occluder covers: float [N, R], 0..1.

    `boxes` are from `region_boxes`; `occluders` are bool [N, H, W], true where the face is covered.
    """
    inside = region_masks(boxes, *occluders.shape[1:])
    return np.einsum("nhw,rhw->nr", occluders.astype(float), inside) / inside.sum(axis=(1, 2))


def weight_against_cover(weights: np.ndarray, shares: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Rank correlation (Spearman) between a crop's weight and its covered share, over all crops of all pictures.

    From both we subtract the mean of each picture over its crops, and the mean of each crop over all pictures. A model
    that always prefers the upper crops then does not correlate with occluders that mostly cover the lower ones. The
    crops of a picture are not independent, so the test permutes whole pictures.

    Args:
        weights: float [N, R]; index 0 is the whole face, which is left out. If the same faces exist without occluder,
            use the change of the weights when the occluder is added.
        shares: float [N, R], see `covered_shares`.
        seed: seed of the 999 permutations (all permutations if there are fewer).
    Returns: dict: correlation (-1..1; below 0 if covered crops count less), p_value (two-sided), pictures (number of
        pictures whose crops are covered unevenly). If weights or shares are the same in all pictures, the correlation
        is 0 and p_value is 1.
    Raises: `InputError` if the crops of no picture are covered unevenly.
    """
    weights, shares = np.asarray(weights, float)[:, 1:], np.asarray(shares, float)[:, 1:]
    is_uneven = np.ptp(shares, axis=1) > 0
    if not is_uneven.any():
        raise InputError("shares: no picture has crops that are covered unevenly")
    weight_ranks, share_ranks = (_centred_ranks(values[is_uneven]) for values in (weights, shares))
    if weight_ranks is None or share_ranks is None:
        return {"correlation": 0.0, "p_value": 1.0, "pictures": int(is_uneven.sum())}
    test = permutation_test(
        (np.arange(len(weight_ranks)),),
        lambda order: np.vdot(weight_ranks[order], share_ranks),
        permutation_type="pairings",
        vectorized=False,
        n_resamples=999,
        random_state=seed,
    )
    return {"correlation": float(test.statistic), "p_value": float(test.pvalue), "pictures": int(is_uneven.sum())}


def _centred_ranks(values):
    """Ranks of values [N, R] after row and column means are subtracted, as a unit vector of the same shape.

    None if only rounding errors remain.
    """
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    if np.abs(residuals).max() <= 1e-6 * np.abs(values).max():
        return None
    ranks = rankdata(residuals).reshape(residuals.shape)
    return (ranks - ranks.mean()) / np.linalg.norm(ranks - ranks.mean())


def _crops(model):
    layer = _layer(model, RegionCrops)
    if layer is None:
        raise InputError(f"model: {model.name} has no regions")
    return layer


def _layer(model, cls):
    return next((layer for layer in model.layers if isinstance(layer, cls)), None)
