"""How fast occlusion maps are: copies per second, against the model's own rate and one call per square.

    python benchmarks/occlusion.py

The small CNN at its default width, 48×48×1, random weights; the same number of occluded copies for the first two
(64 pictures × 169 squares of 12 px, 3 px apart). `kit` is `explain(..., "occlusion")`, from pictures to maps. `predict`
is `model.predict` on the same number of ready pictures: the model's own rate. `square` is the plain loop that a student
writes: one copy and one call of `model.predict` for every square, on a part of them.
"""

import sys

import numpy as np
from _measure import best_of, in_own_process, print_table, report

IMAGES, SQUARES, SINGLE = 64, 169, 150
VARIANTS = {
    "kit": "occlusion maps, all copies of all pictures in common batches",
    "predict": "model.predict on the same number of ready pictures: the model's own rate",
    "square": "a copy and a call of model.predict for every square",
}


def main():
    table = print_table([in_own_process(__file__, variant) for variant in VARIANTS], "copies/s", "square")
    rates = table["copies/s"]
    print(f"the maps run at {100 * rates['kit'] / rates['predict']:.0f} % of the model's own rate")
    for variant, meaning in VARIANTS.items():
        print(f"{variant:8} {meaning}")


def one_by_one(model, image, size=12, stride=3):
    """The first squares of one picture, as in a notebook."""
    before = model.predict(image[None], verbose=0)[0]
    drops = []
    for y in range(0, 48 - size + 1, stride):
        for x in range(0, 48 - size + 1, stride):
            copy = image.copy()
            copy[y : y + size, x : x + size] = 0
            drops.append(before[before.argmax()] - model.predict(copy[None], verbose=0)[0][before.argmax()])
            if len(drops) == SINGLE:
                return drops
    return drops


def work(variant, model):
    """(function to be timed, copies that it answers)."""
    from fer_tf.explain import explain

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 48, 48, 1), dtype=np.uint8)
    if variant == "kit":
        return lambda: explain(model, images, "occlusion"), IMAGES * SQUARES
    if variant == "square":
        return lambda: one_by_one(model, images[0]), SINGLE
    copies = rng.integers(0, 256, (IMAGES * SQUARES, 48, 48, 1), dtype=np.uint8)
    return lambda: model.predict(copies, batch_size=512, verbose=0), len(copies)


def measure(variant):
    """Copies a second, the best of three rounds after one that is not counted."""
    from fer_tf.common.quiet import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    from fer_tf.models import build_model

    function, copies = work(variant, build_model("cnn", (48, 48, 1), 7))
    function()
    seconds = best_of(function)
    report(**{"copies/s": round(copies / seconds), "seconds": round(seconds, 2), "copies": copies})


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
