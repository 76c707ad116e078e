"""Trains small nets on one device and on two, all in one process, because each start takes seconds.

    KERAS_BACKEND=jax python tests/on_devices.py FOLDER [NAME ...]

Each training writes FOLDER/<devices>/<name>.npz: the weights, then the figures of the epochs. Of 45 pictures 13 are in
the last batch, which two devices cannot share evenly. Each of TensorFlow's devices draws its own dropout, so there the
nets have none.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from fer_tf.common.quiet import import_keras

keras = import_keras(wake=False)
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from fixtures import PLAIN  # noqa: E402
from tiny_face_net import DEPTH, tiny_face_net  # noqa: E402

from fer_tf import experiments, saving  # noqa: E402
from fer_tf.common.inference import whole_of  # noqa: E402
from fer_tf.data import load_dataset  # noqa: E402
from fer_tf.emotions import VALENCE_AROUSAL  # noqa: E402
from fer_tf.models.facenet2expnet import EXPRESSION_NET  # noqa: E402
from fer_tf.training import compiling, distillation, distribution, fitting, second_output  # noqa: E402
from fer_tf.training.checkpoint import EpochKeeper, Progress  # noqa: E402

layers = keras.layers
IS_JAX = keras.backend.backend() == "jax"
COUNT, BATCH = 45, 16
SETTINGS = {"epochs": 2, "batch_size": BATCH, "optimizer": "sgd", "learning_rate": 0.02, "width": 0.1, "patience": 0}
SETTINGS |= {
    **PLAIN,
    "sizes": "",
    "schedule": "constant",
    "warmup": 0.0,
    "clip_norm": 0.0,
    "precision": "float32",
    "jit": "on" if IS_JAX else "off",
}
SETTINGS |= {} if IS_JAX else {"dropout": 0.0}


def main(folder, *names):
    """Trains all, or those with these names."""
    distribution._split_processor(2)
    faces = load_dataset("synthetic", count=400)
    data = faces.limited(COUNT).training_data()
    tiny_face_net().save(folder / "face_net.h5")
    saving.save_model(plain(seed=5), folder / "teacher.h5", faces.class_names, {})
    for name in names or TRAININGS:
        for devices in ("1", "2"):
            home = folder / devices
            # what one device has computed and kept would hide what two compute
            os.environ |= {"FER_TF_CACHE": f"{home}/cache", "FER_TF_MODELS": f"{home}/models"}
            teacher = teacher_in(folder, faces)  # opened before devices are shared, as `run_experiment` does
            with distribution.started(devices), distribution.scope():
                TRAININGS[name](data, Progress(home / name, "f", verbose=False), teacher)


def write(progress, model):
    home, name = progress.directory.parent, progress.directory.name
    np.savez(home / f"{name}.npz", *model.get_weights(), *(figures(progress.directory / of) for of in ("", "matching")))


def figures(folder):
    """Those of every epoch. TensorFlow's two devices both count a batch that they do not share: only of validation."""
    if not (folder / "history.csv").is_file():
        return np.zeros(0)
    history = pd.read_csv(folder / "history.csv").select_dtypes("number").drop(columns="seconds")
    return (history if IS_JAX else history.filter(like="val_")).to_numpy()


def resolved(name, **changed):
    return experiments.resolve(name, "smoke", {**SETTINGS, **changed})


def plain(seed=0):
    """A net that neither normalises nor drops, with an expression net in it."""
    keras.utils.set_random_seed(seed)
    pictures = keras.Input((48, 48, 1))
    x = layers.Rescaling(1 / 255)(pictures)
    x = layers.Conv2D(4, 3, strides=4, activation="relu")(x)
    x = layers.Conv2D(DEPTH, 3, strides=4, padding="same", name="match")(x)
    net = keras.Model(pictures, x, name=EXPRESSION_NET)
    inputs = keras.Input((48, 48, 1))
    x = layers.Flatten()(net(inputs))
    scores = layers.Dense(8, name="scores")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(scores))


def own():
    """The net of trainings that need none of the kit's: a small one is faster to trace."""
    return None if IS_JAX else plain()


def matched(data, progress, teacher):
    """Stage 1 and its joint phase, with a face network that first learns expressions."""
    face_net = progress.directory.parent.parent / "face_net.h5"
    settings = {"face_net": str(face_net), "depth": DEPTH, "flip": True, "face_net_epochs": 1, "matching_epochs": 2}
    write(progress, fitting.fit(data, resolved("facenet2expnet", **settings), 0, progress, own())[0])


