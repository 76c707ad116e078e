"""How many pictures a second the same small net answers, by runtime, against `model.predict` picture by picture.

    python benchmarks/runtimes.py

The small CNN at its default width, 48×48×1, random weights, raw pixels in, probabilities out; without reading files and
finding faces. Each variant in its own process, asked for one picture at a time and for 256 at once. The column
`times predict` compares with what a student writes first: `model.predict(picture[None])` in a loop.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from _measure import answers_per_second, in_own_process, print_table, report

BATCHES = (1, 256)
# name -> (form, quantize) of an export, or None: the Keras model, asked in one of the ways below
VARIANTS = {
    "predict": None,
    "call": None,
    "compiled": None,
    "onnx": ("onnx", None),
    "onnx-float16": ("onnx", "float16"),
    "onnx-int8": ("onnx", "int8"),
    "litert": ("tflite", None),
    "litert-float16": ("tflite", "float16"),
    "litert-int8": ("tflite", "int8"),
}
MEANINGS = {
    "predict": "model.predict(images, verbose=0)",
    "call": "np.asarray(model(images))",
    "compiled": "model.predict_on_batch(images), as the kit does",
    "onnx": "ONNX Runtime on `fer-tf export --to onnx`",
    "litert": "LiteRT on `fer-tf export --to tflite`",
}


def main():
    rows = [in_own_process(__file__, variant) for variant in VARIANTS]
    table = print_table(rows, "1 at a time/s", "predict")
    alone = table.loc["predict", "1 at a time/s"]
    print("\ntimes `predict` picture by picture")
    ratios = {f"{batch} at a time": (table[f"{batch} at a time/s"] / alone).round(1) for batch in BATCHES}
    print(table[[]].assign(**ratios).to_string())
    for variant, meaning in MEANINGS.items():
        print(f"{variant:8} {meaning}")


def asker(variant, model):
    """(function(images) -> probabilities, megabytes of the file that it runs, None for the Keras model)."""
    from fer_tf.saving.export import SUFFIXES, export_model
    from fer_tf.saving.runtimes import open_exported

    if variant in ("predict", "call", "compiled"):
        ways = {
            "predict": lambda images: model.predict(images, verbose=0),
            "call": lambda images: np.asarray(model(images)),
            "compiled": model.predict_on_batch,
        }
        return ways[variant], None
    form, quantize = VARIANTS[variant]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIXES[form]}"
        export_model(model, path, form, quantize)
        return open_exported(path).predict_on_batch, round(path.stat().st_size / 1e6, 2)


def measure(variant):
    """All figures of one variant, printed for `main`."""
    from fer_tf.common.quiet import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    from fer_tf.models import build_model

    ask, size = asker(variant, build_model("cnn", (48, 48, 1), 7))
    rng, figures = np.random.default_rng(0), {"MB": size}
    for batch in BATCHES:
        images = rng.integers(0, 256, (batch, 48, 48, 1), dtype=np.uint8)
        figures[f"{batch} at a time/s"] = round(answers_per_second(ask, images))
    report(**figures)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
