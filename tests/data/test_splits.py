"""Splits: class shares are kept, groups stay together, and draws follow their seed."""

import numpy as np

from fer_tf.data.splits import group_split, stratified_holdout, stratified_sample


def test_holdout_is_stratified_and_leaves_single_images_in_train():
    labels = np.repeat([0, 1, 2], [700, 299, 1])
    held = stratified_holdout(labels, 0.1, seed=0)
    np.testing.assert_array_equal(np.bincount(labels[held], minlength=3), [70, 30, 0])
    np.testing.assert_array_equal(held, stratified_holdout(labels, 0.1, seed=0))
    assert not np.array_equal(held, stratified_holdout(labels, 0.1, seed=1))


def test_groups_stand_in_one_split_each():
    groups = np.random.default_rng(0).integers(0, 40, 1000)
    split = group_split(groups, {"train": 0.5, "val": 0.25, "test": 0.25}, seed=0)
    members = [set(groups[split == name]) for name in ("train", "val", "test")]
    assert [len(part) for part in members] == [20, 10, 10]
    assert len(set.union(*members)) == 40


def test_stratified_sample_takes_exactly_so_many():
    labels = np.repeat([0, 1, 2], [500, 300, 4])
    chosen = stratified_sample(labels, 80, seed=0)
    assert len(set(chosen)) == 80
    assert np.abs(np.bincount(labels[chosen], minlength=3) - np.array([49.8, 29.9, 0.4])).max() < 1.1
