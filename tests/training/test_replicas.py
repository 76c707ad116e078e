"""Copies of a model on several devices normalise over one batch, and are validated with their mean."""

import keras
import numpy as np

from fer_tf.training import replicas


class TwoReplicas:
    """A strategy whose devices have a variable's value, and its value plus two."""

    def experimental_local_results(self, value):
        return [value, value + 2]


def test_statistics_of_the_devices_are_averaged_before_validation():
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    seed = [keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables if "seed" in v.name]
    callback = replicas.OneBatch(TwoReplicas())
    callback.set_model(model)
    callback.on_test_begin()
    layer = model.layers[0]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.moving_mean), [1, 1, 1])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.gamma), [1, 1, 1])
    after = [keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables if "seed" in v.name]
    np.testing.assert_array_equal(after, seed)


def test_batch_normalisation_is_over_all_devices_only_while_they_train():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.BatchNormalization()])
    norms, callback = [inner.layers[0], model.layers[1]], replicas.OneBatch(TwoReplicas())
    callback.set_model(model)
    callback.on_train_begin()
    assert all(norm._moments.func is replicas.moments_of_all for norm in norms)
    callback.on_train_end()
    assert not any("_moments" in vars(norm) for norm in norms)
