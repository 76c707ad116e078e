"""Evaluates a fitted model: the only place where test images and labels are read."""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from .. import plots, saving
from ..common.checks import InputError
from ..common.files import read_json, write_json
from ..common.hashes import code_fingerprint
from ..common.paths import reports_root
from ..data import has_same_pictures, has_same_rows
from ..data.base import FaceDataset, Split
from ..data.doctor import examine, near_duplicates
from ..data.doctor.examine import copies_of_test, near_copies_of_test
from ..emotions import class_name
from ..evaluation import calibration, metrics
from ..evaluation.tables import write_csv
from ..models.inference import predict_probabilities
from . import records

# Larger sets are not searched for near copies. FER2013 takes a minute or two, once (the result is cached).
NEAR_LIMIT = 100_000


def evaluation_code() -> str:
    """Hash of the code that decides what an evaluation measures. How tables look does not change it."""
    return code_fingerprint(
        [__file__, metrics.__file__, calibration.__file__, examine.__file__, near_duplicates.__file__]
    )


def is_current(directory: Path, record: dict) -> bool:
    """True if metrics.json is of this record's weights and evaluation code."""
    stored = read_json(directory / "metrics.json")
    return all(stored.get(key) == record[key] for key in ("fingerprint", "evaluation_code"))


def write_evaluation(directory: Path, model: keras.Model, ds: FaceDataset, record: dict) -> None:
    """Reads the test split and writes predict.csv, ground_truth.csv, figures and, last, metrics.json.

    Args:
        directory: of the run; its record.json and training.json are there.
        model: fitted.
        ds: `FaceDataset`.
        record: its fingerprint and evaluation_code go into metrics.json.
    """
    (directory / "metrics.json").unlink(missing_ok=True)
    write_scores(directory, ds, class_probabilities(model, ds.val), class_probabilities(model, ds.test), record)


def write_scores(directory: Path, ds: FaceDataset, val_prob: np.ndarray, test_prob: np.ndarray, record: dict) -> None:
    """What `write_evaluation` does, out of probabilities float [N, C] of the val and test split."""
    (directory / "metrics.json").unlink(missing_ok=True)
    copies, near = copies_of_test(ds), _near_copies(ds)
    write_predictions(directory, ds, test_prob, copies, near)
    result = {
        "fingerprint": record["fingerprint"],
        "evaluation_code": record["evaluation_code"],
        "test": metrics.classification_metrics(ds.test.labels, test_prob, ds.class_names),
        "val": metrics.classification_metrics(ds.val.labels, val_prob, ds.class_names, replicates=0),
        "without_copies": metrics.without_copies(ds.test.labels, test_prob, ds.class_names, copies),
        "without_near_copies": {}
        if near is None
        else metrics.without_copies(ds.test.labels, test_prob, ds.class_names, near),
        "lists": _lists(ds, test_prob),
        "calibration": _calibration(ds, val_prob, test_prob),
        "training": read_json(directory / "training.json"),
    }
    _save_figures(directory, result, ds.class_names)
    write_json(directory / "metrics.json", result)


def _near_copies(ds):
    """Test images with a near copy in train or val; None for drawn faces, which are all new, and for large sets."""
    if ds.truth is not None or len(ds.table) > NEAR_LIMIT:
        return None
    return near_copies_of_test(ds, progress=sys.stderr.isatty())


def _lists(ds, test_prob):
    """Accuracy on the lists of test images that the set comes with (FER+: occluded, turned): its yes-or-no columns."""
    rows, scores_by_list = ds.table.iloc[ds.test.rows], {}
    for column in (name for name in rows if rows[name].dtype == bool and rows[name].any()):
        inside = rows[column].to_numpy()
        scores = metrics.classification_metrics(ds.test.labels[inside], test_prob[inside], ds.class_names)
        scores_by_list[column] = {key: scores[key] for key in ("n", "accuracy", "macro_f1", "intervals")}
    return scores_by_list


