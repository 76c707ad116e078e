"""The embedded dataset as `load_dataset` gives it: identities apart, truth in the table, same pixels for a seed."""

import numpy as np

from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS


def test_no_person_stands_in_two_splits(tiny_faces):
    people = tiny_faces.table.groupby("split")["subject"].agg(set)
    assert set(people.index) == {"train", "val", "test"}
    assert sum(map(len, people)) == len(set.union(*people))


def test_truth_is_in_the_table(tiny_faces):
    assert tiny_faces.class_names == EMOTIONS
    assert {"emotion", "identity", "intensity", "occluder", "occluded", "yaw", "AU12"} <= set(tiny_faces.table.columns)
    happy = tiny_faces.table["emotion"] == "happiness"
    assert tiny_faces.table["AU12"][happy].mean() > 5 * tiny_faces.table["AU12"][~happy].mean()


def test_seed_decides_pixels_and_splits(tiny_faces):
    same, other = load_dataset("synthetic", count=400), load_dataset("synthetic", count=400, seed=1)
    np.testing.assert_array_equal(same.store.array, tiny_faces.store.array)
    assert (same.table["split"] == tiny_faces.table["split"]).all()
    assert (other.store.array != tiny_faces.store.array).mean() > 0.9


def test_the_cache_gives_what_was_drawn(tiny_faces, monkeypatch, tmp_path):
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path))
    drawn = load_dataset("synthetic", count=400)
    assert list(tmp_path.glob("synthetic-*.npz"))
    cached = load_dataset("synthetic", count=400)
    np.testing.assert_array_equal(drawn.store.array, cached.store.array)
    assert drawn.table.equals(cached.table)
