"""Compares runs with each other and with the claims of the four documents. Functions take and return frames."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from ..emotions import known_name
from .intervals import wilson
from .metrics import bootstrap_intervals, holm_of_made, mcnemar

CLAIMS_FILE = Path(__file__).with_name("claims.csv")
NO_COMPARISON = "neither has learned: no comparison"


def has_learned(test: dict) -> bool:
    """Whether a model has learned.

    It has if the 95 % interval of its test accuracy lies above the share of the most frequent class of its test images.
    A model that always predicts the same class can reach this share.

    Args:
        test: test metrics of a run, `run.metrics["test"]`, or `scores_of` its predictions.
    Returns: bool.
    """
    return test["intervals"]["accuracy"][0] > commonest_share(test)


def commonest_share(test: dict) -> float:
    """The share of the most frequent class among the test images, 0..1.

    Args:
        test: see `has_learned`.
    """
    supports = [scores["support"] for scores in test["per_class"].values()]
    return max(supports) / sum(supports)


def learning_note(test: dict, who: str = "It") -> str:
    """A warning to print after the accuracy of a run that has not learned.

    Args:
        test: see `has_learned`.
        who: the subject of the sentence.
    Returns: a sentence in Markdown that starts with a space; "" for a model that has learned.
    """
    if has_learned(test):
        return ""
    low, high = test["intervals"]["accuracy"]
    return (
        f" **{who} has not learned**: its 95 % interval ({low:.1%} to {high:.1%}) does not lie above "
        f"{commonest_share(test):.1%}, the share of the most frequent class."
    )


def scores_of(predictions: pd.DataFrame) -> dict:
    """The metrics that `has_learned` needs, from predictions. For the predictions of a run they equal its own metrics.

    Args:
        predictions: DataFrame with the columns truth and label. Predictions of a run also have a column for each class
            after `confidence`.
    Returns: dict: accuracy, intervals {accuracy: [low, high]}, per_class {name: {support}}.
    """
    columns = list(predictions.columns)
    names = columns[columns.index("confidence") + 1 :] if "confidence" in columns else []
    present = {*predictions["truth"], *predictions["label"]}
    names = names if present <= set(names) else sorted(present, key=str)
    confusion = confusion_matrix(predictions["truth"], predictions["label"], labels=names)
    return {
        "accuracy": float((predictions["truth"] == predictions["label"]).mean()),
        "intervals": {"accuracy": bootstrap_intervals(confusion)["accuracy"]},
        "per_class": {name: {"support": int(row.sum())} for name, row in zip(names, confusion, strict=True)},
    }


def verdict(difference: float, p_holm: float) -> str:
    """The result of a corrected test in words.

    Args:
        difference: accuracy of the new model minus that of the reference; only its sign is used.
        p_holm: p value after Holm's correction, 0..1, or NaN if no test was made.
    Returns: "better" or "worse" for p below 0.05, otherwise "no difference found"; `NO_COMPARISON` for NaN.
    """
    if np.isnan(p_holm):
        return NO_COMPARISON
    return "no difference found" if p_holm >= 0.05 else "better" if difference > 0 else "worse"


def run_row(name: str, record: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """One row of the comparison table.

    Args:
        name: name of the run.
        record, metrics: dicts as in the json files of the run.
    Returns: dict column -> value.
    """
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


def comparison_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """All runs as one table.

    Args:
        rows: dicts from `run_row`.
    Returns: DataFrame, one row for each run, sorted by dataset, protocol and accuracy; the majority baseline is the
        first row of each group.
    """
    table = pd.DataFrame(list(rows))
    if table.empty:
        return table
    table["is model"] = table["experiment"] != "majority"
    table = table.sort_values(["dataset", "protocol", "is model", "accuracy"], kind="stable")
    return table.drop(columns="is model").reset_index(drop=True)


def seeds_table(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds.

    Args:
        table: DataFrame from `comparison_table`.
    Returns: DataFrame, one row for each dataset, protocol, experiment and reduction: seeds, accuracy, accuracy sd,
        macro F1, macro F1 sd.
    """
    keys = ["dataset", "protocol", "experiment", "reduced"]
    grouped = table.groupby(keys, sort=False)
    columns = {"seeds": ("seed", "nunique")}
    for metric in ("accuracy", "macro F1"):
        columns |= {metric: (metric, "mean"), f"{metric} sd": (metric, "std")}
    return grouped.agg(**columns).reset_index()


