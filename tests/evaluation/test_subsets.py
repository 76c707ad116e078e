"""Accuracy on parts of a test set and against covering, checked against counting by hand."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.emotions import EMOTIONS
from fer_tf.evaluation.metrics import classification_metrics
from fer_tf.evaluation.subsets import occlusion_curve, subset_accuracy

CLASSES = np.array(EMOTIONS[:4], object)
NAMES = np.array([f"{row}.png" for row in range(200)], object)
TRUTH = np.random.default_rng(1).integers(0, 4, 200)


def predictions(right, order=slice(None)):
    """A model's predictions, right in about this share of the images; its rows in another order."""
    rng = np.random.default_rng(2)
    label = np.where(rng.random(200) < right, TRUTH, rng.integers(0, 4, 200))
    frame = pd.DataFrame({"name": NAMES, "truth": CLASSES[TRUTH], "label": CLASSES[label]})
    return frame.iloc[order].reset_index(drop=True)


def masks(**columns):
    """Masks by image name, with names that were not tested, in another order."""
    index = ["learned.png", *NAMES[::-1]]
    return pd.DataFrame({key: [True, *values[::-1]] for key, values in columns.items()}, index=index)


def macro_f1(truth, label):
    """Mean F1 over the classes that have an image, by counting."""
    found = []
    for name in set(truth):
        hits = np.sum((truth == name) & (label == name))
        found.append(2 * hits / (np.sum(truth == name) + np.sum(label == name)))
    return np.mean(found)


def test_parts_are_counted_model_by_model():
    hard, none = TRUTH > 1, np.zeros(200, bool)  # a part in which two classes have no image
    models = {"weak": predictions(0.3), "strong": predictions(0.9, order=np.random.default_rng(3).permutation(200))}
    table = subset_accuracy(models, masks(occluded=hard, pose45=none))
    assert list(table.columns) == ["subset", "model", "images", "accuracy", "low", "high", "macro F1"]
    assert list(table["subset"]) == ["all"] * 2 + ["occluded"] * 2 + ["pose45"] * 2
    assert list(table["model"]) == ["weak", "strong"] * 3
    for subset, mask in (("all", np.ones(200, bool)), ("occluded", hard)):
        for model, frame in models.items():
            part = frame[frame["name"].isin(NAMES[mask])]
            row = table[(table["subset"] == subset) & (table["model"] == model)].iloc[0]
            assert row["images"] == mask.sum()
            assert row["accuracy"] == pytest.approx(np.mean(part["truth"] == part["label"]))
            assert row["macro F1"] == pytest.approx(macro_f1(part["truth"].to_numpy(), part["label"].to_numpy()))
            assert row["low"] < row["accuracy"] < row["high"]
    empty = table[table["subset"] == "pose45"]
    assert (empty["images"] == 0).all()
    assert empty[["accuracy", "low", "high", "macro F1"]].isna().all(axis=None)


def test_the_whole_sets_interval_is_the_runs_own():
    frame = predictions(0.7)
    codes = {name: code for code, name in enumerate(EMOTIONS)}
    probabilities = np.eye(8)[frame["label"].map(codes)]
    wanted = classification_metrics(TRUTH, probabilities, EMOTIONS)["intervals"]["accuracy"]
    row = subset_accuracy({"cnn": frame}, masks()).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(wanted)


def test_interval_is_that_of_resampled_images():
    frame, hard = predictions(0.7), np.arange(200) < 80
    row = subset_accuracy({"cnn": frame}, masks(hard=hard)).iloc[1]
    hits = (frame["truth"] == frame["label"]).to_numpy()[hard]
    draws = np.random.default_rng(0).choice(hits, (4000, 80)).mean(axis=1)
    np.testing.assert_allclose([row["low"], row["high"]], np.percentile(draws, [2.5, 97.5]), atol=0.02)


