"""A face network of the kit's own, trained on people drawn for it alone: it needs no download."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from tqdm.auto import tqdm

from ..data.drawn_faces import draw_faces
from ..data.sets import synthetic

EPOCHS = 5
DEPTH = 128
PEOPLE = 160
PICTURES = 20 * PEOPLE
# Numbers far beyond those of any dataset: a face network that knew the people of a test split would be no fair teacher.
_FIRST_PERSON, _FIRST_PICTURE = 10**8, 10**8


def draw_people(seed: int) -> tuple:
    """Drawn faces of people who are in no synthetic dataset.

    Args:
        seed: int; the same seed draws other people than the dataset of that seed has.
    Returns: images uint8 [PICTURES, 48, 48, 1], and who is in each, int [PICTURES].
    """
    people = _FIRST_PERSON + np.arange(PICTURES) % PEOPLE
    return draw_faces(PICTURES, seed=seed, start=_FIRST_PICTURE, identities=people).images, people


def drawing_fingerprint(seed: int) -> str:
    """Changes with what `draw_people` draws."""
    numbers = [PEOPLE, PICTURES, _FIRST_PERSON, _FIRST_PICTURE]
    return synthetic.source_fingerprint({"seed": seed, "people": numbers})


def identity_net(images: np.ndarray, people: np.ndarray, seed: int) -> keras.Model:
    """Trains a small network to tell who is in the picture, whatever the expression.

    Args:
        images: uint8 [N, S, S, C].
        people: [N], who is in each.
        seed: int.
    Returns: `keras.Model`, pixels / 127.5 − 1 [N, S, S, C] → who, probabilities [N, people]; its last map has
        `DEPTH` channels.
    """
    keras.utils.set_random_seed(seed)
    codes, names = pd.factorize(np.asarray(people))
    model = _network(images.shape[1:], len(names))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    pixels = images.astype(np.float32) / 127.5 - 1
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
