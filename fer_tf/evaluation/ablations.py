"""Variants of a model beside the one without their parts, tested on the same images."""

import json
from itertools import groupby

import pandas as pd

from .significance import holm, mcnemar_matrix

# What is asked -> experiments, the reference first: what the others are compared with.
ABLATIONS = {
    "squeeze-excite, augmentation, residual": ("cnn4", "cnn4_se", "cnn4_se_aug", "cnn4_se_residual"),
    "region attention": ("ran_backbone", "ran_self", "ran_relation", "ran"),
    "feature matching": ("facenet2expnet_scratch", "facenet2expnet", "facenet2expnet_fine_tuned"),
    "region attention over FaceNet2ExpNet": ("facenet2expnet", "ran_facenet2expnet", "ran_facenet2expnet_strongest"),
    "document [1]'s four, against My_model": ("ran_facenet2expnet", "ran", "ucar_cnn", "akhand"),
}
EXPERIMENTS = {name for experiments in ABLATIONS.values() for name in experiments}


def ablations_table(runs):
    """Ablations over given runs; runs are compared where set, protocol, options (so also the share of the training
    set), seed and test images are the same.

    Args:
        runs: (record, metrics, predictions) triples; predictions as of `fer_tf.runlog.Run`.
    Returns: DataFrame, a row a run, the reference first: question, dataset, protocol, options, seed, model, accuracy,
        95 % interval, difference (to the reference), p (McNemar's exact test against it), p Holm (for the tests of the
        same question and setting), reduced. Accuracies and differences in per cent, differences and p values as text.
        A reference that was compared with nothing has no row.
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
    against = pairs[pairs["first"] == experiments[0]]
    p_values = [None, *(f"{p:.2g}" for p in against["p_value"])]
    adjusted = [None, *(f"{p:.2g}" for p in holm(against["p_value"]))]
    reference = group[0][1]["test"]["accuracy"]
    rows = []
    for (record, metrics, _), p_value, p_holm in zip(group, p_values, adjusted, strict=True):
        accuracy, (low, high) = metrics["test"]["accuracy"], metrics["test"]["intervals"]["accuracy"]
        rows.append({
            "question": question, "dataset": record["dataset"], "protocol": record["protocol"],
            "options": " ".join(f"{key}={value}" for key, value in record.get("dataset_options", {}).items()),
            "seed": record["seed"], "model": record["experiment"], "accuracy": 100 * accuracy,
            "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
            "difference": None if p_value is None else f"{100 * (accuracy - reference):+.1f}",
            "p": p_value, "p Holm": p_holm, "reduced": record["reduced"],
        })  # fmt: skip
    return rows
