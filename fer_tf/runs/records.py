"""Run records: the settings of a run, what it was made with, and its results. All tables come from these records.

reports/runs/<run>/ holds record.json (settings, fingerprint, revision, versions, device), history.csv, predict.csv,
ground_truth.csv, figures/ and, written last, metrics.json: a run without it is unfinished.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from ..common.checks import InputError
from ..common.files import as_json, read_json, write_json
from ..common.paths import models_root, reports_root
from ..data import FaceDataset, dataset_spec, is_known
from ..data.sources import source_counts
from .environment import environment


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        name: <experiment>-<dataset>-<protocol>-seed<k>.
        directory: its record.
        model_path: its model.
        record: its settings, data and environment (record.json).
        metrics: its results (metrics.json); "second" has those of a second output (second.json), see
            `fer_tf.evaluation.second_metrics`.
    """

    name: str
    directory: Path
    model_path: Path
    record: dict
    metrics: dict

    @property
    def history(self) -> pd.DataFrame:
        """DataFrame, one row per epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""
        path = self.directory / "history.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @property
    def predictions(self) -> pd.DataFrame:
        """DataFrame, one row per test image: name, truth, copy_of, label, confidence, one column per class."""
        truth = pd.read_csv(self.directory / "ground_truth.csv", keep_default_na=False)
        return truth.rename(columns={"label": "truth"}).merge(pd.read_csv(self.directory / "predict.csv"), on="name")


# Options of a dataset that make it another task: their runs have different names. Of other options (where pictures
# come from, how large they are) the latest run has the name, and the one before it moves to reports/replaced/.
NAMED_OPTIONS = ("label_mode", "raters", "classes", "fold", "train_share", "difficulty", "targets")


# An accuracy on fewer of your own test pictures is marked as rough.
FEW_TEST = 100


def run_name(experiment: str, dataset: str, protocol: str, seed: int, options: dict | None = None) -> str:
    """<experiment>-<dataset>-<protocol>-seed<k>; the protocol is followed by the `task_names` of the options.

    The parts of a joined dataset have "_" between them: "+" is between the names of several runs.
    """
    return "-".join([experiment, dataset.replace("+", "_"), protocol, *task_names(options or {}), f"seed{seed}"])


def task_names(options: dict) -> list[str]:
    """The parts of a run's name for the `NAMED_OPTIONS` of its dataset, or of the parts of a joined one."""
    named = [key for key, value in options.items() if value is not None and _own_name(key) in NAMED_OPTIONS]
    names = [_task_name(key, options[key]) for key in sorted(named, key=lambda key: (_place(key), key))]
    return [name for name in names if name]


def _own_name(key):
    """An option's name without its dataset: that of "ckplus.fold" is "fold"."""
    return key.rpartition(".")[2]


def _place(key):
    return NAMED_OPTIONS.index(_own_name(key))


def _task_name(key, value):
    text = "_".join(value) if isinstance(value, tuple | list) else value
    if _own_name(key) == "targets":  # what is learned next to the classes; "+" joins the names of teachers
        text = value.partition("+")[2]
    source = key.rpartition(".")[0]
    name = text if isinstance(text, str) else f"{_own_name(key)}{text}"
    return f"{source}_{name}" if source and name else name


def option_words(options: dict) -> list[str]:
    """A dataset's options as words of a command line."""
    texts = {key: ",".join(value) if isinstance(value, tuple | list) else value for key, value in options.items()}
    return [word for key, text in texts.items() for word in ("--option", f"{key}={text}")]


