"""The four documents' tables in their own form, claimed beside measured. Dicts and frames in, frames out."""

import numpy as np
import pandas as pd

from . import ablations, comparison, tables
from . import document_tables as documents
from .comparison import _answers, _why_not
from .metrics import bootstrap_intervals

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
    its 95 % bootstrap interval over test images; besides, accuracy and the size of the pictures each model was given.

    Args:
        runs: (record, metrics) pairs.
    Returns: DataFrame, a row a run; figures as text, per cent. Recall is over the classes with a test image.
    """
    rows = []
    for record, metrics in runs:
        name, author = DOCUMENT1_MODELS.get(record["experiment"], (record["experiment"], ""))
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


def document2_table(runs):
    """Document [2]'s tables 1 and 2: model, optimizer, batch size, epochs, accuracy; claimed beside measured.

    Args:
        runs: (record, metrics, claimed accuracy or "") triples.
    Returns: DataFrame, accuracies in per cent.
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


# Document [3] has a table a dataset, in this order, and its own method stands last in each.
DOCUMENT3_DATASETS = {"fer2013": "FER 2013", "ckplus": "CK+", "jaffe": "JAFFE", "ferg": "FERG"}
DOCUMENT3_METHODS = {
    "bag of words": "Bag of Words (Ionescu et al.)",
    "VGG+SVM": "VGG+SVM (Georgescu et al.)",
    "deep_emotion": "Deep-Emotion (Minaee et al.)",
    "deepfer": "Proposed Method (DeepFER)",
}


def document3_table(runs, claims):
    """Document [3]'s four tables, accuracies on FER 2013, CK+, JAFFE and FERG, below each other: method, accuracy;
    claimed beside measured.

    Args:
        runs: (name, record, metrics) triples; a run answers the claims its experiment names, on the claim's dataset.
        claims: DataFrame of `comparison.read_claims`.
    Returns: DataFrame, a row a claim and measured protocol, the claim's own first: Dataset, Method, settings, kind (own
        or quoted), claimed, claimed val, measured under, measured (mean ± sd over seeds), 95 % interval (of one seed),
        measured val, seeds, remark. Accuracies in per cent; measured ones are missing where nothing was run, and the
        remark says why.
        `for name, part in table.groupby("Dataset", sort=False)` gives the document's own tables.
    """
    said = claims[(claims["document"].astype(str) == "3") & (claims["metric"] == "accuracy")]
    rows = []
    for claim in sorted(said.itertuples(), key=_place):
        for (protocol, reduced), group in (_answers(claim, runs) or {("", ""): []}).items():
            rows.append(_claimed(claim) | _measured(claim, protocol, reduced, group))
    return pd.DataFrame(rows)


def _place(claim):
    """Datasets in the document's order; of one, its table's methods in their order, others before them."""
    methods = list(DOCUMENT3_METHODS)
    known = methods.index(claim.model) if claim.model in methods else -1
    return list(DOCUMENT3_DATASETS).index(claim.dataset), known, claim.id


def _claimed(claim):
    return {
        "Dataset": DOCUMENT3_DATASETS[claim.dataset],
        "Method": DOCUMENT3_METHODS.get(claim.model, claim.model),
        "settings": "; ".join(filter(None, [claim.protocol, claim.settings])),
        "kind": claim.kind,
        "claimed": float(claim.value),
        "claimed val": _number(claim.validation),
    }


def _number(text):
    """A figure of claims.csv; missing where a document prints none."""
    return float(text) if text else np.nan


def _measured(claim, protocol, reduced, group):
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
        row["remark"] = "quoted by the document" if claim.kind == "quoted" else _why_not(claim)
    if len(group) == 1:
        low, high = group[0][2]["test"]["intervals"]["accuracy"]
        row["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
    return row


def _mean(values):
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


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
        said = {} if claim is None else {"train": claim.train, "test": claim.value, "val": claim.validation}
        row |= {f"claimed {key}": _number(said.get(key)) for key in measured}
        rows.append(row | {"parameters": metrics["training"]["parameters"], "reduced": record["reduced"]})
    return pd.DataFrame(rows)


# Wang et al. 2020: ResNet18 alone and with RAN on the lists of FER+ test images that the paper made, per cent.
PUBLISHED_LISTS = {
    ("ferplus", "occluded"): {"ran_backbone": 73.33, "ran": 83.63},
    ("ferplus", "pose30"): {"ran_backbone": 78.11, "ran": 82.23},
    ("ferplus", "pose45"): {"ran_backbone": 75.50, "ran": 80.40},
}


def lists_table(runs):
    """Accuracy on the lists of hard test images that a set comes with, beside the whole test set.

    Args:
        runs: (record, metrics) pairs; those without lists are left out.
    Returns: DataFrame, a row a run and list ("all" first): dataset, protocol, model, seed, list, images, accuracy, 95 %
        interval, published, reduced; per cent. Published are the paper's figures, of a larger backbone with
        pretrained weights.
    """
    rows = []
    for record, metrics in runs:
        lists = metrics.get("lists")
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
                    "published": PUBLISHED_LISTS.get((record["dataset"], name), {}).get(record["experiment"], np.nan),
                    "reduced": record["reduced"],
                }
            )
    return pd.DataFrame(rows)


