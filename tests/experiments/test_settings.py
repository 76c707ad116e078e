"""Every hyperparameter is one field with its range, choices and help."""

from dataclasses import fields

import pytest

from fer_tf.common.checks import InputError
from fer_tf.experiments import ABOUT, EXPERIMENTS, SETTINGS, Experiment, resolve


def test_the_settings_are_the_fields_that_describe_no_experiment():
    found = {item.name: item.type for item in fields(Experiment) if item.name not in (*ABOUT, "model")}
    assert [(name, setting.kind) for name, setting in SETTINGS.items()] == list(found.items())
    assert {"model", *SETTINGS} == set(Experiment("").settings())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_says_what_it_does_and_its_default_is_allowed(name):
    setting = SETTINGS[name]
    assert setting.help.endswith(".")
    assert type(setting.default) is setting.kind
    assert (setting.low is not None) == (setting.kind in (int, float))
    assert setting.low is None or setting.low <= setting.default
    assert setting.high is None or setting.default <= setting.high
    assert setting.choices is None or setting.default in setting.choices


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.high is not None])
def test_a_value_beyond_the_range_is_refused(name):
    beyond = SETTINGS[name].kind(SETTINGS[name].high + 1)
    with pytest.raises(InputError, match=f"{name}: must be a .*number >= .*; received {beyond}"):
        resolve("cnn", overrides={name: beyond})


def test_what_describes_an_experiment_changes_no_run():
    """The tables that an experiment belongs to are no part of a run's fingerprint."""
    described = Experiment("cnn", tables={"document2": 1}, printed_as=("a", "b"), ablations={"question": 0})
    assert described.settings() == Experiment("cnn").settings()


@pytest.mark.parametrize("table", ["document1", "document2", "document3", "document4"])
def test_the_rows_of_a_table_are_numbered_from_one(table):
    rows = [entry.tables[table] for entry in EXPERIMENTS.values() if table in entry.tables]
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert {name for entry in EXPERIMENTS.values() for name in entry.tables} <= {f"document{k}" for k in range(1, 5)}
