"""Tiny networks that several files test with."""

import keras
from fixtures import told_apart

from fer_tf.models import build_model

SHAPE, CLASSES = (32, 32, 1), 4
SMALL = {"ran": {"backbone": "cnn", "width": 0.1}, "ran_facenet2expnet": {"depth": 6, "width": 0.05}}


def small(name="ran", shape=SHAPE, **options):
    """An untrained tiny model whose regions differ in weight."""
    keras.utils.set_random_seed(0)
    return told_apart(build_model(name, shape, CLASSES, **{**SMALL[name], **options}))


def trained_like(model, rng):
    """Random weights everywhere, so that no normalisation is the identity."""
    model.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in model.get_weights()])
    return model


def small_net():
    """Padding, a depthwise convolution, PReLU and a shortcut, as MobileFaceNet has them."""
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="conv_norm")(x)
    x = first = keras.layers.PReLU(shared_axes=[1, 2], name="conv_relu")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=True, name="depthwise")(x)
    x = keras.layers.BatchNormalization(scale=False, name="depthwise_norm")(x)
    x = keras.layers.Add(name="sum")([first, x])
    x = keras.layers.BatchNormalization(name="late_norm")(x)
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, strides=2, name="last")(x), name="small")
