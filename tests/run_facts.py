"""Record and metrics of a run that was never trained, for tests of tables."""

import numpy as np

from fer_tf.evaluation.metrics import classification_metrics

NAMES = ("anger", "fear", "happiness")


def run_facts(experiment, hits, claims=(), protocol="official", seed=0, reduced="", dataset="fer2013"):
    """A run of 100 test images of which `hits` are right, as its record and metrics."""
    y_true = np.arange(100) % 3
    y_pred = np.where(np.arange(100) < hits, y_true, (y_true + 1) % 3)
    result = classification_metrics(y_true, np.eye(3)[y_pred], NAMES)
    record = {
        "experiment": experiment,
        "dataset": dataset,
        "protocol": protocol,
        "seed": seed,
        "reduced": reduced,
        "claims": list(claims),
        "environment": {"device": "a processor"},
    }
    metrics = {"test": result, "val": result, "without_copies": {"accuracy": 0.5}, "training": {"parameters": 7}}
    return f"{experiment}-{protocol}-seed{seed}", record, metrics
