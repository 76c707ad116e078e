"""Finding near duplicates: the kit's cells against comparing all with all and against buckets of perceptual hash bits.

    python benchmarks/near_duplicates.py [data_dir with fer2013/]

Without FER2013, drawn faces. A tenth of the pictures are changed copies of others (moved, recompressed, tighter,
mirrored); "found" is the share of these. 400,000 are the hashes of all pictures with noise, so that each has eleven
near copies. "cpu s" is the time on all cores together, which other work on the machine hardly changes.
"""

import sys
import time

import cv2
import numpy as np
from _measure import in_own_process, report

COUNTS = (5_000, 35_887)
MANY = 400_000
VARIANTS = {
    "kit": "hash, cells, pixels, also mirrored: all that `near_pairs` does",
    "all_pairs": "the same hashes, each compared with all (neighbours only)",
    "cells": "the same hashes, each compared with those of its cells (neighbours only)",
    "pixels": "every picture's pixels compared with all: a thousand of them measured, the time for all reckoned",
    "bits16": "pHash of 64 bits in 4 buckets of 16 bits (candidates only, mirrored copies left out)",
    "bits8": "pHash of 64 bits in 8 buckets of 8 bits (candidates only, mirrored copies left out)",
}


def main(data_dir=""):
    import pandas as pd

    rows = [in_own_process(__file__, name, count, data_dir) for count in COUNTS for name in VARIANTS]
    rows.append(in_own_process(__file__, "cells", MANY, data_dir))
    print(pd.DataFrame(rows).set_index("variant").to_string())
    for name, meaning in VARIANTS.items():
        print(f"{name:10} {meaning}")


class Watch:
    """Times from when it was made."""

    def __init__(self):
        self.started, self.cpu = time.perf_counter(), time.process_time()

    def times(self):
        """Seconds by the clock, and on all cores together."""
        return time.perf_counter() - self.started, time.process_time() - self.cpu


def pictures(count, data_dir):
    """Faces uint8 [count, 48, 48, 1] whose last tenth are changed copies of the first tenth."""
    from fer_tf.data import load_dataset
    from fer_tf.data.drawn_faces import draw_faces

    if data_dir:
        images = load_dataset("fer2013", data_dir).store.array[:count].copy()
    else:
        images = draw_faces(count, seed=0, identities=count).images
    tenth = count // 10
    for row, image in enumerate(images[:tenth]):
        images[count - tenth + row, :, :, 0] = changed(image[:, :, 0], row)
    return images


def changed(image, row):
    """One of the ways in which web pictures differ from their originals."""
    if row % 4 == 0:
        return _warped(image, 1, (2, -2))
    if row % 4 == 1:
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)
    return _warped(image, 1.06, (1, 0)) if row % 4 == 2 else image[:, ::-1]


def _warped(image, zoom, move):
    matrix = cv2.getRotationMatrix2D((23.5, 23.5), 0, zoom)
    matrix[:, 2] += move
    return cv2.warpAffine(image, matrix, (48, 48), borderMode=cv2.BORDER_REFLECT_101)


def planted(count):
    """Rows of the originals and of their copies."""
    tenth = count // 10
    return np.arange(tenth), np.arange(count - tenth, count)


def hashes_of(count, data_dir):
    """Hashes of `count` pictures; beyond FER2013's size, those of all its pictures with noise."""
    from fer_tf.data.doctor import near_duplicates

    hashes = near_duplicates.perceptual_hashes(near_duplicates.contours(pictures(min(count, COUNTS[-1]), data_dir)))
    if count <= len(hashes):
        return hashes
    rng = np.random.default_rng(0)
    many = hashes[np.arange(count) % len(hashes)]
    many += rng.normal(0, 0.4 / np.sqrt(many.shape[1]), many.shape).astype(np.float32)
    return many / np.linalg.norm(many, axis=1, keepdims=True)


def kit(count, data_dir):
    from fer_tf.data.doctor import near_duplicates

    images = pictures(count, data_dir)
    watch = Watch()
    pairs, _ = near_duplicates.near_pairs(near_duplicates.contours(images))
    times = watch.times()
    found = set(zip(pairs["row_a"], pairs["row_b"], strict=True))
    return *times, {"found": np.mean([pair in found for pair in zip(*planted(count), strict=True)])}


def cells(count, data_dir):
    from fer_tf.data.doctor import near_duplicates

    hashes = hashes_of(count, data_dir)
    watch = Watch()
    near_duplicates.nearest(hashes, hashes, near_duplicates.cell_centres(hashes))
    return *watch.times(), {}


def all_pairs(count, data_dir):
    from fer_tf.data.doctor import near_duplicates

    hashes = hashes_of(count, data_dir)
    watch = Watch()
    for start in range(0, count, 1024):
        np.argpartition(hashes[start : start + 1024] @ hashes.T, -near_duplicates.NEIGHBOURS, axis=1)
    return *watch.times(), {"comparisons": count**2 // 2}


def pixels(count, data_dir):
    from fer_tf.data.doctor import near_duplicates

    contours = near_duplicates.contours(pictures(count, data_dir)[:1000])
    watch = Watch()
    for other in contours:
        near_duplicates.likeness(contours[0], other)
    times = [seconds / len(contours) * count**2 / 2 for seconds in watch.times()]
    return *times, {"comparisons": count**2 // 2}


def buckets(count, data_dir, width):
    """pHash: signs of the 8×8 lowest cosine coefficients against their median, compared within equal bands of bits."""
    from scipy.fft import dctn

    images = pictures(count, data_dir)
    watch = Watch()
    small = np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for image in images]).astype(np.float32)
    waves = dctn(small, axes=(1, 2))[:, :8, :8].reshape(count, -1)
    bits = waves > np.median(waves, axis=1, keepdims=True)
    keys = bits.reshape(count, -1, width) @ (1 << np.arange(width))
    comparisons = sum(int((size * (size - 1) // 2).sum()) for size in (np.bincount(key) for key in keys.T))
    first, copies = planted(count)
    found = (keys[first] == keys[copies]).any(axis=1)[first % 4 != 3].mean()  # mirrored ones would take a second search
    return *watch.times(), {"comparisons": comparisons, "found": found}


def bits16(count, data_dir):
    return buckets(count, data_dir, 16)


def bits8(count, data_dir):
    return buckets(count, data_dir, 8)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        seconds, cpu, more = globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
        report(pictures=int(sys.argv[2]), seconds=round(seconds, 1), **{"cpu s": round(cpu, 1)}, **more)
    else:
        main(*sys.argv[1:])
