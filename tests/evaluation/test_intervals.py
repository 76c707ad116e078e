"""The Wilson interval: SciPy's for whole numbers, and between its neighbours for fractions."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fer_tf.evaluation.intervals import wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (8, 10), (1, 3), (700, 3589)])
def test_it_is_scipys_for_whole_numbers(hits, count):
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(hits, count), [expected.low, expected.high], atol=1e-12)


def test_a_fraction_of_a_hit_is_between_its_neighbours():
    lower, middle, upper = wilson(3, 9), wilson(3.5, 9), wilson(4, 9)
    assert lower[0] < middle[0] < upper[0]
    assert lower[1] < middle[1] < upper[1]


def test_nothing_has_no_interval():
    assert np.isnan(wilson(0, 0)).all()
