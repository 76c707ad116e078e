"""Trials: which of them share a training, and what is read from a history."""

import numpy as np
from fixtures import history_of

from fer_tf import experiments
from fer_tf.training import trials


def test_cosine_shares_no_training_between_lengths():
    def names(**settings):
        found = [
            experiments.resolve("cnn", overrides={**settings, "epochs": e, "patience": p})
            for e in (10, 20)
            for p in (0, 5)
        ]
        return [trials.family(item) for item in found]

    assert len(set(names())) == 1
    assert len(set(names(schedule="cosine"))) == 2
    assert len(set(names(schedule="plateau"))) == 1


def test_phases_that_depend_on_the_length_share_no_training():
    def family(name, epochs):
        return trials.family(experiments.resolve(name, overrides={"epochs": epochs}))

    assert family("vgg16", 10) == family("vgg16", 20)  # three epochs of the head, then one phase to the end
    assert family("vgg16", 3) != family("vgg16", 20)  # the head alone
    assert family("akhand", 12) != family("akhand", 24)  # the steps of unfreezing move


def test_early_stopping_is_read_from_a_history():
    def end(history, **settings):
        return trials.epochs_within(history, experiments.resolve("cnn", overrides=settings))

    history = history_of(1.0, 0.9, 0.95, 0.91, 0.5, 0.6)
    assert end(history, epochs=6, patience=2) == 4
    assert end(history, epochs=3, patience=2) == 3
    assert end(history, epochs=6, patience=3) == 6
    assert end(history, epochs=6) == 6
    assert end(history, epochs=7) is None
    assert end(history, epochs=7, patience=2) == 4
    assert end(history_of(1.0, np.nan, np.nan, 0.5), epochs=4, patience=2) == 3


def test_patience_counts_in_the_last_phase_only():
    experiment = experiments.resolve("vgg16", overrides={"epochs": 8, "patience": 2})
    assert experiment.head_epochs == 3
    history = history_of(0.1, 0.2, 0.3, 0.9, 0.8, 0.85, 0.85, 0.1)
    assert trials.epochs_within(history, experiment) == 7


def test_best_epoch_by_accuracy_then_loss_and_a_loss_that_is_no_number():
    found = trials.outcome(history_of(1.0, 0.9, 0.8, 0.1, accuracies=[0.5, 0.7, 0.7, 0.6]))
    assert (found["status"], found["best_epoch"], found["val_accuracy"], found["seconds"]) == ("done", 3, 0.7, 4.0)
    found = trials.outcome(history_of(1.0, np.nan, accuracies=[0.5, 0.1]))
    assert (found["status"], found["best_epoch"], found["epochs_run"]) == ("done", 1, 2)
    found = trials.outcome(history_of(np.nan, np.nan))
    assert (found["status"], found["message"]) == ("failed", "the loss is not a number from epoch 1 on")
