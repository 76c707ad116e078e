"""Near duplicates: the same photograph, cropped a little otherwise, recompressed, brightened, marked or mirrored.

Found in two steps. (1) A perceptual hash of 120 numbers, how strong each wave is in the picture's contours, gives every
picture its few nearest others. K-means sorts the hashes into cells, and each is compared with those of its twelve
nearest cells, never with all. (2) Those few are compared pixel by pixel at shifts up to 4 of 48 pixels and sizes up to
12 % apart.

The hash stays real-valued: the bits of a 64-bit pHash in buckets (multi-index hashing) find half of the changed copies
with 16 bits a bucket, and nine tenths with 8, but then compare a sixteenth of all pairs: see
`benchmarks/near_duplicates.py`. The package imagehash has only such hashes, and makes them one picture at a time.
"""

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
# How far two crops of a photograph may be apart, in pixels of SIDE.
MARGIN = 4
WAVES = 8
# Two pictures are near duplicates from this correlation of their contours on (1: same pixels). Looked at in FER2013: of
# 70 pairs from 0.90 to 0.91 all show one photograph, of 110 mirrored pairs 107, of 50 from 0.82 to 0.86 some 45.
LIKENESS = 0.90
# One crop may also be that much tighter than the other; tried from a correlation of DOUBTFUL on.
ZOOMS = (0.88, 0.92, 0.96, 1.04, 1.08, 1.12)
DOUBTFUL = 0.6
# A pair is looked at pixel by pixel only if its hashes correlate this well: 99 % of the pairs of one size do.
FLOOR = 0.83
NEIGHBOURS = 16
PROBES = 12
_BLOCK = 4096


def contours(images):
    """What stays of pictures when light, contrast and fine grain are taken away.

    The difference of two Gaussians (1 and 4 pixels) over its local strength: faces that are merely lit alike correlate
    by 0.9 as gray values and by less than 0.8 as contours.

    Args:
        images: uint8 [N, H, W, C].
    Returns: uint8 [N, 48, 48]; 128 is no contour.
    """
    gray = convert(images, (SIDE, SIDE), 1)[..., 0].astype(np.float32)
    return np.stack([_contours(picture) for picture in gray]) if len(gray) else np.zeros((0, SIDE, SIDE), np.uint8)


def _contours(gray):
    band = cv2.GaussianBlur(gray, (0, 0), 1) - cv2.GaussianBlur(gray, (0, 0), 4)
    strength = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 6) + 4)  # 4: noise of two gray levels is no contour
    return np.clip(np.round(40 * band / strength) + 128, 0, 255).astype(np.uint8)


def perceptual_hashes(pictures):
    """The perceptual hash: square roots of Fourier magnitudes of the contours, of mean 0 and length 1.

    Magnitudes do not change when a picture moves: of 500 pictures of FER2013 moved by 3 pixels both ways, all find
    their originals among the 16 nearest of 34,000, and 53 % by the blurred contours themselves on a 12×12 grid.
    A Hann window hides the borders.

    Args:
        pictures: uint8 [N, 48, 48] of `contours`.
    Returns: float32 [N, 120] (frequencies -7..7 down, 0..7 across); zeros for a picture without contours in its
        middle, which is compared with none.
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


def mirrored_hashes(hashes):
    """The hashes that the pictures' mirror images have, float32 [N, 120]."""
    return hashes.reshape(-1, 2 * WAVES - 1, WAVES)[:, ::-1].reshape(hashes.shape)


