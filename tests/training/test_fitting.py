"""Fitting in phases: head first, then blocks of a pretrained net; a killed run resumes in its phase."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fer_tf import experiments
from fer_tf.common.checks import InputError
from fer_tf.models import backbones
from fer_tf.training import checkpoint as keeping
from fer_tf.training import fitting, run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

BACKBONE = "MobileNetTiny"  # begins as a family does, see `tiny_backbone`
PRETRAINED = {}  # "weights": a file of that backbone's; without one there is nothing to freeze


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch, tmp_path_factory):
    """A backbone of `keras.applications` that trains in a second, two convolutions with batch norm; a weights file."""

    def build(include_top, weights, input_shape):
        inputs = x = keras.Input(input_shape)
        for index in range(2):
            x = keras.layers.Conv2D(8, 3, strides=4, name=f"conv{index}")(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"norm{index}")(x))
        return keras.Model(inputs, x)

    monkeypatch.setattr(keras.applications, BACKBONE, build, raising=False)
    path = tmp_path_factory.getbasetemp() / "tiny.weights.h5"
    if not path.is_file():
        keras.utils.set_random_seed(7)
        backbones.load_backbone(BACKBONE, 32).save_weights(path)
    monkeypatch.setitem(PRETRAINED, "weights", str(path))


def settings(**more):
    """Overrides of the experiment akhand at smoke size, on the tiny backbone with weights of a file."""
    plain = {"rotation": 0.0, "zoom": 0.0, "flip": False}  # compiling the augmentation takes longer than the rest
    return {"backbone": BACKBONE, "width": 1.0, "limit": 96, "dropout": 0.2, **PRETRAINED, **plain, **more}


def phases(**overrides):
    """(name, start, end, learning rate, unfreeze, is last) of every phase of the experiment cnn with overrides."""
    found = fitting.phases(experiments.resolve("cnn", overrides={"learning_rate": 0.1, **overrides}))
    return [(p.name, p.start, p.end, p.learning_rate, p.unfreeze, p.is_last) for p in found]


def test_without_head_there_is_one_phase():
    assert phases(epochs=7) == [("", 0, 7, 0.1, "", True)]


def test_head_then_steps_share_the_epochs():
    found = phases(epochs=11, head_epochs=2, head_learning_rate=0.5, unfreeze="0.2, block3,")
    assert found == [
        ("head", 0, 2, 0.5, None, False),
        ("fine-tuning 1", 2, 5, 0.1, "0.2", False),
        ("fine-tuning 2", 5, 8, 0.1, "block3", False),
        ("fine-tuning 3", 8, 11, 0.1, "", True),
    ]


def test_passes_make_an_epoch_longer_and_its_schedule_too(tiny_faces, tmp_path, monkeypatch):
    planned = []
    compile_model = fitting.compile_model
    monkeypatch.setattr(fitting, "compile_model", lambda *args: planned.append(args[3]) or compile_model(*args))
    changed = {"epochs": 2, "batch_size": 16, "passes": 3, "width": 0.1}
    model, facts = fitting.fit(
        tiny_faces.training_data(),
        experiments.resolve("cnn", overrides={**changed, "rotation": 0.0, "zoom": 0.0, "flip": False}),
        0,
        fitting.Progress(tmp_path, "f", verbose=False),
    )
    an_epoch = -(-3 * len(tiny_faces.training_data().train) // 16)
    assert planned == [(2 * an_epoch, an_epoch)]
    assert int(model.optimizer.iterations) == 2 * an_epoch
    assert facts["epochs"] == 2


@pytest.mark.parametrize(("epochs", "head", "steps"), [(10, 3, 4), (5, 0, 3), (7, 6, 1), (30, 1, 5)])
def test_every_epoch_is_in_exactly_one_phase(epochs, head, steps):
    found = phases(epochs=epochs, head_epochs=head, unfreeze=",".join(["1.0"] * steps))
    assert [epoch for _, start, end, *_ in found for epoch in range(start, end)] == list(range(epochs))
    lengths = [end - start for name, start, end, *_ in found if name != "head"]
    assert max(lengths) - min(lengths) <= 1
    assert [is_last for *_, is_last in found][-1]


def test_more_head_epochs_than_epochs_train_the_head_alone():
    assert phases(epochs=2, head_epochs=3, head_learning_rate=0.5) == [("head", 0, 2, 0.5, None, True)]


@pytest.mark.parametrize("overrides", [{"head_epochs": 1}, {"unfreeze": "conv2"}])
def test_a_net_without_pretrained_part_has_nothing_to_freeze(fresh_home, tiny_faces, overrides):
    experiment = experiments.resolve("cnn", "smoke", {"epochs": 2, **overrides})
    with pytest.raises(InputError, match="head_epochs, unfreeze: cnn has no pretrained part"):
        fitting.fit(tiny_faces.training_data(), experiment, 0, fitting.Progress(fresh_home, "f", verbose=False))


def fitted(tiny_faces, home, **overrides):
    """Backbone layers' weights before and after a fit, dicts of layer name -> arrays; and the head's kernel, twice."""
    experiment = experiments.resolve("akhand", "smoke", settings(**overrides))
    data = tiny_faces.limited(96).training_data()
    keras.utils.set_random_seed(0)
    start = fitting.build(experiment, data)
    end, _ = fitting.fit(data, experiment, 0, fitting.Progress(home, "f", verbose=False))
    sides = []
    for model in (start, end):
        layers = model.get_layer(backbones.BACKBONE).layers
        sides.append({layer.name: layer.get_weights() for layer in layers if layer.weights})
    return *sides, start.get_layer("scores").get_weights()[0], end.get_layer("scores").get_weights()[0]


def moved(before, after):
    """Names of the layers whose weights differ."""
    changed = {
        name for name in before for one, two in zip(before[name], after[name], strict=True) if (one != two).any()
    }
    return sorted(changed)


def test_a_head_epoch_leaves_the_backbone_as_it_was(fresh_home, tiny_faces):
    """Statistics of its batch norm included; otherwise a head that starts at random would spoil pretrained filters."""
    before, after, head, trained = fitted(tiny_faces, fresh_home, epochs=1, head_epochs=1, freeze_norm=False)
    assert moved(before, after) == []
    assert (head != trained).any()


@pytest.mark.parametrize(
    ("unfreeze", "freeze_norm", "expected"),
    [("conv1", True, ["conv1"]), ("conv1", False, ["conv1", "norm1"]), ("", True, ["conv0", "conv1"])],
)
def test_fine_tuning_moves_what_it_says(fresh_home, tiny_faces, unfreeze, freeze_norm, expected):
    overrides = {"epochs": 1, "head_epochs": 0, "unfreeze": unfreeze, "freeze_norm": freeze_norm}
    before, after, *_ = fitted(tiny_faces, fresh_home, **overrides)
    assert moved(before, after) == expected


def test_the_backbone_of_region_attention_is_frozen_like_any_other(fresh_home, tiny_faces):
    """It is one model deeper, in the features that all regions share."""
    experiment = experiments.resolve("ran", "smoke", settings(epochs=2, head_epochs=1, unfreeze="conv1"))
    data = tiny_faces.limited(40).training_data()
    start = fitting.start(data, experiment, 0)
    first = [layer.get_weights() for layer in backbones.find_backbone(start).layers if layer.weights]
    end, _ = fitting.fit(data, experiment, 0, fitting.Progress(fresh_home, "f", verbose=False), start)
    layers = [layer for layer in backbones.find_backbone(end).layers if layer.weights]
    names, last = [layer.name for layer in layers], [layer.get_weights() for layer in layers]
    assert moved(dict(zip(names, first, strict=True)), dict(zip(names, last, strict=True))) == ["conv1"]
    with pytest.raises(InputError, match="head_epochs, unfreeze: ran has no pretrained part"):
        fitting.start(data, replace(experiment, weights="none"), 0)


def test_what_comes_back_of_mixed_precision_has_all_layers_of_the_pretrained_net(fresh_home, tiny_faces, monkeypatch):
    """EfficientNet has a scaling without weights with ImageNet's weights alone: a net built without would be given
    them, and be saved and tested in its place."""
    build = getattr(keras.applications, BACKBONE)

    def with_scaling(include_top, weights, input_shape):
        inner = build(include_top, weights, input_shape)
        if weights != "imagenet":
            return inner
        return keras.Model(inner.input, keras.layers.Rescaling(0.1, name="own_scaling")(inner.output))

    monkeypatch.setattr(keras.applications, BACKBONE, with_scaling)
    given = settings(weights="imagenet", epochs=1, head_epochs=1, precision="mixed_bfloat16")
    data = tiny_faces.limited(40).training_data()
    experiment = experiments.resolve("akhand", "smoke", given)
    end, _ = fitting.fit(data, experiment, 0, fitting.Progress(fresh_home, "f", verbose=False))
    assert {layer.compute_dtype for layer in end.get_layer(backbones.BACKBONE).layers} == {"float32"}
    assert "own_scaling" in [layer.name for layer in end.get_layer(backbones.BACKBONE).layers]


def test_without_pretrained_weights_nothing_stays_at_random(fresh_home, tiny_faces, capsys):
    frozen = {"epochs": 1, "head_epochs": 1, "unfreeze": "conv1", "freeze_norm": True}
    before, after, *_ = fitted(tiny_faces, fresh_home, weights="none", **frozen)
    assert moved(before, after) == ["conv0", "conv1", "norm0", "norm1"]
    experiment = experiments.resolve("akhand", "smoke", settings(weights="none", **frozen))
    data = tiny_faces.limited(96).training_data()
    fitting.fit(data, experiment, 0, fitting.Progress(fresh_home / "said", "f", "mine"))
    said = capsys.readouterr().out
    assert said.count("mine: weights none, nothing is pretrained: all of it learns, in one phase") == 1


def test_phases_are_for_pretrained_weights():
    def names(**overrides):
        return [(p.name, p.start, p.end) for p in fitting.phases(experiments.resolve("vgg16", overrides=overrides))]

    assert names() == [("head", 0, 3), ("fine-tuning 1", 3, 25)]
    assert names(weights="none") == [("", 0, 25)]
    assert names(weights="none", epochs=0) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"unfreeze": "conv9"}, "unfreeze: allowed are .*conv1.*; received 'conv9'"),
        ({"head_epochs": 1, "unfreeze": "0.5,1.5", "epochs": 4}, "unfreeze: must be a number >= 0 and <= 1"),
    ],
)
def test_an_impossible_later_phase_is_reported_before_the_first(tiny_faces, overrides, message):
    experiment = experiments.resolve("akhand", "smoke", settings(**overrides))
    with pytest.raises(InputError, match=message):
        fitting.start(tiny_faces.limited(96).training_data(), experiment, 0)


def run(home, monkeypatch, stop_after=None):
    """Trains the five epochs at `home`, or until an interruption after some of them; returns the run."""
    monkeypatch.setenv("FER_TF_REPORTS", str(home / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(home / "models"))
    options = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False}
    options |= settings(epochs=5, head_epochs=1, unfreeze="0.5,", freeze_norm=False, optimizer="adam")
    end_epoch = keeping.EpochKeeper.on_epoch_end

    def interrupted(self, epoch, logs=None):
        end_epoch(self, epoch, logs)
        if epoch + 1 == stop_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keeping.EpochKeeper, "on_epoch_end", interrupted)
        return run_experiment("akhand", **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was never interrupted."""
    return tmp_path_factory.mktemp("whole")


