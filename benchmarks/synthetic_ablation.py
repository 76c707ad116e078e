"""How the small CNN's accuracy falls with faintness and with covering, on drawn faces of people it has not seen.

    python benchmarks/synthetic_ablation.py [--out reports/results]

Trains `cnn_batch32` for ten epochs at rate 1e-3 on the default synthetic faces, then draws test faces of new people
with one thing fixed at a time. Writes synthetic_ablation.csv and figures/synthetic_ablation.png and .svg.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from fer_tf.common.quiet import import_keras

COUNT, SEED = 800, 99  # another seed draws other people than the training set's
INTENSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/results"))
    out = parser.parse_args().out
    import_keras()
    table = measure()
    print(table.to_string(index=False))
    from fer_tf import plots
    from fer_tf.evaluation.plots import ablation
    from fer_tf.evaluation.tables import write_csv

    write_csv(out / "synthetic_ablation.csv", table.round(4))
    plots.save_figure(ablation(table), out / "figures" / "synthetic_ablation")


def measure():
    """DataFrame: what is fixed (intensity, occluder or level), its value, n, accuracy, low, high, commonest."""
    from fer_tf.data.drawn_faces import DIFFICULTIES, OCCLUDERS

    model, names = train()
    rows = [score(model, names, "intensity", value, intensity=value, occlusion=0.0) for value in INTENSITIES]
    rows += [score(model, names, "occluder", kind, occluder=kind, occlusion=1.0) for kind in OCCLUDERS]
    rows += [score(model, names, "level", level, difficulty=level) for level in DIFFICULTIES]
    return pd.DataFrame(rows)


def train():
    """The trained model and its class names; the run's record goes to a temporary folder."""
    from fer_tf.saving import load_model
    from fer_tf.training import run_experiment

    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"FER_TF_REPORTS": f"{home}/reports", "FER_TF_MODELS": f"{home}/models"}
        run = run_experiment("cnn_batch32", "synthetic", epochs=10, learning_rate=1e-3)
        return load_model(run.model_path), run.record["class_names"]


def score(model, names, fixed, value, **options):
    """One row: accuracy on newly drawn faces. Neutral faces have no intensity and are left out of that part."""
    from fer_tf.data.drawn_faces import draw_faces
    from fer_tf.evaluation.comparison import accuracy_by
    from fer_tf.models.inference import predict_probabilities

    faces = draw_faces(COUNT, seed=SEED, **options)
    found = pd.DataFrame({"truth": faces.table["emotion"]})
    found["label"] = np.array(names)[predict_probabilities(model, faces.images).argmax(axis=1)]
    if fixed == "intensity":
        found = found[found["truth"] != "neutral"]
    row = accuracy_by(found, np.zeros(len(found))).iloc[0].drop(["group", "macro F1"])
    return {"fixed": fixed, "value": value, **row, "n": int(row["n"])}


if __name__ == "__main__":
    main()
