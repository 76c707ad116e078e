"""Models are what their docstrings say: a reader compares these figures with the documents'."""

import pytest
from fixtures import multiply_adds, of_kind
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)

# name, input, options, parameters, million multiply-adds, convolutions, dense layers: of the docstrings
FIGURES = [
    ("cnn", GRAY, {}, 981_639, 33, 4, 2),
    ("cnn4", COLOUR, {}, 1_474_023, 60, 4, 3),
    ("resnet18", COLOUR, {}, 11_189_703, 150, 20, 1),
    ("residual_masking", GRAY, {"width": 0.25}, 8_647_063, 72, 96, 1),
    ("vgg_bn", GRAY, {}, 4_693_575, 460, 8, 1),
    ("vgg_bn", GRAY, {"width": 0.5}, 1_176_359, 117, 8, 1),
    ("deepfer", GRAY, {}, 1_065_927, 97, 9, 4),
]


@pytest.mark.parametrize(("name", "shape", "options", "parameters", "million", "convolutions", "dense"), FIGURES)
def test_figures_of_the_docstrings(name, shape, options, parameters, million, convolutions, dense):
    model = build_model(name, shape, 7, **options)
    assert model.count_params() == parameters
    assert multiply_adds(model) / 1e6 == pytest.approx(million, rel=0.05)
    assert (len(of_kind(model, layers.Conv2D)), len(of_kind(model, layers.Dense))) == (convolutions, dense)
