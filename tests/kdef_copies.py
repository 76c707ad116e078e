"""Small copies of KDEF in the publisher's layout."""

import numpy as np
from PIL import Image

from fer_tf.data import load_dataset

CODES = {"AF": "fear", "AN": "anger", "DI": "disgust", "HA": "happiness"}
CODES |= {"NE": "neutral", "SA": "sadness", "SU": "surprise"}
PEOPLE = [f"{sex}{number:02d}" for sex in "FM" for number in range(1, 7)]
HEIGHT, WIDTH = 38, 28


def gray(session, person, code):
    """The gray of a picture's face, which identifies it but for the angle."""
    return 30 + 14 * PEOPLE.index(person) + 7 * "AB".index(session) + list(CODES).index(code)


def write(path, value):
    """A dark picture with a brighter square in its middle, where the publisher puts the faces."""
    pixels = np.full((HEIGHT, WIDTH, 3), 5, np.uint8)
    pixels[9:29, 4:24] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=100)


def write_kdef(root, angles=("S", "HL"), people=PEOPLE, codes=tuple(CODES)):
    """People in both sessions, below KDEF_and_AKDEF/KDEF as the archive unpacks."""
    for person in people:
        for session in "AB":
            for code in codes:
                for angle in angles:
                    folder = root / "KDEF_and_AKDEF" / "KDEF" / f"{session}{person}"
                    write(folder / f"{session}{person}{code}{angle}.JPG", gray(session, person, code))


def load(root, *args, **options):
    return load_dataset("kdef", root.parent, *args, **options)
