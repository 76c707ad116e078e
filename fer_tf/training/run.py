"""Runs an experiment: fits on train, selects on val, reads test once and writes a record."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from .. import data, experiments, explain, layers, losses, models, saving
from ..common import hashes
from ..common.checks import InputError
from ..common.files import as_json, read_json
from ..data.base import FaceDataset
from ..data.feeding import epoch_plan, pipeline
from ..experiments.settings import Experiment
from ..explain import logits
from ..layers import concordance
from ..models import second_output as second_head
from ..models.drawn_weights import backbones_root
from ..models.transfer import is_pretrained
from ..runs import evaluate, records, second
from ..runs.datasets import check_splits, load_for
from . import (
    checkpoint,
    compiling,
    distillation,
    distribution,
    face_net_runs,
    face_nets,
    fine_tuning,
    fitting,
    identities,
    matching,
    second_output,
)
from .distillation import Teacher
from .fine_tuning import Start


def run_experiment(
    name: str,
    dataset: str = "synthetic",
    protocol: str | None = None,
    seed: int = 0,
    size: str = "full",
    data_dir: str | None = None,
    dataset_options: dict | None = None,
    force: bool = False,
    verbose: bool = True,
    **overrides,
) -> records.Run:
    """Trains and evaluates an experiment, or returns its record if nothing it depends on has changed.

    An interrupted run resumes after its last finished epoch and gives the same result. A finished run of the same name
    with other settings moves to reports/replaced/ and comes back when you ask for it again.

    Args:
        name: a key of `EXPERIMENTS`.
        dataset, protocol, data_dir: see `load_dataset`.
        seed: of initial weights, order, augmentation and of the protocol's draws.
        size: "full", "quick" or "smoke".
        dataset_options: dict of further options of `load_dataset`.
        force: run again from the beginning even if the record is up to date.
        verbose: a bar over batches and one line per epoch.
        **overrides: single settings of `Experiment`.
    Returns: `fer_tf.runs.records.Run`: metrics, directory, model_path, history, predictions. On a host other than that
        of rank 0, record and metrics are rank 0's, and the files are on its host.
    """
    distribution.use_environment()
    experiment = experiments.resolve(name, size, overrides)
    start = fine_tuning.open_start(experiment) if fine_tuning.is_fine_tuned(experiment) else None
    experiment = start.settings(experiment) if start else experiment
    options = {key: value for key, value in (dataset_options or {}).items() if (key, value) != ("train_share", 1)}
    distribution.check(experiment)
    whole = load_for(experiment, dataset, data_dir, protocol, seed, options)
    ds = whole.limited(experiment.limit, seed) if experiment.limit else whole
    check_splits(ds, learns=experiment.epochs > 0)
    if experiment.salient_by:
        source = {"dataset": dataset, "protocol": protocol, "seed": seed, "size": size, "data_dir": data_dir}
        ds = _salient(ds, experiment, overrides, verbose, dataset_options=dataset_options, **source)
    run = records.run_name(name, dataset, ds.protocol, seed, options)
    directory = records.run_directory(run)
    if ds.second is not None:
        second_output.check_settings(experiment)
    teacher = distillation.open_teacher(experiment, whole, seed, options)
    opened = face_net_runs.with_file(experiment, whole, seed, options)
    if start and start.path.resolve() == records.model_path(run).resolve():
        raise InputError(f"from: {start.path.name} is the model of this very run; take another --seed")
    record = run_record(name, experiment, ds, size, seed, options, teacher, start, opened)
    record["test_fingerprint"] = whole.test_fingerprint()  # limited runs compare with each other on what they share
    begin = start.with_new_head if start else fitting.start
    distribution.compare(record)
    group = distribution.group()
    if group is not None and not group.leads:
        return _follow(group, run, record, ds, opened, begin, teacher)
    with records.locked(run):
        # built before anything is moved or removed: settings that cannot be trained then change nothing
        learns = force or not _is_kept(run, record)
        model = _built(begin, ds, opened, seed, group) if learns else None
        records.swap_in(run, record["fingerprint"])
        if force:
            _forget(run, directory)
        if not _is_fitted(run, directory, record["fingerprint"]):
            _fit(run, directory, record, ds, opened, verbose, model, teacher)
        records.refresh(directory, record)
        _evaluate(run, directory, record, ds, verbose)
        return _finished(directory, group)


def _salient(ds, experiment, overrides, verbose, **source):
    """The dataset with pictures that `experiment.salient_by` has weighted; that experiment is trained first."""
    settings = {key: value for key, value in overrides.items() if key not in ("salient_by", "saliency")}
    trained = run_experiment(experiment.salient_by, **source, verbose=verbose, **settings)
    return explain.salient_dataset(saving.load_model(trained.model_path), ds, experiment.saliency, verbose)


def _built(begin, ds, experiment, seed, group):
    """The model that training begins with; the other processes of `group` build it at the same time."""
    if group is not None and group.leads:
        group.tell("learns")
    with distribution.scope():
        model = begin(ds.training_data(), experiment, seed)
    if ds.second is not None:
        second_head.check_features(model)
    return model


def _follow(group, run, record, ds, experiment, begin, teacher):
    """The part of a process other than rank 0 in a training on several hosts. It writes to a temporary folder alone."""
    kind, content = group.hear_one_of("learns", "finished")
    if kind == "learns":
        model = _built(begin, ds, experiment, record["seed"], group)
        with distribution.scratch(group) as folder:
            _trained(ds, experiment, record["seed"], _progress(run, folder, record, False), model, teacher)
        _, content = group.hear_one_of("finished")
    return records.Run(run, records.run_directory(run), records.model_path(run), content["record"], content["metrics"])


def _finished(directory, group):
    """The finished run; the other processes of `group` get its figures."""
    run = records.read_run(directory)
    if group is not None:
        group.tell("finished", as_json({"record": run.record, "metrics": run.metrics}))
    return run


def fine_tune(start: str | os.PathLike[str], dataset: str = "folder", **settings: Any) -> records.Run:
    """Fine-tunes a trained model on other pictures, with a new head where the classes differ.

    Args:
        start: a file of the kit (also one of `fer-tf adopt`), or the name of a run or of a bundled model.
        dataset, **settings: see `run_experiment`; the experiment is `fine_tune`.
    Returns: `fer_tf.runs.records.Run`; `fer_tf.predict.EmotionRecognizer(run.model_path)` predicts with it.
    Raises: `InputError` for a model that cannot be fine-tuned, and the errors of `run_experiment`.
    """
    return run_experiment(fine_tuning.FINE_TUNE, dataset, weights=os.fspath(start), **settings)


def _evaluate(run, directory, record, ds, verbose):
    """Reads the test split, unless the evaluation on disk is of these weights and this code."""
    if evaluate.is_current(directory, record) and second.is_current(directory, record, ds):
        checkpoint.say(verbose, f"{run}: up to date")
        return
    checkpoint.say(verbose, f"{run}: evaluating on {len(ds.test)} test images")
    model = saving.load_model(records.model_path(run))
    second.write_second(directory, model, ds, record)
    evaluate.write_evaluation(directory, model, ds, record)


def run_folds(
    name: str, dataset: str, protocol: str | None = None, dataset_options: dict | None = None, **settings
) -> list:
    """Runs an experiment on every fold of a dataset's protocol (CK+ `subject`: ten).

    Args:
        name, dataset, protocol, dataset_options, **settings: see `run_experiment`; `fold` is set here.
    Returns: list of `Run`, one per fold; `fer_tf.evaluation.comparison.folds_summary` sums them up.
    Raises: `InputError` if the protocol has no folds.
    """
    spec = data.dataset_spec(dataset)
    protocol = protocol or next(iter(spec.protocols))
    if protocol not in spec.folds:
        known = ", ".join(f"{key} ({value})" for key, value in spec.folds.items()) or "none"
        raise InputError(f"protocol: {dataset}'s protocols with folds are {known}; received {protocol!r}")
    options = [{**(dataset_options or {}), "fold": fold} for fold in range(spec.folds[protocol])]
    return [run_experiment(name, dataset, protocol, dataset_options=option, **settings) for option in options]


def run_settings(
    dataset: str,
    data_dir: str | None = "",
    protocol: str | None = "",
    seed: int = 0,
    size: str = "",
    overrides: str = "",
    dataset_options: str = "",
) -> dict:
    """The keyword arguments of `run_experiment` out of a notebook's flat parameters ("" is the default)."""
    return {
        "dataset": dataset,
        "data_dir": data_dir or None,
        "protocol": protocol or None,
        "seed": seed,
        "size": experiments.default_size(dataset, size),
        "dataset_options": data.parse_options(dataset, dataset_options),
        **experiments.parse_overrides(overrides),
    }


