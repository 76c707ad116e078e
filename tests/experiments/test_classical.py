"""The entries of support vector machines: what describes an entry does not make another run."""

from dataclasses import fields, replace

import pytest

from fer_tf.experiments.classical import CLASSICAL
from fer_tf.training.classical import FEATURES


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_entry_names_features_that_there_are_and_all_its_settings(name):
    entry = CLASSICAL[name]
    assert entry.features in FEATURES
    assert set(entry.settings()) == {field.name for field in fields(entry)} - {"source", "claims"}


def test_source_and_claims_change_no_run():
    entry = CLASSICAL["hog_svm"]
    assert replace(entry, source="elsewhere", claims=(1,)).settings() == entry.settings()
    assert replace(entry, Cs=(1.0,)).settings() != entry.settings()
