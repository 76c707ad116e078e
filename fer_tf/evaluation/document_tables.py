"""The tables of the four documents in their original form, with claimed and measured results.

Functions take runs (`fer_tf.runs.records.Run`) and dicts, and return frames.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.sources import FROM
from . import ablations, comparison, tables
from .intervals import percent_interval, percent_mean
from .metrics import bootstrap_intervals


def document1_table(runs: Iterable[Any], experiments: Mapping[str, Any]) -> pd.DataFrame:
    """The table of document [1]: model, author and year, and macro averages of recall, precision and F1.

    Each value has a 95 % bootstrap interval over test images. We add the accuracy and the size of the input pictures.

    Args:
        runs: with record and metrics.
        experiments: dict name -> an entry with `printed_as`, as in `fer_tf.experiments.EXPERIMENTS`.
    Returns: DataFrame, one row for each run; values are text, in per cent. Recall is over classes with test images.
    """
    measures = {
        "Recall": "balanced_accuracy",
        "Precision": "macro_precision",
        "F1-score": "macro_f1",
        "Accuracy": "accuracy",
    }
    rows = []
    for run in runs:
        name, author = experiments[run.record["experiment"]].printed_as or (run.record["experiment"], "")
        row = {"Model": name, "Author, year": author, "input": "×".join(map(str, run.record["image_shape"]))}
        test = run.metrics["test"]
        intervals = bootstrap_intervals(test["confusion"])
        for label, key in measures.items():
            row[label] = f"{100 * test[key]:.1f} ({percent_interval(intervals[key])})"
        rows.append(row | {"settings": run.record["reduced"] or "full"})
    return pd.DataFrame(rows)


def document2_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Tables 1 and 2 of document [2]: model, optimizer, batch size, epochs, claimed and measured accuracy.

    Its CNN with the L2-SVM loss has a row without a claim: the winner's net, which it quotes, is another one.

    Args:
        runs: with record and metrics.
    Returns: DataFrame, one row for each run; accuracies are in per cent. claimed is text, see `claimed_accuracy`.
    """
    rows = []
    for run in runs:
        settings = run.record["settings"]
        rows.append(
            {
                "model": run.record["experiment"],
                "weights": settings.get("weights", "none"),
                "optimizer": settings["optimizer"],
                "batch size": settings["batch_size"],
                "epochs": run.metrics["training"].get("epochs", 0),
                "claimed": claimed_accuracy(run),
                "test": 100 * run.metrics["test"]["accuracy"],
                "val": 100 * run.metrics["val"]["accuracy"],
                "reduced": run.record["reduced"],
            }
        )
    return pd.DataFrame(rows)


def claimed_accuracy(run: Any) -> str:
    """The accuracy that the document claims for the experiment and dataset of a run with a record.

    Returns: per cent, as the document prints it; "" if the document claims none.
    """
    claims = comparison.read_claims()
    is_of_run = claims["id"].isin(run.record["claims"]) & (claims["dataset"] == run.record["dataset"])
    return next(iter(claims.loc[is_of_run & (claims["metric"] == "accuracy"), "value"]), "")


def document3_table(runs: Iterable[Any], experiments: Mapping[str, Any], datasets: Mapping[str, Any]) -> pd.DataFrame:
    """The four tables of document [3]: claimed and measured accuracies on FER 2013, CK+, JAFFE and FERG.

    Args:
        runs: with name, record and metrics. A run answers the claims of its experiment on the claim's dataset.
        experiments: dict name -> an entry with `tables` and `printed_as`, as in `fer_tf.experiments.EXPERIMENTS`.
        datasets: dict name -> its facts, in the order of the tables; see `comparison.claims_table`, and `paper_name`.
    Returns: DataFrame, one row for each claim and protocol that was measured, the claim's own protocol first: Dataset,
        Method, settings, kind (own or quoted), claimed, claimed val, measured under (protocol), measured (mean ± sd
        over seeds), 95 % interval (if there is one seed), measured val, seeds, remark. Accuracies are in per cent;
        claims are text, as the document prints them. If nothing was measured, the remark says why.
        `table.groupby("Dataset", sort=False)` gives the separate tables.
    """
    claims = comparison.read_claims()
    claims = claims[(claims["document"].astype(str) == "3") & (claims["metric"] == "accuracy")]
    triples = [(run.name, run.record, run.metrics) for run in runs]
    rows, order = [], list(datasets)
    places = {name: entry.tables["document3"] for name, entry in experiments.items() if "document3" in entry.tables}

    def place(claim):  # models that the document only quotes come first
        return order.index(claim.dataset), places.get(claim.model, 0), claim.id

    for claim in sorted(claims.itertuples(), key=place):
        facts = datasets[claim.dataset]
        printed = experiments[claim.model].printed_as if claim.model in places else (claim.model, "")
        method = f"{printed[0]} ({printed[1]})" if printed[1] else printed[0]
        for (protocol, reduced), members in (comparison.answers(claim, triples, facts) or {("", ""): []}).items():
            rows.append(_document3_row(claim, method, protocol, reduced, members, facts))
    return pd.DataFrame(rows)


