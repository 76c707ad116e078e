"""Ablations: compares variants of a model with a reference on the same test images."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from .intervals import percent_interval
from .metrics import holm_of_made
from .significance import mcnemar_matrix

# Settings that no ablation studies. If they differ, they may be the cause of a difference in accuracy.
TRAINING = ("epochs", "passes", "matching_epochs", "width", "depth", "precision")
NOT_COMPARED = "neither has learned"


def questions(experiments: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the ablations ask.

    Args:
        experiments: dict name -> an entry with `ablations`, as in `fer_tf.experiments.EXPERIMENTS`.
    Returns: dict question -> names of experiments in their rows. The first is the reference: the others are compared
        with it. The questions are in the order of their references.
    """
    rows = [(question, row, name) for name, entry in experiments.items() for question, row in entry.ablations.items()]
    with_reference = [question for question, row, _ in rows if row == 0]
    return {
        question: [name for of_question, _, name in sorted(rows) if of_question == question]
        for question in with_reference
    }


def ablations_table(
    runs: Iterable[tuple[dict[str, Any], dict[str, Any], pd.DataFrame]], variants: Mapping[str, list[str]]
) -> pd.DataFrame:
    """The results of all ablations.

    Runs are compared if dataset, protocol, options (such as the share of the training set), seed and test images are
    the same.

    Args:
        runs: (record, metrics, predictions) triples; predictions as in `fer_tf.runs.records.Run`.
        variants: dict question -> names of experiments, from `questions`.
    Returns: DataFrame, one row for each run, the reference first: question, dataset, protocol, options, seed, model,
        accuracy, 95 % interval, difference (from the reference, with its paired interval), p (McNemar's exact test
        against the reference), p Holm (corrected for the tests of the same question and setting), p to the row above
        (of this single test), trained otherwise (settings that differ from the reference), reduced. Accuracies and
        differences are in per cent. Differences and p values are text; a difference is `NOT_COMPARED` if neither model
        has learned. A reference without other runs has no row.
    """
    rows = []
    for question, experiments in variants.items():
        chosen = sorted((run for run in runs if run[0]["experiment"] in experiments), key=lambda run: _setting(run[0]))
        for _, group in groupby(chosen, key=lambda run: _setting(run[0])):
            rows += _rows(question, sorted(group, key=lambda run: experiments.index(run[0]["experiment"])), experiments)
    return pd.DataFrame(rows)


def _setting(record):
    """Properties that two runs must share to be compared. The limit counts, because it also drops test images."""
    options = json.dumps(record.get("dataset_options", {}), sort_keys=True)
    limit = record.get("settings", {}).get("limit", 0)
    return record["dataset"], record["protocol"], options, record["seed"], record.get("test_fingerprint", ""), limit


def _rows(question, group, experiments):
    if len(group) < 2 or group[0][0]["experiment"] != experiments[0]:
        return []
    pairs = mcnemar_matrix({record["experiment"]: predictions for record, _, predictions in group})
    by_models = {(pair.first, pair.second): pair for pair in pairs.itertuples()}
    names = [record["experiment"] for record, _, _ in group]
    against = [by_models[names[0], name] for name in names[1:]]
    tests = [dict.fromkeys(("difference", "p", "p Holm", "p to the row above"), "")]
    for above, pair, p_holm in zip(names, against, holm_of_made([pair.p_value for pair in against]), strict=False):
        p_values = pair.p_value, p_holm, by_models[above, pair.second].p_value
        tests.append(dict(zip(tests[0], (_difference(pair), *map(_shown, p_values)), strict=True)))
    return [
        _row(question, record, metrics, test, group[0][0])
        for (record, metrics, _), test in zip(group, tests, strict=True)
    ]


def _row(question, record, metrics, test, reference):
    return {
        "question": question,
        "dataset": record["dataset"],
        "protocol": record["protocol"],
        "options": " ".join(f"{key}={value}" for key, value in record.get("dataset_options", {}).items()),
        "seed": record["seed"],
        "model": record["experiment"],
        "accuracy": 100 * metrics["test"]["accuracy"],
        "95 % interval": percent_interval(metrics["test"]["intervals"]["accuracy"]),
        **test,
        "trained otherwise": _otherwise(record, reference),
        "reduced": record["reduced"],
    }


def _otherwise(record, reference):
    """Settings that differ between a run and its reference, except for the models themselves."""
    ours, theirs = (
        {"pictures": "×".join(map(str, run.get("image_shape", []))), "passes": 1, **run.get("settings", {})}
        for run in (record, reference)
    )
    differing = (key for key in ("pictures", *TRAINING) if ours.get(key) != theirs.get(key))
    return ", ".join(f"{key} {ours.get(key)} for {theirs.get(key)}" for key in differing)


def _difference(pair):
    """Accuracy of the second model minus that of the first, with its paired interval, in percentage points."""
    if not pair.learned:
        return NOT_COMPARED
    return f"{-100 * pair.difference:+.1f} ({-100 * pair.high:+.1f} to {-100 * pair.low:+.1f})"


def _shown(p_value):
    return "" if np.isnan(p_value) else f"{p_value:.2g}"
