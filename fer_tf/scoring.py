"""Evaluating a fitted model: the only place where test images and labels are read."""

from pathlib import Path

import pandas as pd

from . import plots, runlog, saving
from .checks import InputError
from .data.doctor import copies_of_test
from .emotions import canonical_emotion
from .evaluation import comparison, metrics, tables
from .inference import predict_probabilities
from .paths import reports_root


def is_current(directory, record):
    """True if metrics.json is of this record's weights and evaluation code."""
    stored = runlog.read_json(directory / "metrics.json")
    return all(stored.get(key) == record[key] for key in ("fingerprint", "evaluation_code"))


def write_evaluation(directory, model, ds, record):
    """Reads the test split and writes predict.csv, ground_truth.csv, figures and, last, metrics.json.

    Args:
        directory: of the run; its record.json and training.json are there.
        model: fitted.
        ds: `FaceDataset`.
        record: its fingerprint and evaluation_code go into metrics.json.
    """
    (directory / "metrics.json").unlink(missing_ok=True)
    val_prob, test_prob = _probabilities(model, ds.val), _probabilities(model, ds.test)
    copies = copies_of_test(ds)
    tables.write_predictions(directory, ds, test_prob, copies)
    result = {
        "fingerprint": record["fingerprint"],
        "evaluation_code": record["evaluation_code"],
        "test": metrics.classification_metrics(ds.test.labels, test_prob, ds.class_names),
        "val": metrics.classification_metrics(ds.val.labels, val_prob, ds.class_names, replicates=0),
        "without_copies": comparison.without_copies(ds.test.labels, test_prob, ds.class_names, copies),
        "calibration": _calibration(ds, val_prob, test_prob),
        "training": runlog.read_json(directory / "training.json"),
    }
    _save_figures(directory, result, ds.class_names)
    runlog.write_json(directory / "metrics.json", result)


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


def evaluate_model(model, ds, name, out=None):
    """Evaluates any saved model on a dataset's test split.

    Args:
        model: loaded by `load_model`; its classes must be the dataset's, in any order.
        ds: `FaceDataset`.
        name: of the model, for the folder and the record.
        out: folder to write to; default reports/evaluations/<name>-<dataset>-<protocol>/.
    Returns: `Run` (not among reports/runs/).
    """
    directory = Path(out) if out else reports_root() / "evaluations" / f"{name}-{ds.name}-{ds.protocol}"
    check_fits(model, ds)
    provenance = saving.model_info(model).get("provenance", {})
    stamp = {"fingerprint": ds.fingerprint(), "evaluation_code": ""}
    record = {
        **stamp, "model": name, "dataset": ds.name, "protocol": ds.protocol, "provenance": provenance,
        "class_names": list(ds.class_names), "notes": [*ds.notes, *_training_overlap(provenance, ds)],
        "environment": runlog.environment(),
    }  # fmt: skip
    runlog.write_json(directory / "record.json", record)
    runlog.write_json(directory / "training.json", {"parameters": model.count_params()})
    write_evaluation(directory, model, ds, record)
    return runlog.read_run(directory)


def _training_overlap(provenance, ds):
    """A warning, as a list of none or one, if the model was trained on another split of this dataset."""
    if provenance.get("dataset") != ds.name or provenance.get("dataset_fingerprint") == ds.fingerprint():
        return []
    split = f"{provenance.get('protocol')}, seed {provenance.get('seed')}"
    return [
        f"the model was trained on another split of {ds.name} ({split}): test images may be among its training images"
    ]


def check_fits(model, ds):
    """Raises `InputError` unless the model takes the dataset's images and gives its classes."""
    names, shape = _canonical_names(model), tuple(model.input_shape[1:])
    if sorted(names) != sorted(ds.class_names):
        raise InputError(
            f"model: knows {len(names)} classes ({', '.join(names)}); {ds.name} has {len(ds.class_names)} "
            f"({', '.join(ds.class_names)})"
        )
    if shape != ds.image_shape:
        raise InputError(f"model: takes images {shape}; {ds.name} has {ds.image_shape}")


def _probabilities(model, split):
    """Class probabilities of a split in the order of its class names, whatever the model's order is."""
    names = _canonical_names(model)
    order = [names.index(name) for name in split.class_names]
    return predict_probabilities(model, split)[:, order]


def _canonical_names(model):
    """A model's classes by their canonical names ("Happiness", "happy" and "joy" are one)."""
    return [canonical_emotion(name) for name in saving.model_info(model)["class_names"]]
