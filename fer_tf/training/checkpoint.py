"""Saves the results of each epoch: the best weights, a checkpoint to resume from, the history, a line of progress."""

import json
import os
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import OutOfTime
from ..common.files import replacing
from ..layers import RegionBias

CHECKPOINT = "checkpoint.npz"
# A time (seconds since 1970) at which training must have stopped; the queue's time budget sets it for its runs.
STOP_AT = "FER_TF_STOP_AT"
# "1": resume a checkpoint of the same settings and data also if the training code has changed since. The record lists
# the fingerprints of all code that had a part in a run.
ANY_CODE = "FER_TF_ANY_CODE"
# The length of the first epoch is estimated from these batches; the first few compile and are left out.
_GUESS_FROM, _GUESS_AT = 5, 25
_SHOWN = ("loss", "accuracy", "val_loss", "val_accuracy", "region_biased_loss")


def say(verbose: bool, text: str) -> None:
    """Prints a line of progress at once."""
    if verbose:
        print(text, flush=True)


@dataclass(frozen=True)
class Phase:
    """Epochs start .. end - 1 of a training.

    Attributes:
        name: "head" (the pretrained part frozen) or "fine-tuning 1", ...; "joint" after a stage 1; "" where there is
            one phase.
        start, end: epochs.
        learning_rate: at its start.
        unfreeze: see `fer_tf.models.backbones.set_trainable`.
        is_last: no phase follows.
    """

    name: str
    start: int
    end: int
    learning_rate: float
    unfreeze: str | None = ""
    is_last: bool = True


@dataclass(frozen=True)
class Progress:
    """Where a fit leaves its history and checkpoint, and how it speaks.

    Attributes:
        directory: of the run.
        fingerprint: a checkpoint with another one is not resumed.
        name: for lines of progress.
        verbose: a bar over batches and one line per epoch.
        task: fingerprint of settings and data without the code; with $FER_TF_ANY_CODE, a checkpoint of the same task is
            resumed also if the training code has changed since.
        code: fingerprint of the training code.
    """

    directory: Path
    fingerprint: str
    name: str = ""
    verbose: bool = True
    task: str = ""
    code: str = ""


