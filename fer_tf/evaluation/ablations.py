"""Variants of a model beside the one without their parts, tested on the same images."""

import json
from itertools import groupby

import numpy as np
import pandas as pd

from .metrics import holm_of_made
from .significance import mcnemar_matrix

# What is asked -> experiments, the reference first: what the others are compared with. Whether attention gives anything
# beyond the sight of crops shows against the crops with equal weights, not against the whole face alone.
ABLATIONS = {
    "squeeze-excite, augmentation, residual": ("cnn4", "cnn4_se", "cnn4_se_aug", "cnn4_se_residual"),
    "region attention": ("ran_backbone", "ran_mean", "ran_self", "ran_relation", "ran"),
    "region attention, against equal weights": ("ran_mean", "ran_self", "ran_relation", "ran"),
    "feature matching": ("facenet2expnet_scratch", "facenet2expnet", "facenet2expnet_fine_tuned"),
    "region attention over FaceNet2ExpNet": ("facenet2expnet", "ran_facenet2expnet", "ran_facenet2expnet_strongest"),
    "document [1]'s four, against My_model": ("ran_facenet2expnet", "ran", "ucar_cnn", "akhand"),
}
# Settings that no ablation is about: where they differ, a difference may be theirs.
TRAINING = ("epochs", "matching_epochs", "width", "depth", "precision")
NOT_COMPARED = "neither has learned"
EXPERIMENTS = {name for experiments in ABLATIONS.values() for name in experiments}


def ablations_table(runs):
    """Ablations over given runs; runs are compared where set, protocol, options (so also the share of the training
    set), seed and test images are the same.

    Args:
        runs: (record, metrics, predictions) triples; predictions as of `fer_tf.runs.records.Run`.
    Returns: DataFrame, a row a run, the reference first: question, dataset, protocol, options, seed, model, accuracy,
        95 % interval, difference (to the reference, with its paired interval), p (McNemar's exact test against it), p
        Holm (for the tests of the same question and setting), p to the row above (of that test alone), trained
        otherwise (how, than the reference), reduced. Accuracies and differences in per cent, differences and p values
        as text, "neither has learned" where that is so. A reference that was compared with nothing has no row.
    """
    rows = []
    for question, experiments in ABLATIONS.items():
        chosen = sorted((run for run in runs if run[0]["experiment"] in experiments), key=lambda run: _setting(run[0]))
        for _, group in groupby(chosen, key=lambda run: _setting(run[0])):
            rows += _rows(question, sorted(group, key=lambda run: experiments.index(run[0]["experiment"])), experiments)
    return pd.DataFrame(rows)


def _setting(record):
    """What must be alike for two runs to be compared; a limit leaves test images out too."""
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
    tests = [{}]
    for above, pair, p_holm in zip(names, against, holm_of_made([pair.p_value for pair in against]), strict=False):
        step = by_models[above, pair.second]
        test = {"difference": _difference(pair), "p": _shown(pair.p_value), "p Holm": _shown(p_holm)}
        tests.append({**test, "p to the row above": _shown(step.p_value)})
    return [
        _row(question, record, metrics, test, group[0][0])
        for (record, metrics, _), test in zip(group, tests, strict=True)
    ]


def _row(question, record, metrics, test, reference):
    low, high = metrics["test"]["intervals"]["accuracy"]
    empty = dict.fromkeys(("difference", "p", "p Holm", "p to the row above"), "")
    return {
        "question": question,
        "dataset": record["dataset"],
        "protocol": record["protocol"],
        "options": " ".join(f"{key}={value}" for key, value in record.get("dataset_options", {}).items()),
        "seed": record["seed"],
        "model": record["experiment"],
        "accuracy": 100 * metrics["test"]["accuracy"],
        "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
        **empty,
        **test,
        "trained otherwise": _otherwise(record, reference),
        "reduced": record["reduced"],
    }


def _otherwise(record, reference):
    """How a run was trained that its reference was not, beside what tells the models apart."""
    ours, theirs = ({"pictures": _pictures(each), **each.get("settings", {})} for each in (record, reference))
    differing = (key for key in ("pictures", *TRAINING) if ours.get(key) != theirs.get(key))
    return ", ".join(f"{key} {ours.get(key)} for {theirs.get(key)}" for key in differing)


def _pictures(record):
    return "×".join(map(str, record.get("image_shape", [])))


def _difference(pair):
    """The second's accuracy minus the first's, with the interval of the pair, in points."""
    if not pair.learned:
        return NOT_COMPARED
    return f"{-100 * pair.difference:+.1f} ({-100 * pair.high:+.1f} to {-100 * pair.low:+.1f})"


def _shown(p_value):
    return "" if np.isnan(p_value) else f"{p_value:.2g}"
