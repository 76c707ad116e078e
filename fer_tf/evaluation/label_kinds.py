"""The same training with labels of several kinds: more reliable labels, document [1]'s first question."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from .metrics import holm_of_made
from .over_seeds import accuracy_columns, compare, difference_text, grouped, mean_and_sd, p_text, seed_names

# What a run's option `label_mode` means; the order of the rows.
LABELS = {"majority": "majority", "soft": "votes", "multilabel": "multi-target"}


def labels_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Runs that differ in their labels alone: the majority, the votes, or all emotions with enough votes.

    Dataset, protocol, test images, all other options and all settings except the loss are equal. The loss may differ,
    because the third kind needs its own (`fer_tf.losses.MultiTarget`).

    Args:
        runs: with record, metrics and predictions.
    Returns: DataFrame, one row for each kind of label, in the order of `LABELS`: dataset, protocol, model, labels,
        loss, seeds, training images, accuracy, sd (over seeds), 95 % interval (of a single run), macro F1, calibration
        error, difference (from the first row of the group, with its 95 % interval), p (`over_seeds.compare`), p Holm
        (corrected for the tests of the group), reduced. All but p are in per cent; difference and p are text.
        Trainings with only one kind of label are missing.
    """
    chosen = [run for run in runs if _is_about_labels(run)]
    rows = []
    for _, members in groupby(sorted(chosen, key=_training), key=_training):
        kinds = sorted(grouped(members), key=lambda group: list(LABELS).index(_kind(group[0])))
        if len({_kind(group[0]) for group in kinds}) > 1:
            rows += _rows(kinds)
    return pd.DataFrame(rows)


def _is_about_labels(run):
    """True for a net whose loss is the one for its kind of label."""
    settings, kind = run.record.get("settings", {}), _kind(run)
    usual = "multitarget" if kind == "multilabel" else "crossentropy"
    return kind in LABELS and "model" in settings and settings.get("loss", "crossentropy") == usual


def _kind(run):
    return run.record.get("dataset_options", {}).get("label_mode", "majority")


def _training(run):
    """What must be equal, as text: all that decides about the training except for the kind of label."""
    record = run.record
    options = {key: value for key, value in record.get("dataset_options", {}).items() if key != "label_mode"}
    settings = {key: value for key, value in record.get("settings", {}).items() if key not in ("loss", "seed")}
    place = [record.get(key, "") for key in ("dataset", "protocol", "test_fingerprint")]
    return json.dumps([place, options, settings], sort_keys=True)


def _rows(kinds):
    frames = [[run.predictions for run in group] for group in kinds]
    tests = [compare(frame, frames[0]) for frame in frames[1:]]
    shown = [{"difference": "", "p": "", "p Holm": ""}]
    for test, p_holm in zip(tests, holm_of_made([test["p_value"] for test in tests]), strict=True):
        shown.append({"difference": difference_text(test), "p": p_text(test["p_value"]), "p Holm": p_text(p_holm)})
    return [_row(group, test) for group, test in zip(kinds, shown, strict=True)]


def _row(group, test):
    record, metrics = group[0].record, [run.metrics["test"] for run in group]
    return {
        **{key: record[key] for key in ("dataset", "protocol")},
        "model": record["settings"]["model"],
        "labels": LABELS[_kind(group[0])],
        "loss": record["settings"].get("loss", "crossentropy"),
        "seeds": seed_names(run.record for run in group),
        "training images": record["counts"]["train"]["all"],
        **accuracy_columns(metrics),
        "macro F1": mean_and_sd(100 * item["macro_f1"] for item in metrics)[0],
        "calibration error": mean_and_sd(100 * item["ece"] for item in metrics)[0],
        **test,
        "reduced": record["reduced"],
    }