def _calibration(ds, val_prob, test_prob):
    temperature = metrics.fit_temperature(ds.val.labels, val_prob)
    calibrated = metrics.apply_temperature(test_prob, temperature)
    return {"temperature": temperature, "ece": metrics.expected_calibration_error(ds.test.labels, calibrated)}


def _save_figures(directory, result, class_names):
    """Confusion matrices and, where the model was trained by epochs, learning curves."""
    figures = directory / "figures"
    plots.save_figure(plots.confusion_matrices(result["test"]["confusion"], class_names), figures / "confusion")
    if result["training"].get("epochs"):
        history = pd.read_csv(directory / "history.csv")
        plots.save_figure(plots.learning_curves({directory.name: history}), figures / "learning_curves")


def evaluate_model(
    model: keras.Model,
    ds: FaceDataset,
    name: str,
    out: str | Path | None = None,
    tta: str = "none",
    options: dict | None = None,
) -> records.Run:
    """Evaluates any saved model on a dataset's test split, also one trained on another dataset.

    Only classes that both know count. Images of other classes leave the test set. Probabilities of the model's other
    classes are left out, and the rest is renormalised. The record's notes say which. Images are resized to the model's
    input.

    Args:
        model: loaded by `load_model`; its classes may come in any order.
        ds: `FaceDataset`.
        name: of the model, for the folder and the record.
        out: folder to write to; default reports/evaluations/<name>-<dataset>-<protocol>/.
        tta: for the record, the views that the model averages over (`averaged_views.evaluate_with_tta`).
        options: for the record, the options that the dataset was loaded with.
    Returns: `Run` (not among reports/runs/).
    """
    directory = Path(out) if out else reports_root() / "evaluations" / f"{name}-{ds.name}-{ds.protocol}"
    provenance = saving.model_info(model).get("provenance", {})
    given, ds = ds, fitted(model, ds)
    overlap = training_overlap(provenance, given, ds) + _unchanged_pictures(provenance)
    record = {
        "fingerprint": ds.fingerprint(),
        "evaluation_code": evaluation_code(),
        "model": name,
        "tta": tta,
        **records.data_facts(ds, options or {}),
        "provenance": provenance,
        "notes": [*ds.notes, *overlap, *records.few_pictures(ds)],
    }
    records.write_training(directory, records.begin(directory, record), {"parameters": model.count_params()})
    write_evaluation(directory, model, ds, record)
    return records.read_run(directory)


def training_overlap(provenance: dict, ds: FaceDataset, converted: FaceDataset | None = None) -> list[str]:
    """Warnings if a model, or one that it started from, was trained on another split of a dataset, at any size.

    Args:
        provenance: of the model, see `saving.model_info`.
        ds: what the model is tested on. A dataset with other labels for the same pictures counts as the same.
        converted: `ds` at the model's size, if that is another one.
    """
    before = provenance.get("started_from")
    if isinstance(before, dict) and isinstance(before.get("provenance"), dict):
        earlier = training_overlap(before["provenance"], ds, converted)
        provenance = {key: value for key, value in provenance.items() if key != "started_from"}
        return list(dict.fromkeys([*training_overlap(provenance, ds, converted), *earlier]))
    trained_on = provenance.get("dataset")
    is_same = provenance.get("dataset_fingerprint") in (ds.fingerprint(), (converted or ds).fingerprint())
    shares_pictures = has_same_pictures(trained_on, ds.name)
    same_rows = has_same_rows((trained_on, provenance.get("protocol")), (ds.name, ds.protocol))
    if is_same or same_rows or (trained_on != ds.name and not shares_pictures):
        return []
    split = f"{trained_on} ({provenance.get('protocol')}, seed {provenance.get('seed')})"
    return [f"the model was trained on another split of {split}: test images may be among its training images"]


def _unchanged_pictures(provenance):
    """A warning, as a list of none or one, if the model has learned pictures changed by the saliency step."""
    source = provenance.get("salient_by")
    return [f"the model has learned pictures changed by {source}'s maps; these are unchanged"] if source else []


