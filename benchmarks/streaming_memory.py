"""How much memory a set of many files takes: AffectNet's form, streamed through one epoch of training batches.

    python benchmarks/streaming_memory.py [number of pictures, default 100000]

The files are drawn faces under noise, each its own JPEG of 96×96, with three annotation files each, in a temporary
folder (below $TMPDIR; 100,000 pictures are 400,000 files in 1.6 GB of file system blocks). No model is trained: the
figures are those of listing, reading, changing and batching. Peaks are of resident memory since the process began, so
each is at least the one before it.
"""

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _measure import in_own_process, peak

COUNT, FACES, SIDE, BATCH = 100_000, 400, 96, 64
TEST_SHARE = 50  # every 50th picture is a test picture


def main(count):
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        write_affectnet(Path(folder, "affectnet"), count)
        print(f"{count:,} pictures written in {time.perf_counter() - started:.0f} s", flush=True)
        figures = in_own_process(__file__, "measure", folder)
    for name, value in figures.items():
        if name != "variant":
            print(f"{name:58} {value:>10,}", flush=True)  # removing the files may take minutes yet


def write_affectnet(home, count):
    """`train_set/` and `val_set/` with count pictures in all: no two alike, each in its own file."""
    from fer_tf.data.drawn_faces import draw_faces

    faces = draw_faces(FACES, seed=0, size=SIDE, channels=3).images
    noise = np.random.default_rng(0).integers(0, 40, SIDE * SIDE * 3 + count, dtype=np.uint8)
    for name in ("train_set", "val_set"):
        for kind in ("images", "annotations"):
            (home / name / kind).mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: write_picture(home, number, faces, noise), range(count), chunksize=500))


def write_picture(home, number, faces, noise):
    """One face under its own stretch of the noise, and its three numbers as the publisher writes them, as text."""
    import cv2

    folder = home / ("val_set" if number % TEST_SHARE == 0 else "train_set")
    grain = noise[number : number + SIDE * SIDE * 3].reshape(SIDE, SIDE, 3)
    coded = cv2.imencode(".jpg", cv2.add(faces[number % FACES], grain))[1]
    (folder / "images" / f"{number}.jpg").write_bytes(coded.tobytes())
    for kind, value in (("exp", number // TEST_SHARE % 8), ("val", -0.25), ("aro", 0.5)):
        np.save(folder / "annotations" / f"{number}_{kind}.npy", np.array(str(value)))


def timed(function):
    started = time.perf_counter()
    return function(), time.perf_counter() - started


def measure(folder):
    """Prints the figures of loading and of one epoch, as a JSON object."""
    os.environ["FER_TF_CACHE"] = str(Path(folder, "cache"))
    from fer_tf.common.quiet import import_keras

    import_keras()
    from fer_tf.data.sets import affectnet

    def load():
        return affectnet.load(Path(folder, "affectnet"), "official", 0, image_size=SIDE, stream=True)

    figures = {"peak MB before, TensorFlow imported": peak()}
    ds, seconds = timed(load)
    figures |= {
        "peak MB after listing": peak(),
        "pictures": len(ds.table),
        "seconds of the first listing": round(seconds),
    }
    figures["seconds of a later listing, annotations cached"] = round(timed(load)[1], 1)
    split = ds.training_data().train
    seen, seconds = timed(lambda: sum(len(batch[0]) for batch in epoch(split)))
    figures |= {"peak MB after an epoch": peak(), "pictures of the epoch": seen, "pictures/s": round(seen / seconds)}
    figures["MB the epoch's decoded pixels would take"] = round(seen * np.prod(ds.image_shape) / 1e6)
    print(json.dumps({name: float(value) if value % 1 else int(value) for name, value in figures.items()}))


def epoch(split):
    """One epoch of augmented batches, as training gets them."""
    from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
    from fer_tf.data.feeding.pipeline import training_batches
    from fer_tf.layers import DRAWS, Augmentation, augmentation_stages, mix

    plan = EpochPlan(target_matrix(split), BATCH, 0, len(DRAWS))
    settings = Augmentation(rotation=10.0, zoom=0.1, shift=0.1, flip=True)
    return training_batches(split, plan, augmentation_stages(settings), mix, 0, 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
