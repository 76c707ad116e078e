"""Commands that train, evaluate, reproduce and report."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.quiet import import_keras
from .common import (
    Channels,
    Classes,
    DataDir,
    Dataset,
    Devices,
    Guess,
    Logits,
    Options,
    Pixels,
    Protocol,
    Settings,
    Size,
    app,
    declared,
    for_processes,
    tell,
)

if TYPE_CHECKING:
    from ..runs.records import Run


@app.command("list", epilog="Examples: `fer-tf list`, `fer-tf list settings`")
def list_command(
    what: Annotated[str, typer.Argument(help="all, or settings: every setting with default, range and help.")] = "all",
) -> None:
    """Lists datasets with their protocols, models, experiments, and runs on disk; or the settings of experiments."""
    import_keras()
    from ..common.checks import check_choice

    if check_choice("what", what, ("all", "settings")) == "settings":
        _print_settings()
        return
    from .. import data, experiments, models
    from ..runs import records

    print("datasets (protocols)")
    for name, spec in data.DATASETS.items():
        print(f"  {name:14} {spec.title} ({', '.join(spec.protocols)})")
    print("  several with + between them are one dataset: ferplus+rafdb+ckplus (own, six)")
    print(f"models\n  {', '.join(models.MODELS)}")
    print("experiments")
    for name, experiment in experiments.EXPERIMENTS.items():
        print(f"  {name:14} {experiment.source}")
    for name, reference in experiments.CLASSICAL.items():
        print(f"  {name:14} {reference.source} (`fer-tf classical`)")
    runs = records.finished_runs()
    print(f"runs on disk{'' if runs else chr(10) + '  none yet: fer-tf train cnn'}")
    for run in runs:
        reduced = f"  [reduced: {run.record['reduced']}]" if run.record["reduced"] else ""
        print(f"  {run.name:36} test accuracy {run.metrics['test']['accuracy']:.3f}{reduced}")


def _print_settings():
    """Two lines for each setting: its name, default and range, then its help."""
    from ..experiments import SETTINGS

    print("settings of experiments, for --set name=value (default; allowed)")
    for setting in SETTINGS.values():
        default = str(setting.default).lower() if setting.kind is bool else setting.default
        shown = "; ".join(filter(None, [str(default) if default != "" else "empty", setting.allowed]))
        print(f"  {setting.name} ({shown})\n      {setting.help}")


@app.command(
    epilog="Examples: `fer-tf train cnn` (synthetic faces), "
    "`fer-tf train cnn --dataset fer2013 --data-dir data/raw --set epochs=5`, "
    "`fer-tf train --from fer2013.h5 --dataset folder --data-dir mine` (your own pictures), "
    "`fer-tf train cnn --devices all` (DISTRIBUTED.md has several hosts)"
)
def train(
    experiment: Annotated[
        str | None, typer.Argument(help="An experiment; `fer-tf list` shows all [default with --from: fine_tune].")
    ] = None,
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order, augmentation and random splits.")] = 0,
    size: Size = "full",
    classes: Annotated[int | None, typer.Option(help="Use 6 emotions, 7 (adds neutral) or 8 (adds contempt).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.")] = None,
    options: Options = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    folds: Annotated[bool, typer.Option("--folds", help="Run every fold of the protocol and summarise them.")] = False,
    weights: Annotated[
        str | None, typer.Option(help="Short for --set weights=…: none, imagenet, drawn or a file.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Fine-tune this model: the name of a bundled model or of a run, or a file of the kit. Its head is "
            "replaced where the classes differ.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Run again from the beginning.")] = False,
    jit: Annotated[bool, typer.Option("--jit", help="Compile with XLA even on a CPU.")] = False,
    devices: Devices = "",
    hosts: Annotated[
        str,
        typer.Option(
            help="Train on several hosts: host:port of each, with commas between them; the first one writes the run. "
            "Needs KERAS_BACKEND=jax, and the same command on each host with its --rank."
        ),
    ] = "",
    rank: Annotated[int | None, typer.Option(help="This host's place in --hosts, from 0.")] = None,
) -> None:
    """Trains an experiment, selects on val, evaluates once on test, and writes a record to reports/runs/.

    The same command resumes an interrupted training after its last finished epoch.
    """
    experiment = _experiment(experiment, start)
    import_keras(wake=False)
    from ..experiments.resolve import is_used, parse_overrides, resolve

    overrides = parse_overrides(" ".join(settings or []))
    short_options = {"epochs": epochs, "jit": "on" if jit else None, "weights": start or weights}
    overrides |= {key: value for key, value in short_options.items() if value is not None}
    from ..data import parse_options
    from ..evaluation.comparison import folds_summary
    from ..training.distribution import started
    from ..training.run import run_experiment, run_folds

    resolved = resolve(experiment, size, overrides)
    if unused := [key for key in overrides if not is_used(key, resolved)]:
        tell(f"{', '.join(unused)}: {experiment} does not use this setting. It has no effect")
    dataset_options = parse_options(dataset, options or []) | ({"classes": classes} if classes else {})
    arguments = {"protocol": protocol, "seed": seed, "size": size, "data_dir": data_dir, "force": force, **overrides}
    with started(devices, hosts, rank):
        if folds:
            runs = run_folds(experiment, dataset, dataset_options=dataset_options, **arguments)
            print(folds_summary([(run.name, run.metrics) for run in runs]).round(4).to_string())
        else:
            print_run(run_experiment(experiment, dataset, dataset_options=dataset_options, **arguments))


def _experiment(experiment, start):
    """The experiment that `train` runs: `fine_tune` if there is a model to start from."""
    from ..common.checks import InputError

    if start and experiment not in (None, "fine_tune"):
        raise InputError(f"from: goes with the experiment fine_tune alone; leave {experiment} or --from out")
    if not start and experiment is None:
        raise typer.BadParameter("give an experiment (`fer-tf list` shows all), or --from MODEL")
    return experiment or "fine_tune"


def print_run(run: "Run") -> None:
    """Prints a run's test report, its accuracy with 95 % interval, its notes and the paths of record and model.

    For a joined dataset also the accuracy on each source.
    """
    from ..evaluation.comparison import source_scores
    from ..evaluation.tables import report_table
    from ..runs.second import metric_lines

    names = list(run.metrics["test"]["per_class"])
    print(report_table(run.metrics["test"], names).round(3).to_string(na_rep=""))
    test = run.metrics["test"]
    low, high = test["intervals"]["accuracy"]
    print(f"test accuracy {test['accuracy']:.4f} (95 % {low:.3f} to {high:.3f}), macro F1 {test['macro_f1']:.4f}")
    for line in metric_lines(run.metrics["second"]) if "second" in run.metrics else ():
        print(line)
    clean = run.metrics["without_copies"]
    if clean["in_either"] and clean["n"]:
        print(f"without the {clean['in_either']} test images that are also in train or val: {clean['accuracy']:.4f}")
    near = run.metrics.get("without_near_copies") or {"in_either": 0}
    if near["in_either"] and near["n"]:
        print(f"without the {near['in_either']} that have an exact or near copy there: {near['accuracy']:.4f}")
    for source, scores in source_scores(run.metrics).items():
        low, high = scores["intervals"]["accuracy"]
        print(f"on {source} alone: {scores['accuracy']:.4f} (95 % {low:.3f} to {high:.3f}, {scores['n']} images)")
    if run.record.get("reduced"):
        print(f"not the source's settings: {run.record['reduced']}")
    for note in run.record["notes"]:
        print(f"note: {note}")
    print(f"record {run.directory}{'' if run.directory.is_dir() else ' (on the host of rank 0)'}")
    if run.model_path.is_file():
        print(f"model  {run.model_path}")


@app.command(
    epilog="Examples: `fer-tf evaluate models/cnn-fer2013-official-seed0.h5 --dataset fer2013`, "
    "`fer-tf evaluate theirs.hdf5 --pixels -1..1 --classes fer2013 --dataset fer2013`"
)
def evaluate(
    model: Annotated[str, typer.Argument(help="A .h5, .keras, .onnx or .tflite file, or a SavedModel's folder.")],
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of random splits.")] = 0,
    data_dir: DataDir = None,
    options: Options = None,
    tta: Annotated[str, typer.Option(help="Views of each image to average over: none, flip or ten_crop.")] = "none",
    out: Annotated[
        Path | None, typer.Option(help="Folder for csv files and figures [default: reports/evaluations/…].")
    ] = None,
    pixels: Pixels = None,
    classes: Classes = None,
    channels: Channels = None,
    guess: Guess = False,
    logits: Logits = False,
) -> None:
    """Evaluates a saved model on a dataset's test split: report, csv files, confusion matrices."""
    import_keras()
    from ..data import load_dataset, parse_options
    from ..runs.averaged_views import evaluate_with_tta
    from ..saving.bundled import model_name
    from ..saving.declaration import declared_text
    from ..saving.keras_files import find_model, model_info
    from ..saving.opening import open_in_runtime
    from ..saving.runtimes import ExportedModel

    about = declared(model, pixels, classes, channels, guess, logits)
    loaded = open_in_runtime(model, None, about)  # before the dataset, so that a mistyped name is reported at once
    dataset_options = parse_options(dataset, options or [])
    ds = load_dataset(dataset, data_dir, protocol, seed=seed, **dataset_options)
    if note := declared_text(model_info(loaded).get("provenance", {})):
        ds.notes.append(note)
    path = loaded.path if isinstance(loaded, ExportedModel) else find_model(model)
    print_run(evaluate_with_tta(loaded, ds, model_name(path), tta, out, dataset_options))