@pytest.mark.parametrize(
    "epochs",
    [
        pytest.param(1, id="after the head's phase"),
        pytest.param(2, marks=pytest.mark.slow, id="in the middle of the next"),
    ],
)
def test_interrupted_run_ends_the_same(tmp_path, monkeypatch, whole, epochs):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, monkeypatch, stop_after=epochs)
    resumed = run(tmp_path, monkeypatch)
    assert list(resumed.history["phase"]) == ["head", *["fine-tuning 1"] * 2, *["fine-tuning 2"] * 2]
    expected = run(whole, monkeypatch)
    columns = ["loss", "val_loss", "val_accuracy", "learning_rate"]
    assert resumed.history[columns].equals(expected.history[columns])
    first, second = (keras.models.load_model(item.model_path, compile=False) for item in (resumed, expected))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_comes_back_can_learn_as_a_whole(fresh_home, tiny_faces):
    """A saved model with frozen layers would surprise a user who trains it further."""
    experiment = experiments.resolve("akhand", "smoke", settings(epochs=1, head_epochs=1))
    data = tiny_faces.limited(96).training_data()
    model, facts = fitting.fit(data, experiment, 0, fitting.Progress(fresh_home, "f", verbose=False))
    assert len(model.get_layer(backbones.BACKBONE).trainable_weights) == 8
    assert facts["parameters"] == model.count_params()
    assert facts["epochs"] == 1
