"""Fitting a model with a second output: classes and values (valence and arousal, or action units) at the same time.

The phases, the augmentation, the choice of the best epoch and the checkpoints are those of `fitting`. Only what is
learned differs: targets are [classes | values | known], and the model is trained with its two outputs side by side.
"""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from .. import layers
from ..common import sharing
from ..common.checks import InputError
from ..common.inference import Whole
from ..data.base import Split, TrainingData
from ..data.feeding import epoch_plan, pipeline
from ..experiments.settings import Experiment
from ..losses import concordance_loss
from ..models import backbones
from ..models.second_output import with_second_output
from ..runs.environment import has_accelerator
from . import compiling, fitting, matching
from .checkpoint import EpochKeeper, Progress

# Settings that change how `fitting` trains in ways that are not provided here -> the only value that can be used.
_FIXED = {"sizes": "", "teacher": "", "precision": "float32"}
# Mixup mixes known shares, too, in float32: two known values must give a known one, and what is mixed in by less than
# a thousandth does not count.
_KNOWN = 0.999


class BothLosses(keras.losses.Loss):
    """The loss of the classes plus `concordance_loss` of the values; both count the same.

    Args:
        of_classes: loss of targets [N, C] and outputs [N, C].
        classes: C.
    Call arguments:
        y_true: float [N, C + 2K]: targets, values (any number where unknown), and 1 for each known value, else 0.
        y_pred: float [N, C + K]: probabilities (or scores, for a hinge loss) and values.
    Returns: float [N].
    """

    def __init__(self, of_classes: keras.losses.Loss, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of_classes, self.classes = of_classes, classes

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """The loss of each picture; that of the values is the batch's."""
        begin, end = self.classes, y_pred.shape[-1]
        y_true = ops.cast(y_true, y_pred.dtype)
        of_classes = self.of_classes.call(y_true[:, :begin], y_pred[:, :begin])
        known = ops.cast(y_true[:, end:] > _KNOWN, y_pred.dtype)
        return of_classes + concordance_loss(y_true[:, begin:end], y_pred[:, begin:], known)


class _ClassAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of pictures whose most likely class is the label, 0..1; the values do not count."""

    def __init__(self, classes, name="accuracy", dtype=None):
        def hits(y_true, y_pred):
            return keras.metrics.categorical_accuracy(y_true[:, :classes], y_pred[:, :classes])

        super().__init__(hits, name=name, dtype=dtype)


class _PlanWithValues(epoch_plan.EpochPlan):
    """An epoch's plan whose `answers` are values and known shares, [N, 2K], instead of a teacher's probabilities."""

    @property
    def columns(self):
        return self.targets.shape[1] + self.answers.shape[1]


def values_and_known(values: np.ndarray) -> np.ndarray:
    """float [N, K] with NaN where unknown → float32 [N, 2K]: the values, 0 where unknown, and 1 for each known one."""
    is_known = ~np.isnan(values)
    return np.concatenate([np.where(is_known, values, 0), is_known], axis=1).astype(np.float32)


def check_settings(experiment: Experiment) -> None:
    """Raises `InputError` for settings that cannot be used together with a second output."""
    for key, value in _FIXED.items():
        if getattr(experiment, key) != value:
            raise InputError(
                f"targets: a second output cannot be learned with {key}={getattr(experiment, key)}; set {key} to "
                f"{value!r}, or take targets=expression"
            )


def fit(
    training_data: TrainingData, experiment: Experiment, seed: int, progress: Progress, model: keras.Model = None
) -> tuple[keras.Model, dict]:
    """Trains both outputs and returns the model with the weights of its best epoch by validation accuracy.

    Args:
        training_data: with `second`, and the values of its splits.
        experiment, seed, progress, model: see `fitting.fit`.
    Returns: the classifier, whose `fer_tf.common.inference.whole_of` has both outputs; and the facts of `fitting.fit`.
    Raises: `InputError` for settings or a model that cannot be used with a second output.
    """
    assert training_data.second is not None
    check_settings(experiment)
    model = fitting.start(training_data, experiment, seed) if model is None else model
    whole = Whole(with_second_output(model, training_data.second), training_data.second)
    (progress.directory / "history.csv").unlink(missing_ok=True)
    facts: dict = {}
    if experiment.epochs:
        keeper = EpochKeeper(whole.model, experiment, progress)
        _train(model, whole, training_data, experiment, seed, keeper)
        keeper.restore_best()
        if backbones.has_backbone(model):
            backbones.set_trainable(model, "", freeze_norm=False)
        facts = matching.matching_facts(progress.directory) if experiment.matching_epochs else {}
        facts |= {"precision": {"chosen": experiment.precision}, "codes": keeper.state["codes"]}
    history = keeper.state["history"] if experiment.epochs else []
    return whole.belongs_to(model), {**fitting.training_facts(whole.model, history), **facts}


def _train(model, whole, training_data, experiment, seed, keeper):
    """All phases, from where the checkpoint left off."""
    classes = len(training_data.class_names)
    of_classes = model.get_layer("scores").output if experiment.loss == "squared_hinge" else model.outputs[0]
    joined = keras.ops.concatenate([of_classes, whole.model.outputs[1]], axis=-1)
    trained = keras.Model(model.inputs[0], joined, name=model.name)
    an_epoch = -(-len(training_data.train) * experiment.passes // experiment.batch_size)
    done = keeper.resume()
    if experiment.matching_epochs and not done:
        matching.match(model, training_data, experiment, seed, keeper.progress)
    for phase in fitting.phases(experiment):
        if done >= phase.end or (phase.is_last and done > phase.start and keeper.is_over):
            continue
        fitting.free_layers(model, phase, experiment)
        rate = compiling.scheduled(experiment, phase.learning_rate, ((phase.end - phase.start) * an_epoch, an_epoch))
        trained.compile(
            compiling.optimizer(experiment, rate),
            BothLosses(compiling.loss_of(experiment), classes),
            metrics=[_ClassAccuracy(classes)],
            jit_compile=sharing.jit({"on": True, "off": False, "auto": has_accelerator()}[experiment.jit]),
        )
        keeper.begin(trained, phase, done)
        trained.fit(
            _batches(training_data.train, experiment, seed, max(done, phase.start), phase.end),
            initial_epoch=max(done, phase.start),
            epochs=phase.end,
            steps_per_epoch=an_epoch,
            validation_data=pipeline.evaluation_batches(_wide(training_data.val)),
            callbacks=sharing.callbacks([keeper]),
            verbose=0,
            shuffle=False,
        )
        done = phase.end


def _batches(split, experiment, seed, first, end):
    """The augmented batches of the epochs first .. end - 1, with targets [B, C + 2K]."""
    plan = fitting.planned(split, experiment, seed, values_and_known(split.values), _PlanWithValues)
    stages = layers.augmentation_stages(experiment.augmentation())
    return pipeline.training_batches(split, plan, stages, layers.mix, first, end)


def _wide(split: Split) -> Split:
    """The split with targets [N, C + 2K], for validation."""
    assert split.values is not None
    targets = [epoch_plan.target_matrix(split), values_and_known(split.values)]
    return replace(split, probabilities=np.concatenate(targets, axis=1))
