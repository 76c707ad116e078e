"""The majority model has nothing to train and does not look at the pictures."""

import numpy as np

from fer_tf.models import build_model


def test_it_answers_the_same_for_all_pictures(rng):
    model = build_model("majority", (8, 8, 1), 3)
    assert model.trainable_weights == []
    model.get_layer("majority").adapt([2, 2, 0, 2])
    answers = model.predict_on_batch(rng.integers(0, 256, (4, 8, 8, 1)))
    np.testing.assert_allclose(answers, [[0.25, 0, 0.75]] * 4)