@app.command(epilog="Example: `fer-tf classical hog_svm --dataset fer2013 --data-dir data/raw`")
def classical(
    name: Annotated[str, typer.Argument(help="Name from `fer-tf list`, such as hog_svm.")],
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of random splits, landmarks and words.")] = 0,
    size: Size = "full",
    options: Options = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Run again from the beginning.")] = False,
) -> None:
    """Fits a support vector machine on HOG, LBP or SIFT features, selects on val, tests once, writes a record."""
    import_keras()
    from ..data import parse_options
    from ..training.classical import run_classical

    dataset_options = parse_options(dataset, options or [])
    print_run(run_classical(name, dataset, protocol, seed, data_dir, size, dataset_options, force))


@app.command(epilog="Examples: `fer-tf reproduce`, `fer-tf reproduce --dataset fer2013 --set epochs=5 02_custom_cnn`")
def reproduce(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Names of notebooks [default: all, in order].")] = None,
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order, augmentation and random splits.")] = 0,
    size: Annotated[
        str, typer.Option(help="full, quick or smoke [default: quick for synthetic faces, else full].")
    ] = "",
    options: Options = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option(help="Also run notebooks that have not changed.")] = False,
    jobs: Annotated[
        int,
        typer.Option(
            help="Notebooks at the same time, each on its share of the cores "
            "[default: 2 for synthetic faces on several cores, else 1].",
            min=0,
        ),
    ] = 0,
    devices: Devices = "",
) -> None:
    """Executes the numbered notebooks and builds reports/index.html. Unchanged notebooks are skipped."""
    import_keras()
    for_processes(devices)
    from ..common.paths import project_root
    from ..runs.reproduce import default_jobs
    from ..runs.reproduce import reproduce as run_all
    from ..runs.teachers_page import build_teachers_page

    parameters = {
        "dataset": dataset,
        "data_dir": os.path.relpath(os.path.expanduser(data_dir), project_root()) if data_dir else "",
        "protocol": protocol or "",
        "seed": seed,
        "size": size,
        "overrides": " ".join(settings or []),
        "dataset_options": " ".join(options or []),
    }
    run_all(notebooks or None, parameters, force, jobs or default_jobs(dataset))
    print(f"for teachers: {build_teachers_page()}")


