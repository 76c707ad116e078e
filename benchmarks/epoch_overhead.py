"""What an epoch costs besides arithmetic: input, validation, callbacks and checkpoint, for the nets of the queue.

    python benchmarks/epoch_overhead.py [experiment ...]

`step` is the bare training step of the same net on one batch that is already in memory, times the steps of an epoch.
Each further row adds one thing, the last is an epoch as `fer-tf train` runs it. Without validation, which is work of
its own, an epoch must cost at most 5 % more than its steps.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import in_own_process, print_table, report

# The pictures of an epoch; the larger nets need fewer for an epoch that is long enough to be timed.
IMAGES = {"cnn": 2048, "compact": 512, "vgg_bn_small": 512}
BATCH, EPOCHS = 64, 4
VARIANTS = {
    "step": "the bare step on one batch held in memory, times the steps of an epoch",
    "input": "fit on the kit's augmented batches",
    "validation": "and with validation on an eighth as many pictures",
    "epoch": "as `fer-tf train`: and with the best weights, the checkpoint and the history",
}


def main():
    for experiment in sys.argv[1:] or IMAGES:
        rows = [{**in_own_process(__file__, variant, experiment), "variant": variant} for variant in VARIANTS]
        print(f"\n{experiment}")
        costs = print_table(rows, "s/epoch", "step", faster="lower")["s/epoch"]
        extra = costs["epoch"] - costs["validation"] + costs["input"]
        print(f"without validation: {100 * (extra / costs['step'] - 1):+.1f} % of the steps (allowed: 5 %)")
    for variant, meaning in VARIANTS.items():
        print(f"{variant:10} {meaning}")


def measure(variant, name):
    """Seconds of an epoch: the median of those after the first."""
    from fer_tf.common.quiet import import_keras

    import_keras()
    from fer_tf import experiments
    from fer_tf.training import fitting

    experiment = experiments.resolve(name, overrides={"epochs": EPOCHS, "batch_size": BATCH, "sizes": ""})
    experiment = dataclasses.replace(experiment, precision="float32")
    data = training_data(IMAGES[name])
    if variant == "epoch":
        times = whole_epochs(data, experiment)
        report(**{"s/epoch": round(float(np.median(times[1:])), 3)})
        return
    model = fitting.start(data, experiment, 0)
    steps = IMAGES[name] // BATCH
    fitting.compile_model(model, experiment, steps=(steps * EPOCHS, steps))
    timed = held_steps if variant == "step" else fitted_epochs
    report(**{"s/epoch": round(float(np.median(timed(model, data, experiment, variant)[1:])), 3)})


def training_data(images):
    from fer_tf.data.base import ArrayImages, Split, TrainingData

    rng, names = np.random.default_rng(0), tuple("abcdefgh")
    splits = [
        Split(
            ArrayImages(rng.integers(0, 256, (count, 48, 48, 1), dtype=np.uint8)),
            np.arange(count),
            rng.integers(0, 8, count),
            names,
        )
        for count in (images, images // 8)
    ]
    return TrainingData(*splits, names, (48, 48, 1))


def whole_epochs(data, experiment):
    """Seconds from the beginning of each epoch to that of the next: with the checkpoint."""
    from fer_tf.training import checkpoint, fitting

    begins, begin = [], checkpoint.EpochKeeper.on_epoch_begin

    def noted(self, epoch, logs=None):
        begins.append(time.perf_counter())
        begin(self, epoch, logs)

    checkpoint.EpochKeeper.on_epoch_begin = noted
    with tempfile.TemporaryDirectory() as folder:
        fitting.fit(data, experiment, 0, fitting.Progress(Path(folder), "f", verbose=False))
    return np.diff(begins)


def held_steps(model, data, experiment, variant):
    """Seconds of each epoch's steps on one batch."""
    import tensorflow as tf

    from fer_tf.data.feeding.epoch_plan import target_matrix

    images, targets = data.train.images[:BATCH].astype(np.float32), target_matrix(data.train)[:BATCH]
    batch = tf.data.Dataset.from_tensors((tf.constant(images), tf.constant(targets))).repeat()
    return _seconds(model, batch, None, len(data.train) // BATCH)


def fitted_epochs(model, data, experiment, variant):
    """Seconds of each epoch on the kit's batches, with or without validation."""
    from fer_tf.data.feeding import pipeline
    from fer_tf.training import fitting

    batches, _ = fitting._batches(data.train, experiment, 0, 0, EPOCHS, None, None)
    validation = pipeline.evaluation_batches(data.val) if variant == "validation" else None
    return _seconds(model, batches, validation, len(data.train) // BATCH)


def _seconds(model, batches, validation, steps):
    import keras

    times = [time.perf_counter()]
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: times.append(time.perf_counter()))
    model.fit(
        batches,
        epochs=EPOCHS,
        steps_per_epoch=steps,
        validation_data=validation,
        verbose=0,
        shuffle=False,
        callbacks=[clock],
    )
    return np.diff(times)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in VARIANTS:
        measure(*sys.argv[1:])
    else:
        main()
