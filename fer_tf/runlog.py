"""Run records: what a run was asked, what it stood on, what came out. Tables are rendered from these, never typed.

reports/runs/<run>/ holds record.json (settings, fingerprint, revision, versions, device), history.csv, predict.csv,
ground_truth.csv, figures/ and, written last, metrics.json: a run without it is unfinished.
"""

import ast
import hashlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from .checks import InputError
from .paths import models_root, project_root, reports_root, write_text

_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "opencv-python-headless")


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


def run_name(experiment, dataset, protocol, seed):
    """<experiment>-<dataset>-<protocol>-seed<k>."""
    return f"{experiment}-{dataset}-{protocol}-seed{seed}"


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
    if not record or not metrics:
        raise InputError(f"{directory}: holds no finished run (record.json and metrics.json)")
    return Run(directory.name, directory, model_path(directory.name), record, metrics)


def read_json(path):
    """A JSON file's content; {} where the file is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def read_record(directory):
    """What a run, finished or not, stands on; {} where there is none."""
    return read_json(Path(directory) / "record.json")


def finished_runs(root=None):
    """All finished runs below reports/runs/ (or `root`), by name."""
    root = Path(root) if root else reports_root() / "runs"
    return [read_run(path.parent) for path in sorted(root.glob("*/metrics.json"))]


def comparable_runs(dataset, protocol):
    """The finished runs on a dataset under a protocol; `InputError` if there is no trained model among them."""
    runs = [run for run in finished_runs() if (run.record["dataset"], run.record["protocol"]) == (dataset, protocol)]
    if not any(run.record["experiment"] != "majority" for run in runs):
        raise InputError(
            f"no trained model on {dataset} {protocol} yet: run 02_custom_cnn, or `fer-tf train cnn`, first"
        )
    return runs


def write_json(path, content):
    """Writes JSON readably and in one step."""
    write_text(path, json.dumps(content, indent=2, default=float) + "\n")


def environment():
    """Revision, versions and device a run stands on, as a dict."""
    return {"revision": git_revision(), "python": platform.python_version(), "platform": platform.platform(),
            "packages": package_versions(), "device": device_name(), "cores": os.cpu_count()}  # fmt: skip


def package_versions():
    """Versions of the packages that figures depend on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_revision():
    """Short revision of the checkout, "+changes" if its tracked files differ, "unknown" without git."""
    try:
        revision = _git("rev-parse", "--short", "HEAD")
        return revision + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments):
    command = ["git", "-C", str(project_root()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def device_name():
    """The accelerator's name, or the processor's."""
    if has_accelerator():
        import keras

        return f"{keras.distribution.list_devices()[0]}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def has_accelerator():
    """True if Keras's backend sees a GPU or TPU."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))
    return any(kind in device for device in keras.distribution.list_devices() for kind in ("gpu", "cuda", "tpu"))


def peak_memory_mb():
    """The process's highest resident memory so far, in MB (10^6 bytes); None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


def code_fingerprint(modules):
    """Hash of the modules' code without comments and docstrings, so that only changes of behaviour count."""
    digest = hashlib.sha256()
    for module in sorted(modules, key=lambda module: module.__name__):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        digest.update(ast.dump(_without_docstrings(tree)).encode())
    return digest.hexdigest()[:16]


def _without_docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
    return tree


def fingerprint(content):
    """Short hash of JSON content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def text_hash(path):
    """Short hash of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
