"""Compares runs with each other and with the claims of the four documents. Functions take and return frames."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix, f1_score

from ..common.checks import InputError, check_whole
from ..data.sources import FROM
from ..emotions import known_name
from .intervals import percent_interval, percent_mean, wilson
from .metrics import bootstrap_intervals

CLAIMS_FILE = Path(__file__).with_name("claims.csv")
NO_COMPARISON = "neither has learned: no comparison"


def has_learned(test: dict) -> bool:
    """Whether a model has learned.

    It has if the 95 % interval of its test accuracy is above the share of the most frequent class of its test images.
    A model that always predicts the same class can reach this share.

    Args:
        test: test metrics of a run, `run.metrics["test"]`, or `scores_of` its predictions.
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
        f" **{who} has not learned**: its 95 % interval ({low:.1%} to {high:.1%}) is not above "
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


def source_scores(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The test scores of a run on each source of a joined dataset.

    Args:
        metrics: dict as in the json file of the run; its lists of test images have one for each source.
    Returns: dict source -> dict of n, accuracy, macro_f1 and intervals; empty if the dataset has one source.
    """
    lists = metrics.get("lists") or {}
    return {name.removeprefix(FROM): scores for name, scores in lists.items() if name.startswith(FROM)}


def run_row(name: str, record: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """One row of the comparison table.

    Args:
        name: name of the run.
        record, metrics: dicts as in the json files of the run.
    """
    test, training = metrics["test"], metrics["training"]
    low, high = test["intervals"]["accuracy"]
    scores = {"balanced accuracy": "balanced_accuracy", "macro F1": "macro_f1", "top-2": "top2", "ECE": "ece"}
    by_source = [f"{source} {part['accuracy']:.3f}" for source, part in source_scores(metrics).items()]
    return {
        "run": name,
        **{key: record[key] for key in ("experiment", "dataset", "protocol", "seed")},
        **{"accuracy": test["accuracy"], "low": low, "high": high, "learned": has_learned(test)},
        **{column: test[key] for column, key in scores.items()},
        "val accuracy": metrics["val"]["accuracy"],
        "accuracy without copies": metrics["without_copies"].get("accuracy"),
        "accuracy without near copies": metrics.get("without_near_copies", {}).get("accuracy"),
        "parameters": training["parameters"],
        "epochs": training.get("epochs", 0),
        "s/epoch": training.get("seconds_per_epoch"),
        "peak MB": training.get("peak_memory_mb"),
        "reduced": record["reduced"],
        **({"accuracy by source": ", ".join(by_source)} if by_source else {}),
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
    order = ["dataset", "protocol", "is model", "accuracy"]
    return table.sort_values(order, kind="stable", ignore_index=True).drop(columns="is model")


def seeds_table(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds.

    Args:
        table: DataFrame from `comparison_table`.
    Returns: DataFrame, one row for each dataset, protocol, experiment and reduction: seeds, accuracy, accuracy sd,
        macro F1, macro F1 sd.
    """
    columns = {"seeds": ("seed", "nunique")}
    for metric in ("accuracy", "macro F1"):
        columns |= {metric: (metric, "mean"), f"{metric} sd": (metric, "std")}
    return table.groupby(["dataset", "protocol", "experiment", "reduced"], sort=False).agg(**columns).reset_index()


def range_groups(values: np.ndarray, edges: Sequence[float]) -> pd.Categorical:
    """Groups numbers by upper edges.

    Args:
        values: float [N].
        edges: upper edges in ascending order; an edge of 0 collects the zeros in a group "0".
    Returns: ordered Categorical [N] with names such as "to 0.5"; values above the last edge are missing.
    """
    names = ["0" if edge == 0 else f"to {edge:g}" for edge in edges]
    return pd.cut(np.asarray(values, float), [-np.inf, *edges], labels=names)


def accuracy_by(predictions: pd.DataFrame, groups: np.ndarray, least: int = 1) -> pd.DataFrame:
    """Accuracy and macro F1 in groups of test images: by intensity, occluder, subject, ...

    Args:
        predictions: DataFrame with the columns truth and label; "Happiness", "happy" and "happiness" are the same.
        groups: [N], the group of each row; rows without a group are left out.
        least: smallest number of images of a group in the table, at least 1.
    Returns: DataFrame, one row for each group in sorted order: group, n, accuracy, low, high (95 % Wilson interval),
        commonest (the share of the most frequent true class of the group), macro F1 (see `macro_f1`).
    Raises: `InputError` for groups that do not fit, or a `least` that is not allowed.
    """
    check_whole("least", least, low=1)
    groups = np.asarray(groups)
    if groups.shape != (len(predictions),):
        raise InputError(
            f"groups: must have one group for each of the {len(predictions)} rows; received {groups.shape}"
        )
    named = pd.DataFrame({side: predictions[side].map(known_name) for side in ("truth", "label")})
    rows = []
    for group, members in named.groupby(groups, observed=True):
        truth, label, count = members["truth"], members["label"], len(members)
        hits = (truth == label).sum()
        commonest = truth.value_counts(normalize=True).max()
        rows.append((group, count, hits / count, *wilson(hits, count), commonest, macro_f1(truth, label)))
    table = pd.DataFrame(rows, columns=["group", "n", "accuracy", "low", "high", "commonest", "macro F1"])
    return table[table["n"] >= least].reset_index(drop=True)


def macro_f1(truth: ArrayLike, label: ArrayLike) -> float:
    """Macro F1 over the classes with an image, 0..1; truth and label are [N] names or codes."""
    return float(f1_score(truth, label, labels=np.unique(truth), average="macro", zero_division=0))


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
        that the document prints next to the test accuracy. `obstacle` says why a claim cannot be measured here. An
        empty text means that there is none.
    """
    return pd.read_csv(CLAIMS_FILE, keep_default_na=False)


# Metrics that claims can be about, and how to read them from the test metrics of a run.
_MEASURES = {
    "accuracy": lambda test: test["accuracy"],
    "macro precision": lambda test: test["macro_precision"],
    "macro recall": lambda test: test["macro_recall"],
    "macro f1": lambda test: test["macro_f1"],
    "f1 per class": lambda test: [scores["f1"] for scores in test["per_class"].values()],
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
        for (protocol, reduced), members in (answers(claim, runs, facts) or {("", ""): []}).items():
            rows.append(_claim_row(claim, protocol, reduced, members, facts))
    return pd.DataFrame(rows)


def answers(claim: Any, runs: Iterable[tuple[str, dict[str, Any], dict[str, Any]]], facts: Any) -> dict[tuple, list]:
    """Runs that answer a claim.

    Args:
        claim: row of `read_claims`.
        runs, facts: see `claims_table`.
    Returns: dict (protocol, reduced) -> triples of `runs`: first the claim's own protocol, then the others that its
        dataset's facts name (`also_compared`, `honest_protocol`).
    """
    groups, protocols = {}, (claim.protocol, *facts.also_compared, facts.honest_protocol)
    for name, record, metrics in runs:
        is_of_claim = claim.id in record["claims"] and record["dataset"] == claim.dataset
        if is_of_claim and record["protocol"] in protocols and claim.metric in _MEASURES:
            groups.setdefault((record["protocol"], record["reduced"]), []).append((name, record, metrics))
    return dict(sorted(groups.items(), key=lambda item: (item[0][0] != claim.protocol, bool(item[0][1]), item[0])))


def measured(claim: Any, protocol: str, members: list) -> dict[str, Any]:
    """What runs have measured of a claim, as text in per cent.

    Args:
        claim: row of `read_claims`.
        protocol, members: a group of `answers`; no member: nothing was measured.
    Returns: dict: measured under, reproduced, 95 % interval (of one run's accuracy) and seeds; "" where there is none.
    """
    tests = [metrics["test"] for _, _, metrics in members]
    has_interval = claim.metric == "accuracy" and len(tests) == 1
    return {
        "measured under": protocol,
        "reproduced": percent_mean([_MEASURES[claim.metric](test) for test in tests]),
        "95 % interval": percent_interval(tests[0]["intervals"]["accuracy"]) if has_interval else "",
        "seeds": len(tests) or "",
    }


def _claim_row(claim, protocol, reduced, members, facts):
    reason = (reduced and f"reduced: {reduced}") if members else why_not(claim, facts)
    return {
        "id": claim.id,
        "document": claim.document,
        "model": claim.model,
        "dataset": claim.dataset,
        "claimed under": claim.protocol,
        **{key: getattr(claim, key) for key in ("settings", "kind", "metric")},
        "claimed": claim.value,
        **measured(claim, protocol, members),
        "device": ", ".join(sorted({record["environment"]["device"] for _, record, _ in members})),
        "reduced": reduced,
        "remark": "; ".join(filter(None, [claim.note, reason])),
    }


def why_not(claim: Any, facts: Any) -> str:
    """Why there is no result for a claim, a row of `read_claims`; facts of its dataset as in `claims_table`."""
    if claim.obstacle:
        return f"not measurable here: {claim.obstacle}"
    if claim.kind == "quoted" or not claim.protocol:
        return "not measured"
    return "not measured" if facts.at_hand else f"not measured: {claim.dataset} was not at hand"


def measured_in_full(claimed: pd.DataFrame) -> pd.DataFrame:
    """The rows of `claims_table` that answer a claim exactly.

    These are claims with a number, measured under the claim's own protocol at full settings.

    Args:
        claimed: DataFrame from `claims_table`.
    """
    is_measured = (claimed["claimed"] != "") & (claimed["reproduced"] != "") & (claimed["reduced"] == "")
    return claimed[is_measured & (claimed["measured under"] == claimed["claimed under"])]


def claims_sentence(claimed: pd.DataFrame) -> str:
    """How many claimed results are measured in full, see `measured_in_full`; separately for own and quoted ones.

    Args:
        claimed: DataFrame from `claims_table`.
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
