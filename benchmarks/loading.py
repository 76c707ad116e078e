"""Reading FER2013's csv and drawing synthetic faces.

    python benchmarks/loading.py [fer2013.csv]

Without a path the csv is made of drawn faces in FER2013's form. The row loop is what most student projects do.
"""

import csv
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from _measure import best_of, in_own_process, print_table, report

ROWS = 6000


def main(path):
    rows = [in_own_process(__file__, variant, path) for variant in ("row_loop", "kit", "kit_cached")]
    print_table(rows, "rows/s", "row_loop")
    rows = [in_own_process(__file__, f"draw_{kind}", path) for kind in ("48_gray", "48_rgb", "96_gray")]
    print_table(rows, "faces/s per core", "draw_48_gray")


def write_csv(path):
    from fer_tf.data.drawn_faces import draw_faces

    images = draw_faces(ROWS, seed=0).images.reshape(ROWS, -1)
    with open(path, "w") as file:
        file.write("emotion,pixels,Usage\n")
        for row, pixels in enumerate(images.tolist()):
            file.write(f"{row % 7},{' '.join(map(str, pixels))},{('Training', 'PublicTest', 'PrivateTest')[row % 3]}\n")


def row_loop(path):
    """csv.DictReader and np.array(pixels.split(), dtype=...) row by row."""
    images, labels = [], []
    csv.field_size_limit(10**7)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            images.append(np.array(row["pixels"].split(), dtype=np.uint8).reshape(48, 48))
            labels.append(int(row["emotion"]))
    return np.stack(images), np.array(labels)


def measure(variant, path):
    if variant.startswith("draw_"):
        return measure_drawing(*variant.split("_")[1:])
    from fer_tf.data import load_dataset

    root = Path(path).parent.parent
    if variant == "row_loop":
        seconds, count = best_of(lambda: row_loop(path), 2), len(row_loop(path)[1])
    else:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FER_TF_CACHE"] = cache
            seconds = best_of(lambda: load_dataset("fer2013", root), 1)
            if variant == "kit_cached":
                seconds = best_of(lambda: load_dataset("fer2013", root))
            count = len(load_dataset("fer2013", root).table)
    return report(**{"rows/s": round(count / seconds), "seconds": round(seconds, 2)})


def measure_drawing(size, colour):
    """Faces a second of one process, without masks."""
    import cv2

    from fer_tf.data.drawn_faces import draw_faces

    cv2.setNumThreads(1)
    channels = 3 if colour == "rgb" else 1
    seconds = best_of(lambda: draw_faces(1000, seed=1, size=int(size), channels=channels))
    report(**{"faces/s per core": round(1000 / seconds)})


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as home:
            file = Path(home, "fer2013", "fer2013.csv")
            file.parent.mkdir()
            write_csv(file)
            main(file)
