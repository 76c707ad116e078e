"""Document [4]'s nets."""

import pytest
from fixtures import of_kind
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)


@pytest.mark.parametrize("name", ["cnn4", "cnn4_se", "cnn4_se_residual"])
def test_cnn4_has_four_convolutions_halved_each_and_three_linear_layers(name):
    """Document [4], §2.2; batch norm after each convolution, squeeze-and-excitation and shortcut in the variants."""
    model = build_model(name, COLOUR, 7)
    main = [layer for layer in of_kind(model, layers.Conv2D) if "shortcut" not in layer.name]
    assert [layer.filters for layer in main] == [32, 64, 128, 256]
    assert [layer.output.shape[1] for layer in of_kind(model, layers.MaxPooling2D)] == [32, 16, 8, 4]
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [256, 128, 7]
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("SqueezeExcite") == (0 if name == "cnn4" else 4)
    assert kinds.count("Add") == (4 if name == "cnn4_se_residual" else 0)
