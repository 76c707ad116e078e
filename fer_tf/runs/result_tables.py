"""Tables over finished runs: those on disk and those that ship."""

import dataclasses

import pandas as pd

from .. import experiments
from ..common.paths import results_root
from ..data import DATASETS
from ..evaluation import comparison, document_tables
from ..evaluation.ensembles import ensembles_table
from . import records

NUMBERS = {
    **dict.fromkeys(("accuracy", "balanced accuracy", "macro F1", "top-2", "ECE", "val accuracy"), "{:.3f}"),
    **dict.fromkeys(("accuracy without copies", "accuracy without near copies"), "{:.3f}"),
    **{"parameters": "{:,}", "s/epoch": "{:.1f}", "peak MB": "{:.0f}"},
}


def released_runs() -> list:
    """The runs that ship with the kit."""
    return as_of_now(records.finished_runs(results_root() / "runs"))


def released_ensembles() -> list:
    """The ensembles that ship with the kit."""
    return records.finished_ensembles(results_root() / "ensembles")


def as_of_now(runs: list) -> list:
    """Runs whose `reduced` also names what has changed in their experiment since, see `experiments.changed_since`.

    The record's `extent` says the same in short: "full", "reduced", "earlier settings", or both of these.
    """
    return [run if "extent" in run.record else dataclasses.replace(run, record=_current(run.record)) for run in runs]


def _current(record):
    ways = {"reduced": record["reduced"], "earlier settings": experiments.changed_since(record)}
    extent = ", ".join(way for way, text in ways.items() if text) or "full"
    return {**record, "reduced": "; ".join(filter(None, ways.values())), "extent": extent}


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


def ensembles(found: list, runs: list) -> dict:
    """{"ensembles": table} of ensembles next to their best members, {} if there are none.

    Args:
        found: of `records.finished_ensembles`.
        runs: that their members are among.
    """
    return {"ensembles": ensembles_table(found, {run.name: run for run in runs})} if found else {}


def shown_claims(claimed: pd.DataFrame) -> pd.DataFrame:
    """The table of `claims` for reading: the remark also says what `reduced` says."""
    return claimed.drop(columns=["id", "device", "reduced"])


def shown(compared: pd.DataFrame) -> pd.DataFrame:
    """A table of `compare` with the interval as text and numbers rounded, for reading."""
    texts = {
        column: ["" if pd.isna(value) else form.format(value) for value in compared[column]]
        for column, form in NUMBERS.items()
    }
    interval = [f"{low:.3f} to {high:.3f}" for low, high in zip(compared["low"], compared["high"], strict=True)]
    order = ["run", "accuracy", "95 % interval", *list(NUMBERS)[1:-1], "epochs", "peak MB", "reduced"]
    sources = "accuracy by source"  # only tables with a joined dataset have this column
    if sources in compared and compared[sources].notna().any():
        texts[sources] = list(compared[sources].fillna(""))
        order.insert(order.index("95 % interval") + 1, sources)
    return compared.assign(**texts, **{"95 % interval": interval})[order]
