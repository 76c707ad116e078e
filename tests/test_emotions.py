"""The vocabulary: swapped label orders are this field's commonest silent fault."""

import pytest

from fer_tf.common.checks import InputError
from fer_tf.emotions import ALIASES, EMOTION_LABELS, EMOTIONS, canonical_emotion, class_subset


def test_order_is_fer2013s_with_contempt_last():
    assert EMOTIONS == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")


def test_proposal_labels_are_the_same_eight_emotions_in_their_own_order():
    assert [canonical_emotion(name) for name in EMOTION_LABELS] == [
        "neutral",
        "happiness",
        "anger",
        "sadness",
        "fear",
        "surprise",
        "disgust",
        "contempt",
    ]


def test_no_spelling_means_two_emotions():
    spellings = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(("name", "emotion"), [("Happy", "happiness"), (" joy ", "happiness"), ("DI", "disgust")])
def test_spellings(name, emotion):
    assert canonical_emotion(name) == emotion


def test_unknown_emotion_is_answered_by_the_known_ones():
    with pytest.raises(InputError, match=r"unknown emotion 'bored'; known are anger, .*angry"):
        canonical_emotion("bored")


@pytest.mark.parametrize("classes", [6, 7, 8])
def test_number_of_classes_takes_the_prefix(classes):
    assert class_subset(classes) == EMOTIONS[:classes]


def test_names_come_in_canonical_order():
    assert class_subset(("contempt", "happy", "anger")) == ("anger", "happiness", "contempt")


@pytest.mark.parametrize(("classes", "message"), [(5, "allowed are 6, 7, 8"), (8, "contempt not in this dataset")])
def test_impossible_classes(classes, message):
    with pytest.raises(InputError, match=message):
        class_subset(classes, EMOTIONS[:7])
