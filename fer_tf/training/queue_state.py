"""Where each run of a queue is: finished, running, failed, waiting, interrupted or new.

What is finished is read from the run records alone. reports/queue/ has for every entry a log, a lock and a note on how
its process ended; deleting the folder loses nothing but the logs.
"""

import contextlib
import time
from pathlib import Path
from typing import IO

import pandas as pd

from ..common.checks import InputError
from ..common.files import as_json, read_json
from ..common.paths import reports_root, results_root
from ..experiments.resolve import is_used
from ..experiments.settings import Experiment
from ..runs import records
from ..saving.bundled import bundled_record
from . import checkpoint
from .queue_entries import ENSEMBLE, Entry


def queue_folder() -> Path:
    """Where logs, locks and notes are."""
    return reports_root() / "queue"


def log_path(entry: Entry) -> Path:
    """What the entry's process has printed."""
    return queue_folder() / f"{entry.name}.log"


def note_path(entry: Entry) -> Path:
    """The file of the entry's `note`."""
    return queue_folder() / f"{entry.name}.json"


def note(entry: Entry) -> dict:
    """How the entry's process ended: {} or a dict with "state": "done", "out of time", "failed" or "stopped"."""
    return read_json(note_path(entry))


def is_finished(entry: Entry) -> bool:
    """True if the entry's record is complete: these settings, this data's options, evaluated.

    A record that ships in reports/results/ counts, too. The training code may have changed since; the record says which
    it was.
    """
    if entry.kind == "search":
        ended = {"state": "done", "command": entry.command()}
        return note(entry) == ended and (entry.directory / "trials.csv").is_file()
    released = results_root() / ("ensembles" if entry.kind == ENSEMBLE else "runs") / entry.name
    return any(_is_record_of(entry, directory) for directory in (entry.directory, released))


def _is_record_of(entry, directory):
    """True if a folder holds the complete record of this entry."""
    record, metrics = records.read_record(directory), read_json(directory / "metrics.json")
    if not metrics or metrics.get("fingerprint") != record.get("fingerprint"):
        return False
    if entry.kind == ENSEMBLE:
        return _is_ensemble_of(record, entry)
    options = {key: str(value) for key, value in entry.dataset_options.items()}
    expected = {"experiment": entry.experiment, "seed": entry.seed, "dataset_options": options, "size": entry.size}
    if any(record.get(key) != value for key, value in expected.items()):
        return False
    if entry.kind == "classical":
        return True
    # a setting that the kit did not have when the record was made was at its default
    known = {**Experiment("").settings(), **record.get("settings", {})}
    settings = {key: value for key, value in entry.resolved.settings().items() if is_used(key, entry.resolved)}
    return as_json({key: known[key] for key in settings}) == as_json(settings)


def _is_ensemble_of(record, entry):
    """True if the members are still the runs that were averaged: a member trained again gives another mean."""
    members = {member["run"]: member.get("fingerprint") for member in record.get("members", [])}
    if set(members) != set(entry.member_names):
        return False
    pairs = [(fingerprint, _member_fingerprint(name)) for name, fingerprint in members.items()]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _member_fingerprint(name):
    record = bundled_record(name)
    return record["sha256"] if record else records.finished_fingerprint(name)


def unfinished(entries: list) -> list:
    """The entries that are not finished, and those whose model is missing although another entry needs it."""
    todo, count = [entry for entry in entries if not is_finished(entry)], -1
    while len(todo) != count:  # what lacks its model may need others that lack theirs
        count = len(todo)
        todo = [entry for entry in entries if entry in todo or lacks_model(entry, todo)]
    return todo


def lacks_model(entry: Entry, others: list) -> bool:
    """True if one of `others` needs the entry's model and only its record is there."""
    is_needed = any(entry.name in other.needs for other in others)
    return is_needed and entry.kind == "train" and not records.model_path(entry.name).is_file()


def missing_needs(entry: Entry) -> list:
    """The runs that must be finished before this entry and are not."""
    return [name for name in entry.needs if records.finished_fingerprint(name) is None]


def acquire(entry: Entry) -> IO | None:
    """The entry's lock, an open file; None if another queue, or a run that outlived its queue, has it."""
    return records.lock_file(queue_folder() / f".{entry.name}.lock")