def with_face_net(data, progress, teacher):
    """A face network that is a part of the model."""
    face_net = progress.directory.parent.parent / "face_net.h5"
    settings = {"face_net": str(face_net), "frozen_until": "first", "resolution": 20}
    write(progress, fitting.fit(data, resolved("face_transfer", **settings), 0, progress)[0])


def in_phases(data, progress, teacher):
    """The head alone, then the upper part of a pretrained backbone."""
    settings = {"weights": "drawn", "width": 0.25, "head_epochs": 1, "unfreeze": "block5_conv1"}
    write(progress, fitting.fit(data, resolved("vgg16", **settings), 0, progress)[0])


def taught(data, progress, teacher):
    """By a teacher that answers every changed picture; with batch normalisation and a moving average."""
    experiment = resolved("cnn", teacher="cnn", teacher_views="augmented", ema=0.9)
    write(progress, fitting.fit(data, experiment, 0, progress, teacher=teacher)[0])


def teacher_in(folder, faces):
    model = saving.load_model(folder / "teacher.h5")
    return distillation.Teacher(("teacher",), (model,), tuple(faces.class_names), "f")


class Stopped(Exception):
    """Somebody pulled the plug."""


def resumed(data, progress, teacher):
    """Two devices are stopped after their first epoch and resume; one is not. The teacher was asked once."""
    experiment, real = resolved("cnn", teacher="cnn", ema=0.9, mixup=0.2), EpochKeeper.on_epoch_begin

    def stop(keeper, epoch, logs=None):
        if epoch:
            raise Stopped
        real(keeper, epoch, logs)

    if progress.directory.parent.name != "1":
        EpochKeeper.on_epoch_begin = stop
        try:
            fitting.fit(data, experiment, 0, progress, own(), teacher)
        except Stopped:
            EpochKeeper.on_epoch_begin = real
        assert len(pd.read_csv(progress.directory / "history.csv")) == 1
    write(progress, fitting.fit(data, experiment, 0, progress, own(), teacher)[0])


def with_values(data, are_known=True):
    """The data with valence and arousal, of which a tenth is unknown."""
    rng = np.random.default_rng(0)

    def given(split):
        values = rng.uniform(-1, 1, (len(split), 2)).astype(np.float32)
        values[rng.random(values.shape) < (0.1 if are_known else 1)] = np.nan
        return replace(split, values=values)

    return replace(data, train=given(data.train), val=given(data.val), second=VALENCE_AROUSAL)


def two_outputs(data, progress, teacher):
    """Classes and values. Under TensorFlow the loss of values is that of a device's pictures, so no value is known."""
    model, _ = second_output.fit(with_values(data, IS_JAX), resolved("cnn"), 0, progress, own())
    write(progress, whole_of(model).model)


def loss_of_values(data, progress, teacher):
    """The loss of an epoch that changes nothing, with two outputs: as it was given, and by hand as the mean of both
    halves of each batch and of whole batches."""
    few = with_values(replace(data, train=of_rows(data.train, 2 * BATCH)))
    experiment = resolved("cnn", epochs=1, learning_rate=1e-8)
    model, _ = second_output.fit(few, experiment, 0, progress, plain())
    given = pd.read_csv(progress.directory / "history.csv")["loss"].iloc[0]
    values = second_output.values_and_known(few.train.values)
    plan = fitting.planned(few.train, experiment, 0, values, second_output._PlanWithValues)
    outputs = whole_of(model).model(few.train.images.astype(np.float32), training=False)
    outputs = np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs], axis=1)
    whole = [(batch.targets, outputs[batch.positions]) for batch in plan.batches(0)]
    halves = [pair for targets, found in whole for pair in zip(np.split(targets, 2), np.split(found, 2), strict=True)]
    loss = second_output.BothLosses(compiling.loss_of(experiment), len(few.class_names))
    # not by calling it: Keras divides that by the number of devices
    means = (np.mean([keras.ops.mean(loss.call(*pair)) for pair in pairs]) for pairs in (halves, whole))
    np.savez(progress.directory.parent / f"{progress.directory.name}.npz", given, *means)


def of_rows(split, count):
    """The first pictures of a split."""
    return replace(split, rows=split.rows[:count], labels=split.labels[:count])


TRAININGS = {
    training.__name__: training
    for training in (matched, with_face_net, in_phases, taught, resumed, two_outputs, loss_of_values)
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
