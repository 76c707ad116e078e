"""Stage 1 of FaceNet2ExpNet (Ding et al. 2017, §3.2): the expression net learns the frozen face net's last map."""

import hashlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from tqdm.auto import tqdm

from ..common import hashes, sharing
from ..common.checks import InputError, check_range
from ..common.files import replacing, write_text
from ..data.base import TrainingData
from ..data.feeding import epoch_plan, pipeline
from ..experiments.settings import Experiment
from ..models.facenet2expnet import EXPRESSION_NET
from ..runs import records
from ..runs.environment import has_accelerator
from . import face_nets
from .checkpoint import EpochKeeper, Phase, Progress, say
from .face_nets import FaceNet

FOLDER = "matching"
_MEAN_MAP = "mean_map.json"
_CHUNK = 1024  # maps in float32 at once


@keras.saving.register_keras_serializable(package="fer_tf")
class FeatureDistance(keras.losses.Loss):
    """‖g − G(x)‖_p^p over the map, a mean over its cells (Ding et al. 2017, eq. 2 with the ℓ_p norm; p = 2 there).

    Args:
        power: p, at least 1.
    Call arguments:
        y_true: G(x), float [N, h, w, D].
        y_pred: g, float [N, h, w, D].
    """

    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = check_range("matching_power", power, low=1)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """The distance of each picture's maps, float [N]."""
        distance = ops.abs(ops.cast(y_pred, "float32") - ops.cast(y_true, "float32"))
        return ops.mean(distance**self.power, axis=(1, 2, 3))


class MapBatches(keras.utils.PyDataset):
    """Pictures and their maps in float32, divided by `unit`, in an order that depends on (seed, epoch) alone.

    Each picture comes `passes` times in an epoch, and is mirrored at random where maps of the mirrored pictures are
    given.
    """

    def __init__(self, split, maps, mirrored=None, batch_size=256, seed=None, epoch=0, unit=1.0, passes=1):
        super().__init__()
        self.split, self.maps, self.mirrored, self.unit = split, maps, mirrored, np.float32(unit)
        self.batch_size = sharing.even(batch_size, len(split), learns=seed is not None)
        self.seed = seed
        self.epoch = epoch
        self.passes = passes
        self._lay_out()

    def _lay_out(self):
        images = len(self.split)
        rng = np.random.default_rng([self.seed or 0, self.epoch])
        passes = [np.arange(images) if self.seed is None else rng.permutation(images) for _ in range(self.passes)]
        self.order = np.concatenate(passes)
        self.flips = rng.random(len(self.order)) < (0.5 if self.mirrored is not None else 0)

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rows, flips = sharing.share((self.order[batch], self.flips[batch]), learns=self.seed is not None)
        images, maps = self.split.fetch(rows), np.asarray(self.maps[rows], np.float32)
        if flips.any():
            images = np.where(flips[:, None, None, None], images[:, :, ::-1], images)
            maps[flips] = self.mirrored[rows[flips]]
        return sharing.placed((images, maps / self.unit), len(self.order[batch]))

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self.epoch += 1
        self._lay_out()


def match(
    model: keras.Model, training_data: TrainingData, experiment: Experiment, seed: int, progress: "Progress"
) -> None:
    """Trains the model's expression net to give the face net's map, on train; the best epoch on val is kept.

    Both are compared in units of the training maps' deviation from their mean map (`deviation`), so that rates fit any
    face net and a net that gives the mean map everywhere has distance 1 on train (p = 2). Resumable; leaves its own
    history in the run's folder `matching/`, with the mean map's distance on val.

    Args:
        model: has the nested model `expression_net`.
        training_data: `TrainingData`.
        experiment: face_net, face_net_epochs, matching_epochs, matching_rate, matching_power, passes, batch_size, flip
            count.
        seed: int.
        progress: `fer_tf.training.fitting.Progress` of the run.
    """
    net = _expression_net(model)
    say(progress.verbose, f"{progress.name}: stage 1, matching {EXPRESSION_NET} to {experiment.face_net}")
    face_net = sharing.alone(face_nets.open_face_net)(experiment.face_net)
    if net.output_shape[-1] != face_net.depth:
        raise InputError(
            f"depth: {experiment.face_net}'s maps have {face_net.depth} channels: --set "
            f"depth={face_net.depth}; received {net.output_shape[-1]}"
        )
    if experiment.face_net_epochs:
        face_net = sharing.alone(fine_tuned)(
            face_net, training_data, experiment.face_net_epochs, experiment.batch_size, seed
        )
    grid = net.output_shape[1:3]
    maps = [
        sharing.alone(face_nets.cached_maps)(face_net, split, grid)
        for split in (training_data.train, training_data.val)
    ]
    mirrored = (
        sharing.alone(face_nets.cached_maps)(face_net, training_data.train, grid, flipped=True)
        if experiment.flip
        else None
    )
    mean = mean_map(maps[0])
    unit = deviation(maps[0], mean) + 1e-6
    loss = deviation(maps[1], mean, experiment.matching_power, unit) ** experiment.matching_power
    write_text(progress.directory / FOLDER / _MEAN_MAP, json.dumps({"mean_map_val_loss": loss}))
    _fit(net, training_data, (*maps, mirrored, unit), experiment, seed, progress)


def mean_map(maps: np.ndarray) -> np.ndarray:
    """The mean of maps [N, h, w, D], for each cell and channel separately, float64 [h, w, D]."""
    return sum(part.sum(axis=0, dtype=np.float64) for part in _chunks(maps)) / len(maps)


