"""Document [2]'s CNN and the baseline."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.models import build_model, model_options


def test_cnn_is_as_its_docstring_says():
    model = build_model("cnn", (48, 48, 1), 7)
    assert model.count_params() == 981_639
    kinds = [type(layer).__name__ for layer in model.layers]
    first = kinds.index("Conv2D")
    assert kinds[first : first + 4] == ["Conv2D", "ReLU", "MaxPooling2D", "BatchNormalization"]
    assert kinds.count("Conv2D") == 4
    assert kinds[-4:] == ["Dense", "Dropout", "Dense", "Softmax"]


def test_normalisation_is_inside(rng):
    model = build_model("cnn", (48, 48, 1), 7, width=0.1)
    image = rng.integers(0, 256, (1, 48, 48, 1), dtype=np.uint8)
    from_bytes, from_floats = model.predict_on_batch(image), model.predict_on_batch(image.astype(np.float32))
    np.testing.assert_allclose(from_bytes, from_floats, atol=1e-6)


def test_majority_answers_the_most_frequent_class():
    model = build_model("majority", (8, 8, 1), 3)
    np.testing.assert_allclose(model.predict_on_batch(np.zeros((2, 8, 8, 1))), 1 / 3)
    model.get_layer("majority").adapt([2, 2, 0, 2])
    np.testing.assert_allclose(model.predict_on_batch(np.zeros((2, 8, 8, 1))), [[0.25, 0, 0.75]] * 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cn",), "model: allowed are majority, cnn.*received 'cn'"),
        (("cnn", (48, 48)), "input_shape: must be"),
        (("cnn", (48, 48, 2)), "input_shape: must be"),
        (("cnn", (8, 48, 1)), r"input_shape: cnn halves the side 4 times, \(8, 48\) is too small"),
        (("cnn", (48, 48, 1), 1), "num_classes: must be a number >= 2"),
        (("cnn", (48, 48, 1), 2.5), "num_classes: must be a whole number; received 2.5"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        build_model(*arguments)


def test_unknown_option_names_the_allowed():
    with pytest.raises(
        InputError, match="options of cnn: unknown 'depth'; allowed are dense, dropout, filters, l2, width"
    ):
        build_model("cnn", depth=3)
    assert model_options("majority") == {}
