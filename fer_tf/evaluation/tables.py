"""Writing tables: a run's predictions as csv, frames as Markdown."""

import csv
import io

import numpy as np
import pandas as pd

from ..paths import write_text


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
