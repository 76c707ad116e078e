"""Where things are: the folders of the project, of datasets, of reports and of models."""

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """Returns the `Path` with `~` replaced by the user's folder. It is unchanged if there is no such user."""
    return Path(os.path.expanduser(path))


def project_root() -> Path:
    """The folder of the checkout that holds the package, or the working directory if it is installed elsewhere."""
    if os.environ.get("FER_TF_PROJECT"):  # a task of a cluster, whose package is a copy
        return Path(os.environ["FER_TF_PROJECT"])
    checkout = Path(__file__).resolve().parent.parent.parent
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def data_root(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder with one folder for each dataset: `data_dir`, else $FER_TF_DATA, else data/raw of the project."""
    chosen = data_dir or os.environ.get("FER_TF_DATA")
    if not chosen:
        return project_root() / "data" / "raw"
    path = expanded(chosen)
    # JupyterLab starts a notebook in notebooks/, but "data/raw" means the project's folder
    is_elsewhere = not path.is_absolute() and not path.exists() and (project_root() / path).exists()
    return project_root() / path if is_elsewhere else path


def cache_root() -> Path:
    """The folder for parsed datasets and exported models: $FER_TF_CACHE, else data/cache of the project."""
    return expanded(os.environ.get("FER_TF_CACHE") or project_root() / "data" / "cache")


def reports_root() -> Path:
    """The folder for the records of runs: $FER_TF_REPORTS, else reports/ of the project."""
    return expanded(os.environ.get("FER_TF_REPORTS") or project_root() / "reports")


def results_root() -> Path:
    """The folder of the measured records that ship with the kit."""
    return project_root() / "reports" / "results"


def models_root() -> Path:
    """The folder for the models of runs: $FER_TF_MODELS, else models/ of the project."""
    return expanded(os.environ.get("FER_TF_MODELS") or project_root() / "models")


def bundled_root() -> Path:
    """The folder of the models that ship with the kit: bundled/ in `models_root()`, else in the project's models/."""
    own = models_root() / "bundled"
    return own if own.is_dir() else project_root() / "models" / "bundled"