def fitted(model: keras.Model, ds: FaceDataset) -> FaceDataset:
    """The dataset as a model can be tested on it: the classes that both know, at the model's size.

    Notes say what is left out.

    Raises: `InputError` if they share fewer than two classes.
    """
    names, (height, width, channels) = _trained_names(model), saving.model_shape(model)
    common = tuple(name for name in ds.class_names if name in names)
    if len(common) < 2:
        raise InputError(
            f"model: knows {', '.join(names)}; {ds.name} has {', '.join(ds.class_names)}: too few classes in common"
        )
    spare = [name for name in names if name not in common]
    notes = [f"the model's {', '.join(spare)} left out, its probabilities renormalised"] if spare else []
    ds = ds.with_classes(common)
    if ds.image_shape == (height, width, channels):
        return replace(ds, notes=[*ds.notes, *notes])
    notes.append(f"images {ds.image_shape} converted to the model's {(height, width, channels)}")
    return replace(ds, store=ds.store.converted((height, width), channels), notes=[*ds.notes, *notes])


def class_probabilities(model: keras.Model, images: np.ndarray | Split, class_names: tuple | None = None) -> np.ndarray:
    """Probabilities of classes in a given order, whatever the model's order is; its spare classes are left out.

    Args:
        model: loaded by `load_model`, knows all of the classes.
        images: `Split`, or uint8 [N, H, W, C] at the model's size.
        class_names: C canonical names; None takes the split's.
    Returns: float32 [N, C], rows sum to one.
    """
    order = class_names or (images.class_names if isinstance(images, Split) else ())
    names = _canonical_names(model)
    chosen = predict_probabilities(model, images)[:, np.array([names.index(name) for name in order])]
    total = chosen.sum(axis=1, keepdims=True)
    return np.divide(chosen, total, out=np.full_like(chosen, 1 / chosen.shape[1]), where=total > 0)


def _trained_names(model):
    """The classes that a model can answer: `FaceNet2ExpNet.h5` has eight outputs, those it has not learned always 0."""
    absent = saving.model_info(model).get("provenance", {}).get("absent_classes", [])
    return [name for name in _canonical_names(model) if name not in map(class_name, absent)]


def _canonical_names(model):
    """A model's classes by their canonical names ("Happiness", "happy" and "joy" are one)."""
    return [class_name(name) for name in saving.model_info(model)["class_names"]]


def write_predictions(
    directory: Path, ds: FaceDataset, probabilities: np.ndarray, copies: pd.DataFrame, near: pd.DataFrame | None = None
) -> None:
    """Writes predict.csv and ground_truth.csv of the test split.

    Args:
        directory: of the run.
        ds: `FaceDataset`.
        probabilities: float [N, C] of its test split.
        copies: DataFrame, one row per test image: bool in_train, in_val.
        near: the same for near copies, or None where they were not looked for.
    predict.csv: name, label, confidence, one probability per class. ground_truth.csv: name, label, copy_of ("train",
    "val", "train val" or "": the splits with the same pixels) and, where looked for, near_copy_of. Rows are in the
    order of `ds.test`.
    """
    names = np.array(ds.class_names)
    rows = ds.table.iloc[ds.test.rows]
    predicted = pd.DataFrame({"name": rows["name"].to_numpy(), "label": names[probabilities.argmax(axis=1)]})
    predicted["confidence"] = probabilities.max(axis=1)
    predicted[list(names)] = probabilities
    truth = pd.DataFrame({"name": rows["name"].to_numpy(), "label": names[ds.test.labels], "copy_of": places(copies)})
    if near is not None:
        truth["near_copy_of"] = places(near)
    write_csv(directory / "predict.csv", predicted.round(6))
    write_csv(directory / "ground_truth.csv", truth)


def places(copies: pd.DataFrame) -> list:
    """Names the splits that hold a copy of each image ("train", "val", "train val" or ""), from in_train and in_val."""
    train = np.where(copies["in_train"], "train", "")
    return [f"{split} val".strip() if in_val else split for split, in_val in zip(train, copies["in_val"], strict=True)]
