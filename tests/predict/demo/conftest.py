"""Fixtures of the demo's tests."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces import draw_faces
from fer_tf.predict import EmotionRecognizer


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, detector="haar")


@pytest.fixture(scope="module")
def scene():
    """uint8 [200, 420]: two drawn faces, the larger on the right."""
    large, small = (
        draw_faces(1, seed=seed, size=side, difficulty="easy", emotions=["neutral"]).images[0, ..., 0]
        for seed, side in ((1, 140), (2, 100))
    )
    pixels = np.full((200, 420), 128, np.uint8)
    pixels[40:140, 30:130], pixels[30:170, 240:380] = small, large
    return pixels
