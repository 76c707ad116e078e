"""95 % intervals by bootstrap: a thousand replicates of FER2013's test set (3,589 images, 7 classes).

    python benchmarks/bootstrap.py

The kit draws replicates of the confusion matrix's cells, all at once; the plain way draws images and calls
scikit-learn's metrics on every replicate. The plain way is timed over fewer replicates and extrapolated: each costs
the same. Both give the same four intervals, up to the luck of the draw; how far apart they are is printed.
"""

import json
import sys

import numpy as np
from _measure import best_of, in_own_process, print_table, report
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, precision_score

IMAGES, CLASSES, REPLICATES, PLAIN = 3589, 7, 1000, 100
SUPPORT = (491, 55, 528, 879, 594, 416, 626)


def main():
    rows = [in_own_process(__file__, variant) for variant in ("plain_loop", "kit")]
    intervals = [np.array(json.loads(row.pop("intervals"))) for row in rows]
    print(f"{REPLICATES} replicates; plain_loop extrapolated from {PLAIN}")
    print_table(rows, "s a 1000", "plain_loop", faster="lower")
    print(f"bounds differ by at most {100 * np.abs(intervals[0] - intervals[1]).max():.2f} points")


def predictions():
    """Truth and answers of a model that is right in about 62 %."""
    rng = np.random.default_rng(0)
    y_true = np.repeat(np.arange(CLASSES), SUPPORT)
    return y_true, np.where(rng.random(IMAGES) < 0.55, y_true, rng.integers(0, CLASSES, IMAGES))


def plain_loop(y_true, y_pred, replicates):
    """Images drawn with replacement, four metrics a replicate."""
    rng, samples = np.random.default_rng(0), []
    for _ in range(replicates):
        rows = rng.integers(0, len(y_true), len(y_true))
        truth, answer = y_true[rows], y_pred[rows]
        samples.append(
            [
                accuracy_score(truth, answer),
                balanced_accuracy_score(truth, answer),
                precision_score(truth, answer, average="macro", zero_division=0),
                f1_score(truth, answer, average="macro", zero_division=0),
            ]
        )
    return np.percentile(samples, [2.5, 97.5], axis=0).T


def measure(variant):
    y_true, y_pred = predictions()
    if variant == "plain_loop":
        seconds = best_of(lambda: plain_loop(y_true, y_pred, PLAIN)) * REPLICATES / PLAIN
        intervals = plain_loop(y_true, y_pred, 4 * PLAIN)
    else:
        from fer_tf.evaluation.metrics import bootstrap_intervals

        def kit():  # from predictions as well, so the counting belongs to it
            return bootstrap_intervals(confusion_matrix(y_true, y_pred), REPLICATES)

        seconds = best_of(kit, 10)
        intervals = np.array(list(kit().values()))
    report(**{"s a 1000": round(seconds, 4), "intervals": json.dumps(intervals.tolist())})


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) == 2 else main()