class EpochKeeper(keras.callbacks.Callback):
    """Sets the rate, keeps the best epoch, stops early, writes a checkpoint after each epoch and shows progress.

    Its whole state is in the checkpoint (one file, moved into place), so a killed run resumes as if nothing had
    happened. With a moving average of the weights (`ema`), the averages are validated and kept as the best.
    """

    def __init__(self, model, experiment, progress):
        super().__init__()
        self.experiment, self.progress = experiment, progress
        # before compiling: metric counters are not part of the state; random states of dropout are
        self.kept = list(model.variables)
        self.state = {
            "history": [],
            "best": None,
            "best_loss": None,
            "waited": 0,
            "rate": None,
            "codes": [progress.code],
        }
        self.best_values = None
        self.slots = []
        # its value is kept by a layer: a metric inside a layer is lost under JAX
        self.biased = [layer for layer in model.layers if isinstance(layer, RegionBias)]
        self.phase = None
        self.bar = None
        self.size = None
        self.averages = None
        self.stop_at = float(os.environ.get(STOP_AT) or "inf")

    @property
    def is_over(self) -> bool:
        """True if patience has run out; only the last phase has patience."""
        return bool(self.experiment.patience) and self.state["waited"] >= self.experiment.patience

    def resume(self) -> int:
        """Restores the checkpoint's weights if it is of this run; returns the number of epochs already done."""
        path = self.progress.directory / CHECKPOINT
        try:
            with np.load(path) as file:
                stored = {key: file[key] for key in file.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return 0  # none, or damaged: from the beginning
        header = json.loads(str(stored["state"]))
        if header["fingerprint"] != self.progress.fingerprint and not self._is_same_task(header, stored):
            return 0
        codes = header["state"].get("codes", [])
        self.state = {**header["state"], "codes": [*codes, *({self.progress.code} - set(codes))]}
        self._assign([stored[f"model{index}"] for index in range(len(self.kept))])
        self.best_values = [stored[f"best{index}"] for index in range(len(self.kept))]
        self.slots = [stored[key] for key in stored if key.startswith("optimizer")]
        self._write_history()
        done = len(self.state["history"])
        say(self.progress.verbose, f"{self.progress.name}: resumed after epoch {done}")
        return done

    def _is_same_task(self, header, stored):
        """True for a checkpoint of other code that may be resumed: asked for, same settings and data, same weights."""
        shapes = [tuple(variable.shape) for variable in self.kept]
        stored_shapes = [stored[key].shape for key in stored if key.startswith("model")]
        wanted = os.environ.get(ANY_CODE) == "1" and self.progress.task
        return bool(wanted) and header.get("task") == self.progress.task and shapes == stored_shapes

    def _assign(self, values):
        for variable, value in zip(self.kept, values, strict=True):
            variable.assign(value)

    def begin(self, model: keras.Model, phase: Phase, done: int) -> None:
        """Enters a phase after `done` epochs; in the middle of one, with the optimizer state of the checkpoint."""
        self.phase = phase
        model.optimizer.build(model.trainable_variables)
        if done > phase.start and self.slots:
            for variable, value in zip(model.optimizer.variables, self.slots, strict=True):
                variable.assign(value)
        if done == phase.start:
            self.state |= {"rate": phase.learning_rate, "waited": 0, "best_loss": None}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Sets the learning rate and starts the bar; stops the run if no time is left for an epoch."""
        if self.state["history"]:
            last = self.state["history"][-1]
            # larger pictures take longer, by their area
            needed = last["seconds"] * ((self.size or 1) / last.get("size", self.size or 1)) ** 2
            if time.time() + needed > self.stop_at:
                self._run_out_of_time(needed)
        if not self.experiment.warmup:
            self.state["rate"] = self._rate(epoch)
            self.model.optimizer.learning_rate.assign(self.state["rate"])
        for layer in self.biased:
            layer.start_mean()
        self.started = time.perf_counter()
        self.bar = tqdm(
            total=self.params["steps"],
            desc=f"epoch {epoch + 1}/{self.experiment.epochs}",
            unit="batch",
            leave=False,
            disable=not (self.progress.verbose and sys.stderr.isatty()),
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar; in the first epoch, stops the run if the batches are too slow for the time left."""
        self.bar.update()
        if self.state["history"] or self.stop_at == float("inf"):
            return
        if batch == _GUESS_FROM:
            self.guess_from = time.perf_counter()
        elif batch == _GUESS_AT:
            a_batch = (time.perf_counter() - self.guess_from) / (_GUESS_AT - _GUESS_FROM)
            left = a_batch * (self.params["steps"] - batch)
            if time.time() + left > self.stop_at:
                self._run_out_of_time(left)

    def _run_out_of_time(self, seconds):
        raise OutOfTime(f"{self.progress.name}: no time left for another epoch ({seconds:.0f} s)")

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Puts the averaged weights into the model for validation."""
        if not self.experiment.ema:
            return
        variables = self._trained_variables()
        self.raw = [keras.ops.convert_to_numpy(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_test_end(self, logs: dict | None = None) -> None:
        """Takes the averaged weights out again; training continues with the others."""
        if not self.experiment.ema:
            return
        variables = self._trained_variables()
        self.averages = {id(variable): keras.ops.convert_to_numpy(variable) for variable in variables}
        for variable, value in zip(variables, self.raw, strict=True):
            variable.assign(value)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Takes the averaged weights out again: Keras leaves them in the model when `fit` ends, but a training in
        several sizes or phases continues with the others."""
        if self.experiment.ema and self.averages:
            for variable, value in zip(self.model.trainable_variables, self.raw, strict=True):
                variable.assign(value)

    def _trained_variables(self):
        if hasattr(self.model, "jax_state_sync"):  # JAX holds the weights elsewhere while it trains
            self.model.jax_state_sync()
        return self.model.trainable_variables

    def _rate(self, epoch):
        if self.experiment.schedule == "cosine":
            share = (epoch - self.phase.start) / (self.phase.end - self.phase.start)
            return float(self.phase.learning_rate * 0.5 * (1 + np.cos(np.pi * share)))
        return self.state["rate"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Records the epoch, keeps the best weights, writes the checkpoint and decides whether to stop."""
        self.bar.close()
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        row |= {"phase": self.phase.name} if self.phase.name else {}
        row |= {"size": self.size} if self.experiment.sizes else {}
        if self.experiment.warmup:
            self.state["rate"] = float(self.model.optimizer.learning_rate)
        if self.biased:
            row["region_biased_loss"] = self.biased[0].mean_loss
        row |= {
            "learning_rate": self.state["rate"],
            "seconds": round(time.perf_counter() - self.started, 2),
        }
        self.state["history"].append(row)
        self._keep_best(row)
        self._wait(row)
        self._write()
        say(self.progress.verbose, self._line(row))
        self.model.stop_training = self.phase.is_last and self.is_over

    def _keep_best(self, row):
        """Best is the highest validation accuracy at the last size; of equals, the lowest validation loss."""
        best = self.state["best"]
        if best is None or standing(row) > standing(best):
            self.state["best"] = row
            averages = self.averages or {}
            self.best_values = [
                averages[id(variable)] if id(variable) in averages else keras.ops.convert_to_numpy(variable)
                for variable in self.kept
            ]

    def _wait(self, row):
        """Counts epochs without a better validation loss; the plateau schedule lowers the rate by them."""
        if self.state["best_loss"] is None or row["val_loss"] < self.state["best_loss"]:
            self.state["best_loss"], self.state["waited"] = row["val_loss"], 0
            return
        self.state["waited"] += 1
        if self.experiment.schedule == "plateau" and self.state["waited"] % self.experiment.plateau == 0:
            self.state["rate"] *= 0.3

    def _write(self):
        slots = self.model.optimizer.variables
        header = {"fingerprint": self.progress.fingerprint, "task": self.progress.task, "state": self.state}
        arrays = {"state": np.array(json.dumps(header))}
        for key, values in (("model", self.kept), ("optimizer", slots), ("best", self.best_values)):
            arrays |= {f"{key}{index}": keras.ops.convert_to_numpy(value) for index, value in enumerate(values)}
        with replacing(self.progress.directory / CHECKPOINT) as part:
            np.savez(part, **arrays)
        self._write_history()

    def _write_history(self):
        with replacing(self.progress.directory / "history.csv") as part:
            pd.DataFrame(self.state["history"]).to_csv(part, index=False)

    def _line(self, row):
        mark = "  best so far" if self.state["best"] is row else ""
        shown = "  ".join(f"{key.replace('_', ' ')} {row[key]:.3f}" for key in _SHOWN if key in row)
        return f"  epoch {row['epoch']:3d}/{self.experiment.epochs}  {shown}  {row['seconds']:.1f} s{mark}"

    def restore_best(self) -> None:
        """Puts the best epoch's weights into the model."""
        self._assign(self.best_values)


def standing(row: dict) -> tuple:
    """What makes an epoch the best: pictures of the last size (sizes only grow), then validation accuracy where there
    is one, then the lowest validation loss."""
    return row.get("size", 0), row.get("val_accuracy", 0.0), -row["val_loss"]
