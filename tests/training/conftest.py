"""Fixtures of several files on training."""

import pytest
from tiny_face_net import tiny_face_net


@pytest.fixture(scope="module")
def face_net_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("nets") / "tiny.h5"
    tiny_face_net().save(path)
    return path


@pytest.fixture(scope="module")
def little(tiny_faces):
    """Forty faces to learn from, forty to select on."""
    return tiny_faces.limited(40).training_data()
