"""Fitting a model on train and val: phases, compiling, epochs, selection of the best one. No test split here."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from . import facenets, feature_matching, layers, losses, models, runlog
from .checks import InputError
from .data import pipeline, plan
from .keeper import EpochKeeper, Phase, say
from .models import backbones, transfer


@dataclass(frozen=True)
class Progress:
    """Where a fit leaves its history and checkpoint, and how it speaks.

    Attributes:
        directory: of the run.
        fingerprint: a checkpoint with another one is not resumed.
        name: for lines of progress.
        verbose: a bar over batches and a line an epoch.
    """

    directory: Path
    fingerprint: str
    name: str = ""
    verbose: bool = True


# Stage 2 of FaceNet2ExpNet; stage 1, "matching", has a history of its own.
JOINT = "joint"


def phases(experiment):
    """The phases of an experiment: the head's epochs, then the others shared evenly by the steps of `unfreeze`.

    A transfer model without pretrained weights has one phase: what is frozen would stay at random.
    """
    if transfer.starts_from_nothing(experiment):
        return [Phase("", 0, experiment.epochs, experiment.learning_rate)] if experiment.epochs else []
    total, head = experiment.epochs, min(experiment.head_epochs, experiment.epochs)
    steps = [step.strip() for step in experiment.unfreeze.split(",")] if total > head else []
    bounds = [head + round((total - head) * step / len(steps)) for step in range(len(steps))] + [total]
    found = [Phase("head", 0, head, experiment.head_learning_rate, None, is_last=not steps)] if head else []
    for step, unfreeze in enumerate(steps):
        name = f"fine-tuning {step + 1}" if head else JOINT if experiment.matching_epochs else ""
        is_last = step == len(steps) - 1
        found.append(Phase(name, bounds[step], bounds[step + 1], experiment.learning_rate, unfreeze, is_last))
    return [phase for phase in found if phase.end > phase.start]


def start(training_data, experiment, seed):
    """The model that a fit begins with, untrained. Writes nothing of a run.

    Args:
        training_data, experiment, seed: see `fit`.
    Raises: `InputError` for settings that cannot be built, or whose phases or stage 1 the model does not have.
    """
    # before the seed is set: whether the face net has to be trained first must make no difference
    is_matched = bool(experiment.matching_epochs and experiment.epochs)
    face_net = facenets.open_face_net(experiment.face_net, seed) if is_matched else None
    keras.utils.set_random_seed(seed)
    with _policy(experiment.precision):
        model = build(experiment, training_data)
    adapt(model, training_data.train)
    if model.trainable_variables and experiment.epochs:
        for phase in phases(experiment):
            _check_phase(model, phase, experiment)
    if is_matched:
        _check_depth(model, face_net, experiment)
    return model


def _check_depth(model, face_net, experiment):
    found = feature_matching._expression_net(model).output_shape[-1]
    if found != face_net.depth:
        raise InputError(f"depth: {experiment.face_net}'s maps have {face_net.depth} channels: --set "
                         f"depth={face_net.depth}; received {found}")  # fmt: skip


def _check_phase(model, phase, experiment):
    if backbones.has_backbone(model) and (transfer.is_pretrained(experiment) or not (phase.name or phase.unfreeze)):
        backbones.check_unfreeze(model, phase.unfreeze)
    elif phase.name not in ("", JOINT) or phase.unfreeze:
        raise InputError(f"head_epochs, unfreeze: {model.name} has no pretrained part; allowed are 0 and nothing")


def fit(training_data, experiment, seed, progress, model=None):
    """Builds and trains a model; the best epoch by validation accuracy is what comes back.

    Args:
        training_data: `TrainingData`; there is no test split in it.
        experiment: resolved `Experiment`.
        seed: int.
        progress: `Progress`.
        model: what `start` gave for the same arguments, if it has been called already.
    Returns: `keras.Model`, and the facts of its training as a dict: parameters, peak_memory_mb and, where it was
        trained by epochs, epochs, best_epoch, seconds_per_epoch, seconds.
    """
    model = start(training_data, experiment, seed) if model is None else model
    (progress.directory / "history.csv").unlink(missing_ok=True)
    if not model.trainable_variables or not experiment.epochs:
        return model, _facts(model, [])
    if transfer.starts_from_nothing(experiment):
        say(progress.verbose, f"{progress.name}: weights none, nothing is pretrained: all of it learns, in one phase")
    keeper = EpochKeeper(model, experiment, progress)
    trained = _with_scores_out(model) if experiment.loss == "squared_hinge" else model
    done = keeper.resume()
    if experiment.matching_epochs and not done:
        feature_matching.match(model, training_data, experiment, seed, progress)
    for phase in phases(experiment):
        if done >= phase.end or (phase.is_last and done > phase.start and keeper.is_over):
            continue
        _free(model, phase, experiment)
        compile_model(trained, experiment, phase.learning_rate)
        keeper.begin(trained, phase, done)
        _run_epochs(trained, training_data, experiment, seed, keeper, max(done, phase.start))
        done = phase.end
    keeper.restore_best()
    if backbones.has_backbone(model):
        # not `model.trainable = True`: setting what is already set reaches no layer below (TensorFlow's tracking)
        backbones.set_trainable(model, "", freeze_norm=False)
    facts = _facts(model, keeper.state["history"])
    facts |= feature_matching.matching_facts(progress.directory) if experiment.matching_epochs else {}
    return _as_float32(model, experiment, training_data), facts


@contextmanager
def _policy(name):
    """Layers made inside compute in `name`; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _as_float32(model, experiment, training_data):
    """The same weights in a model that computes in float32: what is saved predicts alike on every machine.

    Built with its pretrained weights once more: some families have further layers with them (see `load_backbone`).
    """
    if experiment.precision == "float32":
        return model
    plain = build(experiment, training_data)
    plain.set_weights(model.get_weights())
    return plain


