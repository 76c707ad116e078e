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
from .intervals import percent_mean
from .label_kinds import labels_table
from .metrics import bootstrap_intervals
from .over_seeds import accuracy_columns, grouped, mean_and_sd, option_text, percent_text, seed_names, seeds_table


def document1_table(runs: Iterable[Any], experiments: Mapping[str, Any]) -> pd.DataFrame:
    """The table of document [1]: model, author and year, and macro averages of recall, precision and F1.

    Each value has a 95 % bootstrap interval over test images. If a model has several seeds, it has their mean and
    standard deviation. We add the accuracy and the size of the input pictures.

    Args:
        runs: with record and metrics.
        experiments: dict name -> an entry with `printed_as`, as in `fer_tf.experiments.EXPERIMENTS`.
    Returns: DataFrame, one row for each model (see `over_seeds.grouped`); values are text, in per cent. Recall is over
        classes with test images.
    """
    measures = {
        "Recall": "balanced_accuracy",
        "Precision": "macro_precision",
        "F1-score": "macro_f1",
        "Accuracy": "accuracy",
    }
    rows = []
    for members in grouped(runs):
        record = members[0].record
        name, author = experiments[record["experiment"]].printed_as or (record["experiment"], "")
        row = {"Model": name, "Author, year": author, "input": "×".join(map(str, record["image_shape"]))}
        tests = [run.metrics["test"] for run in members]
        intervals = [bootstrap_intervals(test["confusion"]) for test in tests]
        for label, key in measures.items():
            row[label] = percent_text([test[key] for test in tests], [item[key] for item in intervals])
        rows.append(row | {"settings": record["reduced"] or "full"})
    return pd.DataFrame(rows)


def document2_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Tables 1 and 2 of document [2]: model, optimizer, batch size, epochs, claimed and measured accuracy.

    Its CNN with the L2-SVM loss has a row without a claim: the winner's net, which it quotes, is another one.

    Args:
        runs: with record and metrics.
    Returns: DataFrame, one row for each model; accuracies are in per cent, means where it has several seeds. claimed is
        text, see `claimed_accuracy`. The columns test sd and val sd are there if a model has several seeds.
    """
    rows = []
    for members in grouped(runs):
        first, settings = members[0], members[0].record["settings"]
        row = {
            "model": first.record["experiment"],
            "weights": settings.get("weights", "none"),
            "optimizer": settings["optimizer"],
            "batch size": settings["batch_size"],
            "epochs": ", ".join(dict.fromkeys(str(run.metrics["training"].get("epochs", 0)) for run in members)),
            "claimed": claimed_accuracy(first),
        }
        rows.append(row | _accuracies(members, ("test", "val")) | {"reduced": first.record["reduced"]})
    return _without_empty_deviations(pd.DataFrame(rows))


def _accuracies(members, splits):
    """The accuracies of runs on some splits in per cent: mean, and deviation over seeds (NaN for one seed)."""
    columns = {}
    for split in splits:
        shares = (100 * run.metrics[split]["accuracy"] for run in members)
        columns[split], columns[f"{split} sd"] = mean_and_sd(shares)
    return columns


def _without_empty_deviations(table):
    """The table without the deviations over seeds if no model has several seeds."""
    empty = [column for column in table if str(column).split()[-1] == "sd" and table[column].isna().all()]
    return table.drop(columns=empty)


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
    Returns: DataFrame, one row for each model; accuracies are in per cent, means where it has several seeds. The
        accuracy on train is the running mean of the best epoch, measured as usual on augmented pictures and with
        dropout. Claims on other datasets are missing. The columns test sd and val sd are there if a model has several
        seeds.
    """
    claims = comparison.read_claims().set_index("id")
    rows = []
    for members in grouped(runs):
        record = members[0].record
        claim = claims.loc[record["claims"][0]]
        claimed = {"train": claim["train"], "test": claim["value"], "val": claim["validation"]}
        if claim["dataset"] != record["dataset"]:
            claimed = dict.fromkeys(claimed, "")
        row = {"model": record["experiment"], "train": 100 * np.mean([_accuracy_on_train(run) for run in members])}
        row |= _accuracies(members, ("test", "val"))
        row |= {f"claimed {key}": float(value or "nan") for key, value in claimed.items()}
        parameters = members[0].metrics["training"]["parameters"]
        rows.append(row | {"parameters": parameters, "reduced": record["reduced"]})
    return _without_empty_deviations(pd.DataFrame(rows))


def _accuracy_on_train(run):
    """The running mean of a run's best epoch, 0..1."""
    history, best = run.history, run.metrics["training"]["best_epoch"]
    return history.loc[history["epoch"] == best, "accuracy"].iloc[0]


