"""The trials of a search as tasks of a cluster: the same table as one after another, and nothing twice."""

import pandas as pd
import pytest
from fake_fit import FakeFit
from inline_cluster import InlineCluster

from fer_tf.common.checks import InputError
from fer_tf.training import fitting, trial_runs
from fer_tf.training.search import run_search

OPTIONS = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False, "limit": 64, "width": 0.1}
SPACE = {"learning_rate": [0.1, 0.01, 0.001], "batch_size": [8, 16], "epochs": [2, 3], "patience": [0, 1]}


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("fer_tf.training.search._save_figures", lambda *_: None)
    monkeypatch.setattr("keras.utils.clear_session", lambda: None)

    def put(**options):
        found = FakeFit(**options)
        monkeypatch.setattr(fitting, "fit", found)
        return found

    return put


def written(search):
    return (search.directory / "trials.csv").read_bytes()


@pytest.mark.parametrize("share", [True, False])
def test_the_csv_is_that_of_a_search_without_a_cluster(fresh_home, fake, share):
    alone = fake().trained
    whole = run_search("cnn", SPACE, out=fresh_home / "alone", share=share, **OPTIONS)
    trained = fake().trained
    found = run_search("cnn", SPACE, out=fresh_home / "cluster", share=share, cluster=InlineCluster(), **OPTIONS)
    assert written(found) == written(whole)
    assert len(trained) == len(alone) == (6 if share else 24)
    assert found.best_settings == whole.best_settings


def test_a_stopped_search_resumes_on_a_cluster_and_without_one_with_the_same_csv(fresh_home, fake):
    fake()
    whole = run_search("cnn", SPACE, out=fresh_home / "whole", **OPTIONS)
    fake(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        run_search("cnn", SPACE, cluster=InlineCluster(), **OPTIONS)
    (folder,) = (fresh_home / "reports" / "searches").iterdir()
    assert 0 < len(pd.read_csv(folder / "trials.csv")) < 24
    rest = fake().trained
    assert written(run_search("cnn", SPACE, cluster=InlineCluster(), **OPTIONS)) == written(whole)
    assert len(rest) == 4
    assert written(run_search("cnn", SPACE, **OPTIONS)) == written(whole)
    assert len(rest) == 4


def test_a_trial_that_is_lost_for_good_is_a_failed_row_and_the_rest_still_runs(fresh_home, fake):
    fake()
    space = {"learning_rate": [0.1, 0.01], "epochs": [2]}
    found = run_search("cnn", space, cluster=InlineCluster(lost=1), **OPTIONS)
    assert sorted(found.table["status"]) == ["done", "failed"]
    (message,) = found.table.loc[found.table["status"] == "failed", "message"]
    assert message == "its process was ended from outside, 3 times: killed"
    again = run_search("cnn", space, cluster=InlineCluster(), retry=True, **OPTIONS)
    assert list(again.table["status"]) == ["done", "done"]


def test_a_computer_that_does_not_see_the_folder_says_so(fresh_home, fake, monkeypatch):
    fake()
    monkeypatch.setattr(trial_runs, "_PLAN", "not-there.json")
    monkeypatch.setattr(trial_runs, "write_json", lambda path, content: None)
    with pytest.raises(InputError, match=r"does not see .*not-there.json; put reports .* into a folder that all"):
        run_search("cnn", {"learning_rate": [0.1], "epochs": [1]}, cluster=InlineCluster(), **OPTIONS)