def test_models_pivot_side_by_side_in_their_order():
    table = subset_accuracy({"b": predictions(0.3), "a": predictions(0.9)}, masks(zz=TRUTH > 1, aa=TRUTH > 2))
    wide = table.pivot(index="subset", columns="model", values="accuracy")
    assert list(wide.index) == ["all", "zz", "aa"]
    assert list(wide.columns) == ["b", "a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": {}}, "predictions: must have at least one model"),
        (
            {"predictions": {"a": predictions(1), "b": predictions(1, slice(5))}},
            "b was tested on other images .* than a",
        ),
        ({"predictions": {"a": predictions(1), "b": predictions(1).replace("anger", "fear")}}, "b was tested on other"),
        ({"predictions": {"a": predictions(1, [0, 0])}}, "predictions of a: 0.png appears twice"),
        ({"predictions": {"a": predictions(1).replace("anger", "Angry")}}, "labels of a: 'Angry' is written 'anger'"),
        ({"masks": {"occluded": TRUTH > 1}}, "masks: must have every test image"),
        ({"masks": masks(occluded=TRUTH > 1).iloc[:-1]}, "masks: must have every test image"),
        ({"masks": masks(occluded=TRUTH / 4)}, "masks: occluded must be a column of True and False"),
        ({"masks": masks(all=TRUTH > 1)}, "with a name other than 'all'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        subset_accuracy(**{"predictions": {"a": predictions(1)}, "masks": masks(hard=TRUTH > 1), **change})


def wilson(hits, count):
    """Wilson's 95 % interval, Brown, Cai & DasGupta 2001, eq. 4."""
    z, share = 1.959963984540054, hits / count
    centre = (hits + z**2 / 2) / (count + z**2)
    half = z * np.sqrt(count) / (count + z**2) * np.sqrt(share * (1 - share) + z**2 / (4 * count))
    return centre - half, centre + half


def test_curve_counts_bins_by_model():
    share = np.array([0, 0, 0, 0.05, 0.1, 0.1001, 0.15, 0.9])
    right = {"z": share < 0.1, "a": np.arange(8) % 2 == 0}
    table = occlusion_curve(share, right, edges=(0, 0.1, 0.2, 0.5, 1))
    assert list(table.columns) == ["bin", "images", "model", "accuracy", "low", "high"]
    assert list(table["bin"]) == ["0", "0", "to 0.1", "to 0.1", "to 0.2", "to 0.2", "to 1", "to 1"]
    assert list(table["model"]) == ["z", "a"] * 4
    assert list(table["images"]) == [3, 3, 2, 2, 2, 2, 1, 1]
    np.testing.assert_allclose(table["accuracy"], [1, 2 / 3, 0.5, 0.5, 0, 0.5, 0, 0])
    np.testing.assert_allclose(table.loc[1, ["low", "high"]].astype(float), wilson(2, 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("share", "names"),
    [
        ([0] * 9 + [0.05] * 5 + [0.15] * 5 + [0.25] * 2 + [0.9], ["0", "to 0.1", "to 1"]),
        ([0] * 9 + [0.05] * 2 + [0.15] * 5 + [0.9] * 5, ["0", "to 0.2", "to 1"]),
        ([0] * 9 + [0.9], ["0", "to 1"]),
        ([0] * 2, ["to 1"]),
    ],
)
def test_bins_of_few_pictures_are_joined(share, names):
    """A point that two faces decide looks like a fall of the curve."""
    table = occlusion_curve(np.array(share), {"a": np.zeros(len(share), bool)}, edges=(0, 0.1, 0.2, 0.3, 1), least=5)
    assert list(table["bin"]) == names
    assert table["images"].sum() == len(share)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": [0.5, 1.2]}, "share: must be numbers from 0 to 1"),
        ({"share": [0.5, np.nan]}, "share: must be numbers from 0 to 1"),
        ({"edges": (0, 0.2)}, "edges: must be ascending, up to at least the largest share 0.5"),
        ({"edges": (0.5, 0.2, 1)}, "edges: must be ascending"),
        ({"correct": {"a": np.array([True])}}, "correct: a must have True or False for each of the 2 pictures"),
        ({"correct": {"a": np.array([0.1, 0.2])}}, "correct: a must have True or False"),
    ],
)
def test_wrong_curves(change, message):
    with pytest.raises(InputError, match=message):
        occlusion_curve(**{"share": [0.1, 0.5], "correct": {"a": np.array([True, False])}, **change})
