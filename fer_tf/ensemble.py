"""Averaging probabilities: over views of a picture (test-time augmentation), and over several finished runs."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from . import runlog, saving, scoring, training
from .checks import InputError, check_choice, check_range
from .experiment import Experiment
from .inference import predict_probabilities
from .layers import affine_sample
from .paths import reports_root

CROP = 0.9


def _mirror(images):
    return images[:, :, ::-1]


def _crops(images, share=CROP):
    """The four corners and the centre of images, float [N, H, W, C] each: `share` of each side, at the full size."""
    images = np.asarray(images, np.float32)
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, 0)):
        theta = np.array([[share, 0, x * (1 - share), 0, share, y * (1 - share)]], np.float32)
        yield np.asarray(affine_sample(images, np.repeat(theta, len(images), axis=0)))


def _ten_crops(images):
    for crop in _crops(images):
        yield crop
        yield _mirror(crop)


# how -> the views of a batch [N, H, W, C]. Ten crops are Krizhevsky et al. 2012's (§4.1); their crops have 0.875 of
# the side, faces are cut closely already, so here it is 0.9.
VIEWS = {
    "none": lambda images: [images],
    "flip": lambda images: [images, _mirror(images)],
    "ten_crop": _ten_crops,
}


class AveragedViews:
    """A model whose probabilities are the mean over views of each image; in all else it is the model itself."""

    def __init__(self, model, how):
        self._model, self._views = model, VIEWS[check_choice("tta", how, VIEWS)]

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict_on_batch(self, images):
        """Mean probabilities, float [N, num_classes]."""
        return np.mean([np.asarray(self._model.predict_on_batch(view)) for view in self._views(images)], axis=0)


def predict_with_tta(model, images, how="flip", batch_size=256, progress=False):
    """Class probabilities of images, averaged over views of each.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        images: uint8 or float [N, H, W, C], or a `Split`.
        how: "none"; "flip", the image and its mirror image; "ten_crop", four corners and the centre with 0.9 of each
            side, brought back to the full size, and their mirror images.
        batch_size, progress: as in `predict_probabilities`.
    Returns: float32 [N, num_classes].
    """
    return predict_probabilities(AveragedViews(model, how), images, batch_size, progress)


def evaluate_with_tta(model, ds, name, how, out=None):
    """`scoring.evaluate_model` with probabilities averaged over views; the name and the notes say so."""
    if how == "none":
        return scoring.evaluate_model(model, ds, name, out)
    noted = replace(ds, notes=[*ds.notes, *_told(how)])
    return scoring.evaluate_model(AveragedViews(model, how), noted, f"{name}-{how}", out, tta=how)


def _told(how):
    return [] if how == "none" else [f"probabilities are averaged over views of each image ({how})"]


def ensemble_runs(names, data_dir=None, weights=None, select="all", tta="none", name="", out=None):
    """Averages the probabilities of finished runs and evaluates the average once on the test images they share.

    Weights and members are given, or chosen on validation images that every run held out; never on test. Test is
    predicted by the members that were chosen only.

    Args:
        names: of two or more runs in reports/runs/, tested on the same images.
        data_dir: see `load_dataset`; dataset, protocol, seed and options are the runs' own.
        weights: a number >= 0 a run, or None: all alike.
        select: "all", or "greedy": see `greedy_weights`; weights are then chosen.
        tta: see `predict_with_tta`.
        name: for the folder and the record; default ensemble-<dataset>-<protocol>-<hash of what it is made of>.
        out: folder to write to; default reports/evaluations/<name>/.
    Returns: `Run` (not among reports/runs/); record["members"] holds each run's weight and validation accuracy.
    Raises: `InputError` for runs that are not finished or were tested on other images.
    """
    weights = _checked_weights(names, weights, check_choice("select", select, ("all", "greedy")))
    check_choice("tta", tta, VIEWS)
    runs = [runlog.read_run(runlog.run_directory(run)) for run in names]
    _check_same_test(runs)
    datasets = _shared_splits(runs, _load_all(runs, data_dir))
    models = [saving.load_model(run.model_path) for run in runs]
    labels = datasets[0].val.labels
    val = np.stack([_predict(model, ds, "val", tta) for model, ds in zip(models, datasets, strict=True)])
    weights = greedy_weights(val, labels) if select == "greedy" else weights
    test = [
        _predict(model, ds, "test", tta) if weight else None
        for model, ds, weight in zip(models, datasets, weights, strict=True)
    ]
    members = [
        {
            "run": run.name,
            "fingerprint": run.record["fingerprint"],
            "weight": weight,
            "val_accuracy": np.mean(found.argmax(axis=1) == labels),
        }
        for run, weight, found in zip(runs, weights, val, strict=True)
    ]
    record = _record(runs, members, datasets[0], select, tta, name)
    directory = Path(out) if out else reports_root() / "evaluations" / record["model"]
    runlog.write_json(directory / "record.json", record)
    count = sum(model.count_params() for model, weight in zip(models, weights, strict=True) if weight)
    runlog.write_json(directory / "training.json", {"parameters": count})
    scoring.write_scores(directory, datasets[0], _mean(val, weights), _mean(test, weights), record)
    return runlog.read_run(directory)


def _checked_weights(names, weights, select):
    """The weights, float [M] that sum to one."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"runs: must be two or more different ones; received {', '.join(names) or 'none'}")
    if weights is None:
        return np.full(len(names), 1 / len(names))
    if select == "greedy":
        raise InputError("weights: are chosen by select greedy; give one of the two")
    if len(weights) != len(names):
        raise InputError(f"weights: must be {len(names)}, one a run; received {len(weights)}")
    for weight in weights:
        check_range("weights", weight, low=0)
    if not sum(weights):
        raise InputError("weights: must not all be 0")
    return np.array(weights, float) / sum(weights)


