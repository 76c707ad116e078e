"""Peak memory of `predict` over folders of more and more pictures: it must not grow with their number.

    python benchmarks/predicting_memory.py [COUNT ...]

1,000, 10,000 and 100,000 files by default: links to the same 100 JPEGs of 96×96, a thousand in a folder, predicted into
a csv as ready crops by a small CNN with random weights. Each count in its own process.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import in_own_process, print_table, report
from PIL import Image

COUNTS = (1_000, 10_000, 100_000)
PICTURES, SIDE = 100, 96


def main(counts):
    with tempfile.TemporaryDirectory() as folder:
        originals = write_pictures(Path(folder) / "originals")
        rows = [
            in_own_process(__file__, count, make_links(Path(folder) / str(count), originals, count)) for count in counts
        ]
    print_table(rows, "peak MB", rows[0]["variant"])


def write_pictures(folder):
    """JPEGs of noise on a shade."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    shade = np.linspace(40, 200, SIDE)[None, :, None]
    paths = [folder / f"{number:03}.jpg" for number in range(PICTURES)]
    for path in paths:
        pixels = (shade + rng.normal(0, 12, (SIDE, SIDE, 3))).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return paths


def make_links(folder, originals, count):
    """A tree of `count` hard links, which cost no space."""
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        os.link(originals[number % PICTURES], place / f"{number:06}.jpg")
    return folder


def measure(count, folder):
    """Predicts the folder into a csv; prints seconds, rows and the peak for `main`."""
    from fer_tf.common.quiet import import_keras

    import_keras().utils.set_random_seed(0)
    from fer_tf.models import build_model
    from fer_tf.predict import EmotionRecognizer, collect_files

    recognizer = EmotionRecognizer(build_model("cnn", (48, 48, 1), 7, width=0.25), 256, "none")
    started = time.perf_counter()
    out = Path(folder) / "scores.csv"
    recognizer.predict_to_csv(collect_files([folder]), out, progress=False)
    with open(out, encoding="utf-8") as file:
        rows = sum(1 for _ in file) - 1
    assert rows == int(count), f"{rows} rows of {count} pictures"
    seconds = time.perf_counter() - started
    report(**{"rows": rows, "csv MB": round(out.stat().st_size / 1e6, 1), "pictures/s": round(rows / seconds)})


if __name__ == "__main__":
    is_one = len(sys.argv) == 3 and Path(sys.argv[2]).is_dir()
    measure(*sys.argv[1:]) if is_one else main([int(count) for count in sys.argv[1:]] or COUNTS)
