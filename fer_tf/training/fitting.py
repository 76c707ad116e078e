"""Fitting a model on train and val: phases, compiling, epochs, selection of the best one. No test split here."""

from contextlib import contextmanager
from dataclasses import replace

import keras
import numpy as np
import pandas as pd

from .. import layers, models
from ..common import sharing
from ..common.checks import InputError
from ..common.files import read_json, write_json
from ..data.base import Split, TrainingData
from ..data.feeding import epoch_plan, pipeline
from ..experiments.settings import Experiment
from ..models import backbones, transfer
from ..runs.environment import peak_memory_mb
from . import face_nets, matching, precision
from .checkpoint import EpochKeeper, Phase, Progress, say, standing
from .compiling import at_size, check_sizes, compile_model, compile_with, loss_of
from .distillation import Teacher
from .face_nets import FaceNet

# Stage 2 of FaceNet2ExpNet; stage 1, "matching", has its own history.
JOINT = "joint"


def phases(experiment: Experiment) -> list:
    """The phases of an experiment: the head's epochs, then the others shared evenly by the steps of `unfreeze`.

    A transfer model without pretrained weights has one phase: frozen layers would keep their random weights.
    """
    if models.starts_from_nothing(experiment):
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


def start(training_data: TrainingData, experiment: Experiment, seed: int) -> keras.Model:
    """The model that a fit begins with, untrained. Writes nothing of a run.

    Args:
        training_data, experiment, seed: see `fit`.
    Raises: `InputError` for settings that cannot be built, or whose phases or stage 1 the model does not have.
    """
    loss_of(experiment)
    # before the seed is set: whether the face net has to be trained first must make no difference
    is_matched = bool(experiment.matching_epochs and experiment.epochs)
    face_net = face_nets.open_face_net(experiment.face_net) if needs_face_net(experiment) else None
    keras.utils.set_random_seed(seed)
    with _policy("float32" if experiment.precision == "auto" else experiment.precision):
        model = build(experiment, training_data, face_net)
    adapt(model, training_data.train)
    if model.trainable_variables and experiment.epochs:
        for phase in phases(experiment):
            _check_phase(model, phase, experiment)
        if experiment.sizes:
            size_bounds(experiment, 0, experiment.epochs, training_data.image_shape[0])
            check_sizes(model)
    if is_matched:
        _check_depth(model, face_net, experiment)
    return model


def needs_face_net(experiment: Experiment) -> bool:
    """True if an experiment's model is made of a face network, or is matched to one first."""
    return bool(experiment.epochs and (experiment.matching_epochs or uses_face_net(experiment.model)))


def uses_face_net(model_name: str) -> bool:
    """True if a face network is a part of the model."""
    return "face_net" in models.model_options(model_name)


def size_bounds(experiment: Experiment, start: int, end: int, side: int) -> list:
    """The epochs start .. end - 1 by picture size: (size, first epoch, epoch after the last) in order.

    The numbers behind the sizes are shares of the epochs, so that a shorter training has the same course.

    Args:
        experiment: its `sizes`, such as "32:1,48:2".
        start, end: epochs.
        side: of the dataset's pictures, which must be the last size.
    """
    if not experiment.sizes:
        return [(side, start, end)]
    pairs = [(int(size), float(share)) for size, share in (part.split(":") for part in experiment.sizes.split(","))]
    if pairs[-1][0] != side:
        raise InputError(f"sizes: the last must be the pictures' own, {side}; received {experiment.sizes!r}")
    total, done, bounds, first = sum(share for _, share in pairs), 0.0, [], start
    for size, share in pairs:
        done += share
        last = end if size == side else min(start + round((end - start) * done / total), end - 1)
        if last > first:
            bounds.append((size, first, last))
            first = last
    return bounds


def _check_depth(model, face_net, experiment):
    found = matching._expression_net(model).output_shape[-1]
    if found != face_net.depth:
        raise InputError(
            f"depth: {experiment.face_net}'s maps have {face_net.depth} channels: --set "
            f"depth={face_net.depth}; received {found}"
        )


def _check_phase(model, phase, experiment):
    if backbones.has_backbone(model) and (transfer.is_pretrained(experiment) or not (phase.name or phase.unfreeze)):
        backbones.check_unfreeze(model, phase.unfreeze)
    elif phase.name not in ("", JOINT) or phase.unfreeze:
        raise InputError(f"head_epochs, unfreeze: {model.name} has no pretrained part; allowed are 0 and nothing")


