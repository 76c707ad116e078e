"""The embedded dataset as `load_dataset` gives it: identities apart, truth in the table, same pixels for a seed."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data import load_dataset
from fer_tf.data.sets.synthetic import drawn_affect, rater_votes
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


def test_raters_label_the_training_faces_only(tiny_faces):
    plain, one, ten = tiny_faces, *(load_dataset("synthetic", count=400, raters=number) for number in (1, 10))
    is_train = plain.table["split"] == "train"
    right = [(ds.table["label"] == plain.table["label"]) for ds in (one, ten)]
    assert all(share[~is_train].all() for share in right)
    assert right[0][is_train].mean() < right[1][is_train].mean() < 1
    assert (ten.table.filter(like="votes ").sum(axis=1) == 10).all()
    assert one.probabilities is None
    assert one.test_fingerprint() == plain.test_fingerprint(), "their predictions can be compared"
    assert one.fingerprint() != plain.fingerprint()


def test_soft_labels_are_the_raters_votes(tiny_faces):
    soft = load_dataset("synthetic", count=400, raters=10, label_mode="soft")
    votes = soft.table.filter(like="votes ").to_numpy()[soft.train.rows]
    np.testing.assert_allclose(soft.train.probabilities, votes / 10)
    assert (soft.train.labels == votes.argmax(axis=1)).all()
    np.testing.assert_array_equal(soft.test.probabilities, np.eye(8)[tiny_faces.test.labels])


def test_multilabel_keeps_every_emotion_with_enough_votes(tiny_faces):
    """Three of ten votes are enough, two are not; a face without any such emotion keeps the one with most votes."""
    ds = load_dataset("synthetic", count=400, raters=10, label_mode="multilabel")
    votes = ds.table.filter(like="votes ").to_numpy()[ds.train.rows]
    clear = votes.max(axis=1) >= 3
    np.testing.assert_array_equal(ds.train.probabilities[clear] > 0, votes[clear] >= 3)
    assert (np.count_nonzero(ds.train.probabilities, axis=1) > 1).any()
    np.testing.assert_array_equal(ds.train.labels, votes.argmax(axis=1))
    np.testing.assert_allclose(ds.train.probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(ds.test.probabilities, np.eye(8)[tiny_faces.test.labels])
    few = load_dataset("synthetic", count=400, raters=4, label_mode="multilabel")
    scattered = few.table.filter(like="votes ").to_numpy()[few.train.rows].max(axis=1) == 1
    assert scattered.any()
    np.testing.assert_array_equal(np.count_nonzero(few.train.probabilities[scattered], axis=1), 1)


def test_raters_err_on_faint_faces():
    labels = np.array([0, 3, 6]).repeat(20_000)
    votes = rater_votes(labels, np.full(len(labels), 0.5), 1)
    shares = [votes[labels == label].mean(axis=0) for label in (0, 3, 6)]
    for share, label in zip(shares[:2], (0, 3), strict=True):
        expected = np.full(8, 0.4 * 0.5 / 7)
        expected[6] += 0.4 * 0.5
        expected[label] = 0.6
        np.testing.assert_allclose(share, expected, atol=0.015)
    assert shares[2][6] == 1, "a neutral face is not faint"


@pytest.mark.parametrize("kind", ["soft", "multilabel"])
def test_votes_without_raters_are_refused(kind):
    with pytest.raises(InputError, match=f"{kind} labels are votes of raters; give their number, as in raters=10"):
        load_dataset("synthetic", count=400, label_mode=kind)


def test_affect_is_the_emotions_point_times_the_intensity():
    found = drawn_affect(["happiness", "happiness", "sadness", "neutral"], np.array([1, 0.5, 1, 0]))
    np.testing.assert_allclose(found, [[0.81, 0.51], [0.405, 0.255], [-0.63, -0.27], [0, 0]], atol=1e-6)
    assert drawn_affect([], np.zeros(0)).shape == (0, 2)


def test_second_outputs_of_drawn_faces(tiny_faces):
    """They are other labels of the same pictures: another dataset to learn from, comparable on its classes."""
    affect, units = (
        load_dataset("synthetic", count=400, targets=f"expression+{kind}")
        for kind in ("valence_arousal", "action_units")
    )
    assert affect.second.names == ("valence", "arousal")
    rows = affect.table.iloc[affect.val.rows]
    np.testing.assert_array_equal(affect.val.values, drawn_affect(rows["emotion"], rows["intensity"]))
    happy = affect.val.labels == EMOTIONS.index("happiness")
    assert affect.val.values[happy].min() > 0
    assert units.second.names[:3] == ("AU1", "AU2", "AU4")
    assert not any(name.endswith(("L", "R")) for name in units.second.names), "a mirror image has the same units"
    assert units.train.values.min() >= 0
    assert units.train.values.max() <= 1
    contempt = units.train.labels == EMOTIONS.index("contempt")
    assert (units.train.values[contempt, units.second.names.index("AU14")] > 0).all(), "one-sided, but there"
    assert tiny_faces.second is None
    assert tiny_faces.train.values is None
    assert len({ds.fingerprint() for ds in (tiny_faces, affect, units)}) == 3
    assert affect.test_fingerprint() == tiny_faces.test_fingerprint()


def test_values_stay_with_their_pictures():
    """Fewer classes, fewer images and training's own copies must not shift the rows."""
    whole = load_dataset("synthetic", count=400, targets="expression+valence_arousal")
    for ds in (whole.with_classes(EMOTIONS[:6]), whole.limited(40), whole.with_train_share(0.3)):
        for split in (ds.train, ds.training_data().train):
            rows = ds.table.iloc[ds.train.rows]
            np.testing.assert_array_equal(split.values, drawn_affect(rows["emotion"], rows["intensity"]))
    with pytest.raises(InputError, match="targets: allowed are expression, expression"):
        load_dataset("synthetic", count=400, targets="valence_arousal")
