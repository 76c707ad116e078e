"""Distillation: a run learns the answers of other networks, next to the labels (Hinton et al. 2015).

Its teachers are finished runs, or models that ship with the kit.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

from .. import saving
from ..common import hashes
from ..common.checks import InputError
from ..data.base import FaceDataset, Split
from ..data.cache import cached_arrays
from ..data.images import convert
from ..emotions import class_name
from ..experiments.settings import Experiment
from ..experiments.table import EXPERIMENTS
from ..runs import records
from ..saving.bundled import bundled_path, bundled_records

_BATCH = 256


@dataclass(frozen=True)
class Teacher:
    """One or more trained models; their answer is the mean of their probabilities.

    Attributes:
        runs: names of the runs; the name of a bundled file where it is used in place of a run.
        models: `keras.Model`s on raw 0..255 pixels.
        class_names: C names in the student's order.
        fingerprint: of the runs or files.
    """

    runs: tuple
    models: tuple
    class_names: tuple
    fingerprint: str

    def answers(self, split: Split) -> np.ndarray:
        """The mean answer to each picture and to its mirror image, float32 [N, C]; computed once and kept."""
        digest = hashlib.sha256(f"{self.fingerprint} {self.class_names} ".encode())
        for part in split.store.described():
            digest.update(part)  # type: ignore[arg-type]
        digest.update(np.ascontiguousarray(split.rows).tobytes())
        return cached_arrays("teacher", digest.hexdigest(), lambda: {"answers": self._answers(split)}, ["answers"])[
            "answers"
        ]

    def _answers(self, split):
        parts = []
        for start in range(0, len(split), _BATCH):
            images = split.fetch(np.arange(start, min(start + _BATCH, len(split))))
            parts.append((self._mean(images) + self._mean(images[:, :, ::-1])) / 2)
        return np.concatenate(parts).astype(np.float32)

    def _mean(self, images):
        total = 0.0
        for model, columns in zip(self.models, self._columns(), strict=True):
            height, width, channels = saving.model_shape(model)
            seen = convert(images, (height, width), channels)
            total = total + np.asarray(model.predict_on_batch(seen))[:, columns]
        return total / total.sum(axis=1, keepdims=True)

    def live(self) -> Callable:
        """A function from changed pictures, float [B, H, W, C], to answers [B, C], for the input pipeline."""
        columns = self._columns()

        def answer(images):
            total = 0.0
            for model, chosen in zip(self.models, columns, strict=True):
                total = total + ops.take(model(_fitted(images, model), training=False), np.array(chosen), axis=1)
            return total / ops.sum(total, axis=1, keepdims=True)

        return answer

    def _columns(self):
        """For each model, which of its outputs answers each of the student's classes."""
        found = []
        for model in self.models:
            names = [class_name(name) for name in saving.model_info(model)["class_names"]]
            found.append([names.index(name) for name in self.class_names])
        return found


def _fitted(images, model):
    """Pictures at a model's size and with its channels, in `keras.ops`."""
    height, width, channels = saving.model_shape(model)
    if images.shape[1:3] != (height, width):
        images = ops.image.resize(images, (height, width), antialias=True, data_format="channels_last")
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return ops.repeat(images, 3, axis=-1)
    return ops.sum(images * np.array([0.299, 0.587, 0.114], "float32"), axis=-1, keepdims=True)


def teacher_names(experiment: Experiment, dataset: str, protocol: str, seed: int, options: dict) -> list:
    """The runs meant by an experiment's `teacher`: an experiment's name means its run on the same data and seed."""
    names = [name.strip() for name in experiment.teacher.split("+") if name.strip()]
    return [records.run_name(name, dataset, protocol, seed, options) if name in EXPERIMENTS else name for name in names]


def open_teacher(experiment: Experiment, ds: FaceDataset, seed: int = 0, options: dict | None = None) -> Teacher | None:
    """The teacher of an experiment, or None.

    The bundled model that was made from a run takes its place, so that students have the same teacher everywhere.

    Args:
        experiment: resolved; `teacher` names runs or experiments.
        ds: the student's dataset.
        seed, options: of the student's run.
    Raises: `InputError` for a run that is not finished, that was tested on other images than the student will be (its
        training images might be among them), or that does not know all classes; `ModelFileError` for a bundled file
        that is not the one that was measured.
    """
    names = teacher_names(experiment, ds.name, ds.protocol, seed, options or {})
    if not names:
        return None
    sources = [_source(name) for name in names]
    for source, _, record in sources:
        _check_knows_classes(source, record, ds)
        check_same_split(source, record, ds, "teacher")
    models = tuple(saving.load_model(path) for _, path, _ in sources)
    fingerprint = hashes.fingerprint([record["fingerprint"] for _, _, record in sources])
    return Teacher(tuple(source for source, _, _ in sources), models, tuple(ds.class_names), fingerprint)


def _source(name):
    """Name, model file and record of a teacher: the bundled model that was made from a run, else the run on disk."""
    bundled = bundled_from(name)
    if bundled is None:
        run = finished_run(name, "teacher")
        return name, run.model_path, run.record
    # one run can be bundled again in another way, so the file's own checksum counts
    return bundled["file"], bundled_path(bundled["file"]), {**bundled, "fingerprint": bundled["sha256"]}


def bundled_from(run: str) -> dict | None:
    """The record of the bundled Keras model that was made from a run, or None."""
    found = (record for record in bundled_records() if record["run"] == run and record["file"].endswith(".h5"))
    return next(found, None)


def finished_run(name: str, setting: str) -> records.Run:
    """The finished run with this name and a model file; `setting` is the setting that an error names."""
    try:
        run = records.read_run(records.run_directory(name))
    except InputError:
        raise InputError(f"{setting}: there is no finished run {name}; train it first, or name another") from None
    if not run.model_path.is_file():
        raise InputError(f"{setting}: the model of {name} is missing ({run.model_path})")
    return run


def _check_knows_classes(name, record, ds):
    known = [class_name(item) for item in record["class_names"]]
    absent = [item for item in ds.class_names if item not in known]
    if absent:
        raise InputError(f"teacher: {name} does not know {', '.join(absent)}")


def check_same_split(name: str, record: dict, ds: FaceDataset, setting: str) -> None:
    """Refuses a network that was tested on other images than `ds`: it may have learned images of its test.

    Args:
        name, record: of the run or the bundled model that another run learns from.
        ds: the dataset of the run that learns.
        setting: the setting that the error names.
    Raises: `InputError`.
    """
    same_split = (record["dataset"], record["protocol"]) == (ds.name, ds.protocol)
    if not same_split or record.get("test_fingerprint") != ds.test_fingerprint():
        raise InputError(
            f"{setting}: {name} was not trained on this split of {ds.name} {ds.protocol}: it may have learned "
            "pictures that are tested here"
        )
