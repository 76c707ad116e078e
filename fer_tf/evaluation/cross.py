"""Train on one dataset, test on another: does a model know expressions, or only one collection of pictures?"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ..common.checks import InputError, check_choice

NEEDED = ("model", "trained_on", "tested_on", "protocol", "n", "accuracy", "low", "high")
COLUMNS = (*NEEDED, "classes", "reduced", "notes")
VALUES = ("accuracy", "low", "high", "n", "change")


def cross_rows(records: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows for `cross_table` from records.

    Args:
        records: (record, metrics) pairs, dicts as in the json files of reports/evaluations/<...>/. For the diagonal use
            those of reports/runs/<run>/: the run was tested on the dataset that it was trained on.
    Returns: list of dicts, one for each pair: model (the experiment, or the name of a model without provenance),
        trained_on, tested_on, protocol (of the test), n, accuracy, low, high (95 % bootstrap interval), classes (of the
        test, as text), reduced (how the run differs from its source; "" for a model from a file), notes (images that
        were left out, and whether the test may contain training images).
    """
    return [_row(record, metrics["test"]) for record, metrics in records]


def _row(record, test):
    values = (
        *_origin(record),
        *(record["dataset"], record["protocol"], test["n"], test["accuracy"]),
        *test["intervals"]["accuracy"],
        *(", ".join(record["class_names"]), record.get("reduced", ""), "; ".join(record.get("notes", []))),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _origin(record):
    """(model, dataset that it was trained on); averaged over several views, a model is another one."""
    if "experiment" in record:
        return record["experiment"], record["dataset"]
    if "members" in record:
        return record["model"], record["dataset"]
    provenance = record.get("provenance", {})
    trained_on = provenance.get("dataset", "unknown")
    if "experiment" not in provenance:
        return record["model"], trained_on
    views = record.get("tta", "none")
    return provenance["experiment"] if views == "none" else f"{provenance['experiment']}-{views}", trained_on


def cross_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """All evaluations as one long table.

    Args:
        rows: dicts from `cross_rows`, or your own with at least `NEEDED`.
    Returns: DataFrame with the columns of `cross_rows` and change. It is sorted by model and training set; the test on
        the training set's own test split comes first. change is the accuracy minus that of the same model on its own
        test split over the same classes (mean over seeds). It is missing if there is no such test, or if the tests have
        different settings.
    Raises: `InputError` if a column of `NEEDED` is missing.
    """
    table = pd.DataFrame(list(rows))
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise InputError(f"rows: must have {', '.join(NEEDED)}; {', '.join(missing)} is missing")
    table = table.assign(**{name: "" for name in COLUMNS if name not in table})[list(COLUMNS)]
    keys = ["model", "trained_on", "classes"]
    grouped = table[table["trained_on"] == table["tested_on"]].groupby(keys)
    own = grouped["accuracy"].mean().where(grouped["reduced"].nunique() == 1)  # average over seeds, not over settings
    table["change"] = table["accuracy"] - own.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy()
    table["elsewhere"] = table["trained_on"] != table["tested_on"]
    order = ["model", "trained_on", "elsewhere", "tested_on", "protocol"]
    return table.sort_values(order, kind="stable", ignore_index=True).drop(columns="elsewhere")


def cross_matrix(table: pd.DataFrame, model: str | None = None, value: str = "accuracy") -> pd.DataFrame:
    """The evaluations of one model as a square: trained on (rows) by tested on (columns).

    Args:
        table: DataFrame from `cross_table`.
        model: name of the model; None if the table has only one.
        value: one of `VALUES`. If a cell has several evaluations (seeds, protocols), they are averaged.
    Returns: float DataFrame with all datasets of training or test, in the same order for rows and columns; missing
        where nothing was tested.
    Raises: `InputError` for an unknown model or value.
    """
    check_choice("value", value, VALUES)
    models = list(dict.fromkeys(table["model"]))
    if model is None and len(models) != 1:
        raise InputError(f"model: must be one of {', '.join(models) or 'none'}; received None")
    if model is not None:
        check_choice("model", model, models)
        table = table[table["model"] == model]
    sets = list(dict.fromkeys([*table["trained_on"], *table["tested_on"]]))
    square = table.pivot_table(index="trained_on", columns="tested_on", values=value, aggfunc="mean", observed=True)
    return square.reindex(index=sets, columns=sets).rename_axis(index="trained on", columns="tested on").astype(float)
