"""Writers: what a form cannot hold is refused."""

import re

import keras
import pytest
from exports import NAMES, left_in, small

from fer_tf.common.checks import InputError
from fer_tf.saving.export import (
    export_model,
)

pytestmark = pytest.mark.extras


@keras.saving.register_keras_serializable("fer_tf_tests")
class Odd(keras.layers.Layer):
    """Does what neither form has an operator for."""

    def call(self, inputs):
        return keras.ops.erfinv(keras.ops.clip(inputs / 300, 0, 0.9))


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_a_model_that_a_form_cannot_hold_is_refused_in_a_line(form, tmp_path, pictures):
    inputs = keras.Input((48, 48, 1))
    outputs = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(Odd()(inputs)))
    with pytest.raises(InputError) as refused:
        export_model(keras.Model(inputs, outputs, name="odd_one"), tmp_path / NAMES[form], form, pictures=pictures)
    message = str(refused.value)
    assert re.match(f"odd_one: cannot be written as {form}: .", message)
    assert "Erfinv" in message
    assert "\n" not in message
    assert left_in(tmp_path) == []


def test_weights_beyond_half_precision_are_refused(tmp_path, pictures):
    model = small("cnn")
    kernel, bias = model.get_layer("scores").get_weights()
    kernel[0, 0] = 1e6
    model.get_layer("scores").set_weights([kernel, bias])
    with pytest.raises(InputError, match="quantize: .* beyond 65,504"):
        export_model(model, tmp_path / "m.onnx", "onnx", "float16", pictures)
    assert left_in(tmp_path) == []
