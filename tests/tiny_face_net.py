"""A face network for tests: two convolutions, a map of 1×1 after them, an embedding."""

import keras

SIDE, DEPTH = 20, 5


def tiny_face_net(channels=3, seed=3):
    """[N, 20, 20, channels] → embedding [N, 4]; its last spatial map is `second`, [N, 5, 5, 5]."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, channels))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first")(inputs)
    x = keras.layers.Conv2D(DEPTH, 3, strides=2, padding="same", activation="relu", name="second")(x)
    x = keras.layers.AveragePooling2D(5, name="one_cell")(x)
    x = keras.layers.Conv2D(4, 1, name="embedding_map")(x)
    return keras.Model(inputs, keras.layers.Flatten(name="embedding")(x), name="tiny")
