"""Where `load_image` looks for a picture, and the sample picture."""

import socket

import numpy as np
import pytest
from fixtures import run_cli
from PIL import Image

import fer_tf
from fer_tf import load_image
from fer_tf.common.checks import DataError
from fer_tf.predict import sample_path


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


def test_the_sample_is_the_astronaut_in_scikit_image_and_needs_no_network(monkeypatch):
    from skimage.data import astronaut

    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("the network was asked"))
    np.testing.assert_array_equal(load_image(sample_path()), astronaut())


def test_without_scikit_image_the_sample_says_what_to_install(monkeypatch):
    monkeypatch.setattr("fer_tf.predict.pictures.find_spec", lambda _: None)
    with pytest.raises(DataError, match="pip install scikit-image"):
        sample_path()


def test_predict_sample_predicts_one_face(capsys, fresh_home, tiny_model_path):
    answer = run_cli(capsys, "predict", "--sample", "--model", tiny_model_path, "--detector", "haar")
    assert answer.code == 0
    assert "astronaut.png" in answer.out
    assert len(answer.out.strip().splitlines()) == 2, "the titles and one face"
    assert "--sample" in run_cli(capsys, "predict").err
