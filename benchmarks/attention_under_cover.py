"""Does region attention look away from what is covered? Chapter 5's measure, over seeds, on drawn faces.

    python benchmarks/attention_under_cover.py [--out reports/results] [--seeds 3] [--size quick]

Trains `ran` and `ran_self` on the default synthetic faces, then draws test people with and without the same occluder:
the rank correlation between the change of a crop's weight and its covered share is below 0 where covered crops count
for less. Writes attention_under_cover.csv.
"""

import argparse
import os
import tempfile
from pathlib import Path

import pandas as pd

from fer_tf.common.quiet import import_keras

PAIRS = 400
KINDS = {"ran": ("final", "self", "relation"), "ran_self": ("final",)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/results"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="quick")
    arguments = parser.parse_args()
    import_keras()
    from fer_tf.evaluation.tables import write_csv

    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"FER_TF_REPORTS": f"{home}/reports", "FER_TF_MODELS": f"{home}/models"}
        for seed in range(arguments.seeds):
            for experiment in KINDS:
                rows += measure(experiment, seed, arguments.size)
                write_csv(arguments.out / "attention_under_cover.csv", pd.DataFrame(rows).round(4))
                print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


def measure(experiment, seed, size):
    """A row a kind of weight: experiment, size, seed, accuracy (on the set's own test faces), weight, correlation,
    p_value (by permutation of whole faces), pictures (pairs of which an occluder covers crops unevenly)."""
    from fer_tf import explain
    from fer_tf.data import load_dataset
    from fer_tf.saving import load_model
    from fer_tf.training import run_experiment

    run = run_experiment(experiment, "synthetic", seed=seed, size=size, verbose=False)
    model = load_model(run.model_path)
    hidden, free = drawn_pairs(load_dataset("synthetic", seed=seed), model, seed)
    covered = explain.covered_shares(explain.region_boxes(model), hidden.occluder_masks)
    rows = []
    for kind in KINDS[experiment]:
        change = explain.region_weights(model, hidden.images, kind) - explain.region_weights(model, free.images, kind)
        found = explain.weight_against_cover(change, covered, seed)
        about = {"experiment": experiment, "size": size, "seed": seed, "accuracy": run.metrics["test"]["accuracy"]}
        rows.append({**about, "weight": kind, **found})
    return rows


def drawn_pairs(ds, model, seed):
    """New pictures of test people, each twice: with an occluder and without; all else is alike."""
    from fer_tf.data.drawn_faces import draw_faces

    people = ds.table["identity"].to_numpy()[ds.test.rows][:PAIRS]
    side, _, channels = model.input_shape[1:]
    drawn = {"seed": seed, "start": 10**6, "size": side, "channels": channels, "identities": people, "masks": True}
    return [draw_faces(len(people), **drawn, occlusion=share) for share in (1.0, 0.0)]


if __name__ == "__main__":
    main()
