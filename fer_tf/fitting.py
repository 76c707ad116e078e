"""Fitting a model on train and val: compiling, epochs, selection of the best one, checkpoints. No test split here."""

import json
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from . import layers, losses, models, runlog
from .checks import InputError
from .data import pipeline, plan
from .paths import replacing

CHECKPOINT = "checkpoint.npz"


def say(verbose, text):
    """Prints a line of progress at once."""
    if verbose:
        print(text, flush=True)


@dataclass(frozen=True)
class Progress:
    """Where a fit leaves its history and checkpoint, and how it speaks.

    Attributes:
        directory: of the run.
        fingerprint: a checkpoint with another one is not resumed.
        name: for lines of progress.
        verbose: a bar over batches and a line an epoch.
    """

    directory: Path
    fingerprint: str
    name: str = ""
    verbose: bool = True


def fit(training_data, experiment, seed, progress):
    """Builds and trains a model; the best epoch by validation accuracy is what comes back.

    Args:
        training_data: `TrainingData`; there is no test split in it.
        experiment: resolved `Experiment`.
        seed: int.
        progress: `Progress`.
    Returns: `keras.Model`, and the facts of its training as a dict: parameters, peak_memory_mb and, where it was
        trained by epochs, epochs, best_epoch, seconds_per_epoch, seconds.
    """
    keras.utils.set_random_seed(seed)
    model = build(experiment, training_data)
    adapt(model, training_data.train)
    (progress.directory / "history.csv").unlink(missing_ok=True)
    if not model.trainable_variables or not experiment.epochs:
        return model, _facts(model, [])
    compile_model(model, experiment)
    keeper = EpochKeeper(experiment, progress)
    keeper.set_model(model)
    first = keeper.resume()
    if first < experiment.epochs and not keeper.is_over:
        _run_epochs(model, training_data, experiment, seed, keeper, first)
    keeper.restore_best()
    return model, _facts(model, keeper.state["history"])


def build(experiment, training_data):
    """The experiment's model for this data; `dropout` and `width` go to builders that have them."""
    accepted = models.model_options(experiment.model)
    options = {key: getattr(experiment, key) for key in ("dropout", "width") if key in accepted}
    return models.build_model(experiment.model, training_data.image_shape, len(training_data.class_names), **options)


def adapt(model, split):
    """Teaches layers that learn by counting, not by gradient (`adapt(labels)`), from the training labels."""
    for layer in model.layers:
        if isinstance(layer, layers.MajorityClass):
            layer.adapt(split.labels)


