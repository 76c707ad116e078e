"""Batch normalisation folded into the convolution before it."""

import numpy as np
from tiny_nets import small_net, trained_like

from fer_tf.models.folding import fold_batch_norm


def test_folding_changes_no_output(rng):
    model = trained_like(small_net(), rng)
    folded = fold_batch_norm(model)
    images = rng.normal(size=(3, 24, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(folded.predict_on_batch(images), model.predict_on_batch(images), rtol=1e-4)
    names = [layer.name for layer in folded.layers]
    assert "conv_norm" not in names
    assert "depthwise_norm" not in names
    assert "late_norm" in names, "a norm that follows a sum has nothing to be folded into"
    assert not folded.trainable_variables