@app.command(epilog="Examples: `fer-tf pretrain cnn`, `fer-tf pretrain VGG16 --pictures 20000 --out /tmp/backbones`")
def pretrain(
    name: Annotated[str, typer.Argument(help="VGG16, MobileNet, cnn or identities.")],
    pictures: Annotated[int, typer.Option(help="Drawn faces to train on, 50 of each person.")] = 60_000,
    epochs: Annotated[int, typer.Option(help="Number of epochs [default: as in its recipe].")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and drawn people.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights and record [default: models/bundled/backbones].")
    ] = None,
) -> None:
    """Trains a small backbone on drawn people who are in no dataset: the weights that `weights=drawn` selects.

    The same command resumes an interrupted training after its last finished epoch.
    """
    import_keras()
    from ..training.pretraining import pretrain as train_backbone

    record = train_backbone(name, pictures, epochs, seed, out)
    print(f"{record['file']}: {record['bytes'] / 1e6:.2f} MB, {record['parameters']:,} parameters")
    print(
        "people that it has never seen: "
        + ", ".join(f"{key} {value}" for key, value in record["unseen_people"].items())
    )


@app.command(epilog="Example: `fer-tf report`")
def report() -> None:
    """Builds reports/index.html from the run records on disk, and for teachers reports/teachers.html."""
    import_keras()
    from ..runs.report import build_report
    from ..runs.teachers_page import build_teachers_page

    print(build_report())
    print(build_teachers_page())


