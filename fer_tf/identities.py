"""A face network of the kit's own, trained on the identities of the synthetic faces: it needs no download."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from tqdm.auto import tqdm

EPOCHS = 5
DEPTH = 128


def identity_net(split, identities, seed):
    """Trains a small network to tell who is in the picture, whatever the expression.

    Args:
        split: `Split` of training pictures.
        identities: [N], who is in each.
        seed: int.
    Returns: `keras.Model`, pixels / 127.5 − 1 [N, S, S, C] → who, probabilities [N, people]; its last map has
        `DEPTH` channels.
    """
    keras.utils.set_random_seed(seed)
    codes, people = pd.factorize(np.asarray(identities))
    model = _network(split.images.shape[1:], len(people))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    pixels = split.images.astype(np.float32) / 127.5 - 1
    for epoch in tqdm(range(EPOCHS), desc="face net on identities", unit="epoch", leave=False, disable=None):
        model.fit(pixels, codes, batch_size=64, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
    return model


def _network(shape, people):
    inputs = keras.Input(shape, name="image")
    x = inputs
    for block, filters in enumerate((16, 32, DEPTH), start=1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{block}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras.Model(inputs, layers.Dense(people, activation="softmax", name="identity")(x), name="identities")
