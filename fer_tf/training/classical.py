"""Runs classical experiments: features and a support vector machine, recorded as the networks are."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .. import data
from ..common import hashes
from ..common.checks import InputError, check_choice, check_names, check_whole
from ..experiments.classical import CLASSICAL, LIMITS
from ..runs import evaluate, records
from ..runs.datasets import check_classes_alone, check_splits
from ..runs.environment import peak_memory_mb
from . import checkpoint, sift, svm

# name -> function (images, progress) -> float32 [N, D]
FEATURES: dict[str, Callable] = {"hog": svm.hog_features, "lbp": svm.lbp_features, "sift": sift.sift_features}
# Features that first learn words from training images: function (images, count, seed, progress) -> words.
LEARNED: dict[str, Callable] = {"sift": sift.sift_words}


def run_classical(
    name: str,
    dataset: str = "synthetic",
    protocol: str | None = None,
    seed: int = 0,
    data_dir: str | None = None,
    size: str = "full",
    dataset_options: dict | None = None,
    force: bool = False,
    verbose: bool = True,
    **overrides,
) -> records.Run:
    """Fits on train, selects and calibrates on val, reads test once, and leaves a record in reports/runs/.

    Tables, reports and comparisons read the same from this record as from a network's. There is no model file. A
    finished run of the same name with other settings moves to reports/replaced/.

    Args:
        name: a key of `CLASSICAL`.
        dataset, protocol, data_dir, dataset_options: see `load_dataset`.
        seed: of the protocol's draws, of the landmarks and of the words.
        size: a key of `LIMITS`: "full", "quick" (2000 images per split) or "smoke" (160).
        force: run again even if the record is up to date.
        verbose: lines of progress, and bars over what takes seconds.
        **overrides: single settings of `ClassicalExperiment`.
    """
    experiment = _resolved(name, size, overrides)
    options = dataset_options or {}
    shape = {"size": experiment.image_size, "channels": 1}
    ds = data.load_dataset(dataset, data_dir, protocol, seed=seed, **{**shape, **options})
    check_classes_alone(ds, name)
    tested = ds.test_fingerprint()  # before a limit: smoke runs are compared on the test images that they share
    ds = ds.limited(LIMITS[size], seed) if LIMITS[size] else ds
    check_splits(ds, learns=False)
    run = records.run_name(name, dataset, ds.protocol, seed, options)
    directory = records.run_directory(run)
    record = {**_record(name, experiment, ds, size, seed, options), "test_fingerprint": tested}
    with records.locked(run):
        records.swap_in(run, record["fingerprint"])
        if evaluate.is_current(directory, record) and not force:
            checkpoint.say(verbose, f"{run}: up to date")
        else:
            _fit_and_score(run, directory, record, ds, experiment, verbose)
        return records.read_run(directory)


def _resolved(name, size, overrides):
    experiment = CLASSICAL[check_choice("experiment", name, CLASSICAL)]
    check_choice("size", size, LIMITS)
    check_names("overrides", overrides, experiment.settings())
    experiment = replace(experiment, **overrides)
    check_choice("features", experiment.features, FEATURES)
    if experiment.features in LEARNED:
        check_whole("words", experiment.words, low=2)
    elif experiment.words:
        raise InputError(f"words: {experiment.features} has none, allowed is 0; received {experiment.words}")
    return experiment


def _record(name, experiment, ds, size, seed, options):
    """What a run depends on, in the form of a network's; its fingerprint changes when its predictions might."""
    basis = {
        "experiment": name,
        "settings": experiment.settings(),
        "size": size,
        "seed": seed,
        **records.data_facts(ds, options),
        "code": hashes.code_fingerprint([svm, *([sift] if experiment.features in LEARNED else [])]),
    }
    full, now = CLASSICAL[name].settings(), experiment.settings()
    changes = [f"{size} size: at most {LIMITS[size]} images per split"] if LIMITS[size] else []
    changes += [f"{key} {now[key]} for {full[key]}" for key in full if now[key] != full[key]]
    about = {
        "evaluation_code": evaluate.evaluation_code(),
        **records.about_run(experiment, ds, options, changes),
        "backend": "scikit-learn",
    }
    return {**basis, "fingerprint": hashes.fingerprint(basis), **about}


def _fit_and_score(run, directory, record, ds, experiment, verbose):
    beginning = records.begin(directory, record)
    checkpoint.say(verbose, f"{run}: {len(ds.train)} train, {len(ds.val)} val, {len(ds.test)} test images")
    started = time.perf_counter()
    describe, machine, val_features = _fit(ds.training_data(), experiment, record["seed"], verbose)
    chosen = machine.chosen
    facts = {
        "parameters": machine.parameters + experiment.words * sift.LENGTH,
        "peak_memory_mb": peak_memory_mb(),
        "seconds": round(time.perf_counter() - started, 2),
        "chosen": chosen,
        "trials": machine.trials,
    }
    records.write_training(directory, beginning, facts)
    gamma = "" if chosen["gamma"] is None else f", gamma {chosen['gamma']:g}"
    best = f"C {chosen['C']:g}{gamma} has the best validation accuracy, {chosen['val_accuracy']:.3f}"
    checkpoint.say(verbose, f"{run}: {best}; evaluating on {len(ds.test)} test images")
    test_prob = machine.probabilities(describe(ds.test))
    evaluate.write_scores(directory, ds, machine.probabilities(val_features), test_prob, record)


def _fit(training_data, experiment, seed, verbose):
    """What describes images, the machine, fitted on train and selected on val, and the features of val.

    It has no access to test. Words are learned from train alone.
    """
    train, val = training_data.train, training_data.val
    describe = partial(FEATURES[experiment.features], progress=verbose)
    if experiment.features in LEARNED:
        describe = partial(describe, words=LEARNED[experiment.features](train, experiment.words, seed, verbose))
    features = [describe(split) for split in (train, val)]
    grid = experiment.kernel, experiment.Cs, experiment.gammas, experiment.landmarks
    count = len(training_data.class_names)
    machine = svm.fit_svm(features[0], train.labels, features[1], val.labels, *grid, count, seed, verbose)
    return describe, machine, features[1]
