"""Labels of three kinds under one training: what belongs together, in which order, and how it is tested."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fer_tf.evaluation import over_seeds
from fer_tf.evaluation.label_kinds import labels_table

TRUTH = np.resize(["fear", "anger", "disgust", "sadness"], 200)


def run(kind, accuracy, rng, seed=0, loss="crossentropy", **changes):
    label = np.where(rng.random(200) < accuracy, TRUTH, np.roll(TRUTH, 1))
    predictions = pd.DataFrame({"name": [f"{row}.png" for row in range(200)], "truth": TRUTH, "label": label})
    share = (label == TRUTH).mean()
    record = {"dataset": "ferplus", "protocol": "official", "seed": seed, "reduced": "", "test_fingerprint": "a"}
    record |= {"experiment": "cnn_multitarget" if loss == "multitarget" else "cnn"}
    record |= {"dataset_options": {"label_mode": kind} if kind else {}, "counts": {"train": {"all": 90}}}
    record |= {"settings": {"model": "cnn", "loss": loss, "epochs": 30}} | changes
    test = {"accuracy": share, "macro_f1": share, "ece": 0.1, "intervals": {"accuracy": [share - 0.1, share + 0.1]}}
    return SimpleNamespace(record=record, metrics={"test": test}, predictions=predictions)


def three(rng, seed=0):
    kinds = [("multilabel", 0.8, "multitarget"), ("", 0.6, "crossentropy"), ("soft", 0.7, "crossentropy")]
    return [run(kind, share, rng, seed, loss) for kind, share, loss in kinds]


def test_three_kinds_of_labels_are_rows_with_the_majority_as_reference(rng):
    runs = three(rng)
    table = labels_table(runs)
    assert table["labels"].tolist() == ["majority", "votes", "multi-target"]
    assert table["loss"].tolist() == ["crossentropy", "crossentropy", "multitarget"]
    assert table["p"][0] == table["difference"][0] == ""
    expected = over_seeds.compare([runs[0].predictions], [runs[1].predictions])
    assert table["p"][2] == f"{expected['p_value']:.2g}"
    assert table["difference"][2].startswith(f"{100 * expected['difference']:+.1f} (")


def test_all_seeds_of_a_kind_are_one_row(rng):
    table = labels_table([item for seed in range(3) for item in three(rng, seed)])
    assert table["seeds"].tolist() == ["0, 1, 2"] * 3
    assert (table["sd"] > 0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"model": "cnn", "loss": "crossentropy", "epochs": 3}},
        {"dataset": "synthetic"},
        {"test_fingerprint": "b"},
        {"dataset_options": {"label_mode": "soft", "train_share": "0.1"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_training_is_not_compared(rng, changes):
    assert labels_table([run("majority", 0.6, rng), run("soft", 0.7, rng, **changes)]).empty
    assert labels_table([run("majority", 0.6, rng), run("soft", 0.7, rng)]).shape[0] == 2


def test_one_kind_alone_answers_nothing(rng):
    assert labels_table([run("soft", 0.6, rng), run("soft", 0.7, rng, 1), run("probability", 0.7, rng)]).empty


def test_runs_that_are_not_about_labels_are_left_out(rng):
    """A classical run has no model, and an L2-SVM loss is another question."""
    machines = [run(kind, 0.6, rng, settings={}) for kind in ("majority", "soft")]
    assert labels_table(machines).empty
    others = [run("majority", 0.9, rng, loss="squared_hinge"), run("majority", 0.9, rng, loss="multitarget")]
    assert labels_table([*three(rng), *others, *machines])["labels"].tolist() == ["majority", "votes", "multi-target"]
