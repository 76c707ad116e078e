"""Tests the statement of document [3] that different emotions use different regions of the face."""

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_whole
from .maps import is_empty


def mean_maps(maps: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The mean map of each emotion. Empty maps are left out.

    Args:
        maps: float [N, H, W], not negative.
        labels: int [N], codes of `class_names`.
        class_names: names of the emotions.
    Returns: dict emotion -> float [H, W] with a largest value of one; emotions with only empty maps are missing.
    """
    maps, labels = np.asarray(maps), np.asarray(labels)
    is_filled, means = ~is_empty(maps), {}
    for code, name in enumerate(class_names):
        of_emotion = is_filled & (labels == code)
        if of_emotion.any():
            mean = maps[of_emotion].mean(axis=0)
            means[name] = mean / mean.max()
    return means


def region_shares(
    maps: np.ndarray,
    labels: np.ndarray,
    regions: dict[str, np.ndarray],
    class_names: tuple[str, ...],
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The share of the maps' mass in each region, for each emotion.

    Regions can overlap, and some pixels are in no region, so shares need not sum to one. Empty maps are left out.

    Args:
        maps: float [N, H, W], not negative.
        labels: int [N], codes of `class_names`.
        regions: dict region -> bool [N, H, W], see `FaceDataset.masks(rows, regions=True)`.
        class_names: names of the emotions.
        replicates: replicates of the bootstrap over the pictures of an emotion.
        seed: seed of the bootstrap.
    Returns: DataFrame, one row for each emotion and region: emotion, region, pictures, empty (maps left out), mass
        (mean share of the map, 0..1), low, high (95 % percentile bootstrap), area (mean share of the picture, 0..1: the
        mass of a uniform map).
    """
    check_whole("replicates", replicates, low=1)
    labels, empty = np.asarray(labels), is_empty(maps)
    mass, area = _mass_and_area(maps, regions)
    rng, rows = np.random.default_rng(seed), []
    for code, emotion in enumerate(class_names):
        chosen = np.flatnonzero(~empty & (labels == code))
        if not len(chosen):
            continue
        counts = {"pictures": len(chosen), "empty": int((empty & (labels == code)).sum())}
        draws = rng.choice(chosen, size=(replicates, len(chosen)))
        low, high = np.percentile(mass[draws].mean(axis=1), [2.5, 97.5], axis=0)
        for place, region in enumerate(regions):
            row = {"emotion": emotion, "region": region, **counts, "mass": mass[chosen, place].mean()}
            rows.append({**row, "low": low[place], "high": high[place], "area": area[chosen, place].mean()})
    return pd.DataFrame(rows, columns=["emotion", "region", "pictures", "empty", "mass", "low", "high", "area"])


def emotions_differ(
    maps: np.ndarray, labels: np.ndarray, regions: dict[str, np.ndarray], permutations: int = 999, seed: int = 0
) -> dict:
    """Tests whether the masses of the emotions differ by more than chance.

    A wide open mouth is a larger region and contains more of any map. The area of a region is therefore subtracted from
    its mass. The statistic is η²: the share of the variance of these differences, summed over regions, that lies
    between emotions. The test permutes the labels.

    Args:
        maps, labels, regions: see `region_shares`.
        permutations: number of permutations of the labels, at least 1.
        seed: seed of the permutations.
    Returns: dict: share (η², 0..1), p_value, pictures (number of maps that are not empty).
    Raises: `InputError` if fewer than two emotions have maps that are not empty.
    """
    check_whole("permutations", permutations, low=1)
    is_filled = ~is_empty(maps)
    mass, area = _mass_and_area(maps, regions)
    excess, labels = (mass - area)[is_filled], np.asarray(labels)[is_filled]
    if len(np.unique(labels)) < 2:
        raise InputError("labels: need maps of at least two emotions that are not empty")
    rng = np.random.default_rng(seed)
    share_between = _between(excess, labels)
    by_chance = [_between(excess, rng.permutation(labels)) for _ in range(permutations)]
    p_value = (1 + sum(share >= share_between - 1e-12 for share in by_chance)) / (1 + permutations)
    return {"share": share_between, "p_value": p_value, "pictures": len(labels)}


def regions_sentence(table: pd.DataFrame, measured: dict, control: dict) -> str:
    """Says whether the measurements support document [3]: different emotions use different regions.

    Args:
        table: DataFrame from `region_shares`.
        measured: dict from `emotions_differ` for the maps of the net.
        control: the same for the net with scrambled weights. Faces differ by emotion too, so there is some difference
            without any learning.
    Returns: a few sentences.
    """
    supports = measured["p_value"] < 0.05 and measured["share"] > control["share"]
    beyond = table.assign(excess=table["mass"] - table["area"])
    region = beyond.groupby("region", sort=False)["excess"].agg(np.ptp).idxmax()
    rows = beyond[beyond["region"] == region].sort_values("excess")
    ends = [
        f"{row.mass:.0%} [{row.low:.0%} to {row.high:.0%}] of the map for {row.emotion} (area {row.area:.0%})"
        for row in (rows.iloc[-1], rows.iloc[0])
    ]
    return (
        "Document [3] states that different emotions use different regions. The measurements "
        f"{'support' if supports else 'do not support'} this. The emotion explains {measured['share']:.0%} of the "
        f"variance of the masses minus the areas of the regions (permutation p = {measured['p_value']:.3f}, "
        f"{measured['pictures']} faces). With scrambled weights it explains {control['share']:.0%}. "
        f"Emotions differ most in the region {region}: {ends[0]}, {ends[1]}."
    )


def _mass_and_area(maps, regions):
    """Mass and area: shares of each map's sum and of its pixels in each region, two float [N, R]; 0 for empty maps."""
    maps = np.asarray(maps, np.float64)
    masks = np.stack(list(regions.values()), axis=1)
    if maps.ndim != 3 or masks.shape[::2] != (len(maps), maps.shape[1]) or masks.shape[3:] != maps.shape[2:]:
        raise InputError(f"maps, regions: must be [N, H, W] each; received {maps.shape} and {masks[:, 0].shape}")
    known = np.where(is_empty(maps)[:, None, None], 0, maps)
    total = np.maximum(known.sum(axis=(1, 2)), 1e-12)
    return np.einsum("nhw,nrhw->nr", known, masks) / total[:, None], masks.mean(axis=(2, 3))


def _between(values, labels):
    """η²: the share of the variance of values [N, R] between the means of the labels."""
    centred = values - values.mean(axis=0)
    groups = [centred[labels == code] for code in np.unique(labels)]
    between = sum(len(group) * (group.mean(axis=0) ** 2).sum() for group in groups)
    return float(between / max((centred**2).sum(), 1e-12))
