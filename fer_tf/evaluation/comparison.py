"""Comparing runs with each other and with what the four documents claim. Frames in, frames out."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from ..emotions import known_name
from .metrics import bootstrap_intervals, holm_of_made, mcnemar

CLAIMS_FILE = Path(__file__).with_name("claims.csv")
NO_COMPARISON = "neither has learned: no comparison"


def has_learned(test: dict) -> bool:
    """Whether a model has learned: the 95 % interval of its test accuracy lies above the share of the most frequent
    class of its test images, which is what always giving one answer can reach.

    Args:
        test: test metrics of a run, `run.metrics["test"]`, or `scores_of` its predictions.
    """
    return test["intervals"]["accuracy"][0] > commonest_share(test)


def commonest_share(test: dict) -> float:
    """The share of the most frequent class among the test images of these test metrics, 0..1."""
    supports = [scores["support"] for scores in test["per_class"].values()]
    return max(supports) / sum(supports)


def learning_note(test: dict, who: str = "It") -> str:
    """A sentence (Markdown) to follow a run's accuracy where it has not learned, a space before it; "" where it has.

    Args:
        test: see `has_learned`.
        who: the subject of the sentence.
    """
    if has_learned(test):
        return ""
    low, high = test["intervals"]["accuracy"]
    return (
        f" **{who} has not learned**: its 95 % interval ({low:.1%} to {high:.1%}) does not lie above "
        f"{commonest_share(test):.1%}, the share of the most frequent class."
    )


def scores_of(predictions: pd.DataFrame) -> dict:
    """What `has_learned` looks at, out of predictions; for a run's own the same as in its metrics.

    Args:
        predictions: DataFrame with columns truth, label, and, where it is a run's, a column a class after `confidence`.
    Returns: dict: accuracy, intervals {accuracy: [low, high]}, per_class {name: {support}}.
    """
    columns = list(predictions.columns)
    names = columns[columns.index("confidence") + 1 :] if "confidence" in columns else []
    given = {*predictions["truth"], *predictions["label"]}
    names = names if given <= set(names) else sorted(given, key=str)
    confusion = confusion_matrix(predictions["truth"], predictions["label"], labels=names)
    return {
        "accuracy": float((predictions["truth"] == predictions["label"]).mean()),
        "intervals": {"accuracy": bootstrap_intervals(confusion)["accuracy"]},
        "per_class": {name: {"support": int(row.sum())} for name, row in zip(names, confusion, strict=True)},
    }


def verdict(difference: float, p_holm: float) -> str:
    """What a corrected test says of a difference: "better", "worse" or, from p = 0.05 on, "not told apart"; without a p
    that neither of the two has learned."""
    if np.isnan(p_holm):
        return NO_COMPARISON
    return "not told apart" if p_holm >= 0.05 else "better" if difference > 0 else "worse"


def run_row(name, record, metrics):
    """One row of the comparison table out of a run's record and metrics (both dicts, as in its json files)."""
    test, training = metrics["test"], metrics["training"]
    low, high = test["intervals"]["accuracy"]
    return {
        "run": name,
        "experiment": record["experiment"],
        "dataset": record["dataset"],
        "protocol": record["protocol"],
        "seed": record["seed"],
        "accuracy": test["accuracy"],
        "low": low,
        "high": high,
        "learned": has_learned(test),
        "balanced accuracy": test["balanced_accuracy"],
        "macro F1": test["macro_f1"],
        "top-2": test["top2"],
        "ECE": test["ece"],
        "val accuracy": metrics["val"]["accuracy"],
        "accuracy without copies": metrics["without_copies"].get("accuracy"),
        "accuracy without near copies": metrics.get("without_near_copies", {}).get("accuracy"),
        "parameters": training["parameters"],
        "epochs": training.get("epochs", 0),
        "s/epoch": training.get("seconds_per_epoch"),
        "peak MB": training.get("peak_memory_mb"),
        "reduced": record["reduced"],
    }


def comparison_table(rows):
    """All runs as one table: grouped by dataset and protocol, majority first, then by accuracy.

    Args:
        rows: dicts of `run_row`.
    Returns: DataFrame.
    """
    table = pd.DataFrame(list(rows))
    if table.empty:
        return table
    table["is model"] = table["experiment"] != "majority"
    table = table.sort_values(["dataset", "protocol", "is model", "accuracy"], kind="stable")
    return table.drop(columns="is model").reset_index(drop=True)


def seeds_table(table):
    """Mean ± sd over seeds: one row for each experiment, dataset, protocol and reduction of a comparison table."""
    keys = ["dataset", "protocol", "experiment", "reduced"]
    grouped = table.groupby(keys, sort=False)
    columns = {"seeds": ("seed", "nunique")}
    for metric in ("accuracy", "macro F1"):
        columns |= {metric: (metric, "mean"), f"{metric} sd": (metric, "std")}
    return grouped.agg(**columns).reset_index()


