"""Runs the trials of a search, one after another or as tasks of a cluster, and keeps the row of each.

A search's folder has plan.json (the order of its trials), trials.csv and trials/<trial>/ with trial.json (its row),
history.csv and, until it has ended, a checkpoint.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from tqdm.auto import tqdm

from ..common.checks import OutOfTime
from ..common.cluster import ATTEMPTS, Cluster, LostTask, Task, need_file
from ..common.files import read_json, write_json
from ..evaluation.tables import write_csv
from . import checkpoint, fitting
from .trials import Trial, epochs_within, outcome, trainings_needed

_PLAN = "plan.json"
_COLUMNS = (
    "status",
    "message",
    "val_accuracy",
    "val_loss",
    "best_epoch",
    "epochs_run",
    "seconds",
    "parameters",
    "trained_with",
)


def run_trials(
    directory: Path,
    trials: list,
    data: Any,
    seed: int,
    share: bool,
    retry: bool,
    verbose: bool,
    cluster: Cluster | None = None,
) -> dict:
    """Runs what is not done yet and writes trials.csv after each trial.

    Args:
        directory: the search's folder.
        trials: list of `Trial`, of `trials.ordered`.
        data: function that returns the `TrainingData`; called only if a trial is left to run.
        seed, share, retry, verbose: see `run_search`.
        cluster: trials run as its tasks; None for one after another in this process.
    Returns: dict id of a trial -> its row, a dict, in the order in which the trials were first planned. So a table does
        not depend on which trial ends first.
    """
    rows = _finished(directory, retry)
    plan = _planned(directory, [*rows, *(trial.id for trial in trials)])
    pending = [trial for trial in trials if trial.id not in rows]
    needed = trainings_needed(trials) if share else len(trials)
    checkpoint.say(
        verbose, f"{len(trials)} trials ({needed} trainings), {len(trials) - len(pending)} of them done before"
    )
    ended = _ended_on(cluster, directory, rows, pending, data, seed, share)
    with tqdm(
        total=len(trials),
        initial=len(trials) - len(pending),
        unit="trial",
        disable=not (verbose and sys.stderr.isatty()),
    ) as bar:
        for trial, row in ended:
            _keep(directory, trial, row)
            rows[trial.id] = row
            write_csv(directory / "trials.csv", trials_table(_in_order(rows, plan)))
            bar.update()
            _say_result(verbose, f"{sum(item.id in rows for item in trials)}/{len(trials)}", trial, row)
    rows = _in_order(rows, plan)
    write_csv(directory / "trials.csv", trials_table(rows))
    return rows


def _ended_on(cluster, directory, rows, pending, data, seed, share):
    """Yields (trial, row) as trials end."""
    if not pending:
        return iter(())
    if cluster is None:
        return _one_by_one(directory, rows, pending, data(), seed, share)
    return _as_tasks(cluster, directory, rows, pending, data(), seed, share)


def _finished(directory, retry):
    """The rows of trials that ended before, by id, in the order of their files; with `retry` without failed ones."""
    paths = sorted((directory / "trials").glob("*/trial.json"), key=lambda path: (path.stat().st_mtime_ns, path))
    rows = {path.parent.name: read_json(path) for path in paths}
    for trial, row in list(rows.items()):
        if not row or (retry and row["status"] == "failed"):
            shutil.rmtree(directory / "trials" / trial)
            del rows[trial]
    return rows


def _planned(directory, ids):
    """The ids of all trials, those of earlier calls first; also written to the folder."""
    earlier = read_json(directory / _PLAN).get("trials", [])
    plan = list(dict.fromkeys([*earlier, *ids]))
    if plan != earlier:
        write_json(directory / _PLAN, {"trials": plan})
    return plan


def _in_order(rows, plan):
    return {trial: rows[trial] for trial in plan if trial in rows}


def _keep(directory, trial, row):
    """Writes a trial's row, which says that it has ended, and removes its checkpoints."""
    folder = directory / "trials" / trial.id
    write_json(folder / "trial.json", row)
    for path in folder.rglob(checkpoint.CHECKPOINT):  # stage 1 has one of its own
        path.unlink()


def _one_by_one(directory, rows, pending, data, seed, share):
    for trial in pending:
        yield trial, (_shared(directory, rows, trial) if share else None) or _train(directory, trial, data, seed)


