"""Fine-tuning: a run that starts from a trained model and learns the classes of other pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from .. import models, saving
from ..common.checks import InputError, ModelFileError
from ..common.hashes import file_fingerprint
from ..common.paths import bundled_root, models_root
from ..data.base import FaceDataset, TrainingData
from ..emotions import class_name
from ..experiments.settings import Experiment
from ..explain.logits import logits_model
from ..layers import ClassOrder
from ..models import backbones
from ..models.transfer import is_pretrained
from ..runs.evaluate import training_overlap
from . import fitting

# The experiment, and its model.
FINE_TUNE = backbones.TUNED


@dataclass(frozen=True)
class Start:
    """The model that a run starts from.

    Attributes:
        path: of its file.
        model: `keras.Model` on raw 0..255 pixels. Its layers become a part of the new model, so it is used once.
        fingerprint: of the file.
    """

    path: Path
    model: keras.Model
    fingerprint: str

    @property
    def class_names(self) -> list[str]:
        """The kit's names of its classes, in the order of its outputs."""
        return [class_name(name) for name in saving.model_info(self.model)["class_names"]]

    def about(self) -> dict:
        """What a record and a model file say about it: file, fingerprint, class_names and its own provenance."""
        info = saving.model_info(self.model)
        facts = {"file": self.path.name, "fingerprint": self.fingerprint, "class_names": self.class_names}
        return {**facts, "provenance": info.get("provenance", {})}

    def notes(self, ds: FaceDataset) -> list[str]:
        """What a run takes over from it and which classes are new, and a warning if it may know the test images."""
        new = [name for name in ds.class_names if name not in self.class_names]
        kept = [name for name in ds.class_names if name in self.class_names]
        parts = [f"its head knows {', '.join(kept)}" if kept else "none of its classes is among these"]
        parts += [f"new are {', '.join(new)}"] if new else []
        provenance = saving.model_info(self.model).get("provenance", {})
        overlap = [f"{self.path.name}: {note}" for note in training_overlap(provenance, ds)]
        return [f"started from {self.path.name}: {'; '.join(parts)}", *overlap]

    def settings(self, experiment: Experiment) -> Experiment:
        """The experiment with the pictures' size and channels that the model takes, and with the file's short name.

        Raises: `InputError` for another size, other channels or another precision, or a model that takes no square
            pictures.
        """
        if experiment.precision != "float32":
            raise InputError(f"precision: {FINE_TUNE} computes in float32 alone; received {experiment.precision!r}")
        height, width, channels = saving.model_shape(self.model)
        if height != width:
            raise InputError(f"from: {self.path.name} takes pictures of {height}×{width} px; they must be square")
        for key, value in (("image_size", height), ("image_channels", channels)):
            if getattr(experiment, key) not in (0, value):
                raise InputError(f"{key}: {self.path.name} takes {value}; received {getattr(experiment, key)}")
        name = self.path.name if self.path.parent in (models_root(), bundled_root()) else str(self.path)
        return replace(experiment, weights=name, image_size=height, image_channels=channels)

    def with_new_head(self, training_data: TrainingData, experiment: Experiment, seed: int) -> keras.Model:
        """The model that training begins with, as `fitting.start` gives it for other experiments.

        The weights of the head are taken over for classes that the starting model knows. A new class begins with the
        mean of all of them.

        Args:
            training_data, experiment, seed: see `fitting.fit`.
        Raises: `InputError` if the model has no linear layer before its softmax, or not the layers of `unfreeze`.
        """
        features, dense, columns = self._cut()
        keras.utils.set_random_seed(seed)
        model = models.build_model(
            FINE_TUNE,
            training_data.image_shape,
            len(training_data.class_names),
            trunk=features,
            dropout=experiment.dropout,
            l2=experiment.l2,
        )
        if dense is not None:
            _take_over(model.get_layer("scores"), dense, self._sources(training_data.class_names, columns))
        for phase in fitting.phases(experiment):
            backbones.check_unfreeze(model, phase.unfreeze)
        return model

    def _cut(self):
        """`cut_head` of the model, with an error that names the file."""
        try:
            return cut_head(self.model)
        except InputError as error:
            raise InputError(f"from: {self.path.name} cannot be fine-tuned: {error}") from None

    def _sources(self, class_names, columns):
        """For each class the column of the starting model's head, -1 for a class that it does not know."""
        known = dict(zip(self.class_names, columns, strict=True))
        return [known.get(name, -1) for name in class_names]