def run_record(
    name: str,
    experiment: Experiment,
    ds: FaceDataset,
    size: str,
    seed: int,
    options: dict,
    teacher: Teacher | None = None,
    start: Start | None = None,
    opened: Experiment | None = None,
) -> dict:
    """What a run depends on; its fingerprint changes when its weights might.

    Args:
        name, experiment, ds, size, seed, options: of the run.
        teacher, start: what it learns from and begins with; None: nothing.
        opened: the experiment with files in place of the names of runs, see `face_net_runs.with_file`.
    """
    basis = {
        "experiment": name,
        "settings": experiment.settings(),
        "seed": seed,
        **records.data_facts(ds, options),
        "code": hashes.code_fingerprint(_fitting_code(experiment, ds.second is not None)),
    }
    basis |= given_networks(opened or experiment, seed)
    basis |= {"teacher": teacher.fingerprint} if teacher else {}
    basis |= {"weights": start.fingerprint} if start else {}
    about = {
        "evaluation_code": evaluate.evaluation_code(),
        "size": size,
        **records.about_run(experiment, ds, options, [experiments.differences(name, experiment, size)]),
        "changed_settings": experiments.changed_settings(name, experiment),
        "backend": keras.backend.backend(),
        "teacher_runs": list(teacher.runs) if teacher else [],
    }
    if start:
        about |= {"started_from": start.about(), "notes": [*start.notes(ds), *about["notes"]]}
    # only what differs from the defaults: a setting that is added to the kit later does not make this another task
    defaults = Experiment("").settings()
    chosen = {key: value for key, value in basis["settings"].items() if value != defaults[key]}
    task = hashes.fingerprint({**basis, "settings": chosen, "code": ""})
    return {**basis, "fingerprint": hashes.fingerprint(basis), "task": task, **about}


