"""Where things are: the project's folders, the dataset folder, and writing a file so that nobody sees half of it."""

import os
from pathlib import Path


def expanded(path):
    """The `Path`, with `~` as the user's folder; as it stands where there is no such user."""
    return Path(os.path.expanduser(path))


def project_root():
    """The checkout the package lies in, or the working directory if it was installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def data_root(data_dir=None):
    """The folder with one folder a dataset: `data_dir`, else $FER_TF_DATA, else data/raw of the project."""
    chosen = data_dir or os.environ.get("FER_TF_DATA")
    if not chosen:
        return project_root() / "data" / "raw"
    path = expanded(chosen)
    # a notebook opened in JupyterLab stands in notebooks/, where "data/raw" means the project's
    is_elsewhere = not path.is_absolute() and not path.exists() and (project_root() / path).exists()
    return project_root() / path if is_elsewhere else path


def cache_root():
    """Where parsed datasets are kept: $FER_TF_CACHE, else data/cache of the project."""
    chosen = os.environ.get("FER_TF_CACHE")
    return expanded(chosen) if chosen else project_root() / "data" / "cache"


def reports_root():
    """Where runs write their records: $FER_TF_REPORTS, else reports/ of the project."""
    chosen = os.environ.get("FER_TF_REPORTS")
    return expanded(chosen) if chosen else project_root() / "reports"


def results_root():
    """Where the measured records that ship with the kit are."""
    return project_root() / "reports" / "results"


def models_root():
    """Where runs write their models: $FER_TF_MODELS, else models/ of the project."""
    chosen = os.environ.get("FER_TF_MODELS")
    return expanded(chosen) if chosen else project_root() / "models"


def bundled_root():
    """The small trained models that ship with the kit: bundled/ of `models_root()`, else of the project's models/."""
    own = models_root() / "bundled"
    return own if own.is_dir() else project_root() / "models" / "bundled"