DOCUMENT2 = ("cnn", "cnn_batch32", "vgg16", "mobilenet")
DOCUMENT4 = ("cnn4", "cnn4_se", "cnn4_se_aug", "cnn4_se_residual", "resnet18")
DOCUMENT3 = ("deepfer", "deepfer_salient", "deep_emotion")
CAPTIONS = {
    "document1": "Document [1]: macro averages of recall, precision and F1, and accuracy, in per cent, 95 % intervals",
    "document2": "Document [2], tables 1 and 2: accuracy in per cent, claimed beside measured",
    "document3": "Document [3]: accuracy in per cent, claimed beside measured",
    "document4": "Document [4], table 1: accuracy in per cent, claimed beside measured",
    "lists": "Accuracy in per cent on the published lists of occluded and turned faces, beside the whole test set",
    "ablations": "Variants beside the first of their group: accuracy in per cent, each p against that first one",
    "claimed_and_reproduced": "Every figure the documents claim, in per cent, beside what was measured",
}


def claimed_accuracy(run):
    """The accuracy that a run's experiment answers to, in per cent as the document prints it; "" where it claims none
    on the set that the run is of.

    Args:
        run: `fer_tf.runs.records.Run`.
    """
    claims = comparison.read_claims()
    is_of_run = claims["id"].isin(run.record["claims"]) & (claims["dataset"] == run.record["dataset"])
    chosen = claims[is_of_run & (claims["metric"] == "accuracy")]
    return chosen["value"].iloc[0] if len(chosen) else ""


def document_tables(runs, answers=None):
    """The documents' tables over given runs.

    Args:
        runs: list of `fer_tf.runs.records.Run`.
        answers: runs that document 3's claims may be answered by, None for `runs`: a row there is a claim, and one that
            is measured elsewhere is not to be called not measured.
    Returns: dict "document1" .. "document4", "lists" where a set has some and "ablations" where a model and one without
        a part of it were run, -> DataFrame, a row a run with the set and protocol it was tested on (document 3's: a row
        a claim); a document of whose models none was run is missing.
    """
    makers = {
        "document1": (documents.DOCUMENT1_MODELS, _document1),
        "document2": (DOCUMENT2, _document2),
        "document4": (DOCUMENT4, _document4),
    }
    found = {}
    for name, (experiments, make) in makers.items():
        order = list(experiments)  # the document's own
        chosen = [run for run in runs if run.record["experiment"] in order]
        chosen.sort(key=lambda run: (run.record["seed"], order.index(run.record["experiment"])))
        if chosen:
            found[name] = _with_place(make(chosen), chosen)
    if any(run.record["experiment"] in DOCUMENT3 for run in runs):
        triples = [(run.name, run.record, run.metrics) for run in answers or runs]
        found["document3"] = documents.document3_table(triples, comparison.read_claims())
    lists = documents.lists_table([(run.record, run.metrics) for run in runs])
    parts = _ablations([run for run in runs if run.record["experiment"] in ablations.EXPERIMENTS])
    more = {name: table for name, table in (("lists", lists), ("ablations", parts)) if len(table)}
    return dict(sorted(found.items())) | more


def write_tables(folder, tables_by_name):
    """Writes tables, dict name of `CAPTIONS` -> DataFrame, as <folder>/<name>.md, .tex and .csv; returns the paths."""
    for name in set(CAPTIONS) - set(tables_by_name):  # of runs that are no longer there
        for suffix in (".md", ".tex", ".csv"):
            (folder / name).with_suffix(suffix).unlink(missing_ok=True)
    return [
        path
        for name, table in tables_by_name.items()
        for path in tables.write_table(folder / name, table, CAPTIONS[name], digits=1)
    ]


def _ablations(runs):
    return ablations.ablations_table([(run.record, run.metrics, run.predictions) for run in runs])


def _document1(runs):
    return documents.document1_table([(run.record, run.metrics) for run in runs])


def _document2(runs):
    return documents.document2_table([(run.record, run.metrics, claimed_accuracy(run)) for run in runs])


def _document4(runs):
    claims = comparison.read_claims().set_index("id", drop=False)
    of_run = {run.name: claims.loc[run.record["claims"][0]] for run in runs}
    rows = []
    for run in runs:
        claim = of_run[run.name]
        is_answer = claim["dataset"] == run.record["dataset"]
        rows.append((run.record, run.metrics, run.history, claim if is_answer else None))
    return documents.document4_table(rows)


def _with_place(table, runs):
    """The table with the set, protocol and seed of each row's run before it."""
    place = pd.DataFrame([{key: run.record[key] for key in ("dataset", "protocol", "seed")} for run in runs])
    return pd.concat([place, table.reset_index(drop=True)], axis=1).sort_values(["dataset", "protocol"], kind="stable")
