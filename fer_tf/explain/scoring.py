"""Scores of maps against known truth: do they lie on what carries the expression? Arrays in, frames out."""

import numpy as np
import pandas as pd
from scipy.stats import norm, permutation_test

from ..common.checks import InputError, check_range, check_whole
from .empty import is_empty

CENTRE, UNIFORM = "centre Gaussian", "uniform"
BASELINES = (CENTRE, UNIFORM)


def pointing_game(maps, masks):
    """Whether a map's highest point lies in the true region (Zhang 2016, §4.1), without its tolerance of 15 pixels.

    Args:
        maps: float [N, H, W], not negative.
        masks: bool [N, H, W], the true region.
    Returns: float [N], 0 or 1; where several pixels are highest, the share of them that lies inside (the expectation
        over them), so that an empty map gets the mask's area. 0 where the mask is empty.
    """
    maps, masks = _checked(maps, masks)
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    return (highest & masks).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))


def mass_inside(maps, masks):
    """The share of a map's sum that lies in the true region.

    Args:
        maps, masks: see `pointing_game`.
    Returns: float [N], 0..1. An empty map tells nothing, as a uniform one does, and counts as that: the mask's area.
    """
    maps, masks = _checked(maps, masks)
    total, inside = maps.sum(axis=(1, 2)), (maps * masks).sum(axis=(1, 2))
    return np.divide(inside, total, out=masks.mean(axis=(1, 2)), where=total > 0)


def centre_gaussian(height, width, sigma=0.25):
    """What a map gets for being in the middle of the picture, where faces have eyes, nose and mouth.

    Args:
        height, width: of the map in pixels.
        sigma: standard deviation as a share of the side, along each axis.
    Returns: float [height, width], 0..1, highest in the middle.
    """
    check_range("sigma", sigma, 0.01, 100)
    rows, columns = ((np.arange(side) - (side - 1) / 2) / side for side in (height, width))  # to the bit symmetric
    return np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * sigma**2))


def score_maps(maps_by_method, masks, sigma=0.25, replicates=1000, seed=0):
    """Every method's maps against the truth, beside two maps that know nothing of the picture.

    Pictures with an empty mask (a neutral face: nothing carries an expression) have no true region; they are left out
    and counted. The tests permute the signs of the pictures' differences from the centre Gaussian (for pointing
    without ties that is McNemar's test); they are two-sided, so look at which of the two is higher, and not corrected
    for the number of methods. A harder comparison are the maps of the same net untrained, as one more method: eyes,
    brows and mouth have the picture's edges, which draw the gradients of random weights too.

    Args:
        maps_by_method: dict method -> float [N, H, W], not negative.
        masks: bool [N, H, W].
        sigma: of `centre_gaussian`.
        replicates: of the bootstrap over pictures.
        seed: of bootstrap and permutations.
    Returns: DataFrame, a row a method, then the rows "centre Gaussian" and "uniform": method, pictures, left out,
        pointing (share of pictures), pointing low, pointing high (95 % Wilson interval), mass inside (mean), mass low,
        mass high (95 % percentile bootstrap), area (the masks' mean share of the picture: what a uniform map gets),
        empty (share of maps that say nothing; they count as uniform ones), pointing p, mass p (against the centre
        Gaussian; missing for itself).
    """
    masks = np.asarray(masks)
    check_whole("replicates", replicates, low=1)
    taken = sorted(set(maps_by_method) & set(BASELINES))
    if taken:
        raise InputError(f"maps_by_method: {', '.join(taken)} is a baseline's name; give the method another one")
    pairs = {name: _checked(maps, masks, name) for name, maps in maps_by_method.items()}
    told = masks.any(axis=(1, 2)) if masks.ndim == 3 else np.zeros(0, bool)
    if not told.any():
        raise InputError(f"masks: none of the {len(masks)} pictures has a true region")
    masks = masks[told].astype(bool)
    known = {name: maps[told] for name, (maps, _) in pairs.items()} | _baselines(masks, sigma)
    scores = {name: (pointing_game(maps, masks), mass_inside(maps, masks)) for name, maps in known.items()}
    rows = [_row(name, found, scores[CENTRE], replicates, seed) for name, found in scores.items()]
    table = pd.DataFrame(rows)
    table.insert(1, "pictures", len(masks))
    table.insert(2, "left out", int((~told).sum()))
    table.insert(len(table.columns) - 2, "area", masks.mean())
    table.insert(len(table.columns) - 2, "empty", [is_empty(maps).mean() for maps in known.values()])
    return table


def _baselines(masks, sigma):
    centre = centre_gaussian(*masks.shape[1:], sigma)
    return {CENTRE: np.broadcast_to(centre, masks.shape), UNIFORM: np.ones(masks.shape)}


def _row(name, found, reference, replicates, seed):
    """One method's figures; `found` and `reference` are the pictures' pointing and mass, float [N] each."""
    pointing, mass = found
    low, high = _wilson(pointing.sum(), len(pointing))
    draws = np.random.default_rng(seed).integers(len(mass), size=(replicates, len(mass)))
    mass_low, mass_high = np.percentile(mass[draws].mean(axis=1), [2.5, 97.5])
    row = {"method": name, "pointing": pointing.mean(), "pointing low": low, "pointing high": high}
    row |= {"mass inside": mass.mean(), "mass low": mass_low, "mass high": mass_high}
    for key, one, other in zip(("pointing p", "mass p"), found, reference, strict=True):
        row[key] = np.nan if name == CENTRE else _paired_p(one - other, seed)
    return row


def _wilson(hits, count):
    """95 % Wilson interval of a share, also for hits that are no whole number (ties), which scipy's does not take."""
    z = norm.ppf(0.975)
    share, spread = hits / count, z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _paired_p(differences, seed):
    """Two-sided p-value of a mean difference, by changing signs; 1 where none or one differs."""
    differences = differences[np.abs(differences) > 1e-12]  # the sign of the others changes nothing
    if len(differences) < 2:
        return 1.0  # either sign of a single one is as far from zero
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
