"""Looking for what is wrong with a dataset: copies and near copies of images, within and across splits, copies that
disagree, and images that show nothing.

Exact copies alone take seconds (`find_copies`, `copies_of_test`, `summary`); `examine` finds all and takes minutes.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ...common.checks import DataError
from ...common.files import replacing
from ..base import SPLITS
from ..cache import cached_arrays, file_fingerprint
from . import near_duplicates

# A picture of one value; and one that is so but for a sign or some writing ("image not available"). In FER2013 every
# picture that is so flat shows no face; the flattest that shows one has 0.73.
BLANK_STD = 2.0
FLAT_SHARE, FLAT_RANGE = 0.75, 4
_CHUNK = 2048


def image_hashes(images):
    """One hash of the exact pixels an image, object [N]; equal pixels give equal hashes.

    Args:
        images: uint8 [N, H, W, C].
    """
    return np.array([hashlib.blake2b(image.tobytes(), digest_size=12).hexdigest() for image in images], object)


def dataset_hashes(ds):
    """Hashes of every image of a dataset, read in chunks."""
    rows = np.arange(len(ds.table))
    chunks = np.array_split(rows, max(1, len(rows) // 4096))
    return np.concatenate([image_hashes(ds.store.fetch(chunk)) for chunk in chunks])


def find_copies(ds):
    """The table of a dataset with what exact copies do.

    Returns: DataFrame, one row an image: split, label, hash, copies (how many images have these pixels), and a bool
    in_train, in_val, in_test: whether the pixels also stand in that split (for the image's own split: a second time).
    """
    found = ds.table[["split", "label"]].copy()
    found["hash"] = dataset_hashes(ds)
    grouped = found.groupby("hash")
    found["copies"] = grouped["label"].transform("size")
    for name in SPLITS:
        inside = (found["split"] == name).astype(int)
        found[f"in_{name}"] = inside.groupby(found["hash"]).transform("sum") - inside > 0
    found["conflict"] = grouped["label"].transform("nunique") > 1
    return found


def copies_of_test(ds):
    """Which test images also stand, pixel for pixel, where the model learned or was chosen.

    Returns: DataFrame, one row a test image in the order of `ds.test`: bool in_train, in_val.
    """
    found = find_copies(ds)
    return found.loc[found["split"] == "test", ["in_train", "in_val"]].reset_index(drop=True)


def disagreeing_copies(ds, count=5):
    """Groups of images with the same pixels and different labels.

    Returns: list of at most `count` int arrays, rows of `ds.table`, the largest groups first.
    """
    found = find_copies(ds)
    groups = found[found["conflict"]].groupby("hash").indices.values()
    rows = found.index[found["conflict"]]
    return [rows[group].to_numpy() for group in sorted(groups, key=len, reverse=True)[:count]]


def summary(ds):
    """The doctor's findings as a Series of counts: what 00_eda shows and the README quotes."""
    found = find_copies(ds)
    test = found[found["split"] == "test"]
    return pd.Series(
        {
            "images": len(found),
            "unique images": found["hash"].nunique(),
            "images with a copy": int((found["copies"] > 1).sum()),
            "images whose copies bear another label": int(found["conflict"].sum()),
            "val images that stand in train": int(found.loc[found["split"] == "val", "in_train"].sum()),
            "test images that stand in train": int(test["in_train"].sum()),
            "test images that stand in val": int(test["in_val"].sum()),
            "test images that stand in train or val": int((test["in_train"] | test["in_val"]).sum()),
        },
        name="count",
    )


@dataclass(frozen=True)
class Examination:
    """What `examine` found.

    Attributes:
        images: DataFrame, one row a row of `ds.table`: name (where known), split, label (int), exact_group, near_group
            (int; a near group holds whole exact groups), mean, std (of gray values 0..255), flat (share of pixels
            within 4 of the median), bool blank, near_blank, unreadable; width, height, mode of the file (0 and "" where
            images are not files); bool exact_in_<split>, near_in_<split>: whether that split holds another one of
            its group; bool exact_conflict, near_conflict: whether its group bears several labels.
        pairs: DataFrame, one row a pair: row_a < row_b, split_a, split_b, label_a, label_b, kind (exact, near,
            mirrored), distance (1 - correlation of contours, 0 for exact copies). Of exact copies only the first has
            near pairs; the others are paired with the first.
        summary: Series of counts.
        notes: sentences on what was not searched.
    """

    images: pd.DataFrame
    pairs: pd.DataFrame
    summary: pd.Series
    notes: list


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


def examine(ds, progress=False):
    """Looks for exact and near duplicates, labels in conflict, blank images and odd files in all of a dataset.

    Every image is read once, in chunks; 3 kB an image stay in memory for the search. The result is cached by
    `ds.fingerprint()`; a dataset without a source (arrays given by hand) is examined anew each time.

    Args:
        ds: `FaceDataset`; loaded with stream=True the sizes and modes of its files are told as well.
        progress: True shows how far it is.
    Returns: `Examination`.
    """
    if not ds.source:
        found = _measure(ds, progress)
    else:
        code = [file_fingerprint(Path(module)) for module in (__file__, near_duplicates.__file__)]
        key = hashlib.sha256(repr((ds.fingerprint(), ds.store.paths is None, *code)).encode()).hexdigest()
        found = cached_arrays(f"doctor-{ds.name}", key, lambda: _measure(ds, progress), _MEASURED)
    images = _images_frame(ds, found)
    return Examination(images, _pairs_frame(images, found), _examined(images, found), _unsearched(found))


def _measure(ds, progress):
    """All that takes time, as a dict of arrays for the cache."""
    found, pictures = _read(ds, progress)
    copies, hashes = pd.factorize(found["hash"])
    first = np.unique(copies, return_index=True)[1]
    pictures = pictures[first]  # only one of each is searched, and held
    near, unsearched = near_duplicates.near_pairs(pictures, progress=progress)
    groups = near_duplicates.connected(len(hashes), near["row_a"], near["row_b"])[copies]
    return {
        **found,
        "row_a": first[near["row_a"]],
        "row_b": first[near["row_b"]],
        "kind": near["kind"].to_numpy(str),
        "likeness": near["likeness"].to_numpy(),
        "near_group": groups,
        **{key: np.array(count) for key, count in unsearched.items()},
    }


def _read(ds, progress):
    """Reads every image once: a dict of arrays by row, and uint8 [N, 48, 48] of contours."""
    rows = np.arange(len(ds.table))
    chunks = np.array_split(rows, max(1, -(-len(rows) // _CHUNK)))
    pictures, parts = np.zeros((len(rows), near_duplicates.SIDE, near_duplicates.SIDE), np.uint8), []
    for chunk in near_duplicates.shown(chunks, "reading images", len(chunks), progress):
        images, unreadable = _fetch(ds.store, chunk)
        pictures[chunk] = near_duplicates.contours(images)
        hashes = image_hashes(images).astype(object)
        hashes[unreadable] = [f"unreadable {row}" for row in chunk[unreadable]]  # copies of nothing
        parts.append({"hash": hashes.astype(str), "unreadable": unreadable, **_statistics(images)})
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return {**found, **_files(ds.store.paths, len(rows))}, pictures


def _fetch(store, rows):
    """Images of the rows, and bool [N] which of them cannot be read (they are black then)."""
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
    """Width, height and mode of each file; only headers are read."""
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


def _images_frame(ds, found):
    images = ds.table[[key for key in ("name", "split", "label") if key in ds.table]].reset_index(drop=True)
    images["exact_group"], images["near_group"] = pd.factorize(found["hash"])[0], found["near_group"]
    for key in ("mean", "std", "flat", "width", "height", "mode", "unreadable"):
        images[key] = found[key]
    images["blank"] = (images["std"] < BLANK_STD) & ~images["unreadable"]
    images["near_blank"] = ~images["blank"] & ~images["unreadable"] & (images["flat"] >= FLAT_SHARE)
    for kind in ("exact", "near"):
        groups = images[f"{kind}_group"]
        for name in SPLITS:
            inside = (images["split"] == name).astype(int)
            images[f"{kind}_in_{name}"] = inside.groupby(groups).transform("sum") - inside > 0
        images[f"{kind}_conflict"] = images.groupby(groups)["label"].transform("nunique") > 1
    return images


def _pairs_frame(images, found):
    """Exact copies with the first of their group, then the near pairs."""
    group = images["exact_group"]
    copies = np.flatnonzero(group.duplicated())
    first = np.flatnonzero(~group.duplicated())[group[copies]]
    exact = pd.DataFrame({"row_a": first, "row_b": copies, "kind": "exact", "distance": 0.0})
    near_pairs = pd.DataFrame({key: found[key] for key in ("row_a", "row_b", "kind")})
    near_pairs["distance"] = np.clip(1 - found["likeness"].astype(float), 0, 1).round(4)
    pairs = pd.concat([exact, near_pairs], ignore_index=True)
    for side in "ab":
        for key in ("split", "label"):
            pairs[f"{key}_{side}"] = images[key].to_numpy()[pairs[f"row_{side}"]]
    order = ["row_a", "row_b", "split_a", "split_b", "label_a", "label_b", "kind", "distance"]
    return pairs.sort_values(["row_a", "row_b"])[order].reset_index(drop=True)


def _examined(images, found):
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
    counts["mirrored pairs"] = int((found["kind"] == "mirrored").sum())
    flags = {"blank images": "blank", "near-blank images": "near_blank", "images that cannot be read": "unreadable"}
    counts |= {text: int(images[key].sum()) for text, key in flags.items()}
    return pd.Series(counts, name="count")


def _unsearched(found):
    texts = {
        "empty": "{} different images have no contours in their middle: only exact copies of them were looked for",
        "crowded": "{} images have so many near copies that some pairs may be missing; others join their groups",
    }
    return [text.format(int(found[key])) for key, text in texts.items() if found[key]]


def near_copies_of_test(ds, progress=False):
    """Which test images have an exact or near copy where the model learned or was chosen.

    Returns: DataFrame as of `copies_of_test`: one row a test image in the order of `ds.test`, bool in_train, in_val.
    """
    images = examine(ds, progress).images
    chosen = images.loc[images["split"] == "test", ["near_in_train", "near_in_val"]]
    return chosen.set_axis(["in_train", "in_val"], axis=1).reset_index(drop=True)


def worst_pairs(pairs, count=20):
    """The pairs to look at first: across splits and under two labels, then across splits, then under two labels.

    Among equals the least alike come first: they are the ones to doubt.
    """
    across, apart = pairs["split_a"] != pairs["split_b"], pairs["label_a"] != pairs["label_b"]
    order = (2 * across + apart).to_frame("weight").assign(distance=pairs["distance"])
    return pairs.loc[order.sort_values(["weight", "distance"], ascending=False, kind="stable").index[:count]]


def write_findings(found, directory, class_names):
    """Writes images.csv, pairs.csv and summary.csv of an `Examination` into `directory`; labels by name.

    Returns: list of the three paths.
    """
    names = np.array(class_names)
    images = found.images.assign(label=names[found.images["label"]]).rename_axis("row").reset_index()
    pairs = found.pairs.assign(**{key: names[found.pairs[key]] for key in ("label_a", "label_b")})
    tables = {"images": images, "pairs": pairs, "summary": found.summary.rename_axis("what").reset_index()}
    paths = [Path(directory) / f"{name}.csv" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        with replacing(path) as part:
            table.to_csv(part, index=False, float_format="%.4g")
    return paths