def lists_table(runs: Iterable[Any], datasets: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy on published lists of hard test images, and on the whole test set.

    Args:
        runs: with record and metrics; runs without lists are left out.
        datasets: dict name -> its facts, with `published_lists` as `fer_tf.data.DatasetSpec` has it.
    Returns: DataFrame, one row for each model and list ("all" first): dataset, protocol, model, seeds, list, images,
        accuracy, sd (over seeds), 95 % interval (of a single run), published, reduced. Accuracies are in per cent.
        published is the result of the paper, which uses a larger backbone with pretrained weights.
    """
    rows = []
    for members in grouped(run for run in runs if _published_lists(run)):
        record = members[0].record
        published = datasets[record["dataset"]].published_lists if record["dataset"] in datasets else {}
        for name in ("all", *_published_lists(members[0])):
            scores = [{"all": run.metrics["test"], **_published_lists(run)}[name] for run in members]
            row = {"dataset": record["dataset"], "protocol": record["protocol"], "model": record["experiment"]}
            row |= {"seeds": seed_names(run.record for run in members), "list": name, "images": scores[0]["n"]}
            row |= accuracy_columns(scores)
            row["published"] = published.get(name, {}).get(record["experiment"], np.nan)
            rows.append(row | {"reduced": record["reduced"]})
    return pd.DataFrame(rows)


def sources_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Accuracy on each source of a joined dataset, and on the whole test set.

    Args:
        runs: with record and metrics; runs on one source are left out.
    Returns: DataFrame, one row for each model and source ("all" first): dataset, protocol, model, seeds, source,
        training images, test images, accuracy, sd (over seeds), 95 % interval (of a single run), macro F1, reduced.
        Accuracies and F1 are in per cent, means where a model has several seeds.
    """
    rows = []
    for members in grouped(run for run in runs if comparison.source_scores(run.metrics)):
        record, counts = members[0].record, members[0].record.get("sources", {})
        for name in ("all", *comparison.source_scores(members[0].metrics)):
            parts = [{"all": run.metrics["test"], **comparison.source_scores(run.metrics)}[name] for run in members]
            trained = sum(part["train"] for source, part in counts.items() if name in ("all", source))
            rows.append(
                {key: record[key] for key in ("dataset", "protocol")}
                | {"model": record["experiment"], "seeds": seed_names(run.record for run in members), "source": name}
                | {"training images": trained, "test images": parts[0]["n"], **accuracy_columns(parts)}
                | {"macro F1": mean_and_sd(100 * part["macro_f1"] for part in parts)[0], "reduced": record["reduced"]}
            )
    return pd.DataFrame(rows)


def _published_lists(run):
    """The lists of test images that a run was scored on, without those of the sources of a joined dataset."""
    return {name: scores for name, scores in (run.metrics.get("lists") or {}).items() if not name.startswith(FROM)}


CAPTIONS = {
    "document1": "Document [1]: macro averages of recall, precision and F1, and accuracy, in per cent, with 95 % "
    "intervals, or mean ± standard deviation over several seeds",
    "document2": "Document [2], tables 1 and 2, and its CNN with the L2-SVM loss: claimed and measured accuracy in per "
    "cent",
    "document3": "Document [3]: claimed and measured accuracy in per cent",
    "document4": "Document [4], table 1: claimed and measured accuracy in per cent",
    "lists": "Accuracy in per cent on the published lists of occluded and turned faces, and on the whole test set",
    "sources": "Accuracy in per cent on each source of a joined dataset, and on the whole test set",
    "ensembles": "Means of several networks, next to their best member with one view of each picture: accuracy in per "
    "cent, gain in points (with more views than one, their gain is a part of it)",
    "labels": "Document [1]'s first question: the same training with labels of three kinds, in per cent",
    "ablations": "Variants of a model, compared with the first row of their group: accuracy in per cent",
    "seeds": "Models with several seeds: mean and standard deviation over seeds, in per cent",
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
    Returns: dict "document1" .. "document4", "lists", "sources", "labels", "ablations" and "seeds" -> DataFrame. A row
        is a model with the dataset and protocol of its test, with all its seeds; in "document3" it is a claim. Tables
        without any run are missing.
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
        "labels": labels_table(runs),
        "ablations": ablations.ablations_table(triples, questions),
        "seeds": seeds_table(runs),
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
    """The runs whose experiments belong to a table, in its order and then by seed."""
    rows = {name: entry.tables[table] for name, entry in experiments.items() if table in entry.tables}
    chosen = [run for run in runs if run.record["experiment"] in rows]
    return sorted(chosen, key=lambda run: (rows[run.record["experiment"]], run.record["seed"]))


def _with_place(table, runs):
    """A table with a row for each group of runs, with dataset, protocol, options and seeds as its first columns."""
    groups = grouped(runs)
    place = pd.DataFrame([{key: members[0].record[key] for key in ("dataset", "protocol")} for members in groups])
    place["options"] = [option_text(members[0].record) for members in groups]
    place["seeds"] = [seed_names(run.record for run in members) for members in groups]
    return pd.concat([place, table.reset_index(drop=True)], axis=1).sort_values(["dataset", "protocol"], kind="stable")