def _as_tasks(cluster, directory, rows, pending, data, seed, share):
    """Starts a trial of each family at once, and the next of a family when one has ended: it may be its beginning.

    The caller adds each row to `rows` before it asks for the next one.
    """
    families = {}
    for trial in pending:
        families.setdefault(trial.family if share else trial.id, []).append(trial)
    sent, running, idle = cluster.shared(data), {}, list(families.values())
    while idle or running:
        for family in idle:
            while share and family and (row := _shared(directory, rows, family[0])):
                yield family.pop(0), row
            if family:
                trial = family.pop(0)
                running[cluster.start(_train_elsewhere, directory, trial, sent, seed)] = trial, family
        idle = []
        for task in cluster.wait(list(running)) if running else ():
            trial, family = running.pop(task)
            yield trial, _result(task, trial)
            idle.append(family)


def _result(task: Task, trial: Trial) -> dict:
    """The row of an ended task."""
    try:
        return task.result()
    except LostTask as error:
        message = f"its process was ended from outside, {ATTEMPTS} times: {error}"[:300]
        return {**_about(trial), **_failed(message), "parameters": None, "trained_with": trial.id}


def _train_elsewhere(directory, trial, data, seed):
    """`_train` in a process of a cluster, which must see the search's folder."""
    need_file(directory / _PLAN, "reports (FER_TF_REPORTS, or --out)")
    return _train(directory, trial, data, seed)


def _shared(directory, rows, trial):
    """The row of a trial, read from a finished training that begins in the same way; None if there is none."""
    for other, row in rows.items():
        if row["family"] != trial.family or row["trained_with"] != other:
            continue
        history = read_history(directory, other)
        epochs = None if history is None else epochs_within(history, trial.experiment)
        if epochs:
            about = {**_about(trial), "parameters": row["parameters"], "trained_with": other}
            return about | outcome(history[:epochs])
    return None


def _about(trial):
    return {"trial": trial.id, "settings": trial.settings, "family": trial.family}


def _failed(message):
    return {"status": "failed", "message": message}


def read_history(directory: Path, trial: str) -> pd.DataFrame | None:
    """The epochs of a trial's training, a row each; None if it has none."""
    path = directory / "trials" / trial / "history.csv"
    # Python reads them back to the last bit, not every pandas does: equal accuracies must stay equal
    exact = dict.fromkeys(("val_accuracy", "val_loss"), lambda text: float(text or "nan"))
    return pd.read_csv(path, converters=exact) if path.is_file() else None


def _train(directory, trial, data, seed):
    """Trains a trial. A fault becomes its message, so that the others still run."""
    progress = fitting.Progress(directory / "trials" / trial.id, trial.id, trial.id, verbose=False)
    row = {**_about(trial), "parameters": None}
    try:
        _, facts = fitting.fit(data, trial.experiment, seed, progress)
        row |= {"parameters": facts["parameters"], **outcome(read_history(directory, trial.id))}
    except OutOfTime:
        raise  # not a fault of the trial: the next call resumes it
    except Exception as error:  # a backend raises anything where memory or a kernel fails
        lines = str(error).strip().splitlines() or [""]
        row |= _failed(f"{type(error).__name__}: {lines[0][:200]}")
    finally:
        keras.utils.clear_session()
    return {**row, "trained_with": trial.id}


def trials_table(rows: dict) -> pd.DataFrame:
    """The rows as a table: trial, the settings, status, message, val_accuracy, ... (see `Search`)."""
    flat = [
        {"trial": row["trial"], **row["settings"], **{key: row.get(key) for key in _COLUMNS}} for row in rows.values()
    ]
    return pd.DataFrame(flat)


def _say_result(verbose, count, trial, row):
    if not verbose:
        return
    settings = " ".join(f"{key}={value}" for key, value in trial.settings.items())
    result = row["message"]
    if row["status"] != "failed":
        result = f"val accuracy {row['val_accuracy']:.4f} in epoch {row['best_epoch']} of {row['epochs_run']}, "
        result += f"{row['seconds']:.1f} s"
    shared = "" if row["trained_with"] == trial.id else f" (read from {row['trained_with']})"
    tqdm.write(f"  {count}  {settings}  {row['status']}: {result}{shared}", file=sys.stdout)
    sys.stdout.flush()
