"""Faces followed by their place, and probabilities averaged over time as the formula says."""

import json
import math

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.predict.tracking import PATIENCE, Follower, overlaps

A, B = [0, 0, 10, 10], [100, 0, 10, 10]
SURE = np.array([[1.0, 0.0], [0.0, 1.0]])


def test_overlaps_are_shared_over_joint_area():
    found = overlaps([A, B], [[0, 0, 10, 10], [5, 0, 10, 10], [0, 5, 10, 15], [200, 0, 1, 1], [3, 3, 0, 0]])
    np.testing.assert_allclose(found, [[1, 50 / 150, 50 / 200, 0, 0], [0, 0, 0, 0, 0]])
    assert overlaps([], [A]).shape == (0, 1)
    assert overlaps([A], []).shape == (1, 0)


def test_numbers_stay_with_the_place_whatever_the_order():
    follower = Follower()
    assert follower.follow([A, B], 0.0, SURE)[0] == [0, 1]
    assert follower.follow([[102, 1, 10, 10], [1, 1, 10, 10]], 0.1, SURE)[0] == [1, 0]
    assert follower.follow([[50, 50, 10, 10], [2, 2, 10, 10]], 0.2, SURE)[0] == [2, 0]


def test_two_faces_that_come_close_are_told_apart_by_the_best_fit():
    follower = Follower()
    follower.follow([[0, 0, 10, 10], [6, 0, 10, 10]], 0.0, SURE)
    assert follower.follow([[5, 0, 10, 10], [1, 0, 10, 10]], 0.1, SURE)[0] == [1, 0]


def test_a_face_that_is_away_too_long_is_a_new_one():
    for away, number in ((PATIENCE, 0), (PATIENCE + 1, 1)):
        follower = Follower()
        follower.follow([A], 0.0, SURE[:1])
        for frame in range(away):
            assert follower.follow([], frame, np.zeros((0, 2)))[0] == []
        assert follower.follow([A], 9.0, SURE[:1])[0] == [number]


def test_the_average_is_exponential_in_time():
    follower, expected, before = Follower(2.0), np.array([1.0, 0.0]), 0.0
    follower.follow([A], 0.0, SURE[:1])
    for time, new in ((0.5, [0.2, 0.8]), (0.6, [0.9, 0.1]), (4.0, [0.0, 1.0])):
        expected = expected + (1 - math.exp(-(time - before) / 2)) * (np.array(new) - expected)
        _, (got,) = follower.follow([A], time, np.array([new]))
        np.testing.assert_allclose(got, expected)
        assert got.sum() == pytest.approx(1)
        before = time


def test_twice_the_frames_average_alike():
    ends = []
    for step in (0.5, 0.25):
        follower = Follower(1.0)
        follower.follow([A], 0.0, SURE[:1])
        for time in np.arange(step, 2.01, step):
            _, (got,) = follower.follow([A], float(time), SURE[1:])
        ends.append(got)
    np.testing.assert_allclose(*ends)


def test_zero_seconds_change_nothing_and_each_face_has_its_own_average():
    follower = Follower(0)
    for time in range(3):
        given = np.random.default_rng(time).dirichlet([1, 1], 2)
        np.testing.assert_array_equal(follower.follow([A, B], time, given)[1], given)
    follower = Follower(1e6)
    follower.follow([A, B], 0.0, SURE)
    np.testing.assert_allclose(follower.follow([B, A], 0.1, SURE)[1], SURE[::-1], atol=1e-6)


def test_a_follower_goes_on_from_its_state_through_json():
    rng = np.random.default_rng(0)
    frames = [(rng.permutation([A, B]).tolist(), float(time), rng.dirichlet([1, 1], 2)) for time in range(8)]
    whole, first = Follower(3.0), Follower(3.0)
    expected = [whole.follow(*frame) for frame in frames]
    for frame in frames[:4]:
        first.follow(*frame)
    second = Follower(3.0, json.loads(json.dumps(first.state)))
    for (numbers, steadied), frame in zip(expected[4:], frames[4:], strict=True):
        got = second.follow(*frame)
        assert got[0] == numbers
        np.testing.assert_array_equal(got[1], steadied)


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "1", True])
def test_seconds_are_checked(bad):
    with pytest.raises(InputError, match="smooth: must be a number >= 0"):
        Follower(bad)
