"""Do different emotions use different regions of the face, as document [3] states? Arrays in, frames out."""

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_whole
from .empty import is_empty


def mean_maps(maps: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The mean map of each emotion, empty maps left out.

    Args:
        maps: float [N, H, W], not negative.
        labels: int [N], codes of `class_names`.
        class_names: names of the emotions.
    Returns: dict emotion -> float [H, W], its largest value one; emotions without a map that says something are absent.
    """
    maps, labels = np.asarray(maps), np.asarray(labels)
    shown, means = ~is_empty(maps), {}
    for code, name in enumerate(class_names):
        chosen = shown & (labels == code)
        if chosen.any():
            mean = maps[chosen].mean(axis=0)
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
    """Which share of the maps' mass lies in each region, for each emotion.

    Regions may overlap and do not cover the picture, so shares need not sum to one. Empty maps are left out.

    Args:
        maps: float [N, H, W], not negative.
        labels: int [N], codes of `class_names`.
        regions: dict region -> bool [N, H, W], see `FaceDataset.masks(rows, regions=True)`.
        class_names: names of the emotions.
        replicates: of the bootstrap over an emotion's pictures.
        seed: of the bootstrap.
    Returns: DataFrame, a row an emotion and region: emotion, region, pictures, empty (maps left out), mass (mean share,
        0..1), low, high (95 % percentile bootstrap), area (mean share of the picture: what an even map has).
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
            figures = {"mass": mass[chosen, place].mean(), "low": low[place], "high": high[place]}
            about = {"emotion": emotion, "region": region, **counts}
            rows.append({**about, **figures, "area": area[chosen, place].mean()})
    return pd.DataFrame(rows, columns=["emotion", "region", "pictures", "empty", "mass", "low", "high", "area"])


def emotions_differ(
    maps: np.ndarray, labels: np.ndarray, regions: dict[str, np.ndarray], permutations: int = 999, seed: int = 0
) -> dict:
    """Whether the emotions' masses differ by more than chance.

    A wide open mouth is a larger region and holds more of any map, so a region's area is subtracted from its mass. The
    statistic is the share of the variance of these differences, summed over regions, that lies between emotions (η²);
    the test permutes the labels.

    Args:
        maps, labels, regions: see `region_shares`.
        permutations: of the labels.
        seed: of the permutations.
    Returns: dict: share (η², 0..1), p_value, pictures.
    Raises: `InputError` if fewer than two emotions have maps that say something.
    """
    check_whole("permutations", permutations, low=1)
    shown = ~is_empty(maps)
    mass, area = _mass_and_area(maps, regions)
    excess, labels = (mass - area)[shown], np.asarray(labels)[shown]
    if len(np.unique(labels)) < 2:
        raise InputError("labels: need maps of at least two emotions that are not empty")
    rng = np.random.default_rng(seed)
    found = _between(excess, labels)
    by_chance = [_between(excess, rng.permutation(labels)) for _ in range(permutations)]
    p_value = (1 + sum(share >= found - 1e-12 for share in by_chance)) / (1 + permutations)
    return {"share": found, "p_value": p_value, "pictures": len(labels)}


def regions_sentence(table: pd.DataFrame, found: dict, control: dict) -> str:
    """Whether the measured masses support document [3]'s statement that different emotions use different regions.

    Args:
        table: of `region_shares`.
        found: of `emotions_differ`, for the net's maps.
        control: the same for the maps of the net with scrambled weights: faces differ by emotion, too, so some
            difference is there without any learning.
    """
    supports = found["p_value"] < 0.05 and found["share"] > control["share"]
    beyond = table.assign(excess=table["mass"] - table["area"])
    region = beyond.groupby("region", sort=False)["excess"].agg(np.ptp).idxmax()
    rows = beyond[beyond["region"] == region].sort_values("excess")
    ends = [
        f"{row.mass:.0%} [{row.low:.0%} to {row.high:.0%}] of the map for {row.emotion} (area {row.area:.0%})"
        for row in (rows.iloc[-1], rows.iloc[0])
    ]
    return (
        "Document [3] states that different emotions use different regions. The measured masses "
        f"{'support' if supports else 'do not support'} it: the emotion accounts for {found['share']:.0%} of the "
        f"variance of the masses beyond the regions' areas (permutation p = {found['p_value']:.3f}, "
        f"{found['pictures']} faces), with scrambled weights for {control['share']:.0%}. "
        f"Most apart is the region {region}: {ends[0]}, {ends[1]}."
    )


def _mass_and_area(maps, regions):
    """Share of each map's sum, and of its pixels, in each region: two arrays float [N, R]; empty maps have 0."""
    maps = np.asarray(maps, np.float64)
    masks = np.stack(list(regions.values()), axis=1)
    if maps.ndim != 3 or masks.shape[::2] != (len(maps), maps.shape[1]) or masks.shape[3:] != maps.shape[2:]:
        raise InputError(f"maps, regions: must be [N, H, W] each; received {maps.shape} and {masks[:, 0].shape}")
    known = np.where(is_empty(maps)[:, None, None], 0, maps)
    total = np.maximum(known.sum(axis=(1, 2)), 1e-12)
    return np.einsum("nhw,nrhw->nr", known, masks) / total[:, None], masks.mean(axis=(2, 3))


def _between(values, labels):
    """η²: the share of the variance of values [N, R] that lies between the labels' means."""
    centred = values - values.mean(axis=0)
    groups = [centred[labels == code] for code in np.unique(labels)]
    between = sum(len(group) * (group.mean(axis=0) ** 2).sum() for group in groups)
    return float(between / max((centred**2).sum(), 1e-12))
