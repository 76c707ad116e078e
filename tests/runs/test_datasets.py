"""The dataset of a finished run."""

import pytest

from fer_tf.common.checks import InputError
from fer_tf.data import load_dataset
from fer_tf.runs.datasets import check_classes_alone, typed_options

pytestmark = pytest.mark.usefixtures("untraced")


def test_options_come_back_from_their_text():
    """Records of before had them as text alone."""
    values = (400, 0.5, True, None, "probability", ("anger", "fear"), "a/b c.csv")
    options = dict(zip("abcdefg", values, strict=True))
    assert typed_options({"dataset_options": {key: str(value) for key, value in options.items()}}) == options
    assert typed_options({"dataset_options": {}, "typed_options": {"a": ["b"]}}) == {"a": ["b"]}


def test_a_learner_of_classes_refuses_a_second_output(tiny_faces):
    """An SVM under the name of a run that learned valence would have no figure of it."""
    check_classes_alone(tiny_faces, "svm")
    affect = load_dataset("synthetic", count=400, targets="expression+valence_arousal")
    with pytest.raises(InputError, match="targets: svm learns the classes alone; use targets=expression"):
        check_classes_alone(affect, "svm")