def is_locked(entry: Entry) -> bool:
    """True while a queue, or a run that outlived its queue, has the entry's lock."""
    if not (queue_folder() / f".{entry.name}.lock").is_file():
        return False
    lock = acquire(entry)
    if lock is not None:
        lock.close()
    return lock is None


def is_run_by_hand(entry: Entry) -> bool:
    """True while a command that no queue started has the run's own lock."""
    if entry.kind == ENSEMBLE:
        return False
    try:
        with records.locked(f"search-{entry.name}" if entry.kind == "search" else entry.name):
            return False
    except InputError:
        return True


def state(entry: Entry) -> str:
    """ "finished", "running", "failed", "waiting" (for another run), "interrupted" (resumable) or "new"."""
    if is_finished(entry):
        return "finished"
    if is_locked(entry) or is_run_by_hand(entry):
        return "running"
    if note(entry).get("state") == "failed":
        return "failed"
    if missing_needs(entry):
        return "waiting"
    return "interrupted" if any(entry.directory.rglob(checkpoint.CHECKPOINT)) else "new"


def status(entries: list) -> pd.DataFrame:
    """A row per entry: run, state, epoch, of, best val, seconds an epoch, minutes left, remark."""
    return pd.DataFrame([_status_row(entry) for entry in entries])


def _status_row(entry):
    history, total, now = history_of(entry), entry.epochs, state(entry)
    done = len(history)
    seconds = float(history["seconds"].median()) if done and "seconds" in history else None
    left = None if seconds is None or now == "finished" or not total else (total - done) * seconds / 60
    remark = note(entry).get("reason", "") if now == "failed" else ""
    return {
        "run": entry.name,
        "state": now,
        "epoch": done or None,
        "of": total or None,
        "best val": history["val_accuracy"].max() if "val_accuracy" in history else None,
        "seconds an epoch": seconds,
        "minutes left": left,
        "remark": f"needs {', '.join(missing_needs(entry))}" if now == "waiting" else remark,
    }


def history_of(entry: Entry) -> pd.DataFrame:
    """The epochs of the entry's present training, a row each; of stage 1 where that has only begun."""
    for path in (entry.directory / "history.csv", entry.directory / "matching" / "history.csv"):
        with contextlib.suppress(OSError, ValueError):
            return pd.read_csv(path)
    return pd.DataFrame()


def progress_line(entries: list) -> str:
    """Where a queue is, in a line: counts, and of each run in progress its epoch and the time left."""
    table = status(entries)
    counts = table["state"].value_counts()
    parts = [f"{counts[name]} {name}" for name in ("finished", "failed", "running") if name in counts]
    parts.append(f"{int(sum(counts.get(name, 0) for name in ('new', 'interrupted', 'waiting')))} to go")
    line = time.strftime("%H:%M  ") + ", ".join(parts)
    for row in table[table["state"] == "running"].to_dict("records"):
        epoch = 0 if pd.isna(row["epoch"]) else int(row["epoch"])
        of = "?" if pd.isna(row["of"]) else int(row["of"])
        left = "" if pd.isna(row["minutes left"]) else f", {row['minutes left']:.0f} min left"
        line += f" | {row['run']} {epoch}/{of}{left}"
    return line


def finished_names(entries: list, reduced: bool = False) -> tuple:
    """The finished trainings, classical runs and ensembles of a queue that `fer-tf release` takes.

    Args:
        entries: of `read_queue`.
        reduced: also take runs at less than their source's settings.
    Returns: names of the runs, and names of those that were left out because they are reduced.
    Raises: `InputError` if there is none to take.
    """
    runs = [entry for entry in entries if entry.kind in ("train", "classical", "ensemble")]
    # not those that are finished by their released record alone
    folders = [entry.directory for entry in runs if _is_record_of(entry, entry.directory)]
    left_out = [] if reduced else [folder.name for folder in folders if records.read_record(folder).get("reduced")]
    names = [folder.name for folder in folders if folder.name not in left_out]
    if not names:
        reason = f"; {len(left_out)} finished runs are reduced (--reduced takes them)" if left_out else ""
        raise InputError(f"queue: no finished run of it can be released{reason}")
    return names, left_out
