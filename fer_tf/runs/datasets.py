"""The dataset that an experiment or a finished run was trained and tested on."""

import ast

from .. import data
from ..common.checks import InputError
from ..common.hashes import fingerprint
from ..data.base import FaceDataset
from ..experiments.settings import Experiment
from . import records


def dataset_of(run: records.Run, data_dir: str | None = None, loaded: dict | None = None) -> FaceDataset:
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
    key = fingerprint(about)
    if key not in loaded:
        loaded[key] = _load(data_dir, *about)
    ds, limit = loaded[key], run.record["settings"]["limit"]
    if ds.test_fingerprint() != run.record["test_fingerprint"]:
        raise InputError(f"{run.name}: was tested on other images than {run.record['dataset']} holds now")
    return ds.limited(limit, run.record["seed"]) if limit else ds


def _load(data_dir, dataset, protocol, seed, options, image_size, image_channels):
    experiment = Experiment("", image_size=image_size, image_channels=image_channels)
    options = {key: _value(text) for key, text in options.items()}
    return load_for(experiment, dataset, data_dir, protocol, seed, options)


def _value(text):
    """An option's value out of its text in a record: a number, True, None, a tuple, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def load_for(
    experiment: Experiment,
    dataset: str,
    data_dir: str | None = None,
    protocol: str | None = None,
    seed: int = 0,
    options: dict | None = None,
) -> FaceDataset:
    """The dataset with pictures as the experiment wants them (its image_size and image_channels; 0: as they are)."""
    shape = {"size": experiment.image_size or None, "channels": experiment.image_channels or None}
    return data.load_dataset(dataset, data_dir, protocol, seed=seed, **{**shape, **(options or {})})


def check_splits(ds: data.FaceDataset, learns: bool = True) -> None:
    """Raises `InputError` if a split has no image or, for a model that `learns`, if train lacks a class."""
    counts = ds.counts()
    empty = [split for split in data.base.SPLITS if counts.loc["all", split] == 0]
    if empty:
        raise InputError(f"{ds.name} {ds.protocol}: no image in {', '.join(empty)}")
    absent = [name for name in ds.class_names if counts.loc[name, "train"] == 0]
    if absent and learns:
        raise InputError(
            f"{ds.name} {ds.protocol}: no training image of {', '.join(absent)}; leave them out by classes="
        )
