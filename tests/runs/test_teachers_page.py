"""The teachers' page: its figures are those of the runs on disk, and it names no experiment that does not exist."""

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_tf.experiments import CLASSICAL, EXPERIMENTS
from fer_tf.runs.records import Run
from fer_tf.runs.teachers_page import NONE, Figures, build_teachers_page

NAMES = ["anger", "fear"]


@pytest.fixture
def make_run(tmp_path):
    """Makes a finished run of two classes: `right` of 100 faces are right; all mistakes are in fear."""

    def make(experiment, seed, right, size="quick", **options):
        directory = tmp_path / f"{experiment}-{seed}-{right}"
        directory.mkdir()
        truth = np.repeat([0, 1], 50)
        label = np.where(np.arange(100) < right, truth, 0)
        for file, codes in {"ground_truth": truth, "predict": label}.items():
            frame = pd.DataFrame({"name": np.arange(100), "label": [NAMES[code] for code in codes]})
            if file == "predict":
                frame = frame.assign(confidence=1.0, anger=1.0 - codes, fear=codes)
            frame.to_csv(directory / f"{file}.csv", index=False)
        record = {"experiment": experiment, "seed": seed, "dataset": "synthetic", "size": size, "class_names": NAMES}
        recall = {"anger": {"recall": 1.0}, "fear": {"recall": (right - 50) / 50}}
        test = {"accuracy": right / 100, "macro_f1": right / 100, "per_class": recall}
        metrics = {"test": test, "training": {"seconds": 20.0 + seed}}
        return Run(directory.name, directory, Path("none.h5"), {**record, "dataset_options": options}, metrics)

    return make


def test_scores_are_means_over_seeds(make_run):
    figures = Figures([make_run("cnn", seed, right) for seed, right in enumerate((80, 82, 84))])
    assert figures.accuracy("cnn") == "82.0 ± 2.0 % (3 seeds)"
    assert figures.macro_f1("cnn") == "0.820 ± 0.020 (3 seeds)"
    assert figures.seconds("cnn") == "21 ± 1 s (3 seeds)"
    assert figures.extreme_class("cnn", 0) == "fear (recall 64%)"
    assert figures.extreme_class("cnn", -1) == "anger (recall 100%)"


def test_one_run_has_no_spread_and_none_is_said(make_run):
    figures = Figures([make_run("cnn", 0, 80)])
    assert figures.accuracy("cnn") == "80.0 % (1 seed)"
    assert figures.accuracy("vgg16") == figures.change("vgg16", "cnn") == figures.extreme_class("vgg16", 0) == NONE


def test_changes_are_within_a_seed(make_run):
    runs = [make_run("cnn", 0, 60), make_run("cnn", 1, 70), make_run("vgg16", 0, 90), make_run("vgg16", 1, 72)]
    assert Figures(runs).change("cnn", "vgg16") == "+16.0 ± 19.8 points (2 seeds); p < 0.05 in 1 of 2"
    assert Figures(runs[:3]).change("cnn", "vgg16") == "+30.0 points (1 seed); p < 0.05 in 1 of 1"


def test_what_has_not_learned_is_not_compared(make_run):
    runs = [make_run("cnn", 0, 50), make_run("vgg16", 0, 52)]
    assert "neither has learned" in Figures(runs).change("cnn", "vgg16")


def test_other_options_and_sizes_are_other_runs(make_run):
    runs = [make_run("cnn", 0, 80), make_run("cnn", 0, 70, raters=10), make_run("cnn", 0, 60, size="smoke")]
    figures = Figures(runs)
    assert figures.accuracy("cnn") == "80.0 % (1 seed)"
    assert figures.accuracy("cnn", raters=10) == "70.0 % (1 seed)"


def test_the_page_without_runs(fresh_home):
    page = build_teachers_page().read_text(encoding="utf-8")
    assert NONE.strip("*") in page
    assert page.count("<h2") == 12
    assert "{{" not in page


def test_the_page_names_only_experiments_that_exist():
    text = files("fer_tf.runs").joinpath("teachers.md.j2").read_text(encoding="utf-8")
    called = re.findall(r"f\.\w+\(([^)]*)\)", text)
    names = {name for arguments in called for name in re.findall(r'(?<![=\w])"(\w+)"', arguments)}
    assert len(names) > 15
    assert names <= {*EXPERIMENTS, *CLASSICAL}
