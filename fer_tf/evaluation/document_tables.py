"""The four documents' tables in their own form, claimed beside measured. Dicts and frames in, frames out."""

import numpy as np
import pandas as pd

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
