"""What every entry of DATASETS promises to a reader."""

import pytest

from fer_tf.data import DATASETS
from fer_tf.emotions import EMOTIONS


@pytest.mark.parametrize("name", DATASETS)
def test_entry_is_whole(name):
    spec = DATASETS[name]
    assert set(spec.class_names) <= set(EMOTIONS)
    assert spec.protocols
    assert all(spec.protocols.values())
    assert spec.title
    assert spec.how_to_get
    assert spec.licence
    assert spec.images
    assert spec.traps
