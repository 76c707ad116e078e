"""The stated reading of Uçar's net."""

from fixtures import of_kind
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)


def test_ucar_cnn_is_the_stated_reading():
    model = build_model("ucar_cnn", GRAY, 7)
    kernels = [(layer.kernel_size[0], layer.filters) for layer in of_kind(model, layers.Conv2D)]
    assert kernels == [(5, 32), (3, 64), (3, 128), (3, 256)]
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [512, 7]