def range_groups(values: np.ndarray, edges: Sequence[float]) -> pd.Categorical:
    """Groups numbers by upper edges.

    Args:
        values: float [N].
        edges: upper edges in ascending order; an edge of 0 collects the zeros in a group "0".
    Returns: ordered Categorical [N] with names such as "to 0.5"; values above the last edge are missing.
    """
    names = ["0" if edge == 0 else f"to {edge:g}" for edge in edges]
    return pd.cut(np.asarray(values, float), [-np.inf, *edges], labels=names)


def accuracy_by(predictions: pd.DataFrame, groups: np.ndarray) -> pd.DataFrame:
    """Accuracy in groups of test images: by intensity, occluder, subject, ...

    Args:
        predictions: DataFrame with the columns truth and label; "Happiness", "happy" and "happiness" are the same.
        groups: [N], the group of each row; rows without a group are left out.
    Returns: DataFrame, one row for each group in sorted order: group, n, accuracy, low, high (95 % Wilson interval),
        commonest (the share of the most frequent true class of the group).
    """
    rows = []
    for group, members in predictions.groupby(np.asarray(groups), observed=True):
        hits = (members["truth"].map(known_name) == members["label"].map(known_name)).sum()
        low, high = wilson(hits, len(members))
        shares = {"accuracy": hits / len(members), "low": low, "high": high}
        commonest = members["truth"].value_counts(normalize=True).max()
        rows.append({"group": group, "n": len(members), **shares, "commonest": commonest})
    return pd.DataFrame(rows, columns=["group", "n", "accuracy", "low", "high", "commonest"])