def deviation(maps: np.ndarray, mean: np.ndarray, power: float = 2.0, unit: float = 1.0) -> float:
    """(the mean over pictures, cells and channels of |map - mean|^p)^(1/p), in multiples of `unit`.

    Args:
        maps: [N, h, w, D], of any precision; made float32 in parts.
        mean: [h, w, D].
    """
    mean = mean.astype(np.float32)
    sums = [(np.abs((part - mean) / np.float32(unit)) ** power).sum(dtype=np.float64) for part in _chunks(maps)]
    return float((sum(sums) / maps.size) ** (1 / power))


def _chunks(maps):
    return (np.asarray(maps[start : start + _CHUNK], np.float32) for start in range(0, len(maps), _CHUNK))


def _expression_net(model):
    if EXPRESSION_NET in [layer.name for layer in model.layers]:
        return model.get_layer(EXPRESSION_NET)
    for layer in model.layers:  # below the features that all regions share
        if isinstance(layer, keras.Model) and EXPRESSION_NET in [inner.name for inner in layer.layers]:
            return layer.get_layer(EXPRESSION_NET)
    raise InputError(f"matching_epochs: {model.name} has no {EXPRESSION_NET}; allowed is 0")


def _fit(net, training_data, targets, experiment, seed, progress):
    """Trains on targets: maps of train, of val, of mirrored train or None, and their unit."""
    maps, val_maps, mirrored, unit = targets
    settings = replace(
        experiment, epochs=experiment.matching_epochs, schedule="cosine", patience=0, warmup=0.0, ema=0.0, sizes=""
    )  # stage 2's course is not stage 1's
    keeper = EpochKeeper(net, settings, replace(progress, directory=progress.directory / FOLDER))
    done = keeper.resume()
    jit = sharing.jit({"on": True, "off": False, "auto": has_accelerator()}[experiment.jit])
    net.compile(
        keras.optimizers.Adam(experiment.matching_rate), FeatureDistance(experiment.matching_power), jit_compile=jit
    )
    phase = Phase("matching", 0, settings.epochs, experiment.matching_rate)
    keeper.begin(net, phase, done)
    if done < settings.epochs:
        passes, size = experiment.passes, experiment.batch_size
        batches = MapBatches(training_data.train, maps, mirrored, size, seed, done, unit, passes)
        net.fit(
            batches,
            initial_epoch=done,
            epochs=settings.epochs,
            callbacks=sharing.callbacks([keeper]),
            verbose=0,
            shuffle=False,
            validation_data=MapBatches(training_data.val, val_maps, unit=unit),
        )
    keeper.restore_best()


def matching_facts(directory: Path) -> dict:
    """The results of stage 1, from its history in a run's folder: {} if there was none.

    Losses are `FeatureDistance`s in the units of `match`; mean_map_val_loss is what the training maps' mean has on val.
    """
    path = directory / FOLDER / "history.csv"
    if not path.is_file():
        return {}
    history = pd.read_csv(path)
    return {
        "matching": {
            "epochs": len(history),
            "first_val_loss": float(history["val_loss"].iloc[0]),
            "best_val_loss": float(history["val_loss"].min()),
            "seconds": float(history["seconds"].sum()),
            **json.loads((directory / FOLDER / _MEAN_MAP).read_text()),
        }
    }


def fine_tuned(face_net: FaceNet, training_data: TrainingData, epochs: int, batch_size: int, seed: int) -> FaceNet:
    """The face net first trained on expressions, then frozen: document [1]'s "fine-tuning the face network".

    It is kept in models/, under a name that holds a hash of what it depends on.

    Args:
        face_net: `FaceNet`.
        training_data: `TrainingData`; only train is used.
        epochs, batch_size, seed: ints.
    Returns: `FaceNet` with other weights and another fingerprint.
    """
    counts = [len(training_data.train), epochs, batch_size, seed]
    targets = hashlib.sha256(epoch_plan.target_matrix(training_data.train).tobytes()).hexdigest()
    pictures = face_nets.pictures_fingerprint(training_data.train)
    fingerprint = hashes.fingerprint(
        {"face_net": face_net.fingerprint, "counts": counts, "targets": targets, "pictures": pictures}
    )
    path = records.model_path(f"face_net-fine_tuned-{fingerprint}").with_suffix(".weights.h5")
    keras.utils.set_random_seed(seed)
    trunk = face_net.trunk
    _free(trunk)
    if path.is_file():
        trunk.load_weights(path)
    else:
        _train_on_expressions(face_net, training_data.train, epochs, batch_size, seed)
        with replacing(path) as part:
            trunk.save_weights(part)
    return replace(face_net, fingerprint=fingerprint, name=f"{face_net.name} (fine-tuned)")


def _free(model):
    """Lets every layer learn, also those saved frozen: a model that is already trainable does not tell its layers."""
    model.trainable = True
    for layer in model.layers:
        layer.trainable = True
        if isinstance(layer, keras.Model):
            _free(layer)


def _train_on_expressions(face_net, split, epochs, batch_size, seed):
    x = keras.layers.GlobalAveragePooling2D()(face_net.trunk.output)
    scores = keras.layers.Dense(len(split.class_names), activation="softmax", dtype="float32")(x)
    model = keras.Model(face_net.trunk.input, scores)
    model.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy", jit_compile=has_accelerator())
    order = epoch_plan.EpochPlan(epoch_plan.target_matrix(split), batch_size, seed, 1)
    batches = pipeline.training_batches(split, order, [], None, 0, epochs)
    bar = tqdm(
        batches,
        total=epochs * order.steps,
        desc="face net on expressions",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    for images, targets, weights in bar:
        pixels = face_net.prepared(ops.convert_to_numpy(images))
        model.train_on_batch(pixels, ops.convert_to_numpy(targets), ops.convert_to_numpy(weights))
