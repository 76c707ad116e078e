"""What a training step of the small CNN costs, fed in different ways, with and without XLA.

    python benchmarks/training_step.py

`held` trains on one batch in memory: the step alone. The kit's pipeline, with and without augmentation, must cost at
most 5 % more. The other variants are what a student writes: arrays without augmentation, and a folder that is read
every epoch, with augmentation layers in the model.
"""

import sys
import tempfile
import time

import input_pipeline
import numpy as np
from _measure import in_own_process, print_table, report

STEPS, BATCH = 80, 64
VARIANTS = {
    "held": "one batch held in memory: the step alone",
    "kit": "the kit's pipeline with rotation, zoom, shift, flip",
    "kit_plain": "the kit's pipeline without augmentation",
    "arrays": "model.fit on arrays, no augmentation",
    "folder": "image_dataset_from_directory, no cache, augmentation layers inside the model",
}


def main(folder):
    rows = []
    for jit in ("off", "on"):
        for variant in VARIANTS:
            if (variant, jit) == ("folder", "on"):
                continue  # Keras's random layers switch XLA off for the whole model
            row = in_own_process(__file__, variant, jit, folder)
            rows.append({**row, "variant": variant + ("+xla" if jit == "on" else "")})
    table = print_table(rows, "ms/step", "held", faster="lower")
    cost = 100 * (table["ms/step"]["kit"] / table["ms/step"]["held"] - 1)
    print(f"the kit's pipeline with augmentation costs {cost:+.1f} % of a step (allowed: 5 %)")
    for variant, meaning in VARIANTS.items():
        print(f"{variant:10} {meaning}")


def feed(variant, folder):
    """What `fit` is given: (data, options)."""
    import tensorflow as tf

    if variant == "folder":
        import keras

        data = keras.utils.image_dataset_from_directory(
            folder,
            label_mode="categorical",
            color_mode="grayscale",
            image_size=(48, 48),
            batch_size=BATCH,
            verbose=False,
        )
        return data.repeat()
    images, labels = input_pipeline.faces()
    targets = np.eye(8, dtype=np.float32)[labels]
    if variant == "held":
        batch = (tf.constant(images[:BATCH], tf.float32), tf.constant(targets[:BATCH]))
        return tf.data.Dataset.from_tensors(batch).repeat()
    if variant == "arrays":
        data = tf.data.Dataset.from_tensor_slices((images, targets)).shuffle(len(images)).repeat()
        return data.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return kit_batches(images, labels, augmented=variant == "kit")


def kit_batches(images, labels, augmented):
    from fer_tf.data.base import ArrayImages, Split
    from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
    from fer_tf.data.feeding.pipeline import training_batches
    from fer_tf.layers import DRAWS, Augmentation, augmentation_stages, mix

    split = Split(ArrayImages(images), np.arange(len(images)), labels.astype(int), tuple("abcdefgh"))
    plan = EpochPlan(target_matrix(split), BATCH, 0, len(DRAWS))
    settings = Augmentation(rotation=10.0, zoom=0.1, shift=0.1, flip=True) if augmented else Augmentation()
    return training_batches(split, plan, augmentation_stages(settings), mix, 0, 1000)


def measure(variant, jit, folder):
    """Median milliseconds of a training step, after a first run that is not counted."""
    from fer_tf.common.quiet import import_keras

    keras = import_keras()
    from fer_tf.models import build_model

    model = build_model("cnn", (48, 48, 1), 8)
    if variant == "folder":
        inputs = keras.Input((48, 48, 1))
        model = keras.Model(inputs, model(input_pipeline.layers()(inputs)))
    model.compile(
        keras.optimizers.Adam(1e-4), "categorical_crossentropy", metrics=["accuracy"], jit_compile=jit == "on"
    )
    clock = StepClock(keras)
    model.fit(
        feed(variant, folder), steps_per_epoch=STEPS, epochs=2, verbose=0, shuffle=False, callbacks=[clock.callback]
    )
    steps = np.diff(clock.times[STEPS + 5 :])
    report(**{"ms/step": round(1000 * float(np.median(steps)), 1), "mean ms": round(1000 * float(np.mean(steps)), 1)})


class StepClock:
    """Notes when each training batch ends."""

    def __init__(self, keras):
        self.times = []
        self.callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: self.times.append(time.perf_counter())
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
    else:
        with tempfile.TemporaryDirectory() as home:
            input_pipeline.write_folder(home)
            main(home)
