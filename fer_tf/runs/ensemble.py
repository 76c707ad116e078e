"""Averaging probabilities: over views of a picture (test-time augmentation), and over several finished runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .. import saving
from ..common.checks import InputError, check_choice, check_range
from ..common.hashes import fingerprint
from ..common.paths import reports_root
from ..evaluation.over_seeds import option_text
from ..saving.bundled import bundled_path, bundled_record, bundled_records
from . import evaluate, records
from .averaged_views import NOTE, VIEWS, AveragedViews
from .datasets import dataset_of, typed_options


def ensemble_runs(
    names: list,
    data_dir: str | None = None,
    weights: list | None = None,
    select: str = "all",
    tta: str = "none",
    name: str = "",
    out: str | Path | None = None,
) -> records.Run:
    """Averages the probabilities of finished runs and evaluates the average once on the test images they share.

    Weights and members are given, or chosen on validation images that every run held out, and never on test images.
    Only the chosen members predict the test images.

    Args:
        names: of two or more runs in reports/runs/, tested on the same images. The name of a bundled file, such as
            "ferplus.h5", takes that model as it ships, with its scores adjusted on validation images.
        data_dir: see `load_dataset`; dataset, protocol, seed and options are the runs' own.
        weights: a number >= 0 per run; None gives all the same weight.
        select: "all", or "greedy", which chooses the weights, see `greedy_weights`.
        tta: see `predict_with_tta`.
        name: for the folder and the record; default ensemble-<dataset>-<protocol>-<hash of what it is made of>.
        out: folder to write to; default reports/evaluations/<name>/.
    Returns: `Run` (not among reports/runs/); record["members"] holds each run's weight and validation accuracy.
    Raises: `InputError` for runs that are not finished or were tested on other images; `ModelFileError` for a bundled
        file that is not the one that was measured.
    """
    shares = _checked_weights(names, weights, check_choice("select", select, ("all", "greedy")))
    check_choice("tta", tta, VIEWS)
    runs = [_member_run(run) for run in names]
    _check_different(runs)
    _check_same_test(runs)
    loaded: dict = {}
    datasets = _shared_splits(runs, [dataset_of(run, data_dir, loaded) for run in runs])
    models = [saving.load_model(run.model_path) for run in runs]
    labels = datasets[0].val.labels
    val = np.stack([_predict(model, ds, "val", tta) for model, ds in zip(models, datasets, strict=True)])
    shares = greedy_weights(val, labels) if select == "greedy" else shares
    test = [
        _predict(model, ds, "test", tta) if weight else None
        for model, ds, weight in zip(models, datasets, shares, strict=True)
    ]
    members = _members(runs, shares, val, labels)
    record = _record(runs, members, datasets[0], select, tta, name)
    directory = Path(out) if out else reports_root() / "evaluations" / record["model"]
    count = sum(model.count_params() for model, weight in zip(models, shares, strict=True) if weight)
    records.write_training(directory, records.begin(directory, record), {"parameters": count})
    evaluate.write_scores(directory, datasets[0], _mean(val, shares), _mean(test, shares), record)
    return records.read_run(directory)


def _member_run(name):
    """The finished run with this name, or the bundled model with this file name in the form of a run."""
    record = bundled_record(name)
    if record is None:
        return _finished_run(name)
    if not name.endswith(".h5"):
        raise InputError(f"runs: {name} is not a Keras model; leave it out")
    # one run can be bundled again in another way, so the file's own checksum counts
    record = {**record, "fingerprint": record["sha256"]}
    return records.Run(name, bundled_path(name).parent, bundled_path(name), record, {"test": record["test"]})


def _finished_run(name):
    try:
        run = records.read_run(records.run_directory(name))
    except InputError:
        files = [record["file"] for record in bundled_records() if record["file"].endswith(".h5")]
        raise InputError(
            f"runs: {name} is neither a finished run in {reports_root() / 'runs'} nor a bundled model "
            f"({', '.join(files) or 'none'})"
        ) from None
    if run.record["backend"] == "scikit-learn":
        raise InputError(f"runs: {name} is a support vector machine, which has no model file; leave it out")
    return run


def _check_different(runs):
    """Raises `InputError` for a bundled file and the run that it was made from."""
    origins = [run.record.get("run", run.name) for run in runs]
    for run, origin in zip(runs, origins, strict=True):
        if origins.count(origin) > 1 and run.name != origin:
            raise InputError(f"runs: {run.name} was made from {origin}, which is one network; leave one of them out")


def _members(runs, shares, val_probabilities, labels):
    """What the record says of each run: its weight and its validation accuracy."""
    return [
        {
            "run": run.name,
            "fingerprint": run.record["fingerprint"],
            "weight": weight,
            "val_accuracy": np.mean(probabilities.argmax(axis=1) == labels),
        }
        for run, weight, probabilities in zip(runs, shares, val_probabilities, strict=True)
    ]


def _checked_weights(names, weights, select):
    """The weights, float [M] that sum to one."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"runs: must be two or more different ones; received {', '.join(names) or 'none'}")
    if weights is None:
        return np.full(len(names), 1 / len(names))
    if select == "greedy":
        raise InputError("weights: are chosen by select greedy; give one of the two")
    if len(weights) != len(names):
        raise InputError(f"weights: must be {len(names)}, one per run; received {len(weights)}")
    for weight in weights:
        check_range("weights", weight, low=0)
    if not sum(weights):
        raise InputError("weights: must not all be 0")
    return np.array(weights, float) / sum(weights)


