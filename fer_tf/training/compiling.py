"""Compiling a model for training: optimizer, rate schedule, loss; the same weights for pictures of other sizes."""

import keras
from keras import layers as keras_layers

from .. import losses
from ..common import sharing
from ..common.checks import InputError
from ..experiments.settings import Experiment
from ..runs.environment import has_accelerator


def compile_model(
    model: keras.Model, experiment: Experiment, learning_rate: float | None = None, steps: tuple = (0, 0)
) -> None:
    """Compiles for training; XLA is on with an accelerator, or as the experiment's `jit` says.

    Args:
        model: to be trained.
        experiment: resolved.
        learning_rate: of the phase; None: the experiment's.
        steps: of the whole phase and of one epoch, a pair; needed with `warmup`.
    """
    rate = learning_rate or experiment.learning_rate
    compile_with(model, optimizer(experiment, scheduled(experiment, rate, steps)), experiment)


def compile_with(model: keras.Model, its_optimizer: keras.Optimizer, experiment: Experiment) -> None:
    """Compiles a model with an optimizer that may have trained the same weights before."""
    wants_jit = sharing.jit({"on": True, "off": False, "auto": has_accelerator()}[experiment.jit])
    loss = loss_of(experiment)
    # an object, not its name: one made while the step is traced makes TensorFlow trace the step a second time
    model.compile(its_optimizer, loss, metrics=[losses.LabelAccuracy()], jit_compile=wants_jit)
    if model.jit_compile != wants_jit:  # some layers switch XLA off for the whole model without a word
        raise InputError(f"jit: {model.name} cannot be compiled by XLA, a layer in it does not support it")


def loss_of(experiment: Experiment) -> keras.losses.Loss:
    """The experiment's loss; `InputError` for settings of it that do not go together."""
    teacher = (experiment.teacher_share, experiment.temperature) if experiment.teacher else None
    return losses.classification_loss(experiment.label_smoothing, experiment.loss, teacher)


def scheduled(
    experiment: Experiment, rate: float, steps: tuple
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The rate as the optimizer takes it: a number that training sets every epoch or, with `warmup`, a schedule by
    steps: linear from zero to the rate, then a cosine to zero."""
    if not experiment.warmup:
        return rate
    total, an_epoch = steps
    warm = min(round(experiment.warmup * an_epoch), total - 1)
    return keras.optimizers.schedules.CosineDecay(0.0, total - warm, warmup_target=rate, warmup_steps=warm)


def optimizer(experiment: Experiment, rate: float | keras.optimizers.schedules.LearningRateSchedule) -> keras.Optimizer:
    """The experiment's optimizer with its weight decay, clipping and moving average of the weights."""
    options = {
        "weight_decay": experiment.weight_decay or None,
        "global_clipnorm": experiment.clip_norm or None,
        "use_ema": bool(experiment.ema),
        "ema_momentum": experiment.ema or 0.99,
    }
    if experiment.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **options)
    if experiment.optimizer == "adam":
        return keras.optimizers.Adam(rate, **options)
    adamw = keras.optimizers.AdamW(rate, **{**options, "weight_decay": experiment.weight_decay})
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adamw


def check_sizes(model: keras.Model) -> None:
    """Raises `InputError` for a model whose weights fit one picture size only: a flattened map, or a model inside."""
    for layer in model.layers:
        if isinstance(layer, keras_layers.Flatten | keras_layers.Reshape | keras.Model):
            raise InputError(f"sizes: {model.name} takes one picture size only, because of its layer {layer.name}")


def at_size(model: keras.Model, side: int) -> keras.Model:
    """The same layers, with the same weights, for square pictures of another side.

    Args:
        model: functional, with a head that pools; see `check_sizes`.
        side: pixels.
    """
    check_sizes(model)
    inputs = keras.Input((side, side, model.input_shape[-1]), name="image")
    return keras.models.clone_model(model, input_tensors=inputs, clone_function=lambda layer: layer)
