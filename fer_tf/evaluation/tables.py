"""Writing tables: a run's predictions as csv, frames as Markdown."""

import csv
import io
import re

import numpy as np
import pandas as pd

from ..paths import write_text
from .metrics import bootstrap_intervals


def write_predictions(directory, ds, probabilities, copies, near=None):
    """Writes predict.csv and ground_truth.csv of the test split.

    Args:
        directory: of the run.
        ds: `FaceDataset`.
        probabilities: float [N, C] of its test split.
        copies: DataFrame, one row a test image: bool in_train, in_val.
        near: the same for near copies, or None where they were not looked for.
    predict.csv: name, label, confidence, a probability a class. ground_truth.csv: name, label, copy_of ("train",
    "val", "train val" or "": where the same pixels also stand) and, where looked for, near_copy_of. Rows are in the
    order of `ds.test`.
    """
    names = np.array(ds.class_names)
    rows = ds.table.iloc[ds.test.rows]
    predicted = pd.DataFrame({"name": rows["name"].to_numpy(), "label": names[probabilities.argmax(axis=1)]})
    predicted["confidence"] = probabilities.max(axis=1)
    predicted[list(names)] = probabilities
    truth = pd.DataFrame({"name": rows["name"].to_numpy(), "label": names[ds.test.labels], "copy_of": places(copies)})
    if near is not None:
        truth["near_copy_of"] = places(near)
    write_csv(directory / "predict.csv", predicted.round(6))
    write_csv(directory / "ground_truth.csv", truth)


def places(copies):
    """Where copies stand, "train", "val", "train val" or "", a text a row of a frame with bool in_train, in_val."""
    train = np.where(copies["in_train"], "train", "")
    return [f"{first} val".strip() if also else first for first, also in zip(train, copies["in_val"], strict=True)]


def write_csv(path, frame):
    """Writes a frame as csv in one step."""
    text = io.StringIO()
    frame.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL)
    write_text(path, text.getvalue())


def report_table(metrics, class_names):
    """The classification report of a run's test metrics as a frame: precision, recall, f1, support a class, then
    accuracy, macro and weighted averages (document [2]'s form)."""
    table = pd.DataFrame(metrics["per_class"]).T.reindex(list(class_names))
    for average in ("macro", "weighted"):
        values = [metrics[f"{average}_{key}"] for key in ("precision", "recall", "f1")]
        table.loc[f"{average} avg"] = [*values, metrics["n"]]
    table.loc["accuracy"] = [np.nan, np.nan, metrics["accuracy"], metrics["n"]]
    table["support"] = table["support"].astype(int)
    table.index.name = "class"
    return table


# Document [1]'s table names its models so; the kit's other readings stand below.
DOCUMENT1_MODELS = {
    "ran_facenet2expnet": ("My_model", "document [1]"),
    "ran_facenet2expnet_strongest": ("My_model, strongest crop alone", "document [1]"),
    "ran": ("processing model using RAN", "Wang et al., 2020"),
    "ucar_cnn": ("CNN FER model", "Uçar, 2017"),
    "akhand": ("FER model with DCNN and TL", "Akhand et al., 2021"),
}


def document1_table(runs):
    """Document [1]'s table: model, author and year, recall, precision, F1, as macro averages over classes, each with
    its 95 % bootstrap interval over test images.

    Args:
        runs: (record, metrics) pairs.
    Returns: DataFrame, a row a run; figures as text, per cent. Recall is over the classes with a test image.
    """
    rows = []
    for record, metrics in runs:
        name, author = DOCUMENT1_MODELS.get(record["experiment"], (record["experiment"], ""))
        test = metrics["test"]
        intervals = bootstrap_intervals(test["confusion"])
        measures = {"Recall": "balanced_accuracy", "Precision": "macro_precision", "F1-score": "macro_f1"}
        figures = {label: _with_interval(test[key], intervals[key]) for label, key in measures.items()}
        rows.append({"Model": name, "Author, year": author, **figures, "settings": record["reduced"] or "full"})
    return pd.DataFrame(rows)


def _with_interval(value, interval):
    return f"{100 * value:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def document2_table(runs):
    """Document [2]'s tables 1 and 2: model, optimizer, batch size, epochs, accuracy; claimed beside measured.

    Args:
        runs: (record, metrics, claimed accuracy or "") triples.
    Returns: DataFrame, accuracies in per cent.
    """
    rows = []
    for record, metrics, claimed in runs:
        settings = record["settings"]
        rows.append({
            "model": record["experiment"], "weights": settings.get("weights", "none"),
            "optimizer": settings["optimizer"], "batch size": settings["batch_size"],
            "epochs": metrics["training"].get("epochs", 0),
            "claimed": claimed, "test": 100 * metrics["test"]["accuracy"], "val": 100 * metrics["val"]["accuracy"],
            "reduced": record["reduced"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def document4_table(runs):
    """Document [4]'s table 1: accuracy on train, test and validation; claimed beside measured.

    Args:
        runs: (record, metrics, history, claim) tuples; history has a row an epoch, claim a row of claims.csv or None.
    Returns: DataFrame, accuracies in per cent. Train is the best epoch's running mean, on augmented pictures and with
        dropout, as is usual.
    """
    rows = []
    for record, metrics, history, claim in runs:
        best = history.loc[history["epoch"] == metrics["training"]["best_epoch"], "accuracy"].iloc[0]
        measured = {"train": best, "test": metrics["test"]["accuracy"], "val": metrics["val"]["accuracy"]}
        row = {"model": record["experiment"]} | {key: 100 * value for key, value in measured.items()}
        said = (
            {}
            if claim is None
            else {"test": claim.value, **dict(re.findall(r"(train|validation) ([\d.]+)", claim.note))}
        )
        row |= {f"claimed {key}": float(said.get({"val": "validation"}.get(key, key), np.nan)) for key in measured}
        rows.append(row | {"parameters": metrics["training"]["parameters"], "reduced": record["reduced"]})
    return pd.DataFrame(rows)


def markdown(frame, digits=3):
    """A frame as a Markdown table; floats to `digits`, missing values empty."""
    header = [str(name) for name in frame.columns]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(_rule(frame[name]) for name in frame.columns) + "|"]
    lines += ["| " + " | ".join(_cell(value, digits) for value in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _rule(column):
    return "---:" if pd.api.types.is_numeric_dtype(column) else "---"


def _cell(value, digits):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "\\|")
