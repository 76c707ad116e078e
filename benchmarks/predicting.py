"""Faces a second through the whole of `predict` (read, find, crop, classify), against what a student writes, and `fer`.

    python benchmarks/predicting.py [DATA_DIR]

256 JPEGs of 320×240, a face in each (FER2013's test faces where DATA_DIR has them, else drawn ones; enlarged to 144
px), the same files for all. Each variant in its own process, models loaded and warm before the clock starts;
`faces` tells how many the detector found. The small CNN has random weights: speed does not depend on them. `fer` is the
PyPI package, left out where it cannot be imported (`pip install --no-deps fer "setuptools<81"` suffices), as are ONNX
Runtime and LiteRT (`make extras`).
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from _measure import best_of, in_own_process, print_table, report

COUNT, SIDE, SIZE = 256, 144, (240, 320)
# name -> (detector, pictures a step, runtime) of EmotionRecognizer
OURS = {
    "fer-tf crops, 1": ("none", 1, "keras"),
    "fer-tf crops, 256": ("none", 256, "keras"),
    "fer-tf onnx crops, 1": ("none", 1, "onnx"),
    "fer-tf onnx crops, 256": ("none", 256, "onnx"),
    "fer-tf tflite crops, 1": ("none", 1, "tflite"),
    "fer-tf tflite crops, 256": ("none", 256, "tflite"),
    "fer-tf haar, 1": ("haar", 1, "keras"),
    "fer-tf haar, 256": ("haar", 256, "keras"),
    "fer-tf onnx haar, 256": ("haar", 256, "onnx"),
    "fer-tf mtcnn, 1": ("mtcnn", 1, "keras"),
    "fer-tf mtcnn, 256": ("mtcnn", 256, "keras"),
}
NEEDS = {"onnx": ("onnx", "tf2onnx", "onnxruntime"), "tflite": ("ai_edge_litert",), "keras": ()}
PLAIN = ("plain crops", "plain haar")


def main():
    ours = [name for name, (_, _, runtime) in OURS.items() if all(map(importlib.util.find_spec, NEEDS[runtime]))]
    variants = [*PLAIN, *ours, *(["fer haar"] if importlib.util.find_spec("fer") else [])]
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), sys.argv[1] if len(sys.argv) > 1 else None)
        rows = [in_own_process(__file__, variant, folder) for variant in variants]
    for kind in ("crops", "haar", "mtcnn"):
        part = [row for row in rows if kind in row["variant"] or row["variant"] == f"plain {kind}"]
        print_table(part, "faces/s", part[0]["variant"])
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


def our_way(model, detector, batch_size, runtime):
    from fer_tf.emotions import EMOTIONS
    from fer_tf.predict import EmotionRecognizer
    from fer_tf.saving import save_model

    with tempfile.TemporaryDirectory() as folder:  # the other runtimes export a file
        save_model(model, Path(folder) / "cnn.h5", EMOTIONS[:7])
        recognizer = EmotionRecognizer(Path(folder) / "cnn.h5", batch_size, detector, runtime=runtime)
    return lambda paths: int((recognizer.predict(paths)["detected"] | (detector == "none")).sum())


def way_of_fer():
    from fer.fer import FER

    detector = FER(mtcnn=False)
    return lambda paths: sum(len(detector.detect_emotions(cv2.imread(str(path)))) for path in paths)


def way(variant):
    """function(paths) -> number of faces."""
    if variant == "fer haar":
        return way_of_fer()
    from fer_tf.common.quiet import import_keras

    import_keras().utils.set_random_seed(0)
    from fer_tf.models import build_model

    model = build_model("cnn", (48, 48, 1), 7)
    return plain_way(model, variant.split()[1]) if variant in PLAIN else our_way(model, *OURS[variant])


def measure(variant, folder):
    """All figures of one variant, printed for `main`."""
    predict, paths = way(variant), sorted(Path(folder).glob("*.jpg"))
    found = predict(paths)
    seconds = best_of(lambda: predict(paths), repeats=3)
    report(**{"faces": found, "pictures/s": round(len(paths) / seconds, 1), "faces/s": round(found / seconds, 1)})


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 2 else main()
