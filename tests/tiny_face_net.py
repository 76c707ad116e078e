"""A face network for tests, and experiments that use it: two convolutions, a map of 1×1 after them, an embedding."""

import keras

from fer_tf import experiments
from fer_tf.training import fitting

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


PLAIN = {"rotation": 0.0, "zoom": 0.0, "flip": False}  # compiling the augmentation takes longer than the rest


def settings(path, **more):
    """Settings of a small experiment with the face network in this file."""
    return {"face_net": str(path), "depth": DEPTH, "width": 0.1, "batch_size": 20, **PLAIN, **more}


def experiment(path, name="facenet2expnet", **more):
    return experiments.resolve(name, "smoke", settings(path, **more))


def quiet(home):
    return fitting.Progress(home, "fingerprint", verbose=False)
