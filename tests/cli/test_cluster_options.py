"""`--cluster`: each command hands its work to the cluster, and options that do not go together are refused."""

import contextlib

import pandas as pd
import pytest
from fixtures import assert_refused, run_cli, write_face
from inline_cluster import InlineCluster

from fer_tf.common import cluster
from fer_tf.common.cluster import Share


@pytest.fixture
def inline(monkeypatch):
    """A list that gets the cluster of each command."""
    made = []

    @contextlib.contextmanager
    def connected(name, share=None):
        made.append(InlineCluster(share) if name else None)
        yield made[-1]

    monkeypatch.setattr(cluster, "check_installed", lambda name: None)
    monkeypatch.setattr(cluster, "connected", connected)
    return made


def test_predict_writes_shards_and_reports_what_cannot_be_read(capsys, home, tiny_model_path, inline):
    for number in range(5):
        write_face(home / "in" / f"{number}.png", number)
    (home / "in" / "4.png").write_text("no picture")
    words = ["predict", home / "in", "--no-detect", "--model", tiny_model_path, "--out", home / "scores"]
    answer = run_cli(capsys, *words, "--cluster", "ray", "--threads", 2, "--gpus", 0.5, "--shard-files", 2)
    assert answer.code == 1
    assert "4 of 5 files predicted, 5 rows; 3 shards (3 of them new) in" in answer.out
    assert f"not read: {home / 'in' / '4.png'}: " in answer.err
    assert inline[0].share == Share(2, 0.5)
    rows = pd.concat(pd.read_csv(path) for path in sorted((home / "scores").glob("*.csv")))
    assert [path[-5:] for path in rows["path"]] == [f"{number}.png" for number in range(5)]


def test_prepare_and_doctor_use_the_cluster(capsys, home, inline):
    out = home / "prepared"
    words = ["data", "prepare", "synthetic", "--option", "count=40", "--size", 32, "--out", out]
    answer = run_cli(capsys, *words, "--cluster", "ray", "--threads", 3)
    assert answer.code == 0, answer.err
    assert len(inline[0].parts) == 1
    assert inline[0].share == Share(3)
    answer = run_cli(capsys, "data", "doctor", "synthetic", "--option", "count=40", "--cluster", "ray")
    assert answer.code == 0, answer.err
    assert len(inline[1].parts) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a.png", "--threads", 2], "threads, gpus: can only be used with --cluster"),
        (["a.png", "--shard-files", 2], "workers, shard_format, shard_files: can only be used with --cluster"),
        (["a.png", "--cluster", "ray"], "cluster: needs --out, the folder for the shards"),
        (["a.png", "--cluster", "ray", "--out", "x", "--annotate", "y"], "cluster: predicts pictures; --annotate"),
        (["--webcam", 0, "--cluster", "ray", "--out", "x"], "cluster: predicts pictures"),
        (["a.mp4", "--cluster", "ray", "--out", "x", "--no-detect"], "a.mp4: is a film; a cluster predicts pictures"),
    ],
)
def test_predict_refuses_what_does_not_go_together(capsys, home, inline, words, text):
    assert_refused(run_cli(capsys, "predict", *words), text)


@pytest.mark.parametrize(
    "words",
    [
        ["search", "cnn", "--random", 1],
        ["data", "prepare", "synthetic", "--out", "x"],
        ["data", "doctor", "synthetic"],
        ["predict", "a.png", "--out", "x"],
        ["queue", "mine.csv"],
    ],
)
def test_a_cluster_that_is_not_known_or_not_installed_is_refused_before_anything_is_written(
    capsys, home, monkeypatch, words
):
    (home / "work" / "mine.csv").write_text("experiment\ncnn\n")
    assert_refused(run_cli(capsys, *words, "--cluster", "slurm"), "cluster: allowed are ray; received 'slurm'")
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    answer = run_cli(capsys, *words, "--cluster", "ray")
    assert_refused(answer, 'cluster: ray needs a package of its own: pip install -e ".[cluster]"')
    assert sorted(path.name for path in (home / "work").iterdir()) == ["mine.csv"]


def test_search_and_queue_use_the_cluster(capsys, home, inline, monkeypatch):
    seen = []
    monkeypatch.setattr("fer_tf.training.search.run_search", lambda *_, **options: seen.append(options["cluster"]))
    assert run_cli(capsys, "search", "cnn", "--grid", "--cluster", "ray", "--gpus", 1).code == 0
    assert seen[0].share == Share(1, 1.0)
    (home / "work" / "mine.csv").write_text("experiment\ncnn\n")
    table = pd.DataFrame([{"run": "x", "state": "finished"}]).reindex(
        columns=["run", "state", "best val", "epoch", "of", "seconds an epoch", "minutes left"]
    )
    monkeypatch.setattr("fer_tf.training.queue.run_queue", lambda _, settings: (seen.append(settings), table)[1])
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handlers of this process stay
    assert run_cli(capsys, "queue", "mine.csv", "--cluster", "ray", "--threads", 4).code == 0
    assert seen[1].cluster.share == Share(4)
    assert seen[1].threads == 4
