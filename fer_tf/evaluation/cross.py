"""Train on one set, test on another: does a model know expressions, or one collection of pictures?"""

import pandas as pd

from ..common.checks import InputError, check_choice

COLUMNS = (
    "model",
    "trained_on",
    "tested_on",
    "protocol",
    "n",
    "accuracy",
    "low",
    "high",
    "classes",
    "reduced",
    "notes",
)
NEEDED = COLUMNS[:8]
VALUES = ("accuracy", "low", "high", "n", "change")


def cross_rows(records):
    """Rows for `cross_table` out of records.

    Args:
        records: (record, metrics) pairs, dicts as in the json files of reports/evaluations/<...>/, and of
            reports/runs/<run>/ for the diagonal: a run was tested on the set it was trained on.
    Returns: list of dicts, one a pair: model (the experiment, or the name of a model without provenance), trained_on,
        tested_on, protocol (of the test), n, accuracy, low, high (95 % bootstrap interval), classes (tested ones, as
        text), reduced (in which way a run is not its source's; "" of a model from a file), notes (what left the test,
        and whether it may hold training images).
    """
    return [_row(record, metrics["test"]) for record, metrics in records]


def _row(record, test):
    model, trained_on = _origin(record)
    low, high = test["intervals"]["accuracy"]
    values = (
        model,
        trained_on,
        record["dataset"],
        record["protocol"],
        test["n"],
        test["accuracy"],
        low,
        high,
        ", ".join(record["class_names"]),
        record.get("reduced", ""),
        "; ".join(record.get("notes", [])),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _origin(record):
    """What was trained and on which set: every file has the name of its run, <experiment>-<dataset>-<protocol>-...; an
    ensemble those of its members."""
    if "experiment" in record:
        return record["experiment"], record["dataset"]
    provenance, name = record.get("provenance", {}), record["model"]
    if "members" in record:
        return name, "+".join(sorted({member["run"].split("-")[1] for member in record["members"]}))
    run = provenance.get("run", "")
    if run.count("-") < 2:
        return name, provenance.get("dataset", "unknown")
    experiment, dataset = run.split("-")[:2]
    # earlier records tell the views by the name alone, <run>-<views>
    views = record.get("tta") or (name.removeprefix(f"{run}-") if name.startswith(f"{run}-") else "none")
    return experiment if views == "none" else f"{experiment}-{views}", dataset


def cross_table(rows):
    """All evaluations as one long table.

    Args:
        rows: dicts of `cross_rows`, or of your own with model, trained_on, tested_on, protocol, n, accuracy, low, high.
    Returns: DataFrame with the columns of `cross_rows`, by model and the set it was trained on, the set's own test
        first, and change: accuracy minus that of the same model, trained on the same set, on that set's own test
        over the same classes (mean over seeds; missing where it was not tested there, or at several settings).
    """
    table = pd.DataFrame(list(rows))
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise InputError(f"rows: must have {', '.join(NEEDED)}; {', '.join(missing)} is missing")
    table = table.assign(**{name: "" for name in COLUMNS if name not in table})[list(COLUMNS)]
    keys = ["model", "trained_on", "classes"]
    grouped = table[table["trained_on"] == table["tested_on"]].groupby(keys)
    own = grouped["accuracy"].mean().where(grouped["reduced"].nunique() == 1)  # seeds may be averaged, settings not
    table["change"] = table["accuracy"] - own.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy()
    table["elsewhere"] = table["trained_on"] != table["tested_on"]
    order = ["model", "trained_on", "elsewhere", "tested_on", "protocol"]
    return table.sort_values(order, kind="stable", ignore_index=True).drop(columns="elsewhere")


def cross_matrix(table, model=None, value="accuracy"):
    """One model's evaluations as a square: trained on (rows) by tested on (columns).

    Args:
        table: DataFrame of `cross_table`.
        model: which, where there are several.
        value: accuracy, low, high, n or change; several evaluations of a cell (seeds, protocols) are averaged.
    Returns: float DataFrame over all sets that were trained or tested on, in the same order both ways; missing where
        nothing was tested.
    """
    check_choice("value", value, VALUES)
    models = list(dict.fromkeys(table["model"]))
    if model is None and len(models) != 1:
        raise InputError(f"model: must say which of {', '.join(models) or 'none'} is meant")
    if model is not None:
        check_choice("model", model, models)
        table = table[table["model"] == model]
    sets = list(dict.fromkeys([*table["trained_on"], *table["tested_on"]]))
    square = table.pivot_table(index="trained_on", columns="tested_on", values=value, aggfunc="mean", observed=True)
    return square.reindex(index=sets, columns=sets).rename_axis(index="trained on", columns="tested on").astype(float)