def _document3_row(claim, method, protocol, reduced, members, facts):
    measured = comparison.measured(claim, protocol, members)
    if members:
        remark = f"reduced: {reduced}" if reduced else ""
    else:
        remark = "quoted by the document" if claim.kind == "quoted" else comparison.why_not(claim, facts)
    return {
        "Dataset": facts.paper_name,
        "Method": method,
        "settings": "; ".join(filter(None, [claim.protocol, claim.settings])),
        "kind": claim.kind,
        "claimed": claim.value,
        "claimed val": claim.validation,
        "measured under": protocol,
        "measured": measured["reproduced"],
        "95 % interval": measured["95 % interval"],
        "measured val": percent_mean([metrics["val"]["accuracy"] for _, _, metrics in members]),
        "seeds": measured["seeds"],
        "remark": remark,
    }


def document4_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Table 1 of document [4]: claimed and measured accuracy on train, test and validation.

    Args:
        runs: with record, metrics and history.
    Returns: DataFrame, one row for each run; accuracies are in per cent. The accuracy on train is the running mean of
        the best epoch, measured as usual on augmented pictures and with dropout. Claims on other datasets are missing.
    """
    claims = comparison.read_claims().set_index("id")
    rows = []
    for run in runs:
        claim = claims.loc[run.record["claims"][0]]
        training, history = run.metrics["training"], run.history
        best = history.loc[history["epoch"] == training["best_epoch"], "accuracy"].iloc[0]
        measured = {"train": best, **{key: run.metrics[key]["accuracy"] for key in ("test", "val")}}
        claimed = {"train": claim["train"], "test": claim["value"], "val": claim["validation"]}
        if claim["dataset"] != run.record["dataset"]:
            claimed = dict.fromkeys(measured, "")
        row = {"model": run.record["experiment"]} | {key: 100 * value for key, value in measured.items()}
        row |= {f"claimed {key}": float(claimed[key] or "nan") for key in measured}
        rows.append(row | {"parameters": training["parameters"], "reduced": run.record["reduced"]})
    return pd.DataFrame(rows)


def lists_table(runs: Iterable[Any], datasets: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy on published lists of hard test images, and on the whole test set.

    Args:
        runs: with record and metrics; runs without lists are left out.
        datasets: dict name -> its facts, with `published_lists` as `fer_tf.data.DatasetSpec` has it.
    Returns: DataFrame, one row for each run and list ("all" first): dataset, protocol, model, seed, list, images,
        accuracy, 95 % interval, published, reduced. Accuracies are in per cent. published is the result of the paper,
        which uses a larger backbone with pretrained weights.
    """
    rows = []
    for run in runs:
        record, lists = run.record, _published_lists(run)
        published = datasets[record["dataset"]].published_lists if record["dataset"] in datasets else {}
        for name, scores in {"all": run.metrics["test"], **lists}.items() if lists else ():
            rows.append(
                {
                    "dataset": record["dataset"],
                    "protocol": record["protocol"],
                    "model": record["experiment"],
                    "seed": record["seed"],
                    "list": name,
                    "images": scores["n"],
                    "accuracy": 100 * scores["accuracy"],
                    "95 % interval": percent_interval(scores["intervals"]["accuracy"]),
                    "published": published.get(name, {}).get(record["experiment"], np.nan),
                    "reduced": record["reduced"],
                }
            )
    return pd.DataFrame(rows)