def given_networks(experiment: Experiment, seed: int) -> dict:
    """Fingerprints of the pretrained networks that an experiment uses, by setting.

    A file of the same name can change later.
    """
    fingerprints = {}
    if fitting.needs_face_net(experiment):
        fingerprints["face_net"] = face_nets.face_net_fingerprint(experiment.face_net)
    if is_pretrained(experiment) and Path(experiment.weights).is_file():
        fingerprints["weights"] = hashes.file_fingerprint(experiment.weights)[:16]
    if experiment.weights == "drawn":
        fingerprints["weights"] = hashes.file_fingerprint(backbones_root() / "SHA256SUMS")[:16]
    return fingerprints


def _fitting_code(experiment, has_second=False):
    """The modules whose code decides the weights: not other models, other layers, metrics, plots or reports."""
    builder = import_module(models.MODELS[experiment.model].__module__)
    used = {builder, import_module(f"{layers.__name__}.augment"), import_module(f"{layers.__name__}.sampling")}
    fresh = {builder}
    while fresh:
        fresh = {module for item in fresh for module in _own_modules(item)} - used
        used |= fresh
    matching_code = {matching, face_nets, identities} if fitting.needs_face_net(experiment) else set()
    taught = {distillation} if experiment.teacher else set()
    taught |= {fine_tuning, logits} if fine_tuning.is_fine_tuned(experiment) else set()
    taught |= {second_output, second_head, concordance} if has_second else set()
    return {
        fitting,
        compiling,
        checkpoint,
        losses,
        epoch_plan,
        pipeline,
        pipeline.feeder(),
        *matching_code,
        *taught,
        *used,
    }


