"""Searching: every setting once, shorter trainings out of longer ones, resumable, and no test image is read."""

import contextlib
import io
import json
import shlex

import numpy as np
import pandas as pd
import pytest
from fake_fit import FakeFit
from fixtures import home_of_runs

from fer_tf import data, experiments
from fer_tf.common.checks import InputError
from fer_tf.data.base import FaceDataset
from fer_tf.evaluation import comparison
from fer_tf.runs import records
from fer_tf.training import checkpoint as keeping
from fer_tf.training import fitting, run_experiment, search
from fer_tf.training.search import run_search

pytestmark = pytest.mark.usefixtures("untraced")

OPTIONS = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False, "limit": 64, "width": 0.1}
# what takes most of the time of a training at this size
PLAIN = {**OPTIONS, "rotation": 0.0, "zoom": 0.0, "flip": False}
SMALL = {"learning_rate": [0.01], "batch_size": [32], "epochs": [1, 2], "patience": [0, 1]}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search that trained, and what it said."""
    with home_of_runs(tmp_path_factory.mktemp("searched")), contextlib.redirect_stdout(io.StringIO()) as said:
        found = run_search("cnn", SMALL, **{**PLAIN, "verbose": True})
    return found, said.getvalue()


@pytest.fixture
def fake(monkeypatch):
    def put(figures=False, **options):
        found = FakeFit(**options)
        monkeypatch.setattr(fitting, "fit", found)
        if not figures:
            monkeypatch.setattr(search, "_save_figures", lambda *_: None)
        monkeypatch.setattr("keras.utils.clear_session", lambda: None)  # nothing to clear, and slow
        return found

    return put


def test_document_4s_grid_is_128_trials_out_of_16_trainings(fresh_home, fake, capsys):
    trained = fake(figures=True).trained
    found = run_search("cnn4", **{**OPTIONS, "verbose": True})
    assert "128 trials (16 trainings), 0 of them done before" in capsys.readouterr().out
    assert len(trained) == 16
    assert {(item.epochs, item.patience) for item in trained} == {(40, 0)}
    assert len(found.table) == 128
    assert (found.table["status"] == "done").all()
    assert set(found.table["trained_with"]) == set(
        found.table["trial"][(found.table.epochs == 40) & (found.table.patience == 0)]
    )
    written = pd.read_csv(found.directory / "trials.csv", keep_default_na=False)
    assert len(written) == 128
    assert list(written.columns) == list(found.table.columns)
    best = found.table.loc[found.table["val_accuracy"].idxmax()]
    assert found.best_settings["learning_rate"] == best["learning_rate"]
    assert found.top().iloc[0]["val_accuracy"] == best["val_accuracy"]
    # several trials reach the best epoch: the one that costs least is taken
    equals = found.table[found.table["val_accuracy"] == best["val_accuracy"]]
    assert found.top().iloc[0]["epochs_run"] == equals["epochs_run"].min()
    assert {path.stem for path in (found.directory / "figures").iterdir()} == {"heat_map", "parallel"}


@pytest.mark.parametrize(
    ("settings", "lengths"),
    [
        ({**PLAIN, "schedule": "constant"}, {"epochs": [2]}),
        pytest.param(
            {**OPTIONS, "schedule": "plateau", "plateau": 1, "mixup": 0.2},
            {"epochs": [4], "patience": [0, 1]},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_trials_read_from_longer_ones_are_what_training_them_gives(fresh_home, settings, lengths):
    rate = {"learning_rate": [0.03]}
    longest = {**rate, "epochs": [*lengths["epochs"], 5], "patience": [0, 1]}
    shared = run_search("cnn", longest, out=fresh_home / "shared", **settings).table
    assert shared["trained_with"].nunique() == 1
    assert (shared["epochs_run"] < shared["epochs"]).any()  # early stopping was among them
    alone = run_search("cnn", {**rate, "patience": [0], **lengths}, out=fresh_home / "alone", share=False, **settings)
    assert (alone.table["trained_with"] == alone.table["trial"]).all()
    both = shared.merge(alone.table, on=["learning_rate", "epochs", "patience"], suffixes=("", "_alone"))
    assert len(both) == len(alone.table) > 0
    for column in ("status", "val_accuracy", "val_loss", "best_epoch", "epochs_run", "parameters"):
        assert list(both[column]) == list(both[f"{column}_alone"])


def test_the_printed_command_trains_what_was_found(fresh_home, searched):
    found, said = searched
    assert found.train_command in said
    words = shlex.split(found.train_command)
    assert words[:3] == ["fer-tf", "train", "cnn"]
    pairs = list(zip(words[3::2], words[4::2], strict=True))
    assert ("--option", "count=400") in pairs
    assert ("--size", "smoke") in pairs
    overrides = experiments.parse_overrides(" ".join(value for flag, value in pairs if flag == "--set"))
    assert (
        overrides == {key: PLAIN[key] for key in ("limit", "width", "rotation", "zoom", "flip")} | found.best_settings
    )
    run = run_experiment("cnn", dataset_options={"count": 400}, size="smoke", verbose=False, **overrides)
    best = found.top().iloc[0]
    assert run.metrics["val"]["accuracy"] == pytest.approx(best["val_accuracy"])
    assert run.metrics["training"]["best_epoch"] == best["best_epoch"]


def test_the_best_trials_interval_is_over_the_validation_images(searched):
    found, _ = searched
    best = found.best_on_validation()
    images = sum(counts["support"] for counts in best["per_class"].values())
    share = found.table["val_accuracy"].max()
    low, high = best["intervals"]["accuracy"]
    # Wilson (1927): the bounds p that are 1.96 of their own standard errors away from the share
    for bound in (low, high):
        assert abs(bound - share) == pytest.approx(1.959964 * (bound * (1 - bound) / images) ** 0.5, rel=1e-5)
    assert low < share < high
    assert "has not learned" in comparison.learning_note(best)


def test_interrupted_search_runs_only_the_rest(fresh_home, fake):
    space = {"learning_rate": [0.1, 0.01, 0.001], "batch_size": [8, 16], "epochs": [2, 3]}
    fake(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        run_search("cnn", space, **OPTIONS)
    (directory,) = (fresh_home / "reports" / "searches").iterdir()
    assert len(pd.read_csv(directory / "trials.csv")) == 6
    rest = fake().trained
    found = run_search("cnn", space, **OPTIONS)
    assert len(rest) == 3
    assert len(found.table) == 12
    whole = run_search("cnn", space, **OPTIONS, out=fresh_home / "whole")
    pd.testing.assert_frame_equal(found.table, whole.table)
    again = fake().trained
    run_search("cnn", space, **OPTIONS)
    assert again == []


@pytest.mark.slow
def test_an_interrupted_trial_goes_on_after_its_last_epoch(fresh_home, monkeypatch):
    space = {"learning_rate": [0.01], "epochs": [4]}
    whole = run_search("cnn", space, out=fresh_home / "whole", **PLAIN).table
    end, seen = keeping.EpochKeeper.on_epoch_end, []

    def stopping(self, epoch, logs=None):
        if epoch == 2 and epoch not in seen:
            seen.append(epoch)
            raise KeyboardInterrupt
        seen.append(epoch)
        end(self, epoch, logs)

    monkeypatch.setattr(keeping.EpochKeeper, "on_epoch_end", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_search("cnn", space, **PLAIN)
    found = run_search("cnn", space, **PLAIN)
    assert seen == [0, 1, 2, 2, 3]
    pd.testing.assert_frame_equal(found.table.drop(columns="seconds"), whole.drop(columns="seconds"))
    assert not list(found.directory.rglob(keeping.CHECKPOINT))
    assert not list(found.directory.rglob("*.h5"))


def test_a_failing_trial_is_recorded_and_the_others_run(fresh_home, fake):
    fails = {"fails": lambda experiment: experiment.learning_rate == 0.1}
    fake(**fails)
    space = {"learning_rate": [0.1, 0.01], "epochs": [1, 2]}
    found = run_search("cnn", space, **OPTIONS)
    failed = found.table[found.table["status"] == "failed"]
    assert list(failed["learning_rate"]) == [0.1, 0.1]
    assert list(failed["message"]) == ["RuntimeError: out of memory"] * 2
    assert found.best_settings["learning_rate"] == 0.01
    trained = fake().trained
    run_search("cnn", space, **OPTIONS)
    assert trained == []
    found = run_search("cnn", space, **OPTIONS, retry=True)
    assert [item.learning_rate for item in trained] == [0.1]
    assert (found.table["status"] == "done").all()


def test_a_search_in_which_all_fails_says_so(fresh_home, fake):
    fake(fails=lambda experiment: True)
    with pytest.raises(InputError, match="no trial came to an end; the first failed with: RuntimeError: out of memory"):
        run_search("cnn", SMALL, **OPTIONS)


class Untestable(FaceDataset):
    """A dataset whose test split must not be requested in any way."""

    @property
    def test(self):
        raise AssertionError("the test split was read")

    def split(self, name):
        assert name != "test", "the test split was read"
        return super().split(name)


def test_test_images_are_never_read(fresh_home, searched, monkeypatch):
    honest = searched[0].table
    load = data.load_dataset

    def poisoned(*arguments, **options):
        ds = load(*arguments, **options)
        images = ds.store.array.copy()
        images[(ds.table["split"] == "test").to_numpy()] = 0
        return Untestable(
            ds.name, ds.protocol, ds.class_names, ds.table, data.base.ArrayImages(images), source="poison"
        )

    monkeypatch.setattr(data, "load_dataset", poisoned)
    with pytest.raises(AssertionError, match="test split was read"):
        run_experiment("majority", dataset_options={"count": 400}, verbose=False)
    found = run_search("cnn", SMALL, **PLAIN).table
    same = ["val_accuracy", "val_loss", "best_epoch", "epochs_run"]
    pd.testing.assert_frame_equal(found[same], honest[same])


def test_grid_after_random_goes_on_with_what_was_tried(fresh_home, fake):
    fake()
    first = run_search("cnn", "document2", random=5, **OPTIONS)
    assert len(first.table) == 5
    whole = run_search("cnn", "document2", **OPTIONS)
    assert whole.directory == first.directory
    assert len(whole.table) == 48
    pd.testing.assert_frame_equal(whole.table[:5], first.table)


def test_another_basis_is_put_aside_and_comes_back(fresh_home, fake, capsys):
    trained = fake().trained
    run_search("cnn", SMALL, **OPTIONS)
    count = len(trained)
    other = run_search("cnn", SMALL, **OPTIONS, rotation=5.0)
    assert len(trained) == 2 * count
    assert "the search with other settings is kept in" in capsys.readouterr().out
    back = run_search("cnn", SMALL, **OPTIONS)
    assert len(trained) == 2 * count
    assert back.directory == other.directory
    assert json.loads((back.directory / "search.json").read_text())["basis"]["settings"]["rotation"] == 10.0


@pytest.mark.parametrize("searched", [False, True], ids=["of all trials", "searched through"])
def test_another_face_net_under_the_same_name_is_another_search(fresh_home, fake, capsys, searched):
    from tiny_face_net import tiny_face_net

    trained, path = fake().trained, fresh_home / "net.h5"
    tiny_face_net().save(path)
    options = OPTIONS if searched else {**OPTIONS, "face_net": str(path)}
    space = {"learning_rate": [0.01], "epochs": [2], **({"face_net": [str(path)]} if searched else {})}
    run_search("facenet2expnet", space, **options)
    run_search("facenet2expnet", space, **options)
    assert len(trained) == 1
    tiny_face_net(seed=4).save(path)
    capsys.readouterr()
    run_search("facenet2expnet", space, **options)
    assert len(trained) == 2
    assert "the search with other networks is kept in" in capsys.readouterr().out


def test_no_checkpoint_of_stage_1_is_left(fresh_home, fake, monkeypatch):
    fit = fake()

    def with_checkpoints(training_data, experiment, seed, progress):
        found = fit(training_data, experiment, seed, progress)
        (progress.directory / "matching").mkdir()
        for folder in (progress.directory, progress.directory / "matching"):
            (folder / keeping.CHECKPOINT).write_bytes(b"weights")
        return found

    monkeypatch.setattr(fitting, "fit", with_checkpoints)
    found = run_search("cnn", SMALL, **OPTIONS)
    assert not list(found.directory.rglob(keeping.CHECKPOINT))
    assert list(found.directory.rglob("matching"))


def test_the_best_are_repeated_with_other_seeds_and_the_best_mean_wins(fresh_home, fake):
    """Mean and t interval against NumPy; resumed without training; the other trials are not repeated."""
    fit, space = fake(), {"learning_rate": [0.1, 0.01, 0.001, 0.0001], "epochs": [2]}
    found = run_search("cnn", space, repeats=2, **PLAIN)
    assert len(fit.trained) == 4 + 2 * 3
    best = set(found.top(3)["trial"])
    tables = [found.table, *(pd.read_csv(found.directory / "repeats" / f"seed{k}" / "trials.csv") for k in (1, 2))]
    assert all(set(table["trial"]) == best for table in tables[1:])
    rows = found.repeated.set_index("trial")
    for trial in best:
        scores = np.array([table.set_index("trial").loc[trial, "val_accuracy"] for table in tables])
        half = 4.302652729911275 * scores.std(ddof=1) / np.sqrt(3)  # the table of Student's t: 2 degrees of freedom
        expected = [3, scores.mean(), scores.mean() - half, scores.mean() + half, scores.min(), scores.max()]
        columns = ["seeds", "mean", "low", "high", "smallest", "largest"]
        np.testing.assert_allclose(rows.loc[trial, columns].astype(float), expected)
    winner = found.repeated.iloc[0]
    assert winner["mean"] == found.repeated["mean"].max()
    assert found.best_settings["learning_rate"] == winner["learning_rate"]
    assert f"learning_rate={winner['learning_rate']:g}" in found.train_command.replace("1e-04", "0.0001")
    again = run_search("cnn", space, repeats=2, **PLAIN)
    assert len(fit.trained) == 10
    pd.testing.assert_frame_equal(again.repeated, found.repeated)
    assert run_search("cnn", space, **PLAIN).repeated.empty


def test_two_processes_cannot_run_one_search(fresh_home, fake):
    trained = fake().trained
    name = "search-cnn-synthetic-identity-seed0-custom"
    with records.locked(name), pytest.raises(InputError, match=f"{name}: is being run by another process"):
        run_search("cnn", SMALL, **OPTIONS)
    assert trained == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "document5"}, "space: allowed are document4, document3, document2, a .json file, or text like"),
        ({"space": {"rate": [1]}}, "space: unknown 'rate'; allowed are attention, backbone, batch_size"),
        ({"space": {"image_size": [48, 64]}}, "space: unknown 'image_size'"),
        ({"space": {"epochs": 5}}, "space: epochs must be a list of values; received 5"),
        ({"space": {"epochs": [5, 5]}}, "space: epochs names a value twice"),
        ({"space": {}}, "must hold settings with lists of values"),
        ({"space": "epochs=5,"}, "space: each setting must be name=value,value; received 'epochs=5,'"),
        ({"space": "none.json"}, "space: none.json cannot be read"),
        ({"space": {"epochs": [5, "6"]}}, "epochs: must be int; received '6'"),
        ({"space": {"epochs": [0, 5]}}, "not trained by epochs"),
        ({"name": "majority"}, "not trained by epochs"),
        ({"name": "cn"}, "experiment: allowed are majority, cnn"),
        ({"space": {"width": [0.5, 1.0]}}, "overrides: width is searched through; leave it out of one of the two"),
        ({"random": 500}, "random: the space document4 has 128 settings"),
        (
            {"name": "facenet2expnet_small_fine_tuned"},
            "search: facenet2expnet_small_fine_tuned takes the face network of another run",
        ),
    ],
)
def test_wrong_arguments_before_anything_is_written(fresh_home, arguments, message):
    with pytest.raises(InputError, match=message):
        run_search(**{"name": "cnn", **OPTIONS, **arguments})
    assert not (fresh_home / "reports").exists()
