"""What the folds of every dataset with people must do."""

import numpy as np


def assert_folds_are_of_people(load_fold, people):
    """Each row is tested in exactly one of ten folds, and no person is in two splits.

    Args:
        load_fold: function of a fold and a seed, which must not matter, that returns the `FaceDataset`.
        people: names in the order in which they are dealt to the folds: every tenth is tested, the next fold's is val.
    """
    tested = []
    for fold in range(10):
        ds = load_fold(fold=fold, seed=fold)
        found = ds.table.groupby("split")["subject"].agg(set).to_dict()
        assert found["test"] == set(people[fold::10])
        assert found["val"] == set(people[(fold + 1) % 10 :: 10])
        assert found["train"] == set(people) - found["test"] - found["val"]
        tested += list(np.flatnonzero(ds.table["split"] == "test"))
    assert sorted(tested) == list(range(len(ds.table)))