def is_fine_tuned(experiment: Experiment) -> bool:
    """True if an experiment starts from a trained model."""
    return experiment.model == FINE_TUNE


def open_start(experiment: Experiment) -> Start:
    """Opens the model that an experiment starts from, its setting `weights`.

    Args:
        experiment: resolved; `weights` is a file of the kit, or the name of a run or of a bundled model.
    Raises: `InputError` if `weights` is empty; `ModelFileError` if the file is missing or was not made by the kit.
    """
    if not is_pretrained(experiment):
        raise InputError("from: missing; name the model to start from, for example `fer-tf train --from fer2013.h5`")
    try:
        path = saving.find_model(experiment.weights)
        model = saving.load_model(path)
    except ModelFileError as error:
        raise ModelFileError(f"from: {error}") from None
    return Start(path, model, file_fingerprint(path)[:16])


def cut_head(model: keras.Model) -> tuple[keras.Model, keras.layers.Dense | None, list[int]]:
    """Cuts a classifier before its last linear layer.

    Args:
        model: functional or Sequential `keras.Model` that ends in a softmax.
    Returns: the model up to its features [N, D], without dropout at the end; the last dense layer, None if it is a
        convolution whose map is averaged; and for each output of the model the layer's column, -1 for none.
    Raises: `InputError` if the model does not end in such a layer.
    """
    scores = logits_model(model)
    features, dense, order = _features(scores.outputs[0], list(range(model.output_shape[-1])))
    return keras.Model(scores.inputs[0], features), dense, order


def _features(tensor, order):
    """(features before the last linear layer, the layer, its column for each output) of the scores `tensor`."""
    operation, number, _ = tensor._keras_history
    before = operation._inbound_nodes[number].input_tensors[0]
    if isinstance(operation, ClassOrder):
        return _features(before, [operation.sources[place] if place >= 0 else -1 for place in order])
    if isinstance(operation, keras.Model):
        inner, dense, order = _cut_nested(operation, order)
        return inner(before), dense, order
    if isinstance(operation, keras.layers.Dense):
        return _without_dropout(before), operation, order
    if isinstance(operation, keras.layers.GlobalAveragePooling2D):
        convolution, place, _ = before._keras_history
        if isinstance(convolution, keras.layers.Conv2D):
            maps = convolution._inbound_nodes[place].input_tensors[0]
            return keras.layers.GlobalAveragePooling2D(name="tuned_pool")(maps), None, order
    raise InputError(f"its scores come from {type(operation).__name__}, not from a dense layer")


def _cut_nested(model, order):
    """`cut_head` for a model of scores inside another one."""
    features, dense, order = _features(model.outputs[0], order)
    return keras.Model(model.inputs[0], features, name=model.name), dense, order


def _without_dropout(tensor):
    operation, number, _ = tensor._keras_history
    if isinstance(operation, keras.layers.Dropout):
        return _without_dropout(operation._inbound_nodes[number].input_tensors[0])
    return tensor


def _take_over(scores, dense, sources):
    """Copies columns of a trained linear layer into a new one; -1 takes the mean of all columns.

    With random columns, new classes begin with large scores that mean nothing: on faces of FER2013 with one new class,
    the first answers were 11 points worse.
    """
    for name in ("kernel", "bias"):
        if getattr(dense, name, None) is None:
            continue
        old, new = (keras.ops.convert_to_numpy(getattr(layer, name)).copy() for layer in (dense, scores))
        for column, source in enumerate(sources):
            new[..., column] = old[..., source] if source >= 0 else old.mean(axis=-1)
        getattr(scores, name).assign(new.astype(np.float32))
