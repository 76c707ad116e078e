"""Classical runs: better than the majority, recorded like the networks, and blind to test until the end."""

import shutil

import numpy as np
import pandas as pd
import pytest
from fixtures import GuardedDataset, assert_refused_before_writing, home_of_runs, with_poisoned_test

from fer_tf import data
from fer_tf.experiments import CLASSICAL
from fer_tf.runs import evaluate, records, report
from fer_tf.runs.result_tables import compare
from fer_tf.training import classical
from fer_tf.training.classical import run_classical

OPTIONS = {"dataset_options": {"count": 1200}, "Cs": (0.01, 0.1), "verbose": False}


@pytest.fixture(scope="module")
def fitted_home(tmp_path_factory):
    """Reports and models with a finished run of hog_svm, to be copied."""
    with home_of_runs(tmp_path_factory.mktemp("fitted")) as home:
        run_classical("hog_svm", **OPTIONS)
    return home


@pytest.fixture
def fitted(fitted_home, fresh_home):
    """A finished run of hog_svm in a home of the test's own."""
    shutil.copytree(fitted_home, fresh_home, dirs_exist_ok=True)
    return records.read_run(records.run_directory("hog_svm-synthetic-identity-seed0"))


@pytest.mark.parametrize("name", ["hog_svm", "lbp_svm", "hog_svm_rbf", "sift_svm"])
def test_clearly_better_than_the_most_frequent_class(fitted, name):
    few = {"dataset_options": {"count": 600}, "words": 32, "Cs": (1.0,)}
    changed = {"hog_svm_rbf": {"landmarks": 200}, "sift_svm": few}.get(name, {})
    run = run_classical(name, **{**OPTIONS, **changed})
    commonest = run.predictions["truth"].value_counts(normalize=True).max()
    assert run.metrics["test"]["accuracy"] > commonest + 0.15
    assert run.name == f"{name}-synthetic-identity-seed0"


def test_a_record_like_a_networks(fitted):
    """Tables, the report and McNemar's test read it without knowing what made it."""
    run = fitted
    assert [item.name for item in records.finished_runs()] == [run.name]
    row = compare([run]).iloc[0]
    assert row["experiment"] == "hog_svm"
    assert row["parameters"] == 900 * 8 + 8
    assert row["epochs"] == 0
    assert row["accuracy"] == pytest.approx((run.predictions["truth"] == run.predictions["label"]).mean())
    assert run.record["reduced"].startswith("Cs (0.01, 0.1) for (0.001,")
    assert "count 1200" in run.record["reduced"]
    facts = run.metrics["training"]
    assert facts["chosen"] in facts["trials"]
    assert len(facts["trials"]) == 2
    assert run.metrics["val"]["accuracy"] == pytest.approx(facts["chosen"]["val_accuracy"])
    # probabilities were calibrated on val: nothing is left to do there
    assert run.metrics["calibration"]["temperature"] == pytest.approx(1, abs=0.01)
    assert records.comparable_runs(data.load_dataset("synthetic", count=1200))[0].name == run.name
    report.build_report()


def test_same_seed_same_numbers(fresh_home):
    first = run_classical("hog_svm_rbf", **OPTIONS, landmarks=50).predictions
    second = run_classical("hog_svm_rbf", **OPTIONS, landmarks=50, force=True).predictions
    pd.testing.assert_frame_equal(first, second)


def test_selection_never_sees_test(fitted, monkeypatch):
    """Other test labels and pixels must give the same machine, and the split is not asked for while it is fitted."""
    honest = fitted.metrics["training"]["trials"]
    fit, machines = classical._fit, []

    def watched(*arguments):
        GuardedDataset.asked.clear()
        fitted = fit(*arguments)
        machines.append((fitted[1], list(GuardedDataset.asked)))
        return fitted

    monkeypatch.setattr(data, "load_dataset", with_poisoned_test(data.load_dataset))
    monkeypatch.setattr(classical, "_fit", watched)
    run_classical("hog_svm", **OPTIONS)
    [(machine, asked)] = machines
    assert asked == []
    assert machine.trials == honest


def test_words_are_learned_from_training_images_alone(fresh_home, monkeypatch):
    """Words of test faces would describe the test faces better than faces that nobody has seen."""
    learn, seen = classical.LEARNED["sift"], []

    def watched(images, *arguments):
        seen.append(images)
        return learn(images, *arguments)

    monkeypatch.setitem(classical.LEARNED, "sift", watched)
    run = run_classical("sift_svm", **OPTIONS, size="smoke", words=16)
    train = data.load_dataset("synthetic", count=1200, size=48, channels=1).limited(160).train
    np.testing.assert_array_equal(seen[0].images, train.images)
    assert len(seen) == 1
    features = 16 * 17
    assert run.metrics["training"]["parameters"] == 16 * 128 + 8 * (features + 1)


def test_done_once_and_put_aside_for_other_settings(fitted, capsys):
    options = {**OPTIONS, "verbose": True}
    run_classical("hog_svm", **options)
    assert "up to date" in capsys.readouterr().out
    smoke = run_classical("hog_svm", **options, size="smoke")
    assert smoke.record["counts"]["train"]["all"] == 160
    assert "smoke size: at most 160 images per split" in smoke.record["reduced"]
    capsys.readouterr()
    again = run_classical("hog_svm", **options)
    assert "up to date" in capsys.readouterr().out
    assert again.metrics == fitted.metrics
    assert again.record == fitted.record


def test_colour_pictures_of_another_size_are_taken(fresh_home):
    run = run_classical("lbp_svm", size="smoke", dataset_options={"count": 400, "image_size": 64}, verbose=False)
    assert run.record["image_shape"] == [48, 48, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "svm"}, "experiment: allowed are hog_svm, .*lbp_svm_rbf, sift_svm; received 'svm'"),
        ({"name": "hog_svm", "size": "tiny"}, "size: allowed are full, quick, smoke; received 'tiny'"),
        ({"name": "hog_svm", "epochs": 3}, "overrides: unknown 'epochs'; allowed are Cs"),
        ({"name": "hog_svm", "features": "gabor"}, "features: allowed are hog, lbp, sift; received 'gabor'"),
        ({"name": "sift_svm", "words": 1}, "words: must be a number >= 2"),
        ({"name": "hog_svm", "words": 8}, "words: hog has none, allowed is 0; received 8"),
    ],
)
def test_wrong_arguments_before_anything_is_written(fresh_home, arguments, message):
    assert_refused_before_writing(fresh_home, message, run_classical, **arguments)


def test_every_entry_says_where_it_comes_from():
    assert all(entry.source for entry in CLASSICAL.values())
    assert np.all([entry.settings().keys() == CLASSICAL["hog_svm"].settings().keys() for entry in CLASSICAL.values()])


def test_a_limited_run_is_compared_on_the_whole_test_split(fresh_home):
    """The fingerprint of the test images is that of the dataset, as a network's: smoke runs stay in comparisons."""
    run = run_classical("hog_svm", **OPTIONS, size="smoke")
    ds = data.load_dataset("synthetic", count=1200)
    assert run.record["test_fingerprint"] == ds.test_fingerprint()


def test_all_kinds_of_runs_name_the_same_evaluation_code(fitted):
    assert fitted.record["evaluation_code"] == evaluate.evaluation_code()