def setting_words(settings: dict) -> list[str]:
    """Settings of an experiment as words of a command line."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def run_directory(name: str) -> Path:
    """The folder with the record of the run `name`."""
    return reports_root() / "runs" / name


def model_path(name: str) -> Path:
    """The model file of the run `name`."""
    return models_root() / f"{name}.h5"


def read_run(directory: Path) -> Run:
    """The finished run recorded in `directory`; `InputError` if there is none."""
    directory = Path(directory)
    record, metrics = read_record(directory), read_json(directory / "metrics.json")
    if not record or not metrics or record.get("fingerprint") != metrics.get("fingerprint"):
        raise InputError(f"{directory}: holds no finished run (record.json and metrics.json of one fingerprint)")
    second = read_json(directory / "second.json")
    if second.get("fingerprint") == record["fingerprint"]:
        metrics["second"] = second["test"]
    return Run(directory.name, directory, model_path(directory.name), record, metrics)


def read_record(directory: Path) -> dict:
    """The record of a run, finished or not; {} where there is none."""
    return read_json(Path(directory) / "record.json")


def finished_runs(root: str | Path | None = None) -> list:
    """All finished runs of experiments below reports/runs/ (or `root`), by name. Unfinished runs are skipped."""
    runs = _finished_below(Path(root) if root else reports_root() / "runs")
    return [run for run in runs if "experiment" in run.record]


def finished_evaluations() -> list:
    """All evaluations of saved models on a set's test split below reports/evaluations/, by name."""
    return _finished_below(reports_root() / "evaluations")


def finished_ensembles(root: str | Path | None = None) -> list[Run]:
    """The ensembles below reports/evaluations/ (or `root`), by name; their record has the members."""
    runs = _finished_below(Path(root) if root else reports_root() / "evaluations")
    return [run for run in runs if "members" in run.record]


def _finished_below(root):
    runs = []
    for path in sorted(root.glob("*/metrics.json")):
        with contextlib.suppress(InputError):
            runs.append(read_run(path.parent))
    return runs


def lock_file(path: Path) -> IO | None:
    """An open file that holds a lock as long as it is open, in this process or in one that inherits it.

    Returns: None if another process has the lock. On a system without file locks there is always a file: two runs of
        one name at once are then up to the user.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "w")  # noqa: SIM115
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
    return file


@contextlib.contextmanager
def locked(name: str) -> Iterator:
    """Keeps a second process from writing the same run. The lock is released when its process ends, even if killed."""
    file = lock_file(run_directory(f".{name}.lock"))
    if file is None:
        raise InputError(f"{name}: is being run by another process; wait for it, or stop it")
    with file:
        yield


def data_facts(ds: FaceDataset, options: dict) -> dict:
    """What every record says about its data. If this changes, it is another run.

    Args:
        ds, options: a dataset and the options that it was loaded with.
    """
    return {
        "dataset": ds.name,
        "protocol": ds.protocol,
        "dataset_options": {key: str(value) for key, value in options.items()},
        "class_names": list(ds.class_names),
        "image_shape": list(ds.image_shape),
        "dataset_fingerprint": ds.fingerprint(),
        "dataset_source": ds.source,
    }


def about_run(experiment: Any, ds: FaceDataset, options: dict, settings_changes: list) -> dict:
    """The descriptive part of a record: source, claims and notes. Results do not depend on it.

    Args:
        experiment: with its source and claims.
        ds, options: its dataset and the options of it. `ds.deviation` says how the copy on disk differs from the
            published set. Another fold or label mode is another task, named in the run, and not a reduction.
        settings_changes: sentences on how its settings are less than the source's.
    Returns: dict; "reduced" says in which ways the run is smaller than its source's, "" if it is not. "sources" counts
        the images of each source where the dataset is joined of several.
    """
    usual, other_tasks = dataset_spec(ds.name).options, ("fold", "label_mode")
    changed = {key: value for key, value in options.items() if value != usual.get(key)}
    chosen = [f"{key} {value}" for key, value in changed.items() if _own_name(key) not in other_tasks]
    sources = source_counts(ds)
    return {
        "reduced": "; ".join(filter(None, [*settings_changes, ", ".join(chosen), ds.deviation])),
        "source": experiment.source,
        "claims": list(experiment.claims),
        "typed_options": options,
        "notes": [*ds.notes, *few_pictures(ds)],
        "counts": ds.counts().to_dict(),
        **({"sources": sources} if sources else {}),
    }


def few_pictures(ds: FaceDataset) -> list[str]:
    """A warning, as a list of none or one, if your own dataset has fewer than `FEW_TEST` test pictures."""
    count = int((ds.table["split"] == "test").sum())
    if not is_known(ds.name) or not dataset_spec(ds.name).own_classes or not 0 < count < FEW_TEST:
        return []
    # all right: the bootstrap's interval is then a point, the lower bound of Clopper and Pearson (1934) is not
    lowest = 100 * 0.025 ** (1 / count)
    return [
        f"only {count} test pictures: one more error lowers the accuracy by {100 / count:.0f} points. Read the 95 % "
        f"interval (if all {count} are right, accuracies from {lowest:.0f} % are possible), and collect more pictures "
        "before you compare models"
    ]


def begin(directory: Path, record: dict) -> dict:
    """Marks a run or an evaluation as unfinished and writes its record, with the environment.

    Returns: dict of fingerprint and environment, for `write_training`.
    """
    (directory / "metrics.json").unlink(missing_ok=True)
    made_with = environment()
    write_json(directory / "record.json", {**record, "environment": made_with})
    return {"fingerprint": record["fingerprint"], "environment": made_with}


def write_training(directory: Path, beginning: dict, facts: dict) -> None:
    """Writes what is known about a model and its training to training.json.

    Args:
        directory: of the record.
        beginning: dict from `begin`.
        facts: such as parameters, epochs and seconds; metrics.json repeats them.
    """
    write_json(directory / "training.json", {**beginning, **facts})


def refresh(directory: Path, record: dict) -> None:
    """Writes record.json if it differs, with the environment of the training instead of this call's."""
    full = {**record, "environment": read_json(directory / "training.json")["environment"]}
    if read_record(directory) != as_json(full):
        write_json(directory / "record.json", full)