def fit(
    training_data: TrainingData,
    experiment: Experiment,
    seed: int,
    progress: Progress,
    model: keras.Model = None,
    teacher: Teacher | None = None,
) -> tuple:
    """Builds and trains a model, and returns it with the weights of its best epoch by validation accuracy.

    Args:
        training_data: `TrainingData`; there is no test split in it.
        experiment: resolved `Experiment`.
        seed: int.
        progress: `Progress`.
        model: what `start` gave for the same arguments, if it has been called already.
        teacher: `fer_tf.training.distillation.Teacher` of an experiment that has one.
    Returns: `keras.Model`, and the facts of its training as a dict: parameters, peak_memory_mb and, where it was
        trained by epochs, epochs, best_epoch, seconds_per_epoch, seconds, precision, codes.
    """
    model = start(training_data, experiment, seed) if model is None else model
    (progress.directory / "history.csv").unlink(missing_ok=True)
    if not model.trainable_variables or not experiment.epochs:
        return model, training_facts(model, [])
    measured = {"chosen": experiment.precision}
    if experiment.precision == "auto":
        measured = measured_precision(training_data, experiment, seed, progress)
        experiment = replace(experiment, precision=measured["chosen"])
        model = model if experiment.precision == "float32" else start(training_data, experiment, seed)
    if models.starts_from_nothing(experiment):
        say(progress.verbose, f"{progress.name}: weights none, nothing is pretrained: all of it learns, in one phase")
    keeper = EpochKeeper(model, experiment, progress)
    _train(model, training_data, experiment, seed, progress, keeper, teacher)
    keeper.restore_best()
    if backbones.has_backbone(model):
        # not `model.trainable = True`: setting what is already set reaches no layer below (TensorFlow's tracking)
        backbones.set_trainable(model, "", freeze_norm=False)
    facts = {**training_facts(model, keeper.state["history"]), "precision": measured, "codes": keeper.state["codes"]}
    facts |= matching.matching_facts(progress.directory) if experiment.matching_epochs else {}
    return _as_float32(model, experiment, training_data, seed), facts


def _train(model, training_data, experiment, seed, progress, keeper, teacher):
    """All phases, from where the checkpoint left off; stage 1 comes before them where there is one."""
    trained = _with_scores_out(model) if experiment.loss == "squared_hinge" else model
    done = keeper.resume()
    if experiment.matching_epochs and not done:
        matching.match(model, training_data, experiment, seed, progress)
    for phase in phases(experiment):
        if done >= phase.end or (phase.is_last and done > phase.start and keeper.is_over):
            continue
        free_layers(model, phase, experiment)
        _run_phase(trained, phase, training_data, experiment, seed, keeper, done, teacher)
        done = phase.end


