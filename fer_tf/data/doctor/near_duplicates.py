"""Near duplicates: the same photograph, cropped slightly differently, recompressed, brightened, marked or mirrored.

The search has two steps. (1) A perceptual hash of 120 numbers says how strong each wave is in the picture's contours.
With it, every picture gets its few nearest others. K-means sorts the hashes into cells, and each hash is compared with
those of its twelve nearest cells, never with all. (2) These few are compared pixel by pixel, at shifts up to 4 of 48
pixels and at sizes up to 12 % apart.

The hash stays real-valued. A 64-bit pHash in buckets (multi-index hashing) finds half of the changed copies with 16
bits for each bucket. With 8 bits it finds nine tenths, but compares a sixteenth of all pairs: see
`benchmarks/near_duplicates.py`. The package imagehash only has such hashes, and makes them one picture at a time.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
from scipy.fft import rfft2
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import MiniBatchKMeans

from ..images import convert

SIDE = 48
# How far two crops of a photograph may be shifted, in pixels of SIDE.
MARGIN = 4
WAVES = 8
# Two pictures are near duplicates if their contours correlate at least this well (1: same pixels). Checked by eye in
# FER2013: of 70 pairs from 0.90 to 0.91 all show one photograph, of 110 mirrored pairs 107, of 50 pairs from 0.82 to
# 0.86 about 45.
LIKENESS = 0.90
# One crop may also be larger than the other by these factors; they are tried if the correlation is at least DOUBTFUL.
ZOOMS = (0.88, 0.92, 0.96, 1.04, 1.08, 1.12)
DOUBTFUL = 0.6
# A pair is compared pixel by pixel only if its hashes correlate this well: 99 % of the pairs of one size do.
FLOOR = 0.83
NEIGHBOURS = 16
PROBES = 12
_BLOCK = 4096


def contours(images: np.ndarray) -> np.ndarray:
    """What is left of pictures without light, contrast and fine grain.

    It is the difference of two Gaussians (1 and 4 pixels) divided by its local strength. Faces with similar light but
    different people correlate by 0.9 as gray values, and by less than 0.8 as contours.

    Args:
        images: uint8 [N, H, W, C].
    Returns: uint8 [N, 48, 48]; 128 means no contour.
    """
    gray = convert(images, (SIDE, SIDE), 1)[..., 0].astype(np.float32)
    return np.stack([_contours(picture) for picture in gray]) if len(gray) else np.zeros((0, SIDE, SIDE), np.uint8)


def _contours(gray):
    band = cv2.GaussianBlur(gray, (0, 0), 1) - cv2.GaussianBlur(gray, (0, 0), 4)
    strength = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 6) + 4)  # 4: two gray levels of noise are not a contour
    return np.clip(np.round(40 * band / strength) + 128, 0, 255).astype(np.uint8)


def perceptual_hashes(pictures: np.ndarray) -> np.ndarray:
    """The perceptual hash: square roots of Fourier magnitudes of the contours, with mean 0 and length 1.

    Magnitudes do not change when a picture moves. Of 500 pictures of FER2013 that were moved by 3 pixels both ways, all
    find their originals among the 16 nearest of 34,000. Blurred contours on a 12×12 grid find 53 %. A Hann window hides
    the borders.

    Args:
        pictures: uint8 [N, 48, 48] of `contours`.
    Returns: float32 [N, 120] (frequencies -7..7 down, 0..7 across). A picture without contours in its middle gets zeros
        and is not compared with others.
    """
    hashes = np.zeros((len(pictures), (2 * WAVES - 1) * WAVES), np.float32)
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    for start in range(0, len(pictures), _BLOCK):
        block = pictures[start : start + _BLOCK].astype(np.float32) - 128
        waves = np.abs(rfft2(block * window[:, None] * window))[:, :, :WAVES]
        waves = np.concatenate([waves[:, 1 - WAVES :], waves[:, :WAVES]], axis=1)
        seen = block[:, MARGIN:-MARGIN, MARGIN:-MARGIN].std(axis=(1, 2)) > 1
        hashes[start : start + _BLOCK] = np.sqrt(waves).reshape(len(block), -1) * seen[:, None]
    hashes -= hashes.mean(axis=1, keepdims=True)
    return hashes / np.maximum(np.linalg.norm(hashes, axis=1, keepdims=True), 1e-6)


def mirrored_hashes(hashes: np.ndarray) -> np.ndarray:
    """The hashes of the mirrored pictures, float32 [N, 120], from the hashes of the pictures."""
    return hashes.reshape(-1, 2 * WAVES - 1, WAVES)[:, ::-1].reshape(hashes.shape)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """The best correlation of the middle of `first` with `second` over all shifts up to 4 pixels.

    If the result is neither a clear yes nor a clear no, `first` is also tried at other sizes.

    Args:
        first, second: uint8 [48, 48] of `contours`.
    Returns: float, -1..1.
    """
    best = _correlation(first, second)
    if not DOUBTFUL <= best < LIKENESS:
        return best
    return max(best, *(_correlation(_zoomed(first, zoom), second) for zoom in ZOOMS))


def _correlation(first, second):
    middle = np.ascontiguousarray(first[MARGIN:-MARGIN, MARGIN:-MARGIN])
    return cv2.minMaxLoc(cv2.matchTemplate(second, middle, cv2.TM_CCOEFF_NORMED))[1]


def _zoomed(picture, zoom):
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), 0, zoom)
    return cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)


def near_pairs(
    pictures: np.ndarray, least: float = LIKENESS, progress: bool = False
) -> tuple[pd.DataFrame, dict[str, int]]:
    """All near duplicates among pictures.

    Args:
        pictures: uint8 [N, 48, 48] of `contours`; give only one picture of each group of exact copies.
        least: two pictures are near duplicates from this correlation on.
        progress: True shows the progress.
    Returns: DataFrame, one row for each pair: row_a < row_b, likeness, kind ("near", or "mirrored" if the mirror image
        is more alike). And a dict of counts: crowded, pictures whose places for neighbours are all used, so that more
        pairs may exist; empty, pictures without contours, which were not compared.
    """
    hashes = perceptual_hashes(pictures)
    centres = cell_centres(hashes)
    near, crowded = _search(pictures, hashes, centres, False, least, progress)
    mirrored, crowded_mirrored = _search(pictures, hashes, centres, True, least, progress)
    # a symmetrical face is also like the mirror image of its copy: each pair is listed once, with the better kind
    straight = _scores(pictures, mirrored[["row_a", "row_b"]].to_numpy(), False, progress)
    pairs = pd.concat([near, mirrored[mirrored["likeness"] > straight]], ignore_index=True)
    pairs = pairs.sort_values("likeness", ascending=False, kind="stable").drop_duplicates(["row_a", "row_b"])
    unsearched = {"crowded": int((crowded | crowded_mirrored).sum()), "empty": int((~hashes.any(axis=1)).sum())}
    return pairs.sort_values(["row_a", "row_b"]).reset_index(drop=True), unsearched


def _search(pictures, hashes, centres, mirrored, least, progress):
    """The pairs of one kind, and bool [N]: True if all neighbours of a picture are near duplicates."""
    neighbours = nearest(mirrored_hashes(hashes) if mirrored else hashes, hashes, centres, progress)
    rows = np.repeat(np.arange(len(pictures)), neighbours.shape[1]).reshape(neighbours.shape)
    use = (neighbours >= 0) & (neighbours != rows)
    candidates = np.unique(np.sort(np.stack([rows[use], neighbours[use]], axis=1), axis=1), axis=0)
    scores = _scores(pictures, candidates, mirrored, progress)
    chosen, scores = candidates[scores >= least], scores[scores >= least]
    crowded = np.bincount(chosen.ravel(), minlength=len(pictures)) >= NEIGHBOURS
    kind = "mirrored" if mirrored else "near"
    pairs = pd.DataFrame({"row_a": chosen[:, 0], "row_b": chosen[:, 1], "likeness": scores, "kind": kind})
    return pairs, crowded


def _scores(pictures, pairs, mirrored, progress):
    """The likeness of each pair, float32 [P]. OpenCV releases Python's lock, so threads help."""

    def score_block(block):
        others = pictures[block[:, 1]]
        others = np.ascontiguousarray(others[:, :, ::-1]) if mirrored else others
        return np.array([likeness(pictures[row], other) for row, other in zip(block[:, 0], others, strict=True)])

    blocks = np.array_split(pairs, max(1, -(-len(pairs) // _BLOCK)))
    with ThreadPoolExecutor(4) as pool:
        text = f"comparing {'mirrored ' if mirrored else ''}pairs"
        scores = list(shown(pool.map(score_block, blocks), text, len(blocks), progress))
        return np.concatenate(scores).astype(np.float32)


def nearest(queries: np.ndarray, hashes: np.ndarray, centres: np.ndarray, progress: bool = False) -> np.ndarray:
    """The rows whose hashes correlate best with each query, among its `PROBES` nearest cells.

    It needs memory for N × 17 numbers in addition to the hashes. A very large cell takes time, but no row is left out.

    Args:
        queries: float32 [N, D], rows of length 1, or 0 for pictures without contours (they have no neighbours).
        hashes: float32 [M, D], in the same form.
        centres: float32 [cells, D] of `cell_centres`.
        progress: True shows the progress.
    Returns: int32 [N, 17], rows of `hashes`, -1 if fewer rows correlate by `FLOOR`. A picture can be its own neighbour.
    """
    homes, asked = _cells(hashes, centres, 1)[:, 0], _cells(queries, centres, PROBES)
    members = _rows_by_cell(homes, np.arange(len(hashes)), len(centres))
    rows = np.repeat(np.arange(len(queries)), asked.shape[1])
    askers = _rows_by_cell(asked.ravel(), rows, len(centres))
    best = np.full((len(queries), NEIGHBOURS + 1), FLOOR, np.float32)
    neighbours = np.full(best.shape, -1, np.int32)
    for cell in shown(range(len(centres)), "finding neighbours", len(centres), progress):
        for start in range(0, len(askers[cell]), _BLOCK):
            block = askers[cell][start : start + _BLOCK]
            _keep_best(best, neighbours, block, queries[block] @ hashes[members[cell]].T, members[cell])
    return neighbours


def cell_centres(hashes: np.ndarray) -> np.ndarray:
    """Centres of cells, by k-means on at most 50,000 hashes. With about 2.5 √N cells, a search costs N √N.

    Args:
        hashes: float32 [N, D].
    Returns: float32 [cells, D].
    """
    count = int(2.5 * np.sqrt(len(hashes))) if len(hashes) > 2000 else 1
    if count == 1:
        return np.zeros((1, hashes.shape[1]), np.float32)
    sample = np.random.default_rng(0).permutation(len(hashes))[:50_000]
    # random starts: k-means++ takes longer than everything else, and finds no more pairs
    means = MiniBatchKMeans(count, init="random", batch_size=4096, max_iter=20, n_init=1, random_state=0)
    return means.fit(hashes[sample]).cluster_centers_.astype(np.float32)


def _cells(hashes, centres, count):
    """The `count` nearest cells of each hash, nearest first, int32 [N, count]."""
    count = min(count, len(centres))
    half = 0.5 * (centres**2).sum(axis=1)
    parts = []
    for start in range(0, len(hashes), _BLOCK):
        distance = half - hashes[start : start + _BLOCK] @ centres.T
        some = np.argpartition(distance, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distance, some, axis=1), axis=1)
        parts.append(np.take_along_axis(some, order, axis=1).astype(np.int32))
    return np.concatenate(parts) if parts else np.zeros((0, count), np.int32)


def _rows_by_cell(cells, rows, count):
    """The rows of each cell, a list of int arrays."""
    order = np.argsort(cells, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(cells, minlength=count))[:-1])


def _keep_best(best, neighbours, queries, scores, rows):
    """Compares a cell's scores with the best scores so far and keeps the best ones, in place."""
    size = best.shape[1]
    if len(rows) > size:
        top = np.argpartition(scores, -size, axis=1)[:, -size:]
        scores, rows = np.take_along_axis(scores, top, axis=1), rows[top]
    else:
        rows = np.broadcast_to(rows, scores.shape)
    scores = np.concatenate([best[queries], scores], axis=1)
    rows = np.concatenate([neighbours[queries], rows], axis=1)
    top = np.argpartition(scores, -size, axis=1)[:, -size:]
    best[queries] = np.take_along_axis(scores, top, axis=1)
    neighbours[queries] = np.take_along_axis(rows, top, axis=1)


def connected(count: int, row_a: np.ndarray | pd.Series, row_b: np.ndarray | pd.Series) -> np.ndarray:
    """Groups of rows that are joined by pairs, directly or through other rows.

    Args:
        count: number of rows.
        row_a, row_b: int [P], the pairs.
    Returns: int [count], the number of each row's group: 0, 1, ... in the order of their first rows.
    """
    pairs = coo_array((np.ones(len(row_a), bool), (row_a, row_b)), shape=(count, count))
    return pd.factorize(connected_components(pairs, directed=False)[1])[0]


def shown(iterable: Iterable, text: str, total: int, progress: bool = True) -> Iterable:
    """The iterable itself, with a progress bar if `progress` is True. `total` is its length, `text` the label."""
    from tqdm import tqdm

    return tqdm(iterable, text, total, leave=False, disable=not progress)
