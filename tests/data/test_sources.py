"""Pictures of several datasets: yes-or-no columns, counts, and copies between sources."""

import numpy as np
import pandas as pd

from fer_tf.data.base import ArrayImages, FaceDataset
from fer_tf.data.doctor.examine import examine
from fer_tf.data.sources import mark_sources, pairs_between_sources, source_counts, sources_of


def dataset(images, sources, splits):
    table = pd.DataFrame({"label": [row % 2 for row in range(len(images))], "split": splits})
    table["name"] = [f"{source}/{row}" for row, source in enumerate(sources)]
    mark_sources(table, sources)
    return FaceDataset("a+b", "own", ("anger", "fear"), table, ArrayImages(images))


def test_one_source_is_not_marked():
    table = pd.DataFrame({"label": [0, 1]}, index=[5, 6])
    mark_sources(table, ["a", "a"])
    assert list(table) == ["label"]
    mark_sources(table, ["a", "b"])
    assert table["source"].to_dict() == {5: "a", 6: "b"}
    assert table["from a"].to_dict() == {5: True, 6: False}
    assert sources_of(table) == ["a", "b"]
    assert sources_of(table.assign(**{"from hand": "yes"})) == ["a", "b"]


def test_counts_are_of_each_source_and_split(rng):
    images = rng.integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    ds = dataset(images, list("aaabb"), ["train", "train", "test", "val", ""])
    assert source_counts(ds) == {"a": {"train": 2, "val": 0, "test": 1}, "b": {"train": 0, "val": 1, "test": 0}}


def test_copies_between_sources_are_counted_and_those_within_are_not(rng):
    images = rng.integers(0, 256, (40, 48, 48, 1), dtype=np.uint8)
    images[1] = images[0]  # within a
    images[20] = images[3]  # a in train, b in test
    images[21] = np.roll(images[4], 2, axis=1)  # shifted, both in train
    images[22] = images[5]  # a in train, b not used
    splits = ["train"] * 40
    splits[20], splits[22] = "test", ""
    ds = dataset(images, ["a"] * 20 + ["b"] * 20, splits)
    found = pairs_between_sources(ds, examine(ds).pairs).set_index("kind")
    assert set(found["sources"]) == {"a, b"}
    assert found["pairs"].to_dict() == {"exact": 2, "near": 1}
    assert found["apart"].to_dict() == {"exact": 1, "near": 0}
    alone = dataset(images[:20], ["a"] * 10 + ["b"] * 10, splits[:20])
    assert pairs_between_sources(alone, examine(alone).pairs).empty
