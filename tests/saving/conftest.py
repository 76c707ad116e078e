"""Fixtures of several files on saving."""

import numpy as np
import pytest
from tutorial_models import SCRIPTS, tutorial_model, written

from fer_tf.data.drawn_faces import draw_faces


@pytest.fixture(scope="module")
def faces():
    """Drawn faces uint8 [40, 48, 48, 1]."""
    return draw_faces(40, seed=3).images.reshape(-1, 48, 48, 1)


@pytest.fixture(scope="module")
def theirs(faces, tmp_path_factory):
    """pixels -> (file that Keras saved, its own answers on its own pixels)."""
    folder, found = tmp_path_factory.mktemp("theirs"), {}
    for number, (pixels, script) in enumerate(SCRIPTS.items()):
        model = tutorial_model(script, faces.astype(np.float32))
        own = np.asarray(model.predict_on_batch(script(faces.astype(np.float32))))
        found[pixels] = written(model, folder / f"{number}.{'keras' if number % 2 else 'hdf5'}"), own
    return found
