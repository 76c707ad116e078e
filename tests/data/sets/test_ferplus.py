"""FER+: a shifted join gives every face another's votes, so the join, the vote rules and the order are all pinned."""

import numpy as np
import pytest
from ferplus_copies import votes

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import load_dataset
from fer_tf.data.sets.ferplus import vote_shares
from fer_tf.emotions import EMOTIONS, FERPLUS_COLUMNS


@pytest.mark.parametrize("source", ["label", "new"])
def test_votes_meet_their_own_faces(ferplus_root, source):
    ds, faces = load_dataset("ferplus", ferplus_root, votes=source), load_dataset("fer2013", ferplus_root)
    assert ds.class_names == EMOTIONS
    assert list(ds.table["row"]) == list(range(3, 210))
    np.testing.assert_array_equal(ds.table["label"], faces.table["label"][3:])
    np.testing.assert_array_equal(ds.store.array, faces.store.array[3:])
    assert (ds.table["split"].to_numpy() == faces.table["split"].to_numpy()[3:]).all()
    assert "3 of 210 rows left out" in ds.notes[0]


def test_soft_labels_are_the_votes(ferplus_root):
    ds = load_dataset("ferplus", ferplus_root, label_mode="probability")
    wanted = np.zeros(8)
    wanted[3], wanted[7] = 1, 0  # eight of ten cover three quarters: contempt's two are not needed
    np.testing.assert_allclose(ds.probabilities[ds.table["row"] == 3][0], wanted)
    np.testing.assert_allclose(ds.probabilities.sum(axis=1), 1)
    tied = ds.probabilities[ds.table["row"] == 1][0]
    assert tied[EMOTIONS.index("anger")] == tied[EMOTIONS.index("fear")] == 0.5


@pytest.mark.parametrize(("mode", "rule"), [("soft", "probability"), ("multilabel", "multitarget")])
def test_modes_for_training_are_tested_as_the_majority_says(ferplus_root, mode, rule):
    """Otherwise kinds of labels would be compared on different test images."""
    taught, plain, ruled = (load_dataset("ferplus", ferplus_root, label_mode=name) for name in (mode, "majority", rule))
    assert taught.test_fingerprint() == plain.test_fingerprint()
    assert taught.test_fingerprint() != ruled.test_fingerprint()
    np.testing.assert_array_equal(taught.test.probabilities.argmax(axis=1), plain.test.labels)
    assert (np.count_nonzero(taught.test.probabilities, axis=1) == 1).all()
    np.testing.assert_array_equal(taught.train.probabilities, ruled.train.probabilities)


def test_six_classes_are_document_4s(ferplus_root):
    six = load_dataset("ferplus", ferplus_root, classes=6, size=64, channels=3)
    assert six.class_names == EMOTIONS[:6]
    assert six.image_shape == (64, 64, 3)
    assert len(six.table) == sum(row % 7 < 6 for row in range(3, 210))


@pytest.mark.parametrize(
    ("counts", "mode", "kept"),
    [
        (votes(anger=6, fear=4), "majority", {"anger": 6}),
        (votes(anger=5, fear=5), "majority", {}),  # half is not more than half
        (votes(anger=4, fear=1, sadness=1, surprise=1, neutral=1, disgust=1, happiness=1), "majority", {"anger": 4}),
        (votes(unknown=6, fear=4), "majority", {}),
        (votes(anger=5, fear=3, sadness=2), "probability", {"anger": 5, "fear": 3}),
        (votes(anger=4, fear=3, sadness=3), "probability", {"anger": 4, "fear": 3, "sadness": 3}),
        (votes(anger=3, fear=3, sadness=2, disgust=2), "probability", {}),  # four would be needed
        (votes(anger=6, unknown=4), "probability", {"anger": 6}),
        (votes(anger=5, unknown=5), "probability", {}),
        (votes(unknown=6, anger=4), "crossentropy", {}),
        (votes(anger=4, fear=3, sadness=3), "multitarget", {"anger": 4, "fear": 3, "sadness": 3}),
        (votes(anger=6, fear=2, sadness=2), "multitarget", {"anger": 6}),
        (votes(anger=4, fear=2, sadness=2, disgust=2), "multitarget", {}),
    ],
)
def test_rules_of_each_label_mode(counts, mode, kept):
    shares = vote_shares(np.array([counts]), mode)[0]
    assert {name: int(share) for name, share in zip(FERPLUS_COLUMNS, shares, strict=False) if share} == kept


def test_missing_files_say_what_and_where(ferplus_root):
    (ferplus_root / "ferplus" / "data" / "FER2013Valid" / "label.csv").unlink()
    with pytest.raises(
        MissingDataError, match=r"data/FER2013Valid/label.csv not in .*data dir/ferplus.*github.com/microsoft"
    ):
        load_dataset("ferplus", ferplus_root)
    (ferplus_root / "fer2013").unlink()
    with pytest.raises(MissingDataError, match="fer2013: none of"):
        load_dataset("ferplus", ferplus_root, votes="new")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Training,fer0001005.png", "Train,fer0001005.png", "unknown Usage 'Train'; allowed are Training"),
        ("PublicTest", "Training", "row 140 is train in .*ferplus, val in fer2013 next to it"),
        (",NF\n", ",none\n", "has no column NF"),
        ("fer0001005.png,0,", "fer0001005.png,x,", "data row 6: votes must be whole numbers"),
        ("fer0001005.png,0,", "fer0001005.png,1e300,", "data row 6: votes must be whole numbers"),
    ],
)
def test_broken_votes(ferplus_root, old, new, message):
    path = ferplus_root / "ferplus" / "fer2013new.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_dataset("ferplus", ferplus_root, votes="new")


def test_votes_for_another_number_of_rows(ferplus_root):
    path = ferplus_root / "ferplus" / "fer2013new.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="has votes for 209 rows, the folder fer2013 next to it has 210"):
        load_dataset("ferplus", ferplus_root, votes="new")


def test_wrong_options():
    with pytest.raises(InputError, match="label_mode: allowed are majority, probability"):
        load_dataset("ferplus", label_mode="mean")
