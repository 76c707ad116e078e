"""Fixtures of several files on predicting."""

import pytest
from fixtures import write_face

from fer_tf.predict import EmotionRecognizer


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=4, detector="none")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def faces(home):
    return [write_face(home / "faces" / f"{seed}.png", seed, (40 + seed, 60)) for seed in range(10)]
