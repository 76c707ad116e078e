"""Trials of a search: those that are the first epochs of a longer one have their results read from its history."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from ..common.hashes import fingerprint
from ..experiments.settings import Experiment
from . import fitting
from .checkpoint import standing


@dataclass(frozen=True)
class Trial:
    """One combination of settings.

    Attributes:
        id: a hash of everything that its outcome depends on.
        settings: dict of the settings searched.
        experiment: resolved with them.
        family: equal for trials whose trainings begin alike, see `family`.
    """

    id: str
    settings: dict
    experiment: Experiment
    family: str


def family(experiment: Experiment) -> str:
    """Hash of what trainings must share for the shorter to be the beginning of the longer.

    With a constant or plateau schedule that is everything but patience and the end of the last phase. A cosine's rates
    depend on its length, so there epochs must agree too.
    """
    parts = fitting.phases(experiment)
    if experiment.schedule != "cosine":
        parts = [*parts[:-1], replace(parts[-1], end=0)]
    settings = {key: value for key, value in experiment.settings().items() if key not in ("epochs", "patience")}
    return fingerprint([settings, [str(part) for part in parts]])


def epochs_within(history: pd.DataFrame, experiment: Experiment) -> int | None:
    """How many epochs an experiment would have run, read from the history of a longer training of its family.

    Args:
        history: DataFrame with val_loss, one row per epoch.
        experiment: resolved `Experiment`.
    Returns: int, or None where the history ends too early to tell.
    """
    begin, best, waited = fitting.phases(experiment)[-1].start, None, 0
    losses = history["val_loss"].to_numpy()[: experiment.epochs]
    for epoch, loss in enumerate(losses[begin:], begin + 1):
        waited = 0 if best is None or loss < best else waited + 1
        best = loss if waited == 0 else best
        if experiment.patience and waited >= experiment.patience:
            return epoch
    return experiment.epochs if len(losses) == experiment.epochs else None


def outcome(history: pd.DataFrame) -> dict:
    """The result of a training: status, message, val_accuracy, val_loss, best_epoch, epochs_run, seconds.

    The best epoch is chosen as training chooses it. It fails where that epoch's loss is not a number.

    Args:
        history: DataFrame, the epochs it ran.
    """
    rows = history.to_dict("records")
    best = max(rows, key=standing)
    end = {"status": "done", "message": ""}
    if not np.isfinite(best["val_loss"]):
        epoch = next(row["epoch"] for row in rows if not np.isfinite(row["val_loss"]))
        end = {"status": "failed", "message": f"the loss is not a number from epoch {epoch} on"}
    return end | {
        "val_accuracy": best["val_accuracy"],
        "val_loss": best["val_loss"],
        "best_epoch": int(best["epoch"]),
        "epochs_run": len(rows),
        "seconds": round(sum(row["seconds"] for row in rows), 2),
    }


def _reach(trial):
    """How long a trial may train: (epochs, patience); without early stopping, patience is infinite."""
    return trial.experiment.epochs, trial.experiment.patience or np.inf


def ordered(trials: list) -> list:
    """Trials by family, each family's longest first, so that the others can be read from it."""
    families = {}
    for trial in trials:
        families.setdefault(trial.family, []).append(trial)
    return [trial for members in families.values() for trial in sorted(members, key=_reach, reverse=True)]


def trainings_needed(trials: list) -> int:
    """How many of the trials do not begin another one and must be trained; early stopping may add some."""
    reaches = {}
    for trial in trials:
        reaches.setdefault(trial.family, []).append(_reach(trial))
    return sum(
        not any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in members)
        for members in reaches.values()
        for own in members
    )


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The done trials of a search's table, the best first."""
    done = table[table["status"] == "done"]
    order = ["val_accuracy", "val_loss", "epochs_run"]
    return done.sort_values(order, ascending=[False, True, True], kind="stable").reset_index(drop=True)


def repeated_trials(tables: list) -> pd.DataFrame:
    """The spread over seeds of the trials that were trained with all of them, the best mean first.

    Args:
        tables: a search's tables of trials, one for each seed.
    Returns: DataFrame with trial, the settings, seeds (their number), mean, low and high (95 % interval of the mean by
        Student's t; NaN for one seed), smallest and largest validation accuracy.
    """
    done = pd.concat([table[table["status"] == "done"] for table in tables])
    settings = list(tables[0].columns[1 : tables[0].columns.get_loc("status")])
    scores = done.groupby(["trial", *settings], sort=False)["val_accuracy"]
    spread = scores.agg(seeds="count", mean="mean", smallest="min", largest="max", sd="std").reset_index()
    spread = spread[spread["seeds"] == len(tables)]
    half = stats.t.ppf(0.975, spread["seeds"] - 1) * spread["sd"] / np.sqrt(spread["seeds"])
    spread = spread.assign(low=spread["mean"] - half, high=spread["mean"] + half)
    columns = ["trial", *settings, "seeds", "mean", "low", "high", "smallest", "largest"]
    return spread.sort_values("mean", ascending=False, kind="stable")[columns].reset_index(drop=True)
