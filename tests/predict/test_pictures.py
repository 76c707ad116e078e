"""Where `load_image` looks for a picture."""

import numpy as np
import pytest
from PIL import Image

import fer_tf
from fer_tf.common.checks import DataError


def test_a_picture_that_is_nowhere_tells_both_places(fresh_home, monkeypatch):
    monkeypatch.chdir(fresh_home)
    with pytest.raises(DataError) as caught:
        fer_tf.load_image("nosuch.jpg")
    text = str(caught.value)
    assert text.startswith("nosuch.jpg: no such file")
    assert str(fresh_home / "nosuch.jpg") in text
    assert str(fresh_home / "reports" / "nosuch.jpg") in text


def test_an_absolute_path_is_looked_for_there_alone(fresh_home):
    with pytest.raises(DataError, match="nosuch.jpg: no such file$"):
        fer_tf.load_image(fresh_home / "nosuch.jpg")


def test_a_tilde_is_the_users_folder(fresh_home, monkeypatch):
    monkeypatch.setenv("HOME", str(fresh_home))
    monkeypatch.setenv("USERPROFILE", str(fresh_home))
    Image.fromarray(np.full((6, 8), 9, np.uint8)).save(fresh_home / "a.png")
    assert fer_tf.load_image("~/a.png").shape == (6, 8, 3)
