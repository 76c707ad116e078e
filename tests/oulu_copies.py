"""Small copies of Oulu-CASIA in the publisher's layout."""

import numpy as np
from PIL import Image

from fer_tf.data import load_dataset

FOLDERS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
PEOPLE = [f"P{number:03d}" for number in range(1, 13)]
FRAMES = 6
CROPPED, ORIGINAL = "PreProcess_Img/VL_Acropped/Strong", "B_OriginalImg/OriginalImg/VL/Strong"


def gray(person, folder, frame):
    """The gray of a picture, which identifies it."""
    return 20 + 18 * PEOPLE.index(person) + 3 * FOLDERS.index(folder) + (2 * (frame > 0))


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((15, 20), value, np.uint8)).save(path, "jpeg", quality=100)


def write_oulu(root, place=CROPPED, people=PEOPLE, frames=FRAMES, brighter=0):
    for person in people:
        for folder in FOLDERS:
            for frame in range(frames):
                path = root / place / person / folder / f"{frame:03d}.jpeg"
                write(path, gray(person, folder, frame) + brighter)


def load(root, *args, **options):
    return load_dataset("oulu", root.parent, *args, **options)
