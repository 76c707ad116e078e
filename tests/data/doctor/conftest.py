"""Fixtures of the doctor's tests."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.data.base import ArrayImages, FaceDataset


@pytest.fixture
def near_copies(tiny_faces):
    """12 faces: row 8 (test) is 0 (train) moved by two pixels under another label; 9 (test) is 5 (val) mirrored, moved;
    10 (test) is 1 (train) pixel for pixel; 11 (test) is white but for a line; 6 (val) is gray."""
    images = tiny_faces.store.array[:12].copy()
    images[8] = np.clip(np.roll(images[0], (2, -2), axis=(0, 1)) + 5.0, 0, 255)
    images[9], images[10] = np.roll(images[5][:, ::-1], 2, axis=0), images[1]
    images[11] = 255
    images[11, 20, 8:40] = 0
    images[6] = 90
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0])
    split = ["train"] * 5 + ["val"] * 2 + ["test"] * 5
    table = pd.DataFrame({"label": labels, "split": split, "name": [f"face{row}" for row in range(12)]})
    return FaceDataset("planted", "p", ("anger", "fear"), table, ArrayImages(images))