@app.command(
    epilog="Examples: `fer-tf release cnn-fer2013-official-seed0`, `fer-tf release --queue queues/measured.csv`"
)
def release(
    runs: Annotated[list[str] | None, typer.Argument(help="Names of finished runs, or of ensembles.")] = None,
    queue: Annotated[str | None, typer.Option(help="All finished runs of this queue file.")] = None,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="Also include runs with smaller settings than those of their source.")
    ] = False,
) -> None:
    """Copies the records of finished runs into reports/results/, and updates the tables there and in README."""
    import_keras()
    from ..common.checks import InputError
    from ..runs.release import add_runs, render_results
    from ..training.queue_entries import read_queue
    from ..training.queue_state import finished_names

    if bool(runs) == bool(queue):
        raise InputError("release: give the names of runs, or --queue FILE")
    if queue:
        runs, left_out = finished_names(read_queue(queue), reduced)
        if left_out:
            print(f"left out, because they are reduced: {', '.join(left_out)} (--reduced adds them and marks them)")
    add_runs(runs or [], reduced)
    for path in render_results():
        print(path)


@app.command(
    epilog="Examples: `fer-tf bundle compact_tuned_taught-fer2013-official-seed1 fer2013.h5 --data-dir data/raw`; "
    "`fer-tf bundle compact_tiny-ferplus-official-soft-seed0 ferplus_tiny.tflite --data-dir data/raw`"
)
def bundle(
    run: Annotated[str, typer.Argument(help="Name of a finished run in reports/runs/.")],
    file: Annotated[str, typer.Argument(help="Name of the file that ships: .h5 (half precision) or .tflite (int8).")],
    data_dir: DataDir = None,
    adjust: Annotated[
        bool,
        typer.Option(
            "--adjust/--no-adjust",
            help="Adjust the scores on the validation split: first for rare classes, then for calibration.",
        ),
    ] = True,
) -> None:
    """Puts a run's model into models/bundled/, small, with its checksum, and measures the new file."""
    import_keras()
    from ..common.paths import models_root
    from ..runs.bundle import bundle_run

    record = bundle_run(run, file, data_dir, adjust)
    test, before = record["test"], record["test_accuracy_of_the_run"]
    print(f"{models_root() / 'bundled' / file}: {record['bytes'] / 1e6:.1f} MB")
    print(f"test accuracy {test['accuracy']:.4f} from the shipped file, {before:.4f} before")
