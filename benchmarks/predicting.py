"""Faces a second through the whole of `predict` (read, find, crop, classify), against what a student writes, and `fer`.

    python benchmarks/predicting.py [DATA_DIR]

256 JPEGs of 320×240, a face in each (FER2013's test faces where DATA_DIR has them, else drawn ones; enlarged to 144
px), the same files for all; the slow ways of a student get the first 64. Each variant in a process of its own, models
loaded and warm before the clock starts; `faces` tells how many the detector found. The small CNN has random weights:
speed does not depend on them. `fer` is the PyPI package, left out where it cannot be imported (`pip install --no-deps
fer "setuptools<81"` suffices), as are `deepface` without its emotion model on disk, ONNX Runtime and LiteRT (`make
extras`). Pictures in a second of processor time, on all cores together, depend less on what else the machine does.
"""

import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from _measure import in_own_process, print_table, report

COUNT, SIDE, SIZE = 256, 144, (240, 320)
PLAIN_COUNT, WARM = 64, 32
# name -> (detector, pictures a step, runtime, smallest face in pixels) of EmotionRecognizer
OURS: dict = {
    "fer-tf crops, 1": ("none", 1, "keras", 0),
    "fer-tf crops, 256": ("none", 256, "keras", 0),
    "fer-tf onnx crops, 1": ("none", 1, "onnx", 0),
    "fer-tf onnx crops, 256": ("none", 256, "onnx", 0),
    "fer-tf tflite crops, 1": ("none", 1, "tflite", 0),
    "fer-tf tflite crops, 256": ("none", 256, "tflite", 0),
    "fer-tf haar, 1": ("haar", 1, "keras", 0),
    "fer-tf haar, 256": ("haar", 256, "keras", 0),
    "fer-tf onnx haar, 256": ("haar", 256, "onnx", 0),
    "fer-tf haar, 256, faces from 50 px": ("haar", 256, "keras", 50),
    "fer-tf mtcnn, 1": ("mtcnn", 1, "keras", 0),
    "fer-tf mtcnn, 256": ("mtcnn", 256, "keras", 0),
    "fer-tf mtcnn, 256, faces from 50 px": ("mtcnn", 256, "keras", 50),
    "fer-tf onnx mtcnn, 256, faces from 50 px": ("mtcnn", 256, "onnx", 50),
}
NEEDS = {"onnx": ("onnx", "tf2onnx", "onnxruntime"), "tflite": ("ai_edge_litert",), "keras": ()}
PLAIN = ("plain crops", "plain haar")


def main():
    ours = [name for name, (_, _, runtime, _) in OURS.items() if all(map(importlib.util.find_spec, NEEDS[runtime]))]
    others = {"fer haar": importlib.util.find_spec("fer"), "deepface crops": has_deepface()}
    variants = [*PLAIN, *ours, *(name for name, is_here in others.items() if is_here)]
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), sys.argv[1] if len(sys.argv) > 1 else None)
        rows = [in_own_process(__file__, variant, folder) for variant in variants]
    for kind in ("crops", "haar", "mtcnn"):
        part = [row for row in rows if kind in row["variant"] or (kind == "mtcnn" and row["variant"] == "fer haar")]
        names = [row["variant"] for row in part]
        print_table(part, "pictures/s", "fer haar" if kind == "mtcnn" and "fer haar" in names else names[0])
        print()


def faces(data_dir):
    """uint8 [COUNT, h, w], of FER2013's test split or drawn."""
    from fer_tf.common.checks import DataError
    from fer_tf.data import load_dataset

    try:
        ds = load_dataset("fer2013", data_dir)
    except DataError:
        ds = load_dataset("synthetic", count=2000)
    print(f"faces of {ds.name}")
    return ds.test.images[:COUNT, ..., 0]


def write_pictures(folder, data_dir):
    """JPEGs with a face on a shaded background, its place drawn with a seed."""
    rng = np.random.default_rng(0)
    shade = np.tile(np.linspace(60, 180, SIZE[1]), (SIZE[0], 1))
    for number, face in enumerate(faces(data_dir)):
        picture = (shade + rng.normal(0, 6, SIZE)).clip(0, 255).astype(np.uint8)
        top, left = rng.integers(10, SIZE[0] - SIDE - 10), rng.integers(10, SIZE[1] - SIDE - 10)
        picture[top : top + SIDE, left : left + SIDE] = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), cv2.merge([picture] * 3))


def plain_way(model, detector):
    """What is written first: read, find, resize, `model.predict` for each face."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def predict(paths):
        found = 0
        for path in paths:
            gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            boxes = cascade.detectMultiScale(gray) if detector == "haar" else [(0, 0, gray.shape[1], gray.shape[0])]
            for x, y, w, h in boxes:
                crop = cv2.resize(gray[y : y + h, x : x + w], (48, 48))
                model.predict(crop[None, ..., None], verbose=0).argmax()
                found += 1
        return found

    return predict


def our_way(model, detector, batch_size, runtime, min_face):
    from fer_tf.emotions import EMOTIONS
    from fer_tf.predict import EmotionRecognizer
    from fer_tf.saving import save_model

    with tempfile.TemporaryDirectory() as folder:  # the other runtimes export a file
        save_model(model, Path(folder) / "cnn.h5", EMOTIONS[:7])
        options = {"runtime": runtime, "min_face": min_face}
        recognizer = EmotionRecognizer(Path(folder) / "cnn.h5", batch_size, detector, **options)
    return lambda paths: int((recognizer.predict(paths)["detected"] | (detector == "none")).sum())


def way_of_fer():
    from fer.fer import FER

    detector = FER(mtcnn=False)
    return lambda paths: sum(len(detector.detect_emotions(cv2.imread(str(path)))) for path in paths)


def has_deepface():
    """True if deepface and its emotion model are here: it would download the model."""
    weights = Path.home() / ".deepface" / "weights" / "facial_expression_model_weights.h5"
    return bool(importlib.util.find_spec("deepface")) and weights.is_file()


def way_of_deepface():
    from deepface import DeepFace

    options = {"actions": ["emotion"], "detector_backend": "skip", "enforce_detection": False, "silent": True}
    return lambda paths: sum(len(DeepFace.analyze(str(path), **options)) for path in paths)


def way(variant):
    """function(paths) -> number of faces."""
    if variant in ("fer haar", "deepface crops"):
        return way_of_fer() if variant == "fer haar" else way_of_deepface()
    from fer_tf.common.quiet import import_keras

    import_keras().utils.set_random_seed(0)
    from fer_tf.models import build_model

    model = build_model("cnn", (48, 48, 1), 7)
    return plain_way(model, variant.split()[1]) if variant in PLAIN else our_way(model, *OURS[variant])


def measure(variant, folder):
    """All figures of one variant, printed for `main`."""
    paths = sorted(Path(folder).glob("*.jpg"))[: PLAIN_COUNT if variant in PLAIN else COUNT]
    predict = way(variant)
    predict(paths[:WARM])
    started = time.perf_counter(), time.process_time()
    found = predict(paths)
    seconds, used = time.perf_counter() - started[0], time.process_time() - started[1]
    rates = {"pictures/s": len(paths) / seconds, "pictures in a processor second": len(paths) / used}
    report(faces=found, pictures=len(paths), **{name: round(rate, 1) for name, rate in rates.items()})


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 2 else main()
