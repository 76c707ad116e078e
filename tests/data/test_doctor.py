"""Copies of test images in train are this field's quietest leak: the doctor must find exactly those."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.data import doctor
from fer_tf.data.base import ArrayImages, FaceDataset


@pytest.fixture
def planted(rng):
    """12 images: row 8 (test) copies 0 (train); 9 (test) copies 5 (val); 10 copies 11 (both test); 1 copies 2 (train)
    with another label."""
    images = rng.integers(0, 256, (12, 6, 6, 1), dtype=np.uint8)
    for copy, original in ((8, 0), (9, 5), (11, 10), (2, 1)):
        images[copy] = images[original]
    labels = np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1])
    split = ["train"] * 5 + ["val"] * 2 + ["test"] * 5
    table = pd.DataFrame({"label": labels, "split": split})
    return FaceDataset("planted", "p", ("anger", "fear"), table, ArrayImages(images))


def test_copies_of_test_images_are_found_where_they_stand(planted):
    found = doctor.copies_of_test(planted)
    np.testing.assert_array_equal(found["in_train"], [False, True, False, False, False])
    np.testing.assert_array_equal(found["in_val"], [False, False, True, False, False])


def test_copies_within_a_split_count_each_other_but_not_themselves(planted):
    found = doctor.find_copies(planted)
    np.testing.assert_array_equal(np.flatnonzero(found["in_test"]), [0, 5, 10, 11])
    np.testing.assert_array_equal(np.flatnonzero(found["copies"] == 2), [0, 1, 2, 5, 8, 9, 10, 11])


def test_disagreeing_copies(planted):
    assert [list(rows) for rows in doctor.disagreeing_copies(planted)] == [[1, 2]]


def test_summary_counts(planted):
    counts = doctor.summary(planted)
    assert counts["images"] == 12 and counts["unique images"] == 8
    assert counts["images whose copies bear another label"] == 2
    assert counts["test images that stand in train or val"] == 2
