"""What every entry of EXPERIMENTS promises, and how settings are overridden."""

import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation.comparison import read_claims
from fer_tf.experiments import EXPERIMENTS, differences, parse_overrides, resolve
from fer_tf.models import MODELS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_entry_is_whole(name):
    experiment = EXPERIMENTS[name]
    assert experiment.model in MODELS
    assert experiment.source
    assert set(experiment.claims) <= set(read_claims()["id"])
    for size in ("full", "quick", "smoke"):
        resolve(name, size)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "majority"])
def test_smaller_sizes_say_that_they_are(name):
    assert (differences(name, resolve(name)) == "") == (not EXPERIMENTS[name].small_of), "a smaller form is reduced"
    assert differences(name, resolve(name, "smoke"), "smoke").startswith("smoke size: ")
    assert "epochs 2 for" in differences(name, resolve(name, overrides={"epochs": 2}))


def test_document_2_settings():
    first, second = resolve("cnn"), resolve("cnn_batch32")
    assert (first.optimizer, first.learning_rate, first.batch_size, first.epochs) == ("adam", 1e-4, 64, 30)
    assert (second.optimizer, second.learning_rate, second.batch_size, second.epochs) == ("adam", 1e-4, 32, 25)


def test_overrides_are_typed():
    assert parse_overrides("epochs=2 learning_rate=1, flip=yes schedule=cosine") == {
        "epochs": 2,
        "learning_rate": 1.0,
        "flip": True,
        "schedule": "cosine",
    }
    assert resolve("cnn", overrides={"learning_rate": 1}).learning_rate == 1.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": 2}, "overrides: unknown 'epoch'; allowed are .*epochs"),
        ({"model": "majority"}, "overrides: unknown 'model'"),
        ({"epochs": 2.5}, r"epochs: must be int; received 2.5 \(float\)"),
        ({"epochs": True}, "epochs: must be int; received True"),
        ({"flip": 1}, "flip: must be bool; received 1"),
        ({"learning_rate": -1.0}, "learning_rate: must be a number >= 1e-08 and <= 10; received -1.0"),
        ({"crops": "banana"}, "crops: allowed are fixed6, fixed5, random5; received 'banana'"),
        ({"attention": "banana"}, "attention: allowed are none, mean, self, relation, strongest; received 'banana'"),
        ({"normalise": "banana"}, "normalise: allowed are sigmoid, softmax; received 'banana'"),
        ({"reading": "banana"}, "reading: allowed are combined, strongest; received 'banana'"),
        ({"stem": "banana"}, "stem: allowed are standard, small; received 'banana'"),
        ({"backbone": "banana"}, "backbone: allowed are cnn, .*resnet18.*MobileNetV2.*; received 'banana'"),
        ({"backbone": "ConvNeXtTiny"}, "backbone: ConvNeXtTiny cannot be used: Keras cannot load its .h5 files"),
        ({"schedule": "linear"}, "schedule: allowed are constant, cosine, plateau; received 'linear'"),
    ],
)
def test_wrong_overrides(overrides, message):
    with pytest.raises(InputError, match=message):
        resolve("cnn", overrides=overrides)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("ran_backbone", {"attention": "self"}),
        ("ran_self", {"attention": "relation"}),
        ("ran_relation", {"bias_weight": 0.5}),
        ("facenet2expnet_scratch", {"matching_epochs": 5}),
        ("ran_facenet2expnet_strongest", {"reading": "combined"}),
    ],
)
def test_what_defines_an_experiment_is_not_overridden(name, overrides):
    """Otherwise `ran_self` with other attention would be in tables under its name."""
    (key,) = overrides
    with pytest.raises(InputError, match=f"{key}: {name} is defined by {key} .*, it cannot be set"):
        resolve(name, "smoke", overrides)
    assert getattr(resolve(EXPERIMENTS[name].model, overrides=overrides), key) == overrides[key]
    assert "defining" not in EXPERIMENTS[name].settings()


def test_a_face_net_for_all_notebooks_leaves_the_one_from_scratch_as_it_is():
    given = resolve("facenet2expnet_scratch", overrides={"face_net": "own.h5"})
    assert differences("facenet2expnet_scratch", given) == ""


def test_phases_without_pretrained_weights_are_no_difference():
    given = resolve("vgg16", overrides={"weights": "none", "head_epochs": 1, "unfreeze": "0.5", "freeze_norm": False})
    assert differences("vgg16", given) == "weights none for imagenet"
    given = resolve("vgg16", overrides={"head_epochs": 1})
    assert differences("vgg16", given) == "head_epochs 1 for 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "each must be name=value"),
        ("epochs=many", "epochs: must be int"),
        ("flip=perhaps", "flip: allowed are"),
    ],
)
def test_wrong_override_text(text, message):
    with pytest.raises(InputError, match=message):
        parse_overrides(text)