def range_groups(values, edges):
    """Groups of numbers by ascending upper edges, named "to 0.5"; an edge of 0 gathers the zeros as "0".

    Returns: ordered Categorical [N]; values above the last edge are missing.
    """
    names = ["0" if edge == 0 else f"to {edge:g}" for edge in edges]
    return pd.cut(np.asarray(values, float), [-np.inf, *edges], labels=names)


def accuracy_by(predictions, groups):
    """Accuracy in groups of test images: by intensity, occluder, subject, ...

    Args:
        predictions: DataFrame with columns truth, label; "Happiness", "happy" and "happiness" are one.
        groups: [N], a group for each row; missing leaves the row out.
    Returns: DataFrame, one row a group in sorted order: group, n, accuracy, low, high (95 % Wilson interval), commonest
        (the share of the group's commonest true class).
    """
    rows = []
    for group, part in predictions.groupby(np.asarray(groups), observed=True):
        hits = (part["truth"].map(known_name) == part["label"].map(known_name)).sum()
        interval = binomtest(int(hits), len(part)).proportion_ci(method="wilson")
        shares = {"accuracy": hits / len(part), "low": interval.low, "high": interval.high}
        rows.append(
            {"group": group, "n": len(part), **shares, "commonest": part["truth"].value_counts(normalize=True).max()}
        )
    return pd.DataFrame(rows, columns=["group", "n", "accuracy", "low", "high", "commonest"])


def mcnemar_against(reference, others):
    """McNemar tests of one run against others on the same test images.

    Args:
        reference: DataFrame of predictions with columns name, truth, label.
        others: dict run name -> such a DataFrame.
    Returns: DataFrame: run, images, only_reference, only_other, p_value, p_holm (for the number of tests), verdict (of
        the other against the reference, see `verdict`). Where neither has learned, both p are missing.
    """
    rows, start = [], has_learned(scores_of(reference))
    for name, other in others.items():
        both = reference.merge(other, on=["name", "truth"], suffixes=("_first", "_second"))
        test = mcnemar(both["label_first"] == both["truth"], both["label_second"] == both["truth"])
        counts = {"only_reference": test["only_first"], "only_other": test["only_second"]}
        p_value = test["p_value"] if start or has_learned(scores_of(other)) else np.nan
        rows.append({"run": name, "images": len(both), **counts, "p_value": p_value})
    table = pd.DataFrame(rows, columns=["run", "images", "only_reference", "only_other", "p_value"])
    table["p_holm"] = holm_of_made(table["p_value"])
    gained = table["only_other"] - table["only_reference"]
    return table.assign(verdict=[verdict(*pair) for pair in zip(gained, table["p_holm"], strict=True)])


def folds_summary(runs):
    """A cross-validation's test figures: a row a fold, their mean and sd, and all folds' images taken together.

    Args:
        runs: (name, metrics) pairs, one a fold.
    Returns: DataFrame with columns n, accuracy, balanced_accuracy, macro_f1; "pooled" is the accuracy over all images.
    """
    columns = ["n", "accuracy", "balanced_accuracy", "macro_f1"]
    table = pd.DataFrame([{key: metrics["test"][key] for key in columns} for _, metrics in runs])
    table.index = [name for name, _ in runs]
    pooled = pd.DataFrame(
        {"n": table["n"].sum(), "accuracy": np.average(table["accuracy"], weights=table["n"])}, ["pooled"]
    )
    spread = pd.concat({"mean": table.mean(), "sd": table.std(ddof=1)}, axis=1).T[columns[1:]]
    return pd.concat([table, spread, pooled])[columns]


def read_claims():
    """Every figure the four documents claim, DataFrame with the columns of claims.csv. `kind` is "own" for what a
    document says of its own runs and "quoted" for what it takes from others; `validation` and `train` are the
    accuracies that it prints next to the one on test, in per cent; an empty text is none."""
    return pd.read_csv(CLAIMS_FILE, keep_default_na=False)


# Metrics a claim may be about, and where a run's test metrics hold them; claims are in per cent.
_MEASURES = {
    "accuracy": lambda test: 100 * test["accuracy"],
    "macro precision": lambda test: 100 * test["macro_precision"],
    "macro recall": lambda test: 100 * test["macro_recall"],
    "macro f1": lambda test: 100 * test["macro_f1"],
    "f1 per class": lambda test: np.array([100 * scores["f1"] for scores in test["per_class"].values()]),
}
# Sets that the kit's makers had; claims on others wait for someone who has them.
_AT_HAND = ("fer2013", "ferplus")
# The honest protocol of each set, whose figure stands beside the one under a claim's own.
_BESIDE = {
    "fer2013": "official",
    "ferplus": "official",
    "rafdb": "official",
    "affectnet": "official",
    "ckplus": "subject",
    "jaffe": "subject",
    "ferg": "characters",
}


