"""Looks for problems in a dataset: exact and near copies of images, in one split or in several; copies with different
labels; images that show nothing.

Exact copies take seconds (`find_copies`, `copies_of_test`, `summary`). `examine` looks for everything and takes
minutes.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ...common.checks import DataError
from ...common.cluster import Cluster
from ...common.files import replacing
from ...common.hashes import file_fingerprint
from ..base import SPLITS, FaceDataset
from ..cache import cached_arrays
from ..stores import ArrayImages, FileImages, JoinedImages
from . import near_duplicates

# A blank picture has nearly one value only (gray levels, standard deviation). A nearly blank one has a share of its
# pixels within a range of the median, like the sign "image not available". In FER2013 no picture above this share shows
# a face; the flattest face has 0.73.
BLANK_STD = 2.0
FLAT_SHARE, FLAT_RANGE = 0.75, 4
_CHUNK = 2048


def image_hashes(images: np.ndarray) -> np.ndarray:
    """A hash of the exact pixels of each image; equal pixels give equal hashes.

    Args:
        images: uint8 [N, H, W, C].
    Returns: object [N], 24 hexadecimal digits each.
    """
    return np.array([hashlib.blake2b(image.tobytes(), digest_size=12).hexdigest() for image in images], object)


def dataset_hashes(ds: FaceDataset) -> np.ndarray:
    """The hash of every image of a `FaceDataset`, object [N]; images are read in chunks."""
    rows = np.arange(len(ds.table))
    chunks = np.array_split(rows, max(1, len(rows) // 4096))
    return np.concatenate([image_hashes(ds.store.fetch(chunk)) for chunk in chunks])


def find_copies(ds: FaceDataset) -> pd.DataFrame:
    """Finds images with exactly the same pixels.

    Args:
        ds: `FaceDataset`.
    Returns: DataFrame, one row for each image: split, label, hash, copies (number of images with these pixels, at least
        1);
        bool in_train, in_val, in_test: that split holds another image with these pixels; bool conflict: the copies
        have different labels.
    """
    copies = ds.table[["split", "label"]].copy()
    copies["hash"] = dataset_hashes(ds)
    grouped = copies.groupby("hash")
    copies["copies"] = grouped["label"].transform("size")
    for name in SPLITS:
        inside = (copies["split"] == name).astype(int)
        copies[f"in_{name}"] = inside.groupby(copies["hash"]).transform("sum") - inside > 0
    copies["conflict"] = grouped["label"].transform("nunique") > 1
    return copies


def copies_of_test(ds: FaceDataset) -> pd.DataFrame:
    """Which test images have an exact copy among the images for training or for choosing models.

    Args:
        ds: `FaceDataset`.
    Returns: DataFrame, one row for each test image in the order of `ds.test`: bool in_train, in_val.
    """
    copies = find_copies(ds)
    return copies.loc[copies["split"] == "test", ["in_train", "in_val"]].reset_index(drop=True)


def disagreeing_copies(ds: FaceDataset, count: int = 5) -> list[np.ndarray]:
    """Groups of images with the same pixels and different labels.

    Args:
        ds: `FaceDataset`.
        count: largest number of groups to return.
    Returns: list of int arrays, rows of `ds.table`, the largest group first.
    """
    copies = find_copies(ds)
    groups = copies[copies["conflict"]].groupby("hash").indices.values()
    rows = copies.index[copies["conflict"]]
    return [rows[group].to_numpy() for group in sorted(groups, key=len, reverse=True)[:count]]


def summary(ds: FaceDataset) -> pd.Series:
    """The exact copies of a `FaceDataset` as a Series of counts: chapter 00_eda and the README show it."""
    copies = find_copies(ds)
    test = copies[copies["split"] == "test"]
    return pd.Series(
        {
            "images": len(copies),
            "unique images": copies["hash"].nunique(),
            "images with a copy": int((copies["copies"] > 1).sum()),
            "images whose copies bear another label": int(copies["conflict"].sum()),
            "val images with a copy in train": int(copies.loc[copies["split"] == "val", "in_train"].sum()),
            "test images with a copy in train": int(test["in_train"].sum()),
            "test images with a copy in val": int(test["in_val"].sum()),
            "test images with a copy in train or val": int((test["in_train"] | test["in_val"]).sum()),
        },
        name="count",
    )


@dataclass(frozen=True)
class Examination:
    """What `examine` found.

    Attributes:
        images: DataFrame, one row for each row of `ds.table`: name (if known), split, label (int), exact_group,
            near_group (int; a near group holds whole exact groups), mean, std (of gray values 0..255), flat (share of
            pixels within 4 of the median), bool blank, near_blank, unreadable; width, height, mode of the file (0 and
            "" if images are not files); bool exact_in_<split>, near_in_<split>: that split holds another image of the
            group; bool exact_conflict, near_conflict: the group has several labels.
        pairs: DataFrame, one row for each pair: row_a < row_b, split_a, split_b, label_a, label_b, kind (exact, near,
            mirrored), distance (1 - correlation of contours, 0 for exact copies). Of exact copies, only the first has
            near pairs; the others are paired with the first.
        summary: Series of counts.
        notes: sentences on what was not searched.
    """

    images: pd.DataFrame
    pairs: pd.DataFrame
    summary: pd.Series
    notes: list[str]


_MEASURED = (
    "hash",
    "mean",
    "std",
    "flat",
    "width",
    "height",
    "mode",
    "row_a",
    "row_b",
    "likeness",
    "kind",
    "near_group",
    "crowded",
    "empty",
    "unreadable",
)


def examine(ds: FaceDataset, progress: bool = False, cluster: Cluster | None = None) -> Examination:
    """Looks for exact and near duplicates, labels in conflict, blank images and odd files in the whole dataset.

    Every image is read once, in chunks. The search holds 3 kB for each image in memory. The result is cached under
    `ds.fingerprint()`; a dataset without a source (arrays from memory) is examined again each time.

    Args:
        ds: `FaceDataset`; load it with stream=True to see the sizes and modes of its files too.
        progress: True shows the progress.
        cluster: its processes read the images; copies are then searched in this process. None reads them here. The
            computers must see the files under the same paths.
    Returns: `Examination`.
    """
    if not ds.source:
        arrays = _measure(ds, progress, cluster)
    else:
        code = [file_fingerprint(Path(module)) for module in (__file__, near_duplicates.__file__)]
        key = hashlib.sha256(repr((ds.fingerprint(), ds.store.paths is None, *code)).encode()).hexdigest()
        arrays = cached_arrays(f"doctor-{ds.name}", key, lambda: _measure(ds, progress, cluster), _MEASURED)
    images = _images_frame(ds, arrays)
    return Examination(images, _pairs_frame(images, arrays), _examined(images, arrays), _unsearched(arrays))


def _measure(ds, progress, cluster):
    """Everything that takes time, as a dict of arrays for the cache."""
    arrays, pictures = _read(ds, progress, cluster)
    copies, hashes = pd.factorize(arrays["hash"])
    first_rows = np.unique(copies, return_index=True)[1]
    pictures = pictures[first_rows]  # only one image of each group of copies is searched and held
    near, unsearched = near_duplicates.near_pairs(pictures, progress=progress)
    groups = near_duplicates.connected(len(hashes), near["row_a"], near["row_b"])[copies]
    return {
        **arrays,
        "row_a": first_rows[near["row_a"]],
        "row_b": first_rows[near["row_b"]],
        "kind": near["kind"].to_numpy(str),
        "likeness": near["likeness"].to_numpy(),
        "near_group": groups,
        **{key: np.array(count) for key, count in unsearched.items()},
    }


def _read(ds, progress, cluster):
    """Reads every image once: a dict of arrays by row, and the contours uint8 [N, 48, 48]."""
    rows = np.arange(len(ds.table))
    chunks = np.array_split(rows, max(1, -(-len(rows) // _CHUNK)))
    pictures, parts = np.zeros((len(rows), near_duplicates.SIDE, near_duplicates.SIDE), np.uint8), {}
    if cluster is None:
        read = map(ChunkReader(ds.store), enumerate(chunks))
    else:
        stores = [(number, ds.store.taken(chunk)) for number, chunk in enumerate(chunks)]
        read = cluster.each(ChunkReader, {}, stores)
    for number, part in near_duplicates.shown(read, "reading images", len(chunks), progress):
        pictures[chunks[number]], parts[number] = part.pop("contours"), part
    parts = [parts[number] for number in range(len(chunks))]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    hashes, unreadable = arrays["hash"].astype(object), arrays["unreadable"]
    hashes[unreadable] = [f"unreadable {row}" for row in rows[unreadable]]  # an unreadable image has no copies
    return {**arrays, "hash": hashes.astype(str)}, pictures


class ChunkReader:
    """Reads images and measures what each one shows by itself.

    Args:
        store: the images of all chunks; None if each chunk comes with its own.
    """

    def __init__(self, store: ArrayImages | FileImages | JoinedImages | None = None) -> None:
        self.store = store

    def __call__(self, chunk: tuple[int, Any]) -> tuple[int, dict[str, np.ndarray]]:
        """Reads a chunk.

        Args:
            chunk: its number, and its rows, int [N], or its own store.
        Returns: the number, and a dict of arrays [N]: hash (of the exact pixels), unreadable, contours, mean, std,
            flat, width, height and mode.
        """
        number, part = chunk
        store = part if self.store is None else self.store.taken(part)
        images, unreadable = _fetch(store, np.arange(len(store)))
        measured = {"hash": image_hashes(images).astype(str), "contours": near_duplicates.contours(images)}
        measured |= {"unreadable": unreadable, **_statistics(images), **_files(store.paths, len(store))}
        return number, measured


def _fetch(store, rows):
    """Images of the rows (black if unreadable), and bool [N], True for unreadable ones."""
    try:
        return store.fetch(rows), np.zeros(len(rows), bool)
    except DataError:
        images, unreadable = np.zeros((len(rows), *store.shape), np.uint8), np.zeros(len(rows), bool)
    for position, row in enumerate(rows):
        try:
            images[position] = store.fetch(np.array([row]))[0]
        except DataError:
            unreadable[position] = True
    return images, unreadable


def _statistics(images):
    gray = images.mean(axis=-1).reshape(len(images), -1) if len(images) else np.zeros((0, 1))
    flat = (np.abs(gray - np.median(gray, axis=1, keepdims=True)) <= FLAT_RANGE).mean(axis=1)
    return {"mean": gray.mean(axis=1), "std": gray.std(axis=1), "flat": flat}


def _files(paths, count):
    """Width, height and mode of each file; only the headers are read."""
    if paths is None:
        return {"width": np.zeros(count, int), "height": np.zeros(count, int), "mode": np.full(count, "")}
    with ThreadPoolExecutor(4) as pool:
        width, height, mode = zip(*pool.map(_header, paths), strict=True)
    return {"width": np.array(width), "height": np.array(height), "mode": np.array(mode)}


def _header(path):
    try:
        with Image.open(path) as picture:
            return *picture.size, picture.mode
    except (OSError, ValueError, SyntaxError):
        return 0, 0, ""


def _images_frame(ds, arrays):
    images = ds.table[[key for key in ("name", "split", "label") if key in ds.table]].reset_index(drop=True)
    images["exact_group"], images["near_group"] = pd.factorize(arrays["hash"])[0], arrays["near_group"]
    for key in ("mean", "std", "flat", "width", "height", "mode", "unreadable"):
        images[key] = arrays[key]
    images["blank"] = (images["std"] < BLANK_STD) & ~images["unreadable"]
    images["near_blank"] = ~images["blank"] & ~images["unreadable"] & (images["flat"] >= FLAT_SHARE)
    for kind in ("exact", "near"):
        groups = images[f"{kind}_group"]
        for name in SPLITS:
            inside = (images["split"] == name).astype(int)
            images[f"{kind}_in_{name}"] = inside.groupby(groups).transform("sum") - inside > 0
        images[f"{kind}_conflict"] = images.groupby(groups)["label"].transform("nunique") > 1
    return images


def _pairs_frame(images, arrays):
    """The exact copies, each with the first of its group, and the near pairs."""
    group = images["exact_group"]
    copies = np.flatnonzero(group.duplicated())
    first_rows = np.flatnonzero(~group.duplicated())[group[copies]]
    exact = pd.DataFrame({"row_a": first_rows, "row_b": copies, "kind": "exact", "distance": 0.0})
    near_pairs = pd.DataFrame({key: arrays[key] for key in ("row_a", "row_b", "kind")})
    near_pairs["distance"] = np.clip(1 - arrays["likeness"].astype(float), 0, 1).round(4)
    pairs = pd.concat([exact, near_pairs], ignore_index=True)
    for side in "ab":
        for key in ("split", "label"):
            pairs[f"{key}_{side}"] = images[key].to_numpy()[pairs[f"row_{side}"]]
    order = ["row_a", "row_b", "split_a", "split_b", "label_a", "label_b", "kind", "distance"]
    return pairs.sort_values(["row_a", "row_b"])[order].reset_index(drop=True)


def _examined(images, arrays):
    """The counts of an examination."""
    counts = {"images": len(images), "unique images": images["exact_group"].nunique()}
    for kind, text in (("exact", "exact copy"), ("near", "exact or near copy")):
        sizes = images[f"{kind}_group"].value_counts()
        counts[f"images with an {text}"] = int(sizes[sizes > 1].sum())
        counts[f"groups of them ({kind})"] = int((sizes > 1).sum())
        counts[f"largest group ({kind})"] = int(sizes.max())
        counts[f"images in groups of several labels ({kind})"] = int(images[f"{kind}_conflict"].sum())
        for split, others in (("val", ("train",)), ("test", ("train",)), ("test", ("val",)), ("test", SPLITS[:2])):
            inside = images.loc[images["split"] == split, [f"{kind}_in_{other}" for other in others]].any(axis=1)
            counts[f"{split} images with an {text} in {' or '.join(others)}"] = int(inside.sum())
    counts["mirrored pairs"] = int((arrays["kind"] == "mirrored").sum())
    flags = {"blank images": "blank", "near-blank images": "near_blank", "images that cannot be read": "unreadable"}
    counts |= {text: int(images[key].sum()) for text, key in flags.items()}
    return pd.Series(counts, name="count")


def _unsearched(arrays):
    texts = {
        "empty": "{} different images have no contours in their middle: for them, only exact copies were searched",
        "crowded": "{} images have very many near copies, so some pairs may be missing; other pairs join their groups",
    }
    return [text.format(int(arrays[key])) for key, text in texts.items() if arrays[key]]


def near_copies_of_test(ds: FaceDataset, progress: bool = False) -> pd.DataFrame:
    """Which test images have an exact or near copy among the images for training or for choosing models.

    Args:
        ds: `FaceDataset`.
        progress: True shows the progress.
    Returns: DataFrame like that of `copies_of_test`: one row for each test image in the order of `ds.test`, bool
        in_train, in_val.
    """
    images = examine(ds, progress).images
    chosen = images.loc[images["split"] == "test", ["near_in_train", "near_in_val"]]
    return chosen.set_axis(["in_train", "in_val"], axis=1).reset_index(drop=True)


def worst_pairs(pairs: pd.DataFrame, count: int = 20) -> pd.DataFrame:
    """The pairs to look at first: across splits and with two labels, then across splits, then with two labels.

    Within each of these, the least similar pairs come first, because they are the most doubtful.

    Args:
        pairs: see `Examination`.
        count: largest number of pairs.
    Returns: DataFrame, rows of `pairs`.
    """
    across, apart = pairs["split_a"] != pairs["split_b"], pairs["label_a"] != pairs["label_b"]
    order = (2 * across + apart).to_frame("weight").assign(distance=pairs["distance"])
    return pairs.loc[order.sort_values(["weight", "distance"], ascending=False, kind="stable").index[:count]]


def write_findings(examination: Examination, directory: str | Path, class_names: Sequence[str]) -> list[Path]:
    """Writes images.csv, pairs.csv and summary.csv, with labels as names.

    Args:
        examination: `Examination`.
        directory: folder to write to.
        class_names: tuple of names, in the order of the codes.
    Returns: list of the three paths.
    """
    names = np.array(class_names)
    images = examination.images.assign(label=names[examination.images["label"]]).rename_axis("row").reset_index()
    pairs = examination.pairs.assign(**{key: names[examination.pairs[key]] for key in ("label_a", "label_b")})
    tables = {"images": images, "pairs": pairs, "summary": examination.summary.rename_axis("what").reset_index()}
    paths = [Path(directory) / f"{name}.csv" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        with replacing(path) as part:
            table.to_csv(part, index=False, float_format="%.4g")
    return paths
