"""The kit's own face network: its last map has an eighth of the picture's side and 128 channels."""

import pytest

from fer_tf.training.identities import FILTERS, identity_trunk


@pytest.mark.parametrize("shape", [(48, 48, 1), (64, 80, 3)])
def test_the_last_map_has_an_eighth_of_the_side(shape):
    trunk = identity_trunk(shape)
    assert trunk.output_shape == (None, shape[0] // 8, shape[1] // 8, FILTERS[-1][-1])


def test_every_convolution_is_normalised():
    names = [layer.name for layer in identity_trunk((48, 48, 1)).layers]
    convolutions = [name for name in names if name.startswith("conv") and name.count("_") == 1]
    assert len(convolutions) == sum(map(len, FILTERS))
    assert all(f"{name}_norm" in names for name in convolutions)