def sources_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Accuracy on each source of a joined dataset, and on the whole test set.

    Args:
        runs: with record and metrics; runs on one source are left out.
    Returns: DataFrame, one row for each run and source ("all" first): dataset, protocol, model, seed, source, training
        images, test images, accuracy, 95 % interval, macro F1, reduced. Accuracies and F1 are in per cent.
    """
    rows = []
    for run in runs:
        record, sources = run.record, comparison.source_scores(run.metrics)
        counts = record.get("sources", {})
        for name, scores in {"all": run.metrics["test"], **sources}.items() if sources else ():
            trained = sum(part["train"] for source, part in counts.items() if name in ("all", source))
            rows.append(
                {key: record[key] for key in ("dataset", "protocol")}
                | {"model": record["experiment"], "seed": record["seed"], "source": name}
                | {"training images": trained, "test images": scores["n"], "accuracy": 100 * scores["accuracy"]}
                | {"95 % interval": percent_interval(scores["intervals"]["accuracy"])}
                | {"macro F1": 100 * scores["macro_f1"], "reduced": record["reduced"]}
            )
    return pd.DataFrame(rows)


def _published_lists(run):
    """The lists of test images that a run was scored on, without those of the sources of a joined dataset."""
    return {name: scores for name, scores in (run.metrics.get("lists") or {}).items() if not name.startswith(FROM)}


CAPTIONS = {
    "document1": "Document [1]: macro averages of recall, precision and F1, and accuracy, in per cent, 95 % intervals",
    "document2": "Document [2], tables 1 and 2, and its CNN with the L2-SVM loss: claimed and measured accuracy in per "
    "cent",
    "document3": "Document [3]: claimed and measured accuracy in per cent",
    "document4": "Document [4], table 1: claimed and measured accuracy in per cent",
    "lists": "Accuracy in per cent on the published lists of occluded and turned faces, and on the whole test set",
    "sources": "Accuracy in per cent on each source of a joined dataset, and on the whole test set",
    "ensembles": "Means of several networks, next to their best member: accuracy in per cent, gain in points",
    "ablations": "Variants of a model, compared with the first row of their group: accuracy in per cent",
    "claimed_and_reproduced": "All results that the documents claim, and our measurements, in per cent",
}


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
    Returns: dict "document1" .. "document4", "lists", "sources" and "ablations" -> DataFrame. A row is a run with the
        dataset and protocol of its test; in "document3" it is a claim. Tables without any run are missing.
    """
    makers = {
        "document1": lambda members: document1_table(members, experiments),
        "document2": document2_table,
        "document4": document4_table,
    }
    tables_by_name = {}
    for name, make in makers.items():
        members = _members(runs, experiments, name)
        if members:
            tables_by_name[name] = _with_place(make(members), members)
    if _members(runs, experiments, "document3"):
        tables_by_name["document3"] = document3_table(answers or runs, experiments, datasets)
    questions = ablations.questions(experiments)
    compared = [run for run in runs if run.record["experiment"] in set().union(*questions.values())]
    triples = [(run.record, run.metrics, run.predictions) for run in compared]
    others = {
        "lists": lists_table(runs, datasets),
        "sources": sources_table(runs),
        "ablations": ablations.ablations_table(triples, questions),
    }
    return dict(sorted(tables_by_name.items())) | {name: table for name, table in others.items() if len(table)}


def write_tables(folder: Path, tables_by_name: dict[str, pd.DataFrame]) -> list[Path]:
    """Writes tables as <folder>/<name>.md, .tex and .csv, and removes old files of tables that no longer exist.

    Args:
        folder: the target folder.
        tables_by_name: dict key of `CAPTIONS` -> DataFrame.
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


def _with_place(table, runs):
    """The table with dataset, protocol and seed of each run as its first columns."""
    place = pd.DataFrame([{key: run.record[key] for key in ("dataset", "protocol", "seed")} for run in runs])
    return pd.concat([place, table.reset_index(drop=True)], axis=1).sort_values(["dataset", "protocol"], kind="stable")
