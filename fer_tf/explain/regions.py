"""Region attention networks: which regions count, drawn on the face."""

import keras
import numpy as np
from scipy.stats import permutation_test, rankdata

from ..common.checks import InputError, check_choice
from ..layers import RegionCrops, RegionRelationAttention, RegionSelfAttention, StrongestRegion, crop_boxes

KINDS = ("final", "self", "relation")


def region_weights(model, images, kind="final", batch_size=256):
    """How much each region counts for a picture.

    Args:
        model: `keras.Model` with region attention (`ran`, `ran_facenet2expnet`).
        images: [N, H, W, C], raw 0..255.
        kind: "final" (the share of each region in what the classifier gets, rows sum to one: μ_i ν_i / Σ μ ν with
            relation-attention, μ_i / Σ μ with self-attention alone, 1 for the chosen crop where it alone is given),
            "self" (μ, 0..1) or "relation" (ν, 0..1).
        batch_size: images a step.
    Returns: float [N, R], index 0 the whole face.
    Raises: `InputError` if the model has no region attention, or not of that kind.
    """
    check_choice("kind", kind, KINDS)
    mu_layer, nu_layer = (_layer(model, cls) for cls in (RegionSelfAttention, RegionRelationAttention))
    if mu_layer is None or (kind == "relation" and nu_layer is None):
        missing = "region attention" if mu_layer is None else "relation-attention"
        raise InputError(f"model: {model.name} has no {missing}")
    outputs = [mu_layer.output[0]] + ([nu_layer.output[0]] if nu_layer else [])
    found = _predicted(keras.Model(model.input, outputs), images, batch_size)
    mu, nu = found[0], found[1] if nu_layer else np.ones_like(found[0])
    if kind != "final":
        return mu if kind == "self" else nu
    if _layer(model, StrongestRegion) is not None:
        return np.eye(mu.shape[1], dtype=mu.dtype)[1 + mu[:, 1:].argmax(axis=1)]
    weights = mu * nu
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-7)


def region_boxes(model):
    """The model's regions in its picture's pixels: float [R, 4], (left, top, width, height), index 0 the whole face."""
    return crop_boxes(_crops(model).crops, *model.input_shape[1:3])


def region_pictures(model, images):
    """The regions as the model sees them, uint8 [N, R, H, W, C]."""
    regions = keras.ops.convert_to_numpy(_crops(model)(np.asarray(images, np.float32)))
    return regions.round().clip(0, 255).astype(np.uint8)


def strongest_crop(model, images):
    """The crop with the highest weight, the whole face left out: its number 1..R-1, int [N], and its picture, uint8
    [N, H, W, C] (document [1]: what `example.jpg` is)."""
    numbers = 1 + region_weights(model, images)[:, 1:].argmax(axis=1)
    return numbers, region_pictures(model, images)[np.arange(len(images)), numbers]


def region_map(model, images):
    """The weights composed back onto the face: each pixel the sum of the weights of the crops it lies in.

    The whole face adds alike everywhere and is left out.

    Returns: float [N, H, W], 0..1, the largest of each picture 1 (all 0 where no crop counts).
    """
    height, width = model.input_shape[1:3]
    inside = region_masks(region_boxes(model), height, width)
    total = np.einsum("nr,rhw->nhw", region_weights(model, images)[:, 1:], inside[1:])
    return total / np.maximum(total.max(axis=(1, 2), keepdims=True), 1e-7)


def region_masks(boxes, height, width):
    """float [R, H, W]: 1 for the pixels whose centre lies in the box."""
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    left, top, w, h = (side[:, None] for side in np.asarray(boxes).T)
    columns, rows = (x >= left) & (x <= left + w), (y >= top) & (y <= top + h)
    return (rows[:, :, None] & columns[:, None, :]).astype(float)


def covered_shares(boxes, occluders):
    """Which share of each region an occluder covers.

    Args:
        boxes: float [R, 4], see `region_boxes`.
        occluders: bool [N, H, W].
    Returns: float [N, R], 0..1.
    """
    inside = region_masks(boxes, *occluders.shape[1:])
    return np.einsum("nhw,rhw->nr", occluders.astype(float), inside) / inside.sum(axis=(1, 2))


def weight_against_cover(weights, shares, seed=0):
    """Rank correlation (Spearman) between a crop's weight and its covered share, over all crops of all pictures.

    Both are taken as what is left beside the picture's mean over crops and the crop's mean over pictures: a model that
    likes the upper crops whatever lies there does not correlate with occluders that mostly lie below. The crops of a
    picture are not independent, so that the test permutes whole pictures: whose weights go with whose shares.

    Args:
        weights: float [N, R], index 0 the whole face, which is left out; or by how much they change when the occluder
            is laid on, where the same face is known without it.
        shares: float [N, R], see `covered_shares`.
        seed: of the permutations, 999 (all of them where there are fewer).
    Returns: dict: correlation (-1..1; below 0: covered crops count for less; 0 with p_value 1 where weights or shares
        are alike in all pictures), p_value (two-sided), pictures (those an occluder covers unevenly).
    """
    weights, shares = np.asarray(weights, float)[:, 1:], np.asarray(shares, float)[:, 1:]
    told = np.ptp(shares, axis=1) > 0
    if not told.any():
        raise InputError("shares: no picture has crops that are covered unevenly")
    first, second = (_centred_ranks(part[told]) for part in (weights, shares))
    if first is None or second is None:
        return {"correlation": 0.0, "p_value": 1.0, "pictures": int(told.sum())}
    test = permutation_test(
        (np.arange(len(first)),),
        lambda order: np.vdot(first[order], second),
        permutation_type="pairings",
        vectorized=False,
        n_resamples=999,
        random_state=seed,
    )
    return {"correlation": float(test.statistic), "p_value": float(test.pvalue), "pictures": int(told.sum())}


def _centred_ranks(values):
    """Ranks of values [N, R] without their row and column means, as a unit vector in the same shape; None where nothing
    but rounding is left of them."""
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    if np.abs(left).max() <= 1e-6 * np.abs(values).max():
        return None
    ranks = rankdata(left).reshape(left.shape)
    return (ranks - ranks.mean()) / np.linalg.norm(ranks - ranks.mean())


def _crops(model):
    found = _layer(model, RegionCrops)
    if found is None:
        raise InputError(f"model: {model.name} has no regions")
    return found


def _layer(model, cls):
    return next((layer for layer in model.layers if isinstance(layer, cls)), None)


def _predicted(model, images, batch_size):
    """The model's outputs over all images, a list of arrays."""
    parts = [model.predict_on_batch(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    parts = [part if isinstance(part, list) else [part] for part in parts]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
