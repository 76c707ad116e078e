"""Scores maps against known regions of the expression. Functions take arrays and return frames."""

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from ..common.checks import InputError, check_range, check_whole
from ..evaluation.intervals import wilson
from .maps import is_empty

CENTRE, UNIFORM = "centre Gaussian", "uniform"


def pointing_game(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether the highest point of a map is in the true region (Zhang et al. 2016, §4.1).

    We do not use the paper's tolerance of 15 pixels.

    Args:
        maps: float [N, H, W], not negative.
        masks: bool [N, H, W], the true regions.
    Returns: float [N], 0 or 1. If several pixels are highest, the share of them inside the region, so an empty map gets
        the area of the mask. 0 for an empty mask.
    Raises: `InputError` if shapes differ or values are not allowed.
    """
    maps, masks = _checked(maps, masks)
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    return (highest & masks).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))


def mass_inside(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of a map's sum that is in the true region.

    Args:
        maps, masks: see `pointing_game`.
    Returns: float [N], 0..1. An empty map counts as a uniform one and gets the area of the mask.
    Raises: `InputError` if shapes differ or values are not allowed.
    """
    maps, masks = _checked(maps, masks)
    total, inside = maps.sum(axis=(1, 2)), (maps * masks).sum(axis=(1, 2))
    return np.divide(inside, total, out=masks.mean(axis=(1, 2)), where=total > 0)


def centre_gaussian(height: int, width: int, sigma: float = 0.25) -> np.ndarray:
    """A baseline map: a Gaussian in the middle of the picture, where faces have eyes, nose and mouth.

    Args:
        height, width: size of the map in pixels.
        sigma: standard deviation along each axis, as a share of the side, 0.01..100.
    Returns: float [height, width], 0..1, highest in the middle.
    """
    check_range("sigma", sigma, 0.01, 100)
    rows, columns = ((np.arange(side) - (side - 1) / 2) / side for side in (height, width))  # exactly symmetric
    return np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * sigma**2))


def score_maps(
    maps_by_method: dict[str, np.ndarray], masks: np.ndarray, sigma: float = 0.25, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Compares the maps of all methods with the truth, and with two baseline maps that do not depend on the picture.

    A neutral face has no true region: its mask is empty. Such pictures are left out and counted. The tests compare each
    method with the centre Gaussian. They permute the signs of the differences of the pictures (for pointing without
    ties this is McNemar's test). They are two-sided, so check which of the two is higher. They are not corrected for
    the number of methods. For a stricter comparison, add the maps of the same net without training as one more method:
    eyes, brows and mouth contain edges, which attract the gradients of random weights too.

    Args:
        maps_by_method: dict method -> float [N, H, W], not negative.
        masks: bool [N, H, W], the true regions.
        sigma: width of the baseline, see `centre_gaussian`.
        replicates: replicates of the bootstrap over pictures.
        seed: seed of the bootstrap and the permutations.
    Returns: DataFrame, one row for each method, then the rows "centre Gaussian" and "uniform". Columns: method,
        pictures, left out, pointing (share of pictures), pointing low, pointing high (95 % Wilson interval), mass
        inside (mean), mass low, mass high (95 % percentile bootstrap), area (mean area of the masks: the score of a
        uniform map), empty (share of empty maps, which count as uniform), pointing p, mass p (against the centre
        Gaussian; missing for itself).
    Raises: `InputError` if no picture has a true region, or for arrays that do not fit.
    """
    masks = np.asarray(masks)
    check_whole("replicates", replicates, low=1)
    reserved = sorted(set(maps_by_method) & {CENTRE, UNIFORM})
    if reserved:
        raise InputError(
            f"maps_by_method: {', '.join(reserved)} is the name of a baseline; give the method another name"
        )
    pairs = {name: _checked(maps, masks, name) for name, maps in maps_by_method.items()}
    has_region = masks.any(axis=(1, 2)) if masks.ndim == 3 else np.zeros(0, bool)
    if not has_region.any():
        raise InputError(f"masks: none of the {len(masks)} pictures has a true region")
    masks = masks[has_region].astype(bool)
    known = {name: maps[has_region] for name, (maps, _) in pairs.items()}
    known[CENTRE] = np.broadcast_to(centre_gaussian(masks.shape[1], masks.shape[2], sigma), masks.shape)
    known[UNIFORM] = np.ones(masks.shape)
    scores = {name: (pointing_game(maps, masks), mass_inside(maps, masks)) for name, maps in known.items()}
    rows = [_row(name, of_method, scores[CENTRE], replicates, seed) for name, of_method in scores.items()]
    table = pd.DataFrame(rows)
    table.insert(1, "pictures", len(masks))
    table.insert(2, "left out", int((~has_region).sum()))
    table.insert(len(table.columns) - 2, "area", masks.mean())
    table.insert(len(table.columns) - 2, "empty", [is_empty(maps).mean() for maps in known.values()])
    return table


def _row(name, of_method, reference, replicates, seed):
    """The row of one method; `of_method` and `reference` are (pointing, mass) of all pictures, float [N] each."""
    pointing, mass = of_method
    low, high = wilson(pointing.sum(), len(pointing))
    draws = np.random.default_rng(seed).integers(len(mass), size=(replicates, len(mass)))
    mass_low, mass_high = np.percentile(mass[draws].mean(axis=1), [2.5, 97.5])
    row = {"method": name, "pointing": pointing.mean(), "pointing low": low, "pointing high": high}
    row |= {"mass inside": mass.mean(), "mass low": mass_low, "mass high": mass_high}
    for key, values, baseline in zip(("pointing p", "mass p"), of_method, reference, strict=True):
        row[key] = np.nan if name == CENTRE else _paired_p(values - baseline, seed)
    return row


def _paired_p(differences, seed):
    """Two-sided p-value of a mean difference, by changing signs; 1 if at most one value differs from 0."""
    differences = differences[np.abs(differences) > 1e-12]  # the sign of zeros has no effect
    if len(differences) < 2:
        return 1.0  # both signs of a single difference are equally far from zero
    return permutation_test(
        (differences,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=4999,
        batch=500,
        random_state=seed,
    ).pvalue


def _checked(maps, masks, name="maps"):
    """Maps as float64 and masks as bool, both [N, H, W]."""
    maps, masks = np.asarray(maps, np.float64), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise InputError(f"{name}: maps and masks must both be [N, H, W]; received {maps.shape} and {masks.shape}")
    if not np.isfinite(maps).all() or maps.min(initial=0) < 0:
        raise InputError(f"{name}: maps must be finite and not negative")
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise InputError("masks: must be true or false")
    return maps, masks.astype(bool)
