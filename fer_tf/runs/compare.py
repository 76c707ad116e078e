"""Tables over finished runs: those on disk and those that ship."""

import dataclasses

import pandas as pd

from .. import experiments
from ..common.paths import results_root
from ..data import DATASETS
from ..evaluation import comparison, document_tables
from . import records

NUMBERS = {
    "accuracy": "{:.3f}",
    "balanced accuracy": "{:.3f}",
    "macro F1": "{:.3f}",
    "top-2": "{:.3f}",
    "ECE": "{:.3f}",
    "val accuracy": "{:.3f}",
    "accuracy without copies": "{:.3f}",
    "accuracy without near copies": "{:.3f}",
    "parameters": "{:,}",
    "s/epoch": "{:.1f}",
}


def released_runs() -> list:
    """The runs that ship with the kit."""
    return as_of_now(records.finished_runs(results_root() / "runs"))


def as_of_now(runs: list) -> list:
    """Runs whose `reduced` also names what has changed in their experiment since, see `experiments.changed_since`."""
    changes = [experiments.changed_since(run.record) for run in runs]
    return [
        dataclasses.replace(run, record={**run.record, "reduced": _joined(run.record["reduced"], change)})
        for run, change in zip(runs, changes, strict=True)
    ]


def _joined(*texts):
    return "; ".join(text for text in texts if text)


def all_runs() -> list:
    """Released runs and those on disk; a full run on disk takes the place of the released run of the same name."""
    runs = {run.name: run for run in released_runs()}
    for run in as_of_now(records.finished_runs()):
        if run.name not in runs or not run.record["reduced"]:
            runs[run.name] = run
    return list(runs.values())


def compare(runs: list) -> pd.DataFrame:
    """The comparison table of runs, see `evaluation.comparison.comparison_table`."""
    rows = [comparison.run_row(run.name, run.record, run.metrics) for run in as_of_now(runs)]
    return comparison.comparison_table(rows)


def claims(runs: list | None = None) -> pd.DataFrame:
    """Claimed against reproduced over the given runs (default: all on disk and released)."""
    runs = all_runs() if runs is None else as_of_now(runs)
    return comparison.claims_table([(run.name, run.record, run.metrics) for run in runs], DATASETS)


def documents(runs: list, answers: list | None = None) -> dict:
    """The documents' tables over runs, see `evaluation.document_tables.document_tables`."""
    return document_tables.document_tables(runs, experiments.EXPERIMENTS, DATASETS, answers)


CLAIM_COLUMNS = [
    "document",
    "model",
    "dataset",
    "claimed under",
    "settings",
    "kind",
    "metric",
    "claimed",
    "measured under",
    "reproduced",
    "95 % interval",
    "seeds",
    "remark",
]


def shown(part: pd.DataFrame) -> pd.DataFrame:
    """A comparison table with the interval as text and numbers rounded, for reading."""
    part = part.copy()
    part["interval"] = [f"{low:.3f} to {high:.3f}" for low, high in zip(part["low"], part["high"], strict=True)]
    for column, form in NUMBERS.items():
        part[column] = ["" if pd.isna(value) else form.format(value) for value in part[column]]
    part["peak MB"] = ["" if pd.isna(value) else f"{value:.0f}" for value in part["peak MB"]]
    order = ["run", "accuracy", "interval", *list(NUMBERS)[1:], "epochs", "peak MB", "reduced"]
    return part[order].rename(columns={"interval": "95 % interval"})
