"""Small copies of CK+ in the publisher's layout."""

import numpy as np
from PIL import Image

from fer_tf.data import load_dataset

WANTED = {0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
SUBJECTS = [f"S{number:03d}" for number in (5, 10, 11, 14, 22, 26, 37, 42, 55, 74, 502, 999)]
FRAMES = 6
HEIGHT, WIDTH = 98, 128


def value(subject, sequence, frame):
    """The gray of a picture's face, which identifies it."""
    return 20 + SUBJECTS.index(subject) * 10 + sequence * 50 + frame


def write_frame(path, gray, colour=False):
    """A scene of black with a bright square, the face, left of the middle."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[30:60, 20:50] = gray
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("RGB") if colour else image).save(path)


def code_of(subject, sequence):
    return (SUBJECTS.index(subject) + 4 * sequence) % 7 + 1


def load(root, *args, **options):
    return load_dataset("ckplus", root.parent, *args, **options)
