"""What is mistaken for what, counted by hand on ten images."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation import errors
from fer_tf.evaluation.comparison import accuracy_by

# name, truth, label, confidence, subject
ROWS = [
    ("a", "fear", "fear", 0.90, "x"),
    ("b", "fear", "sadness", 0.60, "x"),
    ("c", "fear", "sadness", 0.80, "y"),
    ("d", "fear", "anger", 0.95, "y"),
    ("e", "sadness", "sadness", 0.70, "x"),
    ("f", "sadness", "fear", 0.55, "y"),
    ("g", "anger", "sadness", 0.80, "y"),
    ("h", "anger", "anger", 0.99, "x"),
    ("i", "fear", "sadness", 0.80, "y"),
    ("j", "sadness", "sadness", 0.50, "x"),
]


@pytest.fixture
def frame():
    return pd.DataFrame(ROWS, columns=["name", "truth", "label", "confidence", "subject"])


def test_confusions_by_images_and_by_share(frame):
    table = errors.confusions(frame, examples=2)
    pairs = list(zip(table["truth"], table["label"], table["images"], strict=True))
    assert pairs == [("fear", "sadness", 3), ("anger", "sadness", 1), ("fear", "anger", 1), ("sadness", "fear", 1)]
    assert list(table["share"]) == pytest.approx([3 / 5, 1 / 2, 1 / 5, 1 / 3])
    assert table.loc[0, "examples"] == ("c", "i")
    assert table.loc[0, "sureness"] == (0.8, 0.8)
    assert table.loc[0, "confidence"] == pytest.approx((0.6 + 0.8 + 0.8) / 3)
    assert list(errors.confusions(frame, by="share")["truth"]) == ["fear", "anger", "sadness", "fear"]


def test_confusions_do_not_depend_on_the_order_of_rows(frame):
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    pd.testing.assert_frame_equal(errors.confusions(shuffled), errors.confusions(frame))


def test_a_model_without_an_error_has_no_confusion(frame):
    right = frame.assign(label=frame["truth"])
    assert errors.confusions(right).empty
    assert errors.confident_errors(right).empty


def test_confident_errors_tell_what_the_truth_was_given(frame):
    frame = frame.assign(anger=0.2, fear=0.1, sadness=0.7)
    table = errors.confident_errors(frame, 3)
    assert list(table["name"]) == ["d", "c", "g"]
    assert list(table["truth_probability"]) == [0.1, 0.1, 0.2]
    assert list(table["rank"]) == [3, 3, 2]
    plain = errors.confident_errors(frame.drop(columns=["anger", "fear", "sadness"]), 3)
    assert list(plain["name"]) == ["d", "c", "g"]
    assert plain[["truth_probability", "rank"]].isna().all(axis=None)


def test_a_class_of_ones_own_counts_in_the_rank(frame):
    frame = frame.replace("fear", "bored").assign(anger=0.2, bored=0.1, sadness=0.7, intensity=0.9)
    assert list(errors.confident_errors(frame, 3)["rank"]) == [3, 3, 2]


def test_spread_of_groups(frame):
    found = errors.spread(accuracy_by(frame, frame["subject"]))
    assert (found["groups"], found["worst"], found["best"]) == (2, "y", "x")
    assert (found["worst_accuracy"], found["best_accuracy"]) == (0, 0.8)
    assert found["gap"] == pytest.approx(0.8)
    assert found["mean"] == pytest.approx(0.4)
    assert found["sd"] == pytest.approx(np.std([0, 0.8], ddof=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda frame: errors.confusions(frame, by="size"), "by: allowed are images, share; received 'size'"),
        (lambda frame: errors.confusions(frame, examples=-1), "examples: must be a number >= 0"),
        (lambda frame: errors.confusions(frame.drop(columns="confidence")), "predictions: .* confidence is missing"),
        (lambda frame: errors.confident_errors(frame, 0), "count: must be a number >= 1"),
        (lambda frame: accuracy_by(frame, ["x"]), r"groups: must have one group for each of the 10 rows"),
        (
            lambda frame: errors.spread(accuracy_by(frame, frame["subject"], least=99)),
            "table: must have at least one group",
        ),
    ],
)
def test_wrong_input(frame, call, message):
    with pytest.raises(InputError, match=message):
        call(frame)