def compile_model(model, experiment):
    """Compiles for training; XLA is on with an accelerator, or as the experiment's `jit` says."""
    wants_jit = {"on": True, "off": False, "auto": runlog.has_accelerator()}[experiment.jit]
    optimizer = {
        "adam": lambda rate: keras.optimizers.Adam(rate),
        "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    }[experiment.optimizer](experiment.learning_rate)
    loss = losses.classification_loss(experiment.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=wants_jit)
    if model.jit_compile != wants_jit:  # some layers switch XLA off for the whole model without a word
        raise InputError(f"jit: {model.name} cannot be compiled by XLA, a layer in it does not support it")


def _run_epochs(model, training_data, experiment, seed, keeper, first):
    split = training_data.train
    weights = plan.balanced_class_weights(split.labels, len(split.class_names)) if experiment.class_weights else None
    epoch_plan = plan.EpochPlan(
        plan.target_matrix(split), experiment.batch_size, seed, len(layers.DRAWS), experiment.sampling,
        experiment.mixup, weights,
    )  # fmt: skip
    stages = layers.augmentation_stages(experiment.augmentation())
    batches = pipeline.training_batches(split, epoch_plan, stages, layers.mix, first, experiment.epochs)
    model.fit(
        batches, initial_epoch=first, epochs=experiment.epochs, steps_per_epoch=epoch_plan.steps,
        validation_data=pipeline.evaluation_batches(training_data.val), callbacks=[keeper], verbose=0, shuffle=False,
    )  # fmt: skip


class EpochKeeper(keras.callbacks.Callback):
    """Sets the rate, keeps the best epoch, stops early, writes a checkpoint an epoch and shows progress.

    Its whole state is in the checkpoint (one file, moved into place), so a killed run goes on as if nothing was.
    """

    def __init__(self, experiment, progress):
        super().__init__()
        self.experiment, self.progress = experiment, progress
        self.state = {"history": [], "best": None, "best_loss": None, "waited": 0, "rate": experiment.learning_rate}
        self.best_values = None
        self.bar = None

    @property
    def is_over(self):
        """True if patience has run out."""
        return bool(self.experiment.patience) and self.state["waited"] >= self.experiment.patience

    def _variables(self):
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        # metric counters are not part of the state; random states of dropout are
        counters = {id(variable) for metric in self.model.metrics for variable in metric.variables}
        kept = [variable for variable in self.model.variables if id(variable) not in counters]
        return kept, self.model.optimizer.variables

    def resume(self):
        """Restores the checkpoint if it is of this run; returns the epoch to go on with."""
        path = self.progress.directory / CHECKPOINT
        try:
            with np.load(path) as file:
                stored = {key: file[key] for key in file.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return 0  # none, or damaged: from the beginning
        header = json.loads(str(stored["state"]))
        if header["fingerprint"] != self.progress.fingerprint:
            return 0
        self.state = header["state"]
        kept, slots = self._variables()
        for key, variables in (("model", kept), ("optimizer", slots)):
            for index, variable in enumerate(variables):
                variable.assign(stored[f"{key}{index}"])
        self.best_values = [stored[f"best{index}"] for index in range(len(kept))]
        self._write_history()
        done = len(self.state["history"])
        say(self.progress.verbose, f"{self.progress.name}: resumed after epoch {done}")
        return done

    def on_epoch_begin(self, epoch, logs=None):
        self.state["rate"] = self._rate(epoch)
        self.model.optimizer.learning_rate.assign(self.state["rate"])
        self.started = time.perf_counter()
        self.bar = tqdm(
            total=self.params["steps"], desc=f"epoch {epoch + 1}/{self.experiment.epochs}", unit="batch", leave=False,
            disable=not (self.progress.verbose and sys.stderr.isatty()),
        )  # fmt: skip

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def _rate(self, epoch):
        if self.experiment.schedule == "cosine":
            return float(self.experiment.learning_rate * 0.5 * (1 + np.cos(np.pi * epoch / self.experiment.epochs)))
        return self.state["rate"]

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        row |= {"learning_rate": self.state["rate"], "seconds": round(time.perf_counter() - self.started, 2)}
        self.state["history"].append(row)
        self._keep_best(row)
        self._wait(row)
        self._write()
        say(self.progress.verbose, self._line(row))
        self.model.stop_training = self.is_over

    def _keep_best(self, row):
        """Best is the highest validation accuracy; of equals, the lowest validation loss."""
        best = self.state["best"]
        if best is None or (row["val_accuracy"], -row["val_loss"]) > (best["val_accuracy"], -best["val_loss"]):
            self.state["best"] = row
            self.best_values = [keras.ops.convert_to_numpy(variable) for variable in self._variables()[0]]

    def _wait(self, row):
        """Counts epochs without a better validation loss; the plateau schedule lowers the rate by them."""
        if self.state["best_loss"] is None or row["val_loss"] < self.state["best_loss"]:
            self.state["best_loss"], self.state["waited"] = row["val_loss"], 0
            return
        self.state["waited"] += 1
        if self.experiment.schedule == "plateau" and self.state["waited"] % self.experiment.plateau == 0:
            self.state["rate"] *= 0.3

    def _write(self):
        kept, slots = self._variables()
        arrays = {"state": np.array(json.dumps({"fingerprint": self.progress.fingerprint, "state": self.state}))}
        for key, values in (("model", kept), ("optimizer", slots), ("best", self.best_values)):
            arrays |= {f"{key}{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(values)}
        with replacing(self.progress.directory / CHECKPOINT) as part:
            np.savez(part, **arrays)
        self._write_history()

    def _write_history(self):
        with replacing(self.progress.directory / "history.csv") as part:
            pd.DataFrame(self.state["history"]).to_csv(part, index=False)

    def _line(self, row):
        mark = "  best so far" if self.state["best"] is row else ""
        return (
            f"  epoch {row['epoch']:3d}/{self.experiment.epochs}  "
            f"loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}  "
            f"val loss {row['val_loss']:.3f}  val accuracy {row['val_accuracy']:.3f}  {row['seconds']:.1f} s{mark}"
        )

    def restore_best(self):
        """Puts the best epoch's weights into the model."""
        for variable, value in zip(self._variables()[0], self.best_values, strict=True):
            variable.assign(value)


def _facts(model, history):
    """Parameters, memory and, from the history (a list of rows), epochs and times."""
    found = {"parameters": model.count_params(), "peak_memory_mb": runlog.peak_memory_mb()}
    if not history:
        return found
    history = pd.DataFrame(history)
    best = history.sort_values(["val_accuracy", "val_loss"], ascending=[False, True]).iloc[0]
    return found | {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "seconds_per_epoch": float(history["seconds"].median()),
        "seconds": float(history["seconds"].sum()),
    }