def mcnemar_against(reference: pd.DataFrame, others: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """McNemar tests of one run against others on the same test images.

    Args:
        reference: DataFrame of predictions with the columns name, truth and label.
        others: dict run name -> DataFrame with the same columns.
    Returns: DataFrame, one row for each other run: run, images, only_reference, only_other (images that only one of the
        two gets right), p_value, p_holm (corrected for the number of tests), verdict (of the other run against the
        reference, see `verdict`). If neither has learned, both p values are missing.
    """
    rows, reference_learned = [], has_learned(scores_of(reference))
    for name, predictions in others.items():
        both = reference.merge(predictions, on=["name", "truth"], suffixes=("_first", "_second"))
        test = mcnemar(both["label_first"] == both["truth"], both["label_second"] == both["truth"])
        counts = {"only_reference": test["only_first"], "only_other": test["only_second"]}
        p_value = test["p_value"] if reference_learned or has_learned(scores_of(predictions)) else np.nan
        rows.append({"run": name, "images": len(both), **counts, "p_value": p_value})
    table = pd.DataFrame(rows, columns=["run", "images", "only_reference", "only_other", "p_value"])
    table["p_holm"] = holm_of_made(table["p_value"])
    gained = table["only_other"] - table["only_reference"]
    return table.assign(verdict=[verdict(*pair) for pair in zip(gained, table["p_holm"], strict=True)])


def folds_summary(runs: Iterable[tuple[str, dict[str, Any]]]) -> pd.DataFrame:
    """Test results of a cross-validation.

    Args:
        runs: (name, metrics) pairs, one for each fold.
    Returns: DataFrame, one row for each fold, then the rows "mean", "sd" and "pooled" (the accuracy over the images of
        all folds). Columns: n, accuracy, balanced_accuracy, macro_f1.
    """
    columns = ["n", "accuracy", "balanced_accuracy", "macro_f1"]
    table = pd.DataFrame([{key: metrics["test"][key] for key in columns} for _, metrics in runs])
    table.index = [name for name, _ in runs]
    pooled = pd.DataFrame(
        {"n": table["n"].sum(), "accuracy": np.average(table["accuracy"], weights=table["n"])}, ["pooled"]
    )
    spread = pd.concat({"mean": table.mean(), "sd": table.std(ddof=1)}, axis=1).T[columns[1:]]
    return pd.concat([table, spread, pooled])[columns]


def read_claims() -> pd.DataFrame:
    """All results that the four documents claim.

    Returns: DataFrame with the columns of claims.csv. `kind` is "own" for results of the document's own runs and
        "quoted" for results that it takes from other papers. `validation` and `train` are the accuracies in per cent
        that the document prints next to the test accuracy; an empty text means that there is none.
    """
    return pd.read_csv(CLAIMS_FILE, keep_default_na=False)


# Metrics that claims can be about, and how to read them from the test metrics of a run, in per cent.
_MEASURES = {
    "accuracy": lambda test: 100 * test["accuracy"],
    "macro precision": lambda test: 100 * test["macro_precision"],
    "macro recall": lambda test: 100 * test["macro_recall"],
    "macro f1": lambda test: 100 * test["macro_f1"],
    "f1 per class": lambda test: np.array([100 * scores["f1"] for scores in test["per_class"].values()]),
}


def claims_table(
    runs: Iterable[tuple[str, dict[str, Any], dict[str, Any]]], datasets: Mapping[str, Any]
) -> pd.DataFrame:
    """Claimed against reproduced: every claim, with the results under its own protocol and under the honest one.

    Args:
        runs: (name, record, metrics) triples. A run answers the claims of its experiment on the claim's dataset.
        datasets: dict name -> its facts, with `honest_protocol` and `at_hand` as `fer_tf.data.DatasetSpec` has them.
    Returns: DataFrame, one row for each claim and protocol that was measured: id, document, model, dataset, claimed
        under (protocol), settings, kind (own or quoted), metric, claimed, measured under (protocol), reproduced,
        95 % interval, seeds, device, reduced, remark.
    """
    rows = []
    for claim in read_claims().itertuples():
        facts = datasets[claim.dataset]
        answers = _answers(claim, runs, facts)
        rows += [_claim_row(claim, protocol, group, facts) for protocol, group in answers.items()] or [
            _claim_row(claim, "", [], facts)
        ]
    return pd.DataFrame(rows)


def _answers(claim, runs, facts):
    """Runs that answer the claim, by protocol: first the claim's own one, then the honest one of the dataset."""
    answers, protocols = {}, (claim.protocol, facts.honest_protocol)
    for name, record, metrics in runs:
        is_of_claim = claim.id in record["claims"] and record["dataset"] == claim.dataset
        if is_of_claim and record["protocol"] in protocols and claim.metric in _MEASURES:
            answers.setdefault((record["protocol"], record["reduced"]), []).append((name, record, metrics))
    return dict(sorted(answers.items(), key=lambda item: (item[0][0] != claim.protocol, bool(item[0][1]), item[0])))


def _claim_row(claim, answer, group, facts):
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
        row["remark"] = "; ".join(filter(None, [claim.note, _why_not(claim, facts)]))
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


def _why_not(claim, facts):
    """Why we have no result for a claim."""
    if "needs ImageNet weights" in claim.note:
        return "not measurable here: the weights of VGG16 must be downloaded (58 MB from Keras)"
    if claim.kind == "quoted" or not claim.protocol:
        return "not measured"
    return "not measured" if facts.at_hand else f"not measured: {claim.dataset} was not at hand"


def measured_in_full(claimed: pd.DataFrame) -> pd.DataFrame:
    """The rows of `claims_table` that answer a claim exactly.

    These are claims with a number, measured under the claim's own protocol at full settings.

    Args:
        claimed: DataFrame from `claims_table`.
    Returns: DataFrame with the same columns.
    """
    is_measured = (claimed["claimed"] != "") & (claimed["reproduced"] != "") & (claimed["reduced"] == "")
    return claimed[is_measured & (claimed["measured under"] == claimed["claimed under"])]


def claims_sentence(claimed: pd.DataFrame) -> str:
    """How many claimed results are measured in full, see `measured_in_full`; separately for own and quoted ones.

    Args:
        claimed: DataFrame from `claims_table`.
    Returns: a sentence.
    """
    measured, figures = measured_in_full(claimed), claimed[claimed["claimed"] != ""]
    counts = {
        kind: f"{measured.loc[measured['kind'] == kind, 'id'].nunique()} of {of_kind['id'].nunique()}"
        for kind, of_kind in figures.groupby("kind")
    }
    return (
        f"Measured at full settings under the claim's own protocol: {counts.get('own', '0 of 0')} results of the "
        f"documents' own runs, and {counts.get('quoted', '0 of 0')} results that they quote from other papers."
    )
