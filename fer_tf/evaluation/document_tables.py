"""The tables of the four documents in their original form, with claimed and measured results.

Functions take dicts and frames and return frames.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import ablations, comparison, tables
from .comparison import _answers, _why_not
from .metrics import bootstrap_intervals


def document1_table(
    runs: Iterable[tuple[dict[str, Any], dict[str, Any]]], experiments: Mapping[str, Any]
) -> pd.DataFrame:
    """The table of document [1]: model, author and year, and macro averages of recall, precision and F1.

    Each value has a 95 % bootstrap interval over test images. We add the accuracy and the size of the input pictures.

    Args:
        runs: (record, metrics) pairs.
        experiments: dict name -> an entry with `printed_as`, as in `fer_tf.experiments.EXPERIMENTS`.
    Returns: DataFrame, one row for each run; values are text, in per cent. Recall is over classes with test images.
    """
    rows = []
    for record, metrics in runs:
        name, author = experiments[record["experiment"]].printed_as or (record["experiment"], "")
        test = metrics["test"]
        intervals = bootstrap_intervals(test["confusion"])
        measures = {
            "Recall": "balanced_accuracy",
            "Precision": "macro_precision",
            "F1-score": "macro_f1",
            "Accuracy": "accuracy",
        }
        figures = {label: _with_interval(test[key], intervals[key]) for label, key in measures.items()}
        given = "×".join(map(str, record["image_shape"]))
        about = {"Model": name, "Author, year": author, "input": given}
        rows.append({**about, **figures, "settings": record["reduced"] or "full"})
    return pd.DataFrame(rows)


def _with_interval(value, interval):
    return f"{100 * value:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def document2_table(runs: Iterable[tuple[dict[str, Any], dict[str, Any], Any]]) -> pd.DataFrame:
    """Tables 1 and 2 of document [2]: model, optimizer, batch size, epochs, claimed and measured accuracy.

    Args:
        runs: (record, metrics, claimed accuracy or "") triples.
    Returns: DataFrame, one row for each run; accuracies are in per cent.
    """
    rows = []
    for record, metrics, claimed in runs:
        settings = record["settings"]
        rows.append(
            {
                "model": record["experiment"],
                "weights": settings.get("weights", "none"),
                "optimizer": settings["optimizer"],
                "batch size": settings["batch_size"],
                "epochs": metrics["training"].get("epochs", 0),
                "claimed": claimed,
                "test": 100 * metrics["test"]["accuracy"],
                "val": 100 * metrics["val"]["accuracy"],
                "reduced": record["reduced"],
            }
        )
    return pd.DataFrame(rows)


# Document [3] has a table for each dataset; its own method is the last row.
DOCUMENT3_METHODS = {
    "bag of words": "Bag of Words (Ionescu et al.)",
    "VGG+SVM": "VGG+SVM (Georgescu et al.)",
    "deep_emotion": "Deep-Emotion (Minaee et al.)",
    "deepfer": "Proposed Method (DeepFER)",
}


def document3_table(
    runs: Iterable[tuple[str, dict[str, Any], dict[str, Any]]], claims: pd.DataFrame, datasets: Mapping[str, Any]
) -> pd.DataFrame:
    """The four tables of document [3]: claimed and measured accuracies on FER 2013, CK+, JAFFE and FERG.

    Args:
        runs: (name, record, metrics) triples. A run answers the claims of its experiment on the claim's dataset.
        claims: DataFrame from `comparison.read_claims`.
        datasets: dict name -> its facts, in the order of the tables; see `comparison.claims_table`, and `paper_name`.
    Returns: DataFrame, one row for each claim and protocol that was measured, the claim's own protocol first: Dataset,
        Method, settings, kind (own or quoted), claimed, claimed val, measured under (protocol), measured (mean ± sd
        over seeds), 95 % interval (if there is one seed), measured val, seeds, remark. Accuracies are in per cent;
        claims are text, as the document prints them. If nothing was measured, the remark says why.
        `table.groupby("Dataset", sort=False)` gives the separate tables.
    """
    said = claims[(claims["document"].astype(str) == "3") & (claims["metric"] == "accuracy")]
    rows, order = [], list(datasets)
    for claim in sorted(said.itertuples(), key=lambda claim: (order.index(claim.dataset), *_place(claim))):
        facts = datasets[claim.dataset]
        for (protocol, reduced), group in (_answers(claim, runs, facts) or {("", ""): []}).items():
            rows.append(_claimed(claim, facts) | _measured(claim, protocol, reduced, group, facts))
    return pd.DataFrame(rows)


def _place(claim):
    """Sorting key: first claims on other models, then the methods in the order of the table."""
    methods = list(DOCUMENT3_METHODS)
    return methods.index(claim.model) if claim.model in methods else -1, claim.id


def _claimed(claim, facts):
    return {
        "Dataset": facts.paper_name,
        "Method": DOCUMENT3_METHODS.get(claim.model, claim.model),
        "settings": "; ".join(filter(None, [claim.protocol, claim.settings])),
        "kind": claim.kind,
        "claimed": claim.value,
        "claimed val": claim.validation,
    }


def _number(text):
    """A number of claims.csv; NaN if the document prints none."""
    return float(text) if text else np.nan


def _measured(claim, protocol, reduced, group, facts):
    tests = [100 * metrics["test"]["accuracy"] for _, _, metrics in group]
    row = {
        "measured under": protocol,
        "measured": _mean(tests),
        "95 % interval": "",
        "measured val": _mean([100 * metrics["val"]["accuracy"] for _, _, metrics in group]),
        "seeds": len(group) or "",
        "remark": f"reduced: {reduced}" if reduced else "",
    }
    if not group:
        row["remark"] = "quoted by the document" if claim.kind == "quoted" else _why_not(claim, facts)
    if len(group) == 1:
        low, high = group[0][2]["test"]["intervals"]["accuracy"]
        row["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
    return row


def _mean(values):
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def document4_table(runs: Iterable[tuple[dict[str, Any], dict[str, Any], pd.DataFrame, Any]]) -> pd.DataFrame:
    """Table 1 of document [4]: claimed and measured accuracy on train, test and validation.

    Args:
        runs: (record, metrics, history, claim) tuples. history has one row for each epoch; claim is a row of claims.csv
            or None.
    Returns: DataFrame, one row for each run; accuracies are in per cent. The accuracy on train is the running mean of
        the best epoch, measured as usual on augmented pictures and with dropout.
    """
    rows = []
    for record, metrics, history, claim in runs:
        best = history.loc[history["epoch"] == metrics["training"]["best_epoch"], "accuracy"].iloc[0]
        measured = {"train": best, "test": metrics["test"]["accuracy"], "val": metrics["val"]["accuracy"]}
        row = {"model": record["experiment"]} | {key: 100 * value for key, value in measured.items()}
        said = {} if claim is None else {"train": claim.train, "test": claim.value, "val": claim.validation}
        row |= {f"claimed {key}": _number(said.get(key)) for key in measured}
        rows.append(row | {"parameters": metrics["training"]["parameters"], "reduced": record["reduced"]})
    return pd.DataFrame(rows)


def lists_table(runs: Iterable[tuple[dict[str, Any], dict[str, Any]]], datasets: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy on published lists of hard test images, and on the whole test set.

    Args:
        runs: (record, metrics) pairs; runs without lists are left out.
        datasets: dict name -> its facts, with `published_lists` as `fer_tf.data.DatasetSpec` has it.
    Returns: DataFrame, one row for each run and list ("all" first): dataset, protocol, model, seed, list, images,
        accuracy, 95 % interval, published, reduced. Accuracies are in per cent. published is the result of the paper,
        which uses a larger backbone with pretrained weights.
    """
    rows = []
    for record, metrics in runs:
        lists, published = metrics.get("lists"), datasets[record["dataset"]].published_lists
        for name, scores in {"all": metrics["test"], **lists}.items() if lists else ():
            low, high = scores["intervals"]["accuracy"]
            rows.append(
                {
                    "dataset": record["dataset"],
                    "protocol": record["protocol"],
                    "model": record["experiment"],
                    "seed": record["seed"],
                    "list": name,
                    "images": scores["n"],
                    "accuracy": 100 * scores["accuracy"],
                    "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
                    "published": published.get(name, {}).get(record["experiment"], np.nan),
                    "reduced": record["reduced"],
                }
            )
    return pd.DataFrame(rows)


