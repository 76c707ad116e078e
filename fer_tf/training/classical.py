"""Classical experiments: features and a support vector machine, run and recorded as the networks are."""

import time
from dataclasses import asdict, dataclass, replace

from .. import data
from ..common import hashes
from ..common.checks import check_choice, check_names
from ..runs import evaluate, records
from ..runs.datasets import check_splits
from ..runs.environment import peak_memory_mb
from . import checkpoint, svm

FEATURES = {"hog": svm.hog_features, "lbp": svm.lbp_features}
# Images a split at most; 0 takes all.
LIMITS = {"full": 0, "quick": 2000, "smoke": 320}


@dataclass(frozen=True)
class ClassicalExperiment:
    """The settings of a classical run, see `fer_tf.training.svm`.

    Attributes:
        features: a key of `FEATURES`, with its usual cells.
        kernel, Cs, gammas, landmarks: see `fit_svm`; the best by validation accuracy is taken.
        image_size: side the pictures are converted to, in gray.
        source: where it comes from.
        claims: ids of the rows of claims.csv that it answers.
    """

    features: str
    kernel: str = "linear"
    Cs: tuple = (0.001, 0.01, 0.1, 1.0)
    gammas: tuple = (1.0,)
    landmarks: int = 0
    image_size: int = 48
    source: str = "document [3], related work: hand-made features and a support vector machine"
    claims: tuple = ()

    def settings(self) -> dict:
        """What the run depends on, as a dict."""
        return {key: value for key, value in asdict(self).items() if key not in ("source", "claims")}


# rbf on landmarks: on FER2013 (28,709 × 900) one exact fit would take about a quarter of an hour
CLASSICAL = {
    "hog_svm": ClassicalExperiment("hog"),
    "lbp_svm": ClassicalExperiment("lbp", Cs=(0.01, 0.1, 1.0, 10.0)),
    "hog_svm_rbf": ClassicalExperiment("hog", "rbf", Cs=(1.0, 10.0), landmarks=2000),
    "lbp_svm_rbf": ClassicalExperiment("lbp", "rbf", Cs=(1.0, 10.0), landmarks=2000),
}


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

    The record is one of a network's in all that tables, reports and comparisons read; there is no model file. A
    finished run of the same name with other settings is put aside (reports/replaced/).

    Args:
        name: a key of `CLASSICAL`.
        dataset, protocol, data_dir, dataset_options: see `load_dataset`.
        seed: of the protocol's draws and of the landmarks.
        size: "full", "quick" (2000 images a split) or "smoke" (320).
        force: run again even if the record is up to date.
        verbose: lines of progress, and bars over what takes seconds.
        **overrides: single settings of `ClassicalExperiment`.
    """
    experiment = _resolved(name, size, overrides)
    options = dataset_options or {}
    shape = {"size": experiment.image_size, "channels": 1}
    ds = data.load_dataset(dataset, data_dir, protocol, seed=seed, **{**shape, **options})
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
    return experiment


def _record(name, experiment, ds, size, seed, options):
    """What a run depends on, in the form of a network's; its fingerprint changes when its predictions might."""
    basis = {
        "experiment": name,
        "settings": experiment.settings(),
        "size": size,
        "seed": seed,
        **records.data_facts(ds, options),
        "code": hashes.code_fingerprint([svm]),
    }
    full, now = CLASSICAL[name].settings(), experiment.settings()
    changes = [f"{size} size: at most {LIMITS[size]} images a split"] if LIMITS[size] else []
    changes += [f"{key} {now[key]} for {full[key]}" for key in full if now[key] != full[key]]
    about = {
        "evaluation_code": evaluate.evaluation_code(),
        **records.about_run(experiment, ds, options, changes),
        "backend": "scikit-learn",
    }
    return {**basis, "fingerprint": hashes.fingerprint(basis), **about}


def _fit_and_score(run, directory, record, ds, experiment, verbose):
    begun = records.begin(directory, record)
    checkpoint.say(verbose, f"{run}: {len(ds.train)} train, {len(ds.val)} val, {len(ds.test)} test images")
    started, describe = time.perf_counter(), FEATURES[experiment.features]
    machine, val_features = _fit(ds.training_data(), experiment, record["seed"], verbose)
    chosen = machine.chosen
    facts = {
        "parameters": machine.parameters,
        "peak_memory_mb": peak_memory_mb(),
        "seconds": round(time.perf_counter() - started, 2),
        "chosen": chosen,
        "trials": machine.trials,
    }
    records.end_training(directory, begun, facts)
    gamma = "" if chosen["gamma"] is None else f", gamma {chosen['gamma']:g}"
    best = f"C {chosen['C']:g}{gamma} has the best validation accuracy, {chosen['val_accuracy']:.3f}"
    checkpoint.say(verbose, f"{run}: {best}; evaluating on {len(ds.test)} test images")
    test_prob = machine.probabilities(describe(ds.test, progress=verbose))
    evaluate.write_scores(directory, ds, machine.probabilities(val_features), test_prob, record)


def _fit(training_data, experiment, seed, verbose):
    """The machine fitted on train and val (there is no test split here), and the features of val."""
    train, val = training_data.train, training_data.val
    features = [FEATURES[experiment.features](split, progress=verbose) for split in (train, val)]
    grid = experiment.kernel, experiment.Cs, experiment.gammas, experiment.landmarks
    count = len(training_data.class_names)
    machine = svm.fit_svm(features[0], train.labels, features[1], val.labels, *grid, count, seed, verbose)
    return machine, features[1]
