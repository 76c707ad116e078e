"""A training step with TensorFlow's own convolutions and with oneDNN's, which the kit turns on on every processor.

    python benchmarks/onednn.py

Batch 64, 48×48×1, random pixels held in memory, random weights, at the widths that two cores train. TensorFlow alone
turns oneDNN on only where it finds AVX-512 VNNI; on such a processor the ratio tells what the setting has always given.
"""

import os
import sys

import numpy as np
from _measure import best_of, in_own_process, print_table, report

NETS = {
    "cnn": {},
    "ucar_cnn": {},
    "ran": {"backbone": "resnet18", "width": 0.25},
    "facenet2expnet": {"width": 0.3, "depth": 512},
}
VARIANTS = {"Eigen": "0", "oneDNN": "1"}
BATCH, STEPS = 64, 4


def main():
    print(f"AVX-512 VNNI: {'yes' if has_vnni() else 'no'}")
    for name in NETS:
        print(f"\n{name}")
        print_table([in_own_process(__file__, variant, name) for variant in VARIANTS], "ms/step", "Eigen", "lower")


def has_vnni():
    """Whether this processor has the instructions that TensorFlow looks for; False if this cannot be found out."""
    try:
        with open("/proc/cpuinfo") as lines:
            return "avx512_vnni" in lines.read()
    except OSError:
        return False


def measure(variant, name):
    """Times a net's training step under one variant, printed for `main`."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = VARIANTS[variant]
    from fer_tf.common.quiet import import_keras

    import_keras().utils.set_random_seed(0)
    from fer_tf.models import build_model

    model = build_model(name, (48, 48, 1), 8, **NETS[name])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (BATCH, 48, 48, 1)).astype("float32")
    labels = rng.integers(0, 8, BATCH)
    for _ in range(2):  # traced, then warm
        model.train_on_batch(images, labels)
    seconds = best_of(lambda: [model.train_on_batch(images, labels) for _ in range(STEPS)])
    report(**{"ms/step": round(1000 * seconds / STEPS)})


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
