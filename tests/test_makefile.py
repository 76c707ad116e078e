"""The Makefile's variables reach the command line, and a mistyped one is told instead of ignored."""

import os
import shutil
import subprocess

import pytest

from fer_tf.experiments import EXPERIMENTS
from fer_tf.paths import project_root

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def make(*arguments, **environment):
    command = ["make", "--no-print-directory", "-n", *arguments]
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")}
    return subprocess.run(command, cwd=project_root(), capture_output=True, text=True, env=clean | environment)


def test_every_setting_is_a_variable():
    settings = [name.upper() for name in EXPERIMENTS["cnn"].settings() if name != "model"]
    last = make("reproduce", *(f"{name}=1" for name in settings)).stdout.splitlines()[-1]
    assert all(f"--set {name.lower()}=1" in last for name in settings)


def test_variables_reach_the_command():
    last = make("reproduce", "DATASET=fer2013", "DATA_DIR=my data", "SEED=3", "PROTOCOL=pooled").stdout.splitlines()[-1]
    for part in ("--dataset fer2013", '--data-dir "my data"', "--seed 3", "--protocol pooled"):
        assert part in last


def test_a_mistyped_variable_is_told():
    result = make("reproduce", "EPOCH=3")
    assert result.returncode and "unknown variable EPOCH; allowed are EPOCHS" in result.stderr


def test_a_setting_of_the_environment_is_not_taken_and_told():
    result = make("reproduce", EPOCHS="3")
    assert "--set" not in result.stdout and "EPOCHS of the environment is not used" in result.stderr


def test_help_lists_the_targets():
    text = subprocess.run(["make", "help"], cwd=project_root(), capture_output=True, text=True).stdout
    assert all(f"make {target} " in text for target in ("setup", "reproduce", "test", "test-all", "lab", "lint"))
