"""Models are what their docstrings say: a reader compares these figures with the documents'."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)

# name, input, options, parameters, million multiply-adds, convolutions, dense layers: of the docstrings
FIGURES = [
    ("cnn", GRAY, {}, 981_639, 33, 4, 2),
    ("cnn4", COLOUR, {}, 1_474_023, 60, 4, 3),
    ("resnet18", COLOUR, {}, 11_189_703, 150, 20, 1),
    ("vgg_bn", GRAY, {}, 4_693_575, 460, 8, 1),
    ("vgg_bn", GRAY, {"width": 0.5}, 1_176_359, 117, 8, 1),
    ("deepfer", GRAY, {}, 1_065_927, 97, 9, 4),
]


def of_kind(model, *kinds):
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def multiply_adds(model):
    """Of convolutions and dense layers: one an output value and weight of its filter."""
    total = 0
    for layer in of_kind(model, layers.Conv2D):
        total += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    return total + sum(np.prod(layer.kernel.shape) for layer in of_kind(model, layers.Dense))


@pytest.mark.parametrize(("name", "shape", "options", "parameters", "million", "convolutions", "dense"), FIGURES)
def test_figures_of_the_docstrings(name, shape, options, parameters, million, convolutions, dense):
    model = build_model(name, shape, 7, **options)
    assert model.count_params() == parameters
    assert multiply_adds(model) / 1e6 == pytest.approx(million, rel=0.05)
    assert (len(of_kind(model, layers.Conv2D)), len(of_kind(model, layers.Dense))) == (convolutions, dense)


def test_resnet18_has_eighteen_layers_and_its_small_stem_costs_sixteen_times_a_pixel():
    standard, small = build_model("resnet18", COLOUR, 7), build_model("resnet18", GRAY, 7, stem="small")
    main = [layer for layer in of_kind(standard, layers.Conv2D, layers.Dense) if "shortcut" not in layer.name]
    assert len(main) == 18
    assert standard.get_layer("stem_pool").output.shape[1:3] == (16, 16)
    assert small.get_layer("stage1_block2_sum").output.shape[1:3] == (48, 48)
    ratio = (multiply_adds(small) / 48**2) / (multiply_adds(standard) / 64**2)
    assert ratio == pytest.approx(16, rel=0.1)


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


def test_ucar_cnn_is_the_stated_reading():
    model = build_model("ucar_cnn", GRAY, 7)
    kernels = [(layer.kernel_size[0], layer.filters) for layer in of_kind(model, layers.Conv2D)]
    assert kernels == [(5, 32), (3, 64), (3, 128), (3, 256)]
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [512, 7]


def test_deep_emotion_sizes_are_computed_from_the_input():
    """640 values enter the localisation net's dense layer at 48 px, 810 features leave (the paper's figure: 90)."""
    model = build_model("deep_emotion", GRAY, 7)
    assert model.get_layer("locate_flatten").output.shape[-1] == 640
    assert model.get_layer("flatten").output.shape[-1] == 810
    filters = {layer.name: layer.filters for layer in of_kind(model, layers.Conv2D)}
    features = {f"conv{index}": 10 for index in (1, 2, 3, 4)}
    assert filters == {"locate_conv1": 8, "locate_conv2": 10, **features}
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [32, 6, 50, 7]
    larger = build_model("deep_emotion", (64, 64, 1), 7)
    assert larger.get_layer("locate_flatten").output.shape[-1] > 640


@pytest.mark.parametrize("pair_relu", [True, False])
def test_deepfer_has_seven_convolutions_pooled_by_twos(pair_relu):
    """Document [3]: "each two except the last one followed by max-pooling layer and rectified linear unit"."""
    model = build_model("deepfer", GRAY, 7, pair_relu=pair_relu)
    kinds = {"Conv2D": "conv", "MaxPooling2D": "pool", "ReLU": "relu"}
    names = [kinds.get(type(layer).__name__) for layer in model.layers if "locate" not in layer.name]
    first = ["conv", "relu"] if pair_relu else ["conv"]
    assert [name for name in names if name] == [*first, "conv", "pool", "relu"] * 3 + ["conv", "relu"]
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [32, 6, 50, 7]


def test_deepfer_warps_the_picture_before_its_features():
    model = build_model("deepfer", GRAY, 7)
    assert model.get_layer("conv1").input is model.get_layer("transformer").output
    assert model.get_layer("locate_conv1").input is model.get_layer("normalise").output


@pytest.mark.parametrize("name", ["deepfer", "deep_emotion"])
def test_l2_is_of_exactly_the_four_dense_layers(name, rng):
    """Document [3], eq. 1: CE + λ‖w_fc‖², w_fc the weights of the last four fully connected layers."""
    model = build_model(name, GRAY, 7, l2=0.01)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 1, weight.shape) for weight in layer.get_weights()])
    squares = [np.sum(model.get_layer(key).kernel.numpy() ** 2) for key in ("locate_dense", "theta", "dense", "scores")]
    assert len(model.losses) == 4
    assert float(sum(model.losses)) == pytest.approx(0.01 * sum(squares), rel=1e-5)
    assert build_model(name, GRAY, 7).losses == []


def test_l2_reaches_the_loss_that_is_trained(rng):
    model = build_model("cnn", GRAY, 7, width=0.1, l2=0.5)
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    faces, targets = rng.integers(0, 256, (4, 48, 48, 1)), np.eye(7, dtype=np.float32)[:4]
    probabilities = model.predict_on_batch(faces)
    plain = -np.log((probabilities * targets).sum(axis=1)).mean()
    penalty = 0.5 * sum(np.sum(model.get_layer(key).kernel.numpy() ** 2) for key in ("dense", "scores"))
    assert float(model.test_on_batch(faces, targets)) == pytest.approx(plain + penalty, rel=1e-4)


@pytest.mark.parametrize("name", ["deepfer", "deep_emotion"])
def test_batch_norm_of_no_document_is_added(name):
    assert not of_kind(build_model(name, GRAY, 7), keras.layers.BatchNormalization)
