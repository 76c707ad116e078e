"""The dataset that an experiment or a finished run was trained and tested on."""

import ast
import contextlib

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
    Raises: `InputError` if the dataset now holds other test images than the run was tested on.
    """
    loaded = {} if loaded is None else loaded
    record, settings, options = run.record, run.record["settings"], typed_options(run.record)
    if settings.get("salient_by"):
        raise InputError(f"{run.name}: was tested on pictures that another model's maps change; leave it out")
    shape = {key: settings[key] for key in ("image_size", "image_channels")}
    dataset, protocol, seed = (record[key] for key in ("dataset", "protocol", "seed"))
    key = fingerprint([dataset, protocol, seed, options, shape])
    if key not in loaded:
        loaded[key] = load_for(Experiment("", **shape), dataset, data_dir, protocol, seed, options)
    ds, limit = loaded[key], settings["limit"]
    if ds.test_fingerprint() != record["test_fingerprint"]:
        raise InputError(f"{run.name}: was tested on other images than {dataset} holds now")
    return ds.limited(limit, seed) if limit else ds


def typed_options(record: dict) -> dict:
    """The options of a run's dataset with their types; older records have them as text only."""
    return record["typed_options"] if "typed_options" in record else _typed(record["dataset_options"])


def _typed(texts):
    options = dict(texts)
    for key, text in texts.items():
        with contextlib.suppress(ValueError, SyntaxError):  # a text such as "soft" is not a literal
            options[key] = ast.literal_eval(text)
    return options


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
    if learns and len(ds.class_names) < 2:
        raise InputError(
            f"{ds.name} {ds.protocol}: has one class, {ds.class_names[0]}; a model needs pictures of two or more"
        )
    absent = [name for name in ds.class_names if counts.loc[name, "train"] == 0]
    if absent and learns:
        raise InputError(
            f"{ds.name} {ds.protocol}: no training image of {', '.join(absent)}; leave them out by classes="
        )


def check_classes_alone(ds: FaceDataset, learner: str) -> None:
    """Raises `InputError` for a dataset that was loaded with a second output, which this learner cannot learn."""
    if ds.second is not None:
        raise InputError(f"targets: {learner} learns the classes alone; use targets=expression")