def swap_in(name: str, fingerprint: str) -> None:
    """Makes reports/runs/<name> the place of the run with this fingerprint.

    A finished run of another fingerprint moves to reports/replaced/ with its model. The run itself comes back from
    there if it was put aside before.
    """
    directory, current = run_directory(name), read_json(run_directory(name) / "metrics.json").get("fingerprint", "")
    replaced = swap_folders(directory, current, fingerprint, reports_root() / "replaced" / name, model_path(name))
    if replaced:
        print(f"{name}: the finished run with other settings is kept in {replaced}", flush=True)


def has_model_aside(name: str, fingerprint: str) -> bool:
    """True if a finished run of this fingerprint was put aside together with its model."""
    folder = _aside(reports_root() / "replaced" / name, fingerprint)
    return all((folder / file).is_file() for file in ("metrics.json", "model.h5"))


def swap_folders(
    directory: Path, current: str, fingerprint: str, place: Path, model: Path | None = None
) -> Path | None:
    """Moves a folder aside, and brings back the one that had the given fingerprint.

    Args:
        directory: the folder.
        current: fingerprint of what is in it now; "" for nothing that must be kept.
        fingerprint: of what is to be in it; the folder is missing afterwards if nothing of it was put aside.
        place: where folders are put aside: the beginning of their paths, followed by "-" and a fingerprint.
        model: a model file that belongs to the folder and moves with it; None for none.
    Returns: where the folder is now, None if it was not put aside.
    """
    if current == fingerprint:
        return None
    replaced, earlier = _aside(place, current) if current else None, _aside(place, fingerprint)
    if replaced:
        _move_folder(directory, replaced)
        if model and model.is_file():
            shutil.move(model, replaced / "model.h5")
    if earlier.is_dir():
        if model and (earlier / "model.h5").is_file():
            model.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(earlier / "model.h5", model)
        _move_folder(earlier, directory)
    return replaced


def _aside(place, fingerprint):
    return place.with_name(f"{place.name}-{fingerprint[:8]}")


def _move_folder(source, target):
    """Moves a folder to where another one may be, which is removed."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)


def comparable_runs(ds: FaceDataset) -> list:
    """The finished runs that were tested on exactly the test images of a dataset.

    Synthetic faces of another seed are other pictures, so their runs are not comparable image by image.

    Raises: `InputError` if no trained model is among the runs.
    """
    tested_on = ds.test_fingerprint()
    runs = [run for run in finished_runs() if run.record.get("test_fingerprint") == tested_on]
    if all(run.record["experiment"] == "majority" for run in runs):
        raise InputError(
            f"no trained model on {ds.name} {ds.protocol} yet: run 02_custom_cnn, or `fer-tf train cnn`, first"
        )
    return runs


def finished_fingerprint(name: str) -> str | None:
    """The fingerprint of the finished run `name` whose model is there, or None."""
    with contextlib.suppress(InputError):
        run = read_run(run_directory(name))
        return run.record["fingerprint"] if run.model_path.is_file() else None
    return None