CAPTIONS = {
    "document1": "Document [1]: macro averages of recall, precision and F1, and accuracy, in per cent, 95 % intervals",
    "document2": "Document [2], tables 1 and 2: claimed and measured accuracy in per cent",
    "document3": "Document [3]: claimed and measured accuracy in per cent",
    "document4": "Document [4], table 1: claimed and measured accuracy in per cent",
    "lists": "Accuracy in per cent on the published lists of occluded and turned faces, and on the whole test set",
    "ablations": "Variants of a model, compared with the first row of their group: accuracy in per cent",
    "claimed_and_reproduced": "All results that the documents claim, and our measurements, in per cent",
}


def claimed_accuracy(run: Any) -> float | str:
    """The accuracy that the document claims for the experiment and dataset of a run.

    Args:
        run: `fer_tf.runs.records.Run`.
    Returns: per cent, as the document prints it; "" if the document claims none.
    """
    claims = comparison.read_claims()
    is_of_run = claims["id"].isin(run.record["claims"]) & (claims["dataset"] == run.record["dataset"])
    chosen = claims[is_of_run & (claims["metric"] == "accuracy")]
    return chosen["value"].iloc[0] if len(chosen) else ""


def document_tables(
    runs: list[Any], experiments: Mapping[str, Any], datasets: Mapping[str, Any], answers: list[Any] | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of all documents.

    Args:
        runs: list of `fer_tf.runs.records.Run`.
        experiments: dict name -> an entry with `tables`, `printed_as` and `ablations`, as in
            `fer_tf.experiments.EXPERIMENTS`.
        datasets: dict name -> its facts, as in `fer_tf.data.DATASETS`.
        answers: runs that can answer the claims of document [3]; None for `runs`. The rows of its table are claims, so
            a claim that another run has measured must not appear as "not measured".
    Returns: dict "document1" .. "document4", "lists" and "ablations" -> DataFrame. A row is a run with the dataset and
        protocol of its test; in "document3" it is a claim. Tables without any run are missing.
    """
    makers = {
        "document1": lambda chosen: _document1(chosen, experiments),
        "document2": _document2,
        "document4": _document4,
    }
    found = {}
    for name, make in makers.items():
        chosen = _members(runs, experiments, name)
        if chosen:
            found[name] = _with_place(make(chosen), chosen)
    if _members(runs, experiments, "document3"):
        triples = [(run.name, run.record, run.metrics) for run in answers or runs]
        found["document3"] = document3_table(triples, comparison.read_claims(), datasets)
    lists = lists_table([(run.record, run.metrics) for run in runs], datasets)
    parts = _ablations(runs, experiments)
    more = {name: table for name, table in (("lists", lists), ("ablations", parts)) if len(table)}
    return dict(sorted(found.items())) | more


def write_tables(folder: Path, tables_by_name: dict[str, pd.DataFrame]) -> list[Path]:
    """Writes tables as <folder>/<name>.md, .tex and .csv, and removes old files of tables that no longer exist.

    Args:
        folder: the target folder.
        tables_by_name: dict key of `CAPTIONS` -> DataFrame.
    Returns: list of paths.
    """
    for name in set(CAPTIONS) - set(tables_by_name):  # their runs no longer exist
        for suffix in (".md", ".tex", ".csv"):
            (folder / name).with_suffix(suffix).unlink(missing_ok=True)
    return [
        path
        for name, table in tables_by_name.items()
        for path in tables.write_table(folder / name, table, CAPTIONS[name], digits=1)
    ]


def _members(runs, experiments, table):
    """The runs whose experiments belong to a table, sorted by seed and then in the order of the table."""
    rows = {name: entry.tables[table] for name, entry in experiments.items() if table in entry.tables}
    chosen = [run for run in runs if run.record["experiment"] in rows]
    return sorted(chosen, key=lambda run: (run.record["seed"], rows[run.record["experiment"]]))


def _ablations(runs, experiments):
    asked = ablations.questions(experiments)
    named = {name for names in asked.values() for name in names}
    chosen = [run for run in runs if run.record["experiment"] in named]
    return ablations.ablations_table([(run.record, run.metrics, run.predictions) for run in chosen], asked)


def _document1(runs, experiments):
    return document1_table([(run.record, run.metrics) for run in runs], experiments)


def _document2(runs):
    return document2_table([(run.record, run.metrics, claimed_accuracy(run)) for run in runs])


def _document4(runs):
    claims = comparison.read_claims().set_index("id", drop=False)
    of_run = {run.name: claims.loc[run.record["claims"][0]] for run in runs}
    rows = []
    for run in runs:
        claim = of_run[run.name]
        is_answer = claim["dataset"] == run.record["dataset"]
        rows.append((run.record, run.metrics, run.history, claim if is_answer else None))
    return document4_table(rows)


def _with_place(table, runs):
    """The table with dataset, protocol and seed of each run as its first columns."""
    place = pd.DataFrame([{key: run.record[key] for key in ("dataset", "protocol", "seed")} for run in runs])
    return pd.concat([place, table.reset_index(drop=True)], axis=1).sort_values(["dataset", "protocol"], kind="stable")