def _check_same_test(runs):
    reference, *others = runs
    for run in others:
        if _tested(run) != _tested(reference):
            tasks = f"{_task(reference)} and {_task(run)}"
            raise InputError(f"runs: must be tested on the same images, classes and labels; {tasks} differ")


def _tested(run):
    """What decides which images a run is tested on."""
    limit = run.record["settings"]["limit"]
    return run.record["test_fingerprint"], limit, run.record["seed"] if limit else None


def _task(run):
    """What a run was tested on, in words."""
    _, limit, seed = _tested(run)
    limited = f"limit={limit} seed={seed}" if limit else ""
    words = [run.record["dataset"], run.record["protocol"], option_text(run.record), limited]
    return f"{run.name} on {' '.join(word for word in words if word)}"


def _shared_splits(runs, datasets):
    """The datasets with one split for all: train is what any run learned from, val what all of them held out."""
    splits = np.stack([ds.table["split"].to_numpy(str) for ds in datasets])
    names = [ds.table["name"].to_numpy(str) for ds in datasets]
    if (
        not all(np.array_equal(names[0], other) for other in names)
        or ((splits == "test") != (splits[0] == "test")).any()
    ):
        raise InputError(f"runs: {', '.join(run.name for run in runs)} list their images in another order")
    held, learned = (splits == "val").all(axis=0), (splits == "train").any(axis=0)
    if not held.any():
        raise InputError("runs: hold out no validation image in common; train them with one seed of the protocol")
    shared = np.select([splits[0] == "test", learned, held], ["test", "train", "val"], "")
    notes = datasets[0].notes
    if held.sum() < (splits == "val").sum(axis=1).max():
        notes = [*notes, f"validation: the {held.sum()} images that every run held out"]
    return [
        replace(ds, table=ds.table.assign(split=pd.Series(shared, ds.table.index, object)), notes=notes)
        for ds in datasets
    ]


def _predict(model, ds, split, tta):
    return evaluate.class_probabilities(AveragedViews(model, tta), evaluate.fitted(model, ds).split(split))


def _mean(probabilities, weights):
    """The weighted mean of float [N, C] arrays; those of weight 0 may be None."""
    return sum(weight * member for weight, member in zip(weights, probabilities, strict=True) if weight)


def greedy_weights(probabilities: np.ndarray, labels: np.ndarray, rounds: int = 25) -> np.ndarray:
    """Ensemble selection (Caruana et al. 2004): members are added one by one, with repetition.

    Each round adds the member that raises the accuracy of the mean most. Ties go to the lowest cross-entropy. The best
    of all rounds is taken, so on these images the result is at least as good as the best single member.

    Args:
        probabilities: float [M, N, C] of M members on validation images.
        labels: int [N].
        rounds: the largest number of additions.
    Returns: float [M], weights that sum to one.
    """
    total, counts = np.zeros(probabilities.shape[1:]), np.zeros(len(probabilities))
    best, chosen = None, counts
    for size in range(1, rounds + 1):
        scores = [_score((total + member) / size, labels) for member in probabilities]
        added = max(range(len(scores)), key=scores.__getitem__)
        total, counts[added] = total + probabilities[added], counts[added] + 1
        if best is None or scores[added] > best:
            best, chosen = scores[added], counts / size
    return chosen


def _score(probabilities, labels):
    """(accuracy, minus cross-entropy): the higher the better."""
    right = probabilities[np.arange(len(labels)), labels]
    return np.mean(probabilities.argmax(axis=1) == labels), np.mean(np.log(np.maximum(right, 1e-12)))


def _record(runs, members, ds, select, tta, name):
    options = [typed_options(run.record) for run in runs]
    shared = {key: value for key, value in options[0].items() if all(other.get(key) == value for other in options)}
    digest = fingerprint([[run.record["fingerprint"] for run in runs], [member["weight"] for member in members], tta])
    adjusted = [
        run.name for run, member in zip(runs, members, strict=True) if member["weight"] and "adjustment" in run.record
    ]
    used = sum(member["weight"] > 0 for member in members)
    how = f"mean of {used} of {len(runs)} runs, " + ("chosen on validation" if select == "greedy" else "as given")
    return {
        "fingerprint": digest,
        "evaluation_code": evaluate.evaluation_code(),
        "model": name or f"ensemble-{ds.name}-{ds.protocol}-{digest[:8]}",
        "members": members,
        "select": select,
        "tta": tta,
        **records.data_facts(ds, shared),
        "test_fingerprint": runs[0].record["test_fingerprint"],
        "reduced": "; ".join(sorted({run.record["reduced"] for run in runs} - {""})),
        "notes": [
            *ds.notes,
            how,
            *(f"{name}: its scores were adjusted on validation images" for name in adjusted),
            *([] if tta == "none" else [NOTE.format(tta)]),
        ],
    }