def _own_modules(module):
    """The modules of `models` and `layers` that a module's names come from."""
    names = {getattr(item, "__module__", None) for item in vars(module).values()}
    return {import_module(key) for key in names if str(key).startswith((f"{layers.__name__}.", f"{models.__name__}."))}


def _is_fitted(run, directory, fingerprint):
    """True if the run's model file and the facts of its training both have this fingerprint."""
    path = records.model_path(run)
    if not path.is_file() or read_json(directory / "training.json").get("fingerprint") != fingerprint:
        return False
    try:
        return saving.read_description(path)["provenance"]["fingerprint"] == fingerprint
    except (InputError, KeyError, TypeError):
        return False


def _is_kept(run, record):
    """True if this very run has been trained: it is fitted, or was put aside for another one of its name."""
    fingerprint = record["fingerprint"]
    return _is_fitted(run, records.run_directory(run), fingerprint) or records.has_model_aside(run, fingerprint)


def _forget(run, directory):
    """Deletes the files from which a run could be resumed or look finished."""
    for path in (*directory.rglob(checkpoint.CHECKPOINT), directory / "training.json", records.model_path(run)):
        path.unlink(missing_ok=True)


def _fit(run, directory, record, ds, experiment, verbose, model, teacher):
    """Fits `model` (None: built here). It writes the facts first, so that a killed run never looks finished."""
    with distribution.scope():
        beginning = records.begin(directory, record)
    checkpoint.say(verbose, f"{run}: {len(ds.train)} train, {len(ds.val)} val, {len(ds.test)} test images")
    progress = _progress(run, directory, record, verbose)
    if (group := distribution.group()) is not None:
        if model is None:  # the others have not built one
            raise InputError(f"{run}: its files are damaged; train it again with --force")
        if experiment.precision == "auto":  # measured on one host for all
            fitting.measured_precision(ds.training_data(), experiment, record["seed"], progress)
        group.send_files(directory, distribution.resumed_from(directory))
    model, facts = _trained(ds, experiment, record["seed"], progress, model, teacher)
    records.write_training(directory, beginning, facts)
    provenance = {
        "run": run,
        "experiment": record["experiment"],
        "fingerprint": record["fingerprint"],
        "dataset": ds.name,
        "protocol": ds.protocol,
        "seed": record["seed"],
        "dataset_fingerprint": record["dataset_fingerprint"],
    }
    if experiment.salient_by:
        provenance["salient_by"] = experiment.salient_by
    if "started_from" in record:
        provenance["started_from"] = record["started_from"]
    saving.save_model(model, records.model_path(run), ds.class_names, provenance)
    for path in directory.rglob(checkpoint.CHECKPOINT):
        path.unlink()


def _progress(run, directory, record, verbose):
    return fitting.Progress(directory, record["fingerprint"], run, verbose, record["task"], record["code"])


def _trained(ds, experiment, seed, progress, model, teacher):
    """Fits `model` on the chosen devices, with its history and checkpoint where `progress` says: model and facts."""
    with distribution.scope():
        if ds.second is None:
            return fitting.fit(ds.training_data(), experiment, seed, progress, model, teacher)
        return second_output.fit(ds.training_data(), experiment, seed, progress, model)
