"""Looking for what is wrong with a dataset: copies of images, within and across splits, and copies that disagree."""

import hashlib

import numpy as np
import pandas as pd

from .base import SPLITS


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
