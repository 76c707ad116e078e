"""Running an experiment: fit on train, select on val, read test once, leave a record."""

import sys
from importlib import import_module
from pathlib import Path

import keras
import pandas as pd

from . import data, experiments, fitting, layers, losses, models, plots, runlog, saving
from .checks import InputError
from .data import pipeline, plan
from .data.doctor import copies_of_test
from .emotions import canonical_emotion
from .evaluation import comparison, metrics, tables
from .inference import predict_probabilities
from .paths import reports_root


def run_experiment(
    name, dataset="synthetic", protocol=None, seed=0, size="full", data_dir=None, dataset_options=None, force=False,
    verbose=True, **overrides,
):  # fmt: skip
    """Trains and evaluates an experiment, or returns its record if nothing it depends on has changed.

    An interrupted run goes on after its last finished epoch and ends where it would have ended.

    Args:
        name: a key of `EXPERIMENTS`.
        dataset, protocol, data_dir: see `load_dataset`.
        seed: of initial weights, order, augmentation and of the protocol's draws.
        size: "full", "quick" or "smoke".
        dataset_options: dict of further options of `load_dataset`.
        force: run again even if the record is up to date.
        verbose: a bar over batches and a line an epoch.
        **overrides: single settings of `Experiment`.
    Returns: `fer_tf.runlog.Run`: metrics, directory, model_path, history, predictions.
    """
    experiment = experiments.resolve(name, size, overrides)
    ds = data.load_dataset(dataset, data_dir, protocol, seed=seed, **(dataset_options or {}))
    if experiment.limit:
        ds = ds.limited(experiment.limit, seed)
    _check_splits(ds, experiment)
    run = runlog.run_name(name, dataset, ds.protocol, seed)
    directory = runlog.run_directory(run)
    record = _record(name, experiment, ds, size, seed)
    is_fitted = not force and _is_fitted(run, record)
    is_evaluated = is_fitted and _is_evaluated(directory, record)
    if is_evaluated:
        fitting.say(verbose, f"{run}: up to date")
        return runlog.read_run(directory)
    (directory / "metrics.json").unlink(missing_ok=True)
    if is_fitted:
        fitting.say(verbose, f"{run}: trained already, evaluated again")
        record = {**runlog.read_record(directory), "evaluation_code": record["evaluation_code"]}
        runlog.write_json(directory / "record.json", record)
        model = saving.load_model(runlog.model_path(run))
    else:
        model = _fit(run, directory, record, ds, experiment, force, verbose)
    write_evaluation(directory, model, ds)
    return runlog.read_run(directory)


def run_settings(dataset, data_dir="", protocol="", seed=0, size="", overrides=""):
    """The keyword arguments of `run_experiment` out of a notebook's flat parameters ("" is the default)."""
    return {
        "dataset": dataset,
        "data_dir": data_dir or None,
        "protocol": protocol or None,
        "seed": seed,
        "size": experiments.default_size(dataset, size),
        **experiments.parse_overrides(overrides),
    }


def _record(name, experiment, ds, size, seed):
    """What a run stands on; its fingerprint changes when its weights might."""
    basis = {
        "experiment": name,
        "settings": experiment.settings(),
        "seed": seed,
        "dataset": ds.name,
        "protocol": ds.protocol,
        "class_names": list(ds.class_names),
        "image_shape": list(ds.image_shape),
        "dataset_fingerprint": ds.fingerprint(),
        "code": runlog.code_fingerprint(_fitting_code(experiment)),
    }
    about = {
        "evaluation_code": runlog.code_fingerprint([sys.modules[__name__], metrics, comparison, tables]),
        "size": size,
        "reduced": experiments.reductions(name, experiment, size),
        "source": experiment.source,
        "claims": list(experiment.claims),
        "notes": ds.notes,
        "counts": ds.counts().to_dict(),
        "backend": keras.backend.backend(),
    }
    return {**basis, "fingerprint": runlog.fingerprint(basis), **about, "environment": runlog.environment()}


def _fitting_code(experiment):
    """The modules whose code decides the weights: not other models, other layers, metrics, plots or reports."""
    builder = import_module(models.MODELS[experiment.model].__module__)
    used = {getattr(item, "__module__", None) for item in vars(builder).values()}
    used = {key for key in used if str(key).startswith((f"{layers.__name__}.", f"{models.__name__}."))}
    used |= {f"{layers.__name__}.augment", f"{layers.__name__}.sampling"}
    return {fitting, losses, plan, pipeline, builder, *(import_module(key) for key in used)}


def _is_fitted(run, record):
    """True if the run's model file is of this fingerprint (the file itself says; a record may be newer than it)."""
    path = runlog.model_path(run)
    if not path.is_file() or not runlog.read_record(runlog.run_directory(run)):
        return False
    try:
        description = saving.read_description(path) or {}
    except InputError:
        return False
    return description.get("provenance", {}).get("fingerprint") == record["fingerprint"]


def _is_evaluated(directory, record):
    stored = runlog.read_record(directory)
    is_same = all(stored.get(key) == record[key] for key in ("fingerprint", "evaluation_code"))
    return is_same and (directory / "metrics.json").is_file()


def _fit(run, directory, record, ds, experiment, force, verbose):
    """Fits and saves the run's model; its record is there from the start."""
    if force:
        (directory / fitting.CHECKPOINT).unlink(missing_ok=True)
    runlog.write_json(directory / "record.json", record)
    fitting.say(verbose, f"{run}: {len(ds.train)} train, {len(ds.val)} val, {len(ds.test)} test images")
    keeper = fitting.Progress(directory, record["fingerprint"], run, verbose)
    model = fitting.fit(ds.training_data(), experiment, record["seed"], keeper)
    provenance = {"run": run, "fingerprint": record["fingerprint"], "dataset": record["dataset_fingerprint"]}
    model.fer_tf_info = saving.describe(model, ds.class_names, provenance)
    saving.save_model(model, runlog.model_path(run), ds.class_names, provenance)
    runlog.write_json(directory / "training.json", fitting.facts(model, directory))
    (directory / fitting.CHECKPOINT).unlink(missing_ok=True)
    return model


def _check_splits(ds, experiment):
    """A run needs images in every split, and a model that learns an image of every class."""
    counts = ds.counts()
    empty = [split for split in data.base.SPLITS if counts.loc["all", split] == 0]
    if empty:
        raise InputError(f"{ds.name} {ds.protocol}: no image in {', '.join(empty)}")
    absent = [name for name in ds.class_names if counts.loc[name, "train"] == 0]
    if absent and experiment.epochs:
        raise InputError(
            f"{ds.name} {ds.protocol}: no training image of {', '.join(absent)}; leave them out by classes="
        )


def write_evaluation(directory, model, ds):
    """Reads the test split, for the first and only time, and writes predict.csv, ground_truth.csv, figures and,
    last, metrics.json."""
    val_prob, test_prob = _probabilities(model, ds.val), _probabilities(model, ds.test)
    copies = copies_of_test(ds)
    tables.write_predictions(directory, ds, test_prob, copies)
    result = {
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
    basis = {"experiment": name, "dataset": ds.name, "protocol": ds.protocol, "dataset_fingerprint": ds.fingerprint()}
    provenance = saving.model_info(model).get("provenance", {})
    (directory / "metrics.json").unlink(missing_ok=True)
    runlog.write_json(
        directory / "record.json", {**basis, "provenance": provenance, "environment": runlog.environment()}
    )
    runlog.write_json(directory / "training.json", {"parameters": model.count_params()})
    write_evaluation(directory, model, ds)
    return runlog.read_run(directory)


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
