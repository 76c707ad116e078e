"""Feeding augmented 48×48 faces to a training loop: the kit's pipeline against the ways a student writes it.

    python benchmarks/input_pipeline.py

Same faces, same kinds of change (rotation, zoom, shift, flip), batch 64; images a second through the input alone, after
a first epoch that is not counted (compiling, filling caches).
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import in_own_process, print_table, report

COUNT, EPOCHS, BATCH = 8000, 3, 64
VARIANTS = {
    "kit": "images in memory, augmented once a batch, compiled",
    "directory": "image_dataset_from_directory, no cache, Keras augmentation layers mapped after batch",
    "per_image": "tf.data from memory, Keras augmentation layers mapped image by image",
    "generator": "a Python generator warping image by image with OpenCV (like ImageDataGenerator)",
}


def main(folder):
    rows = [in_own_process(__file__, variant, folder) for variant in VARIANTS]
    table = print_table(rows, "images/s", "directory")
    for variant, meaning in VARIANTS.items():
        print(f"{variant:10} {meaning}")
    return table


def faces():
    from fer_tf.data.drawn_faces import draw_faces

    drawn = draw_faces(COUNT, seed=0)
    return drawn.images, drawn.table["emotion"].astype("category").cat.codes.to_numpy()


def write_folder(folder):
    """The faces as PNG files, one folder per class."""
    import cv2

    for row, (image, label) in enumerate(zip(*faces(), strict=True)):
        path = Path(folder, str(label), f"{row}.png")
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), image)


def layers():
    import keras

    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(10 / 360),
            keras.layers.RandomZoom(0.1),
            keras.layers.RandomTranslation(0.1, 0.1),
        ]
    )


def kit(_):
    from fer_tf.data.base import ArrayImages, Split
    from fer_tf.data.feeding.epoch_plan import EpochPlan, target_matrix
    from fer_tf.data.feeding.pipeline import training_batches
    from fer_tf.layers import DRAWS, Augmentation, augmentation_stages, mix

    images, labels = faces()
    split = Split(ArrayImages(images), np.arange(COUNT), labels.astype(int), tuple("abcdefgh"))
    plan = EpochPlan(target_matrix(split), BATCH, 0, len(DRAWS))
    settings = Augmentation(rotation=10.0, zoom=0.1, shift=0.1, flip=True)
    return training_batches(split, plan, augmentation_stages(settings), mix, 0, EPOCHS + 1)


def directory(folder):
    import keras

    change = layers()
    data = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", color_mode="grayscale", image_size=(48, 48), batch_size=BATCH, verbose=False
    )
    return data.map(lambda images, labels: (change(images, training=True), labels)).repeat(EPOCHS + 1)


def per_image(_):
    import tensorflow as tf

    images, labels = faces()
    change = layers()
    data = tf.data.Dataset.from_tensor_slices((images.astype(np.float32), labels)).shuffle(COUNT).repeat(EPOCHS + 1)
    data = data.map(lambda image, label: (change(image[None], training=True)[0], label), num_parallel_calls=2)
    return data.batch(BATCH).prefetch(4)


def generator(_):
    import cv2

    images, labels = faces()
    rng = np.random.default_rng(0)

    def warped(image):
        matrix = cv2.getRotationMatrix2D((23.5, 23.5), rng.uniform(-10, 10), rng.uniform(0.9, 1.1))
        matrix[:, 2] += rng.uniform(-4.8, 4.8, 2)
        image = cv2.warpAffine(image, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)
        return image[:, ::-1] if rng.random() < 0.5 else image

    for _ in range(EPOCHS + 1):
        order = rng.permutation(COUNT)
        for start in range(0, COUNT, BATCH):
            chosen = order[start : start + BATCH]
            yield np.stack([warped(image) for image in images[chosen]])[..., None].astype(np.float32), labels[chosen]


def measure(variant, folder):
    """Images a second after the first epoch."""
    from fer_tf.common.quiet import import_keras

    import_keras()
    seen, started = 0, None
    for batch in globals()[variant](folder):
        seen += len(batch[0])
        if started is None and seen >= COUNT:
            started, first = time.perf_counter(), seen
    report(**{"images/s": round((seen - first) / (time.perf_counter() - started))})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
    else:
        with tempfile.TemporaryDirectory() as home:
            write_folder(home)
            main(home)
