"""Small copies of the datasets that document [4] joined, all with different pictures."""

import numpy as np
from disfa_copies import write_subject
from PIL import Image

from fer_tf.emotions import EMOTIONS, RAFDB_CODES

CK_FOLDERS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")


def write_noise(path, rng, side=48, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (side, side, 3)[: 2 + (channels == 3)], dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_rafdb(home, rng, train=70, test=14):
    """Colour pictures of 100×100; picture k has the code k % 7 + 1."""
    lines = []
    for part, count in (("train", train), ("test", test)):
        for number in range(count):
            write_noise(home / "rafdb" / "Image" / "aligned" / f"{part}_{number:05d}_aligned.jpg", rng, 100, 3)
            lines.append(f"{part}_{number:05d}.jpg {number % len(RAFDB_CODES) + 1}")
    labels = home / "rafdb" / "EmoLabel" / "list_patition_label.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("\n".join(lines) + "\n")


def write_ckplus(home, rng, people=20):
    """The folder copy CK+48: one sequence of three frames a person; it has contempt and no neutral."""
    for number in range(people):
        for frame in (1, 2, 3):
            folder = home / "ckplus" / "CK+48" / CK_FOLDERS[number % 7]
            write_noise(folder / f"S{number:03d}_001_{frame:08d}.png", rng)


def write_tfeid(home, rng, people=10):
    for number in range(people):
        for emotion in EMOTIONS:
            write_noise(home / "tfeid" / f"dfh_{emotion}_x" / f"f{number:02d}_dfh.png", rng, 60)


def write_disfa(home):
    for number in range(1, 4):
        write_subject(home / "disfa", f"SN{number:03d}")


def write_small_sets(home):
    """RAF-DB, CK+ and TFEID, always with the same pictures; returns the folder."""
    rng = np.random.default_rng(0)
    write_rafdb(home, rng)
    write_ckplus(home, rng)
    write_tfeid(home, rng)
    return home