def _check_same_test(runs):
    first = runs[0]
    for run in runs[1:]:
        if _tested(run) != _tested(first):
            told = [f"{item.name} on {item.record['dataset']} {item.record['protocol']}" for item in (first, run)]
            raise InputError(
                f"runs: must be tested on the same images, classes and labels; {' and '.join(told)} differ"
            )


def _tested(run):
    """What decides which images a run is tested on."""
    limit = run.record["settings"]["limit"]
    return run.record["test_fingerprint"], limit, run.record["seed"] if limit else None


def _load_all(runs, data_dir):
    """Each run's dataset with pictures as its model takes them; equal ones are loaded once."""
    loaded = {}
    return [dataset_of(run, data_dir, loaded) for run in runs]


def dataset_of(run, data_dir=None, loaded=None):
    """A run's dataset, with pictures as its model takes them.

    Args:
        run: `Run`.
        data_dir: see `load_dataset`.
        loaded: dict that keeps what was loaded for other runs; None keeps nothing.
    Returns: `FaceDataset`.
    Raises: `InputError` if the dataset now holds other test images than the run was tested on.
    """
    loaded = {} if loaded is None else loaded
    about = [run.record[key] for key in ("dataset", "protocol", "seed", "dataset_options")]
    about += [run.record["settings"][key] for key in ("image_size", "image_channels")]
    if run.record["settings"].get("salient_by"):
        raise InputError(f"{run.name}: was tested on pictures that another model's maps change; leave it out")
    key = runlog.fingerprint(about)
    if key not in loaded:
        loaded[key] = _load(data_dir, *about)
    ds, limit = loaded[key], run.record["settings"]["limit"]
    if ds.test_fingerprint() != run.record["test_fingerprint"]:
        raise InputError(f"{run.name}: was tested on other images than {run.record['dataset']} holds now")
    return ds.limited(limit, run.record["seed"]) if limit else ds


def _load(data_dir, dataset, protocol, seed, options, image_size, image_channels):
    experiment = Experiment("", image_size=image_size, image_channels=image_channels)
    options = {key: _value(text) for key, text in options.items()}
    return training.load_for(experiment, dataset, data_dir, protocol, seed, options)


def _value(text):
    """An option's value out of its text in a record: a number, True, None, a tuple, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _shared_splits(runs, datasets):
    """The datasets with one split for all: train is what any run learned from, val what all of them held out.

    Protocols that draw val by seed give every run another one; the few images that no run learned from are left.
    """
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
    return scoring.class_probabilities(AveragedViews(model, tta), scoring.fitted(model, ds).split(split))


def _mean(probabilities, weights):
    """The weighted mean of float [N, C] arrays; those of weight 0 may be None."""
    return sum(weight * found for weight, found in zip(weights, probabilities, strict=True) if weight)


def greedy_weights(probabilities, labels, rounds=25):
    """Ensemble selection (Caruana et al. 2004): members are added one by one, with repetition.

    In each round the one is added whose addition gives the highest accuracy of the mean (of equals, the lowest
    cross-entropy); the best of all rounds is taken, so the result is at least as good here as the best single member.

    Args:
        probabilities: float [M, N, C] of M members on validation images.
        labels: int [N].
        rounds: additions at most.
    Returns: float [M], weights that sum to one.
    """
    total, counts = np.zeros(probabilities.shape[1:]), np.zeros(len(probabilities))
    best, chosen = None, None
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
    first = runs[0].record
    made = runlog.fingerprint([[run.record["fingerprint"] for run in runs], [m["weight"] for m in members], tta])
    used = sum(member["weight"] > 0 for member in members)
    told = f"mean of {used} of {len(runs)} runs, " + ("chosen on validation" if select == "greedy" else "as given")
    return {
        "fingerprint": made,
        "evaluation_code": "",
        "model": name or f"ensemble-{first['dataset']}-{first['protocol']}-{made[:8]}",
        "members": members,
        "select": select,
        "tta": tta,
        "dataset": ds.name,
        "protocol": ds.protocol,
        "class_names": list(ds.class_names),
        "test_fingerprint": first["test_fingerprint"],
        "reduced": "; ".join(sorted({run.record["reduced"] for run in runs} - {""})),
        "notes": [*ds.notes, told, *_told(tta)],
        "environment": runlog.environment(),
    }
