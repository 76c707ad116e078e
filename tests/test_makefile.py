"""The Makefile's variables reach the command line, and a mistyped one is reported instead of ignored."""

import os
import re
import shutil
import subprocess

import pytest

from fer_tf.common.paths import project_root
from fer_tf.experiments import EXPERIMENTS, SETTINGS

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def make(*arguments, **environment):
    command = ["make", "--no-print-directory", "-n", *arguments]
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")}
    return subprocess.run(command, cwd=project_root(), capture_output=True, text=True, env=clean | environment)


# One value for all notebooks would stop those whose models have no such part (cnn has no pretrained part and no
# expression net, akhand's backbones are not ran's), or make an ablation the same as what it is compared with.
PARTICULAR = {
    name.lower()
    for names in re.findall(r"^PARTICULAR := ((?:.*\\\n)*.*)", (project_root() / "Makefile").read_text(), re.MULTILINE)
    for name in names.replace("\\", " ").split()
}

# Chapters 3 and 8 leave these out of the runs that compare their values.
LEFT_OUT = {"weights", "class_weights", "sampling", "loss"}


def test_every_setting_that_fits_all_notebooks_is_a_variable():
    settings = [name for name in EXPERIMENTS["cnn"].settings() if name not in {"model", *PARTICULAR}]
    last = make("reproduce", *(f"{name.upper()}=1" for name in settings)).stdout.splitlines()[-1]
    assert all(f"--set {name}=1" in last for name in settings)


@pytest.mark.parametrize("name", sorted(PARTICULAR))
def test_a_setting_that_fits_one_notebook_is_refused_with_the_right_command(name):
    result = make("reproduce", f"{name.upper()}=1")
    assert result.returncode
    assert result.stdout == ""
    assert f"{name.upper()} does not fit all notebooks" in result.stderr
    assert f'SET="{name}=1"' in result.stderr
    last = make("reproduce", "NOTEBOOKS=03_transfer_vgg16_mobilenet", f"SET={name}=1").stdout.splitlines()[-1]
    assert f"--set {name}=1" in last
    assert last.endswith("03_transfer_vgg16_mobilenet")


def test_what_defines_an_ablation_is_not_a_variable():
    assert {key for item in EXPERIMENTS.values() for key in item.defining} <= {*PARTICULAR, *LEFT_OUT}


def test_the_makefile_lists_the_settings_of_the_fields():
    """Make itself starts no Python: its two lists are compared here."""
    text = (project_root() / "Makefile").read_text()
    (names,) = re.findall(r"^SETTINGS := ((?:.*\\\n)*.*)", text, re.MULTILINE)
    listed = {name.lower() for name in names.replace("\\", " ").split()}
    assert listed == {name for name, setting in SETTINGS.items() if setting.for_all}
    assert {name for name, setting in SETTINGS.items() if not setting.for_all} == PARTICULAR


def test_variables_reach_the_command():
    last = make("reproduce", "DATASET=fer2013", "DATA_DIR=my data", "SEED=3", "PROTOCOL=pooled").stdout.splitlines()[-1]
    for part in ("--dataset fer2013", '--data-dir "my data"', "--seed 3", "--protocol pooled"):
        assert part in last


def test_devices_reach_the_chapters_and_the_queue():
    for target in ("reproduce", "queue"):
        assert "--devices" not in make(target).stdout.splitlines()[-1]
        assert make(target, "DEVICES=all").stdout.splitlines()[-1].split("--devices ")[1].split()[0] == "all"


def test_a_mistyped_variable_is_reported():
    result = make("reproduce", "EPOCH=3")
    assert result.returncode
    assert "unknown variable EPOCH; allowed are EPOCHS" in result.stderr


def test_a_setting_of_the_environment_is_ignored_with_a_warning():
    result = make("reproduce", EPOCHS="3")
    assert "--set" not in result.stdout
    assert "EPOCHS of the environment is not used" in result.stderr


def test_help_lists_the_targets():
    text = subprocess.run(["make", "help"], cwd=project_root(), capture_output=True, text=True).stdout
    assert all(
        f"make {target} " in text
        for target in ("setup", "reproduce", "queue", "test", "test-all", "test-extras", "lab", "lint")
    )
