"""Resolved experiments: whose settings a run had, what has changed since, and equal steps on less data."""

import pytest

from fer_tf import experiments
from fer_tf.common.checks import InputError
from fer_tf.experiments import EXPERIMENTS, Experiment


def settings_of(name, **changes):
    return {"experiment": name, "reduced": "", "settings": EXPERIMENTS[name].settings() | changes}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_printed_names_settings_and_is_none_itself(name):
    printed = EXPERIMENTS[name].printed
    assert set(printed) <= set(EXPERIMENTS[name].settings())
    assert "printed" not in EXPERIMENTS[name].settings(), "records and fingerprints stay as they are"
    assert not printed or EXPERIMENTS[name].source.startswith("document")


def test_document_2_prints_these_values():
    for name, wanted in {
        "cnn": ("adam", 1e-4, 64, 30),
        "cnn_batch32": ("adam", 1e-4, 32, 25),
        "vgg16": ("adam", 1e-4, 32, 25),
        "mobilenet": ("sgd", 1e-4, 64, 20),
    }.items():
        keys = ("optimizer", "learning_rate", "batch_size", "epochs")
        assert set(keys) <= set(EXPERIMENTS[name].printed)
        assert tuple(getattr(EXPERIMENTS[name], key) for key in keys) == wanted
        assert "patience" not in EXPERIMENTS[name].printed


def test_settings_of_the_document_are_said_only_where_it_prints_all():
    notes = {name: experiments.settings_note(settings_of(name)) for name in EXPERIMENTS}
    assert [name for name, note in notes.items() if note == "settings of the document"] == ["majority"]
    assert notes["cnn"] == (
        "the document's settings where it prints them (optimizer, learning rate, batch size, epochs, loss, flip); "
        "the rest is the kit's"
    )
    assert notes["cnn_strong"] == "settings of the kit (its source prints none)"
    reduced = {**settings_of("cnn"), "reduced": "epochs 2 for 30"}
    assert experiments.settings_note(reduced) == "epochs 2 for 30"


def test_a_source_that_prints_all_that_has_an_effect_is_believed(monkeypatch):
    whole = Experiment(model="cnn", source="document [9]", dropout=0.0, printed=("optimizer", "learning_rate"))
    monkeypatch.setitem(EXPERIMENTS, "whole", whole)
    assert "the rest is the kit's" in experiments.settings_note(settings_of("whole"))
    named = (*whole.printed, "batch_size", "epochs", "loss")
    monkeypatch.setitem(
        EXPERIMENTS, "whole", Experiment(model="cnn", source="document [9]", dropout=0.0, printed=named)
    )
    assert experiments.settings_note(settings_of("whole")) == "settings of the document"


def test_a_share_of_the_images_gets_as_many_steps():
    assert experiments.equal_steps("facenet2expnet", 0.1) == {"passes": 10}
    assert experiments.equal_steps("compact", 0.25) == {"passes": 4}
    assert experiments.equal_steps("compact", 1.0, "quick") == {}, "the same run as without a share"
    assert experiments.equal_steps("cnn", 0.5, overrides={"passes": 3}) == {"passes": 6}
    assert experiments.equal_steps("facenet2expnet", 0.1, "smoke") == {}, "a limit holds the images, and so the steps"
    with pytest.raises(InputError, match="share: must be"):
        experiments.equal_steps("facenet2expnet", 10)
    with pytest.raises(InputError, match="share: must be 1 divided by a whole number, .*received 0.3"):
        experiments.equal_steps("facenet2expnet", 0.3)


def test_a_run_from_before_its_experiment_was_corrected_is_not_full():
    assert experiments.changed_since(settings_of("cnn")) == ""
    assert experiments.changed_since(settings_of("cnn", patience=0)).startswith("patience 0 for 5 (")
    reduced = {**settings_of("cnn", patience=0, epochs=2), "reduced": "epochs 2 for 30; train_share 0.1"}
    assert experiments.changed_since(reduced).startswith("patience 0 for 5 ("), "its reduction is said already"
    quick = {**settings_of("cnn", patience=0, epochs=2), "reduced": "quick size: epochs 2 for 30, patience 0 for 5"}
    assert experiments.changed_since(quick) == ""
    recorded = {**quick, "reduced": "", "changed_settings": {"epochs": [2, 30], "patience": [0, 5]}}
    assert experiments.changed_since(recorded) == "", "newer records hold it as values"
    earlier = {**recorded, "changed_settings": {"epochs": [2, 30]}}
    assert experiments.changed_since(earlier).startswith("patience 0 for 5 (")
    old = settings_of("deepfer")
    old["settings"].pop("pair_relu")  # a setting of later: its default is what held before
    assert experiments.changed_since(old).startswith("pair_relu False for True (")
    assert experiments.changed_since({"experiment": "hog_svm", "reduced": "", "settings": {}}) == ""