def _run_phase(trained, phase, training_data, experiment, seed, keeper, done, teacher):
    """The epochs of a phase that are left after `done` epochs, size by size."""
    an_epoch = -(-len(training_data.train) * experiment.passes // experiment.batch_size)
    steps = ((phase.end - phase.start) * an_epoch, an_epoch)
    compile_model(trained, experiment, phase.learning_rate, steps)
    keeper.begin(trained, phase, done)
    for size, first, end in size_bounds(experiment, phase.start, phase.end, training_data.image_shape[0]):
        if done < end and not (phase.is_last and keeper.is_over):
            _run_epochs(trained, size, training_data, experiment, seed, keeper, max(done, first), end, teacher)


@contextmanager
def _policy(name):
    """Layers made inside compute in `name`; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _as_float32(model, experiment, training_data, seed):
    """The same weights in a model that computes in float32: what is saved predicts alike on every machine."""
    if experiment.precision == "float32":
        return model
    face_net = face_nets.open_face_net(experiment.face_net) if uses_face_net(experiment.model) else None
    plain = build(experiment, training_data, face_net)
    plain.set_weights(model.get_weights())
    return plain


def measured_precision(training_data: TrainingData, experiment: Experiment, seed: int, progress: Progress) -> dict:
    """The choice of `precision.choose` when this run began; a resumed run keeps its precision.

    Args:
        training_data, experiment, seed, progress: as in `fit`.
    Returns: the dict of `precision.choose`, which is also written into the run's `precision.json`.
    """
    path, task = progress.directory / "precision.json", progress.task or progress.fingerprint
    stored = read_json(path)
    if stored.get("task") == task:
        return stored["measured"]
    targets = epoch_plan.target_matrix(training_data.train)[: experiment.batch_size]
    targets = targets if not experiment.teacher else targets.repeat(2, axis=1)

    def compiled(name):
        model = start(training_data, replace(experiment, precision=name), seed)
        compile_with(model, keras.optimizers.SGD(1e-6), experiment)
        return model

    images = training_data.train.fetch(np.arange(len(targets)))
    measured = precision.choose(compiled, images, targets)
    write_json(path, {"task": task, "measured": measured})
    say(progress.verbose, f"{progress.name}: precision {measured['chosen']} ({measured})")
    return measured


def build(experiment: Experiment, training_data: TrainingData, face_net: FaceNet | None = None) -> keras.Model:
    """The experiment's model for this data; settings go to the builder's options of the same name.

    Args:
        experiment: resolved.
        training_data: its image shape and classes are what counts.
        face_net: `FaceNet` of a model that is made of one.
    """
    accepted = models.model_options(experiment.model)
    options = {key: value for key, value in experiment.settings().items() if key in accepted}
    if "face_net" in accepted:
        options["face_net"] = face_net
    return models.build_model(experiment.model, training_data.image_shape, len(training_data.class_names), **options)


def adapt(model: keras.Model, split: Split) -> None:
    """Teaches layers that learn by counting, not by gradient (`adapt(labels)`), from the training labels."""
    for layer in model.layers:
        if isinstance(layer, layers.MajorityClass):
            layer.adapt(split.labels)


def _with_scores_out(model):
    """The same weights with the scores before the softmax as output: what the hinge loss works on."""
    return keras.Model(model.input, model.get_layer("scores").output, name=model.name)


def free_layers(model: keras.Model, phase: Phase, experiment: Experiment) -> None:
    """Makes the layers learn that learn in a phase. A model without a pretrained part stays as it is."""
    if backbones.has_backbone(model):
        backbones.set_trainable(model, phase.unfreeze, experiment.freeze_norm and transfer.is_pretrained(experiment))


def _run_epochs(trained, size, training_data, experiment, seed, keeper, first, end, teacher):
    """The epochs first .. end - 1 with pictures of one size."""
    train, val, model = training_data.train, training_data.val, trained
    if size != training_data.image_shape[0]:
        train, val = (_resized(split, size) for split in (train, val))
        model = at_size(trained, size)
        compile_with(model, trained.optimizer, experiment)
    # the teacher sees the pictures at their own size, also if the student is shown smaller ones
    asked_once = teacher and experiment.teacher_views == "once"
    answers = sharing.alone(teacher.answers)(training_data.train) if asked_once else None
    answer = teacher.live() if teacher and not asked_once else None
    batches, steps = _batches(train, experiment, seed, first, end, answers, answer)
    keeper.size = size
    model.fit(
        batches,
        initial_epoch=first,
        epochs=end,
        steps_per_epoch=steps,
        validation_data=pipeline.evaluation_batches(val),
        callbacks=sharing.callbacks([keeper]),
        verbose=0,
        shuffle=False,
    )


def _resized(split, size):
    """The split with square pictures of another side."""
    alone = split.alone()
    return replace(alone, store=alone.store.converted((size, size), alone.store.shape[-1]))


def _batches(split, experiment, seed, first, end, answers, answer):
    """The augmented batches of the epochs first .. end - 1, and how many an epoch has."""
    plan = planned(split, experiment, seed, answers)
    stages = layers.augmentation_stages(experiment.augmentation())
    return pipeline.training_batches(split, plan, stages, layers.mix, first, end, answer), plan.steps


def planned(
    split: Split,
    experiment: Experiment,
    seed: int,
    answers: np.ndarray | None = None,
    kind: type[epoch_plan.EpochPlan] = epoch_plan.EpochPlan,
) -> epoch_plan.EpochPlan:
    """The plan of an experiment's epochs.

    Args:
        split: what is shown.
        experiment, seed: see `fit`.
        answers: float [N, K], what is learned next to the classes; see `EpochPlan`.
        kind: of the plan.
    """
    weights = (
        epoch_plan.balanced_class_weights(split.labels, len(split.class_names)) if experiment.class_weights else None
    )
    return kind(
        epoch_plan.target_matrix(split),
        experiment.batch_size,
        seed,
        len(layers.DRAWS),
        experiment.sampling,
        experiment.mixup,
        weights,
        answers,
        experiment.passes,
    )


def training_facts(model: keras.Model, history: list[dict]) -> dict:
    """Parameters and peak memory (MB) and, if there are rows in the history, number of epochs and seconds."""
    found = {"parameters": model.count_params(), "peak_memory_mb": peak_memory_mb()}
    if not history:
        return found
    best, table = max(history, key=standing), pd.DataFrame(history)
    return found | {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "seconds_per_epoch": float(table["seconds"].median()),
        "seconds": float(table["seconds"].sum()),
    }
