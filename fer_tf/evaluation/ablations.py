"""Ablations: compares variants of a model with a reference on the same test images."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import pandas as pd

from .metrics import holm_of_made
from .over_seeds import accuracy_columns, compare, difference_text, option_text, p_text, seed_names

# Settings that no ablation studies. If they differ, they may be the cause of a difference in accuracy.
TRAINING = ("epochs", "passes", "matching_epochs", "width", "depth", "precision")


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

    Runs are compared if dataset, protocol, options (such as the share of the training set) and test images are the
    same. Runs of a model that differ in their seed alone are one row. A variant is compared with the reference if both
    have a run of the same seed.

    Args:
        runs: (record, metrics, predictions) triples; predictions as in `fer_tf.runs.records.Run`.
        variants: dict question -> names of experiments, from `questions`.
    Returns: DataFrame, one row for each model, the reference first: question, dataset, protocol, options, seeds, model,
        accuracy (a mean over seeds), sd (over seeds), 95 % interval (of a single run), difference (from the reference,
        with its interval), p (against the reference, with the runs of all seeds: `over_seeds.compare`), p Holm
        (corrected for the tests of the same question and setting), p to the row above (of this single test), trained
        otherwise (settings that differ from the reference), reduced. Accuracies and differences are in per cent.
        Differences and p values are text, see `over_seeds.difference_text`. A reference
        without other runs has no row.
    """
    rows = []
    for question, experiments in variants.items():
        chosen = sorted((run for run in runs if run[0]["experiment"] in experiments), key=lambda run: _setting(run[0]))
        for _, group in groupby(chosen, key=lambda run: _setting(run[0])):
            models = _models(group, experiments)
            for reference in (model for model in models if _experiment(model) == experiments[0]):
                seeds = _seeds(reference)
                rows += _rows(
                    question, [reference, *(model for model in models if _is_variant(model, experiments, seeds))]
                )
    return pd.DataFrame(rows)


def _setting(record):
    """Properties that two runs must share to be compared. The limit counts, because it also drops test images."""
    options = json.dumps(record.get("dataset_options", {}), sort_keys=True)
    limit = record.get("settings", {}).get("limit", 0)
    return record["dataset"], record["protocol"], options, record.get("test_fingerprint", ""), limit


def _models(group, experiments):
    """Lists of the runs that differ in their seed alone, in the order of the experiments."""

    def place(run):
        return experiments.index(run[0]["experiment"]), run[0]["reduced"]

    ordered = sorted(group, key=lambda run: (*place(run), run[0]["seed"]))
    return [list(members) for _, members in groupby(ordered, key=place)]


def _experiment(model):
    return model[0][0]["experiment"]


def _seeds(model):
    return {record["seed"] for record, _, _ in model}


def _is_variant(model, experiments, seeds):
    return _experiment(model) != experiments[0] and bool(_seeds(model) & seeds)


def _rows(question, models):
    """The rows of a reference, which is the first of the models, and of its variants."""
    if len(models) < 2:
        return []
    against = [_compared(models[0], model) for model in models[1:]]
    above = [_compared(*pair)["p_value"] for pair in zip(models, models[1:], strict=False)]
    corrected = holm_of_made([pair["p_value"] for pair in against])
    tests = [dict.fromkeys(("difference", "p", "p Holm", "p to the row above"), "")]
    for pair, p_holm, p_above in zip(against, corrected, above, strict=True):
        values = difference_text(pair), *map(p_text, (pair["p_value"], p_holm, p_above))
        tests.append(dict(zip(tests[0], values, strict=True)))
    return [_row(question, model, test, models[0]) for model, test in zip(models, tests, strict=True)]


def _compared(first, second):
    """The second model compared with the first, see `over_seeds.compare`."""
    return compare([run[2] for run in second], [run[2] for run in first])


def _row(question, model, test, reference):
    record = model[0][0]
    return {
        "question": question,
        "dataset": record["dataset"],
        "protocol": record["protocol"],
        "options": option_text(record),
        "seeds": seed_names(run[0] for run in model),
        "model": record["experiment"],
        **accuracy_columns([metrics["test"] for _, metrics, _ in model]),
        **test,
        "trained otherwise": _otherwise(record, reference[0][0]),
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
