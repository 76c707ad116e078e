"""Run records: what a run was asked, what it stood on, what came out. Tables are rendered from these, never typed.

reports/runs/<run>/ holds record.json (settings, fingerprint, revision, versions, device), history.csv, predict.csv,
ground_truth.csv, figures/ and, written last, metrics.json: a run without it is unfinished.
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..common.checks import InputError
from ..common.files import read_json
from ..common.hashes import (
    code_fingerprint,  # noqa: F401
)
from ..common.paths import models_root, reports_root


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        name: <experiment>-<dataset>-<protocol>-seed<k>.
        directory: its record.
        model_path: its model.
        record: what it was asked and stood on (record.json).
        metrics: what came out (metrics.json).
    """

    name: str
    directory: Path
    model_path: Path
    record: dict
    metrics: dict

    @property
    def history(self):
        """DataFrame, one row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""
        path = self.directory / "history.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @property
    def predictions(self):
        """DataFrame, one row a test image: name, truth, copy_of, label, confidence, a column a class."""
        truth = pd.read_csv(self.directory / "ground_truth.csv", keep_default_na=False)
        return truth.rename(columns={"label": "truth"}).merge(pd.read_csv(self.directory / "predict.csv"), on="name")


# Options of a dataset that make it another task: their runs stand beside each other. Of other options (where pictures
# come from, how large they are) the latest run has the name, and the one before it is put aside.
NAMED_OPTIONS = ("label_mode", "classes", "fold", "train_share", "difficulty")


def run_name(experiment, dataset, protocol, seed, options=None):
    """<experiment>-<dataset>-<protocol>-seed<k>; the protocol is followed by options that make another task."""
    parts = [_named(key, options[key]) for key in NAMED_OPTIONS if (options or {}).get(key) is not None]
    return "-".join([experiment, dataset, protocol, *parts, f"seed{seed}"])


def _named(key, value):
    if isinstance(value, tuple | list):
        return "_".join(value)
    return value if isinstance(value, str) else f"{key}{value}"


def run_directory(name):
    """Where the record of the run `name` lies."""
    return reports_root() / "runs" / name


def model_path(name):
    """Where the model of the run `name` lies."""
    return models_root() / f"{name}.h5"


def read_run(directory):
    """The finished run recorded in `directory`; `InputError` if there is none."""
    directory = Path(directory)
    record, metrics = read_record(directory), read_json(directory / "metrics.json")
    if not record or not metrics or record.get("fingerprint") != metrics.get("fingerprint"):
        raise InputError(f"{directory}: holds no finished run (record.json and metrics.json of one fingerprint)")
    return Run(directory.name, directory, model_path(directory.name), record, metrics)


def read_record(directory):
    """What a run, finished or not, stands on; {} where there is none."""
    return read_json(Path(directory) / "record.json")


def finished_runs(root=None):
    """All finished runs of experiments below reports/runs/ (or `root`), by name; unfinished ones are passed over."""
    root = Path(root) if root else reports_root() / "runs"
    found = []
    for path in sorted(root.glob("*/metrics.json")):
        with contextlib.suppress(InputError):
            found.append(read_run(path.parent))
    return [run for run in found if "experiment" in run.record]


def finished_evaluations():
    """All evaluations of saved models on a set's test split below reports/evaluations/, by name."""
    found = []
    for path in sorted((reports_root() / "evaluations").glob("*/metrics.json")):
        with contextlib.suppress(InputError):
            found.append(read_run(path.parent))
    return found


@contextlib.contextmanager
def locked(name):
    """Keeps a second process from writing the same run; the lock goes with its process, also if that is killed."""
    path = run_directory(f".{name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass  # a system without file locks: two runs of one name at once are then up to the user
        except OSError:
            raise InputError(f"{name}: is being run by another process; wait for it, or stop it") from None
        yield


def put_aside(name, fingerprint):
    """Moves a finished run and its model to reports/replaced/, from where `bring_back` gets them."""
    aside = _aside(name, fingerprint)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for path in run_directory(name).iterdir():
        shutil.move(path, aside / path.name)
    shutil.move(model_path(name), aside / "model.h5")
    print(f"{name}: the finished run with other settings is kept in {aside}", flush=True)


def bring_back(name, fingerprint):
    """Restores a run that was put aside, if there is one of this fingerprint."""
    if not is_aside(name, fingerprint):
        return
    aside = _aside(name, fingerprint)
    model_path(name).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(aside / "model.h5", model_path(name))
    for path in aside.iterdir():
        target = run_directory(name) / path.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(path, target)
    aside.rmdir()


def is_aside(name, fingerprint):
    """True if `bring_back` would find a whole run of this fingerprint."""
    return all((_aside(name, fingerprint) / file).is_file() for file in ("metrics.json", "model.h5"))


def _aside(name, fingerprint):
    return reports_root() / "replaced" / f"{name}-{fingerprint[:8]}"


def comparable_runs(ds):
    """The finished runs that were tested on a dataset's very test images; `InputError` if no trained model is among
    them. Synthetic faces of another seed are other pictures, so their runs are not comparable image by image."""
    wanted = ds.test_fingerprint()
    runs = [run for run in finished_runs() if run.record.get("test_fingerprint") == wanted]
    dataset, protocol = ds.name, ds.protocol
    if not any(run.record["experiment"] != "majority" for run in runs):
        raise InputError(
            f"no trained model on {dataset} {protocol} yet: run 02_custom_cnn, or `fer-tf train cnn`, first"
        )
    return runs


def finished_fingerprint(name):
    """The fingerprint of the finished run `name` whose model is there, or None."""
    with contextlib.suppress(InputError):
        run = read_run(run_directory(name))
        return run.record["fingerprint"] if run.model_path.is_file() else None
    return None