def likeness(first, second):
    """The best correlation of the middle of `first` with `second`, -1..1, over all shifts up to 4 pixels.

    Where that is no sure yes or no, `first` is also tried at other sizes.

    Args:
        first, second: uint8 [48, 48] of `contours`.
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


def near_pairs(pictures, least=LIKENESS, progress=False):
    """All near duplicates among pictures.

    Args:
        pictures: uint8 [N, 48, 48] of `contours`; give each exact copy once.
        least: correlation from which on two pictures are near duplicates.
        progress: True shows how far it is.
    Returns: DataFrame, one row a pair: row_a < row_b, likeness, kind ("near", or "mirrored" where the mirror image is
        more alike). And a dict of what was not searched: crowded, the pictures that filled all their places for
        neighbours, so that more may exist; empty, those without contours, which are compared with none.
    """
    hashes = perceptual_hashes(pictures)
    centres = cell_centres(hashes)
    near, crowded = _search(pictures, hashes, centres, False, least, progress)
    mirrored, also = _search(pictures, hashes, centres, True, least, progress)
    # a symmetrical face is like the mirror image of its copy, too: a pair is told once, as what it is most
    straight = _scores(pictures, mirrored[["row_a", "row_b"]].to_numpy(), False, progress)
    pairs = pd.concat([near, mirrored[mirrored["likeness"] > straight]], ignore_index=True)
    pairs = pairs.sort_values("likeness", ascending=False, kind="stable").drop_duplicates(["row_a", "row_b"])
    unsearched = {"crowded": int((crowded | also).sum()), "empty": int((~hashes.any(axis=1)).sum())}
    return pairs.sort_values(["row_a", "row_b"]).reset_index(drop=True), unsearched


def _search(pictures, hashes, centres, mirrored, least, progress):
    """The pairs of one kind, and bool [N]: whether all of a picture's neighbours were one."""
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
    """The likeness of each pair, float32 [P]; OpenCV lets go of Python's lock, so threads help."""

    def part(block):
        others = pictures[block[:, 1]]
        others = np.ascontiguousarray(others[:, :, ::-1]) if mirrored else others
        return np.array([likeness(pictures[row], other) for row, other in zip(block[:, 0], others, strict=True)])

    blocks = np.array_split(pairs, max(1, -(-len(pairs) // _BLOCK)))
    with ThreadPoolExecutor(4) as pool:
        text = f"comparing {'mirrored ' if mirrored else ''}pairs"
        return np.concatenate(list(shown(pool.map(part, blocks), text, len(blocks), progress))).astype(np.float32)


def nearest(queries, hashes, centres, progress=False):
    """The rows whose hashes correlate best with each query's, searched for in its `PROBES` nearest cells.

    Memory is N × 17 places beside the hashes. A giant cell costs time, but nothing is left out.

    Args:
        queries, hashes: float32 [N, D], rows of length 1 (or 0: never found, and finding none).
        centres: float32 [cells, D] of `cell_centres`.
    Returns: int32 [N, 17], -1 where fewer correlate by `FLOOR`; among them the row itself where it is like itself.
    """
    homes, asked = _cells(hashes, centres, 1)[:, 0], _cells(queries, centres, PROBES)
    members = _rows_by_cell(homes, np.arange(len(hashes)), len(centres))
    rows = np.repeat(np.arange(len(queries)), asked.shape[1])
    askers = _rows_by_cell(asked.ravel(), rows, len(centres))
    best = np.full((len(queries), NEIGHBOURS + 1), FLOOR, np.float32)
    found = np.full(best.shape, -1, np.int32)
    for cell in shown(range(len(centres)), "finding neighbours", len(centres), progress):
        for start in range(0, len(askers[cell]), _BLOCK):
            block = askers[cell][start : start + _BLOCK]
            _keep_best(best, found, block, queries[block] @ hashes[members[cell]].T, members[cell])
    return found


def cell_centres(hashes):
    """Centres of cells by k-means on at most 50,000 hashes; about 2.5 √N of them, so that a search costs N √N."""
    count = int(2.5 * np.sqrt(len(hashes))) if len(hashes) > 2000 else 1
    if count == 1:
        return np.zeros((1, hashes.shape[1]), np.float32)
    sample = np.random.default_rng(0).permutation(len(hashes))[:50_000]
    # random starts: k-means++ takes longer than all the rest, and the search misses no more
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
    """A list of int arrays: the rows of each cell."""
    order = np.argsort(cells, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(cells, minlength=count))[:-1])


def _keep_best(best, found, block, scores, rows):
    """Lays a cell's scores beside the best so far of the block's queries and keeps the best, in place."""
    size = best.shape[1]
    if len(rows) > size:
        top = np.argpartition(scores, -size, axis=1)[:, -size:]
        scores, rows = np.take_along_axis(scores, top, axis=1), rows[top]
    else:
        rows = np.broadcast_to(rows, scores.shape)
    scores = np.concatenate([best[block], scores], axis=1)
    rows = np.concatenate([found[block], rows], axis=1)
    top = np.argpartition(scores, -size, axis=1)[:, -size:]
    best[block] = np.take_along_axis(scores, top, axis=1)
    found[block] = np.take_along_axis(rows, top, axis=1)


def connected(count, row_a, row_b):
    """Groups of rows that pairs join, directly or through others.

    Returns: int [count], the number of each row's group, 0, 1, ... in the order of their first rows.
    """
    pairs = coo_array((np.ones(len(row_a), bool), (row_a, row_b)), shape=(count, count))
    return pd.factorize(connected_components(pairs, directed=False)[1])[0]


def shown(iterable, text, total, progress=True):
    """The iterable with a progress bar on the screen, or as it is."""
    from tqdm import tqdm

    return tqdm(iterable, text, total, leave=False, disable=not progress)
