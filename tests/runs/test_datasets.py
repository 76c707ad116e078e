"""The dataset of a finished run."""

import pytest

from fer_tf.runs.datasets import typed_options

pytestmark = pytest.mark.usefixtures("untraced")


def test_options_come_back_from_their_text():
    """Records of before had them as text alone."""
    values = (400, 0.5, True, None, "probability", ("anger", "fear"), "a/b c.csv")
    options = dict(zip("abcdefg", values, strict=True))
    assert typed_options({"dataset_options": {key: str(value) for key, value in options.items()}}) == options
    assert typed_options({"dataset_options": {}, "typed_options": {"a": ["b"]}}) == {"a": ["b"]}