def claims_table(runs):
    """Claimed against reproduced: every claim, with what was measured under its own protocol and under `official`.

    Args:
        runs: (name, record, metrics) triples; a run answers the claims its experiment names, on the claim's dataset.
    Returns: DataFrame, one row a claim and measured protocol: id, document, model, dataset, claimed protocol,
        settings, kind (own or quoted), metric, claimed, protocol, reproduced, interval, seeds, device, reduced, remark.
    """
    rows = []
    for claim in read_claims().itertuples():
        answers = _answers(claim, runs)
        rows += [_claim_row(claim, protocol, group) for protocol, group in answers.items()] or [
            _claim_row(claim, "", [])
        ]
    return pd.DataFrame(rows)


def _answers(claim, runs):
    """Runs that answer the claim, by protocol: its own first, then the set's honest one; no third."""
    answers, protocols = {}, (claim.protocol, _BESIDE.get(claim.dataset))
    for name, record, metrics in runs:
        is_of_claim = claim.id in record["claims"] and record["dataset"] == claim.dataset
        if is_of_claim and record["protocol"] in protocols and claim.metric in _MEASURES:
            answers.setdefault((record["protocol"], record["reduced"]), []).append((name, record, metrics))
    return dict(sorted(answers.items(), key=lambda item: (item[0][0] != claim.protocol, bool(item[0][1]), item[0])))


def _claim_row(claim, answer, group):
    row = {
        "id": claim.id,
        "document": claim.document,
        "model": claim.model,
        "dataset": claim.dataset,
        "claimed under": claim.protocol,
        "settings": claim.settings,
        "kind": claim.kind,
        "metric": claim.metric,
        "claimed": claim.value,
        "measured under": "",
        "reproduced": "",
        "95 % interval": "",
        "seeds": "",
        "device": "",
        "reduced": "",
        "remark": claim.note,
    }
    if not group:
        row["remark"] = "; ".join(filter(None, [claim.note, _why_not(claim)]))
        return row
    values = np.array([_MEASURES[claim.metric](metrics["test"]) for _, _, metrics in group])
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 and values.ndim == 1 else ""
    mean = (
        "/".join(f"{value:.0f}" for value in np.atleast_1d(values.mean(axis=0)))
        if values.ndim > 1
        else f"{values.mean():.1f}"
    )
    protocol, reduced = answer
    row |= {"measured under": protocol, "reproduced": f"{mean}{spread}", "seeds": len(values), "reduced": reduced}
    if claim.metric == "accuracy" and len(values) == 1:
        low, high = group[0][2]["test"]["intervals"]["accuracy"]
        row["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
    row["device"] = ", ".join(sorted({record["environment"]["device"] for _, record, _ in group}))
    row["remark"] = "; ".join(filter(None, [claim.note, reduced and f"reduced: {reduced}"]))
    return row


def _why_not(claim):
    """Why a claim has no figure of ours."""
    if "needs ImageNet weights" in claim.note:
        return "not measurable here: VGG16's weights need a network (58 MB from Keras)"
    if claim.kind == "quoted" or not claim.protocol:
        return "not measured"
    return "not measured" if claim.dataset in _AT_HAND else f"not measured: {claim.dataset} was not at hand"


def measured_in_full(claimed: pd.DataFrame) -> pd.DataFrame:
    """The rows of `claims_table` that answer a claim as it was made: a figure, measured under the claim's own protocol
    at full settings. Reduced runs, other protocols and claims without a figure do not count."""
    is_measured = (claimed["claimed"] != "") & (claimed["reproduced"] != "") & (claimed["reduced"] == "")
    return claimed[is_measured & (claimed["measured under"] == claimed["claimed under"])]


def claims_sentence(claimed: pd.DataFrame) -> str:
    """How many of the claimed figures are measured, see `measured_in_full`, own and quoted ones apart."""
    measured, figures = measured_in_full(claimed), claimed[claimed["claimed"] != ""]
    counts = {
        kind: f"{measured.loc[measured['kind'] == kind, 'id'].nunique()} of {part['id'].nunique()}"
        for kind, part in figures.groupby("kind")
    }
    return (
        f"Measured at full settings under the claim's own protocol: {counts.get('own', '0 of 0')} figures that the "
        f"documents report of their own runs, {counts.get('quoted', '0 of 0')} that they quote from others."
    )