def build(experiment, training_data):
    """The experiment's model for this data; settings go to the builder's options of the same name."""
    accepted = models.model_options(experiment.model)
    options = {key: value for key, value in experiment.settings().items() if key in accepted}
    return models.build_model(experiment.model, training_data.image_shape, len(training_data.class_names), **options)


def adapt(model, split):
    """Teaches layers that learn by counting, not by gradient (`adapt(labels)`), from the training labels."""
    for layer in model.layers:
        if isinstance(layer, layers.MajorityClass):
            layer.adapt(split.labels)


def _with_scores_out(model):
    """The same weights with the scores before the softmax as output: what the hinge loss works on."""
    return keras.Model(model.input, model.get_layer("scores").output, name=model.name)


def _free(model, phase, experiment):
    if backbones.has_backbone(model):
        backbones.set_trainable(model, phase.unfreeze, experiment.freeze_norm and transfer.is_pretrained(experiment))


def compile_model(model, experiment, learning_rate=None):
    """Compiles for training; XLA is on with an accelerator, or as the experiment's `jit` says."""
    wants_jit = {"on": True, "off": False, "auto": runlog.has_accelerator()}[experiment.jit]
    rate = learning_rate or experiment.learning_rate
    decay = experiment.weight_decay or None
    optimizer = {
        "adam": lambda: keras.optimizers.Adam(rate, weight_decay=decay),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay),
    }[experiment.optimizer]()
    loss = losses.classification_loss(experiment.label_smoothing, experiment.loss)
    # an object, not its name: one made while the step is traced makes TensorFlow trace the step a second time
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(optimizer, loss, metrics=[accuracy], jit_compile=wants_jit)
    if model.jit_compile != wants_jit:  # some layers switch XLA off for the whole model without a word
        raise InputError(f"jit: {model.name} cannot be compiled by XLA, a layer in it does not support it")


def _run_epochs(model, training_data, experiment, seed, keeper, first):
    split = training_data.train
    weights = plan.balanced_class_weights(split.labels, len(split.class_names)) if experiment.class_weights else None
    epoch_plan = plan.EpochPlan(
        plan.target_matrix(split), experiment.batch_size, seed, len(layers.DRAWS), experiment.sampling,
        experiment.mixup, weights,
    )  # fmt: skip
    stages = layers.augmentation_stages(experiment.augmentation())
    batches = pipeline.training_batches(split, epoch_plan, stages, layers.mix, first, keeper.phase.end)
    model.fit(
        batches, initial_epoch=first, epochs=keeper.phase.end, steps_per_epoch=epoch_plan.steps,
        validation_data=pipeline.evaluation_batches(training_data.val), callbacks=[keeper], verbose=0, shuffle=False,
    )  # fmt: skip


def _facts(model, history):
    """Parameters, memory and, from the history (a list of rows), epochs and times."""
    found = {"parameters": model.count_params(), "peak_memory_mb": runlog.peak_memory_mb()}
    if not history:
        return found
    history = pd.DataFrame(history)
    best = history.sort_values(["val_accuracy", "val_loss"], ascending=[False, True]).iloc[0]
    return found | {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "seconds_per_epoch": float(history["seconds"].median()),
        "seconds": float(history["seconds"].sum()),
    }
