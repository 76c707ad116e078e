"""What an epoch shows: every image once, the same for the same seed and epoch, whatever came before."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data.feeding.epoch_plan import EpochPlan, balanced_class_weights

TARGETS = np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [60, 30, 10])]


def plan(**options):
    return EpochPlan(TARGETS, **{"batch_size": 16, "seed": 3, "draws": 4, **options})


def positions(batches):
    return np.concatenate([batch.positions for batch in batches])


def test_every_image_once_an_epoch():
    batches = list(plan().batches(0))
    assert sorted(positions(batches)) == list(range(100))
    assert len(batches) == plan().steps == 7


def test_with_passes_every_image_comes_that_often_and_once_in_each_pass():
    repeated = plan(passes=3)
    shown = positions(repeated.batches(2))
    assert len(list(repeated.batches(2))) == repeated.steps == 19
    for part in shown.reshape(3, 100):
        assert sorted(part) == list(range(100))
    assert not np.array_equal(shown[:100], shown[100:200])
    assert len(positions(plan(passes=3, sampling="balanced").batches(0))) == 300


def test_epochs_differ_but_depend_on_seed_and_number_alone():
    first = positions(plan().batches(5))
    np.testing.assert_array_equal(first, positions(plan().batches(5)))
    assert not np.array_equal(first, positions(plan().batches(6)))
    assert not np.array_equal(first, positions(plan(seed=4).batches(5)))


def test_targets_go_with_their_images():
    for batch in plan().batches(1):
        np.testing.assert_array_equal(batch.targets, TARGETS[batch.positions])


def test_mixup_mixes_targets_by_the_same_share():
    for batch in plan(mixup=0.4).batches(0):
        share = batch.shares[:, None]
        np.testing.assert_allclose(
            batch.targets, share * TARGETS[batch.positions] + (1 - share) * TARGETS[batch.partners]
        )


def test_balanced_sampling_shows_classes_alike():
    shown = np.concatenate([positions(plan(sampling="balanced").batches(epoch)) for epoch in range(60)])
    shares = TARGETS[shown].mean(axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)


def test_class_weights_make_classes_count_alike():
    labels = TARGETS.argmax(axis=1)
    weights = balanced_class_weights(labels, 4)
    totals = [weights[code] * (labels == code).sum() for code in range(3)]
    np.testing.assert_allclose(totals, 100 / 3)
    assert weights[3] == 0
    assert weights[labels].mean() == pytest.approx(1)
    batch = next(plan(class_weights=weights[:3]).batches(0))
    np.testing.assert_allclose(batch.weights, weights[:3][labels[batch.positions]], rtol=1e-6)


def test_wrong_sampling_names_the_allowed():
    with pytest.raises(InputError, match="sampling: allowed are shuffle, balanced; received 'random'"):
        plan(sampling="random")


def test_a_teachers_answers_follow_the_targets_and_are_mixed_alike(rng):
    answers = rng.dirichlet(np.ones(TARGETS.shape[1]), len(TARGETS)).astype(np.float32)
    with_answers, without = plan(mixup=0.3, answers=answers), plan(mixup=0.3)
    classes = TARGETS.shape[1]
    assert with_answers.columns == 2 * classes
    assert without.columns == classes
    for one, two in zip(with_answers.batches(1), without.batches(1), strict=True):
        np.testing.assert_array_equal(one.targets[:, :classes], two.targets)
        np.testing.assert_array_equal(one.weights, two.weights)
        share = one.shares[:, None]
        expected = share * answers[one.positions] + (1 - share) * answers[one.partners]
        np.testing.assert_allclose(one.targets[:, classes:], expected, atol=1e-6)
