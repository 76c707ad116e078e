"""A cluster: what is refused before anything starts, and (with Ray) two computers on this one, of which one is lost.

The tests with Ray take about a minute: Ray's own processes and TensorFlow start several times.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import psutil
import pytest
from fixtures import BROKEN, write_face

from fer_tf.common import cluster
from fer_tf.common.checks import InputError, OutOfTime
from fer_tf.common.cluster import Share, check_options, connected, need_file
from fer_tf.common.cores import thread_variables
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.predict_files import predict_files
from fer_tf.predict.shards import predict_shards
from fer_tf.training.queue import Settings, run_queue
from fer_tf.training.queue_entries import read_queue
from fer_tf.training.search import run_search


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threads": 0}, "threads: must be a number >= 1; received 0"),
        ({"gpus": -1}, "gpus: must be a number >= 0; received -1"),
        ({"gpus": float("nan")}, "gpus: must be"),
    ],
)
def test_a_wrong_share_names_the_fault(values, message):
    with pytest.raises(InputError, match=message):
        Share(**values)


def test_options_of_a_cluster_need_one_that_is_known_and_installed(monkeypatch):
    assert check_options(None, None, None) == Share(1, 0.0)
    for threads, gpus in ((2, None), (None, 0.5)):
        with pytest.raises(InputError, match="threads, gpus: can only be used with --cluster"):
            check_options(None, threads, gpus)
    with pytest.raises(InputError, match="cluster: allowed are ray; received 'slurm'"):
        check_options("slurm", None, None)
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'cluster: ray needs a package of its own: pip install -e "\.\[cluster\]"'):
        check_options("ray", 2, None)


def test_without_a_cluster_there_is_none():
    with connected(None) as computers:
        assert computers is None


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("10.0.0.5", "RAY_ADDRESS: must be HOST:PORT of the cluster's head"),
        ("ray://10.0.0.5:10001", "RAY_ADDRESS: must be HOST:PORT"),
        ("head:port", "RAY_ADDRESS: must be HOST:PORT"),
        ("127.0.0.1:99999", "RAY_ADDRESS: 127.0.0.1:99999 does not answer"),
        ("no-such-host.invalid:6379", "RAY_ADDRESS: no-such-host.invalid:6379 does not answer"),
        (None, r"RAY_ADDRESS: 127.0.0.1:\d+ does not answer \(Connection refused\); start the cluster's head"),
    ],
)
def test_an_address_that_does_not_answer_is_refused_at_once(monkeypatch, address, message):
    monkeypatch.setattr(cluster, "check_installed", lambda name: None)
    monkeypatch.setenv("RAY_ADDRESS", address or f"127.0.0.1:{closed_port()}")
    with pytest.raises(InputError, match=message), connected("ray"):
        pass


def test_a_file_that_is_not_seen_says_what_to_share(tmp_path):
    need_file(__file__, "tests")
    with pytest.raises(InputError, match=r"does not see .*/x; put reports into a folder that all computers"):
        need_file(tmp_path / "x", "reports")


def test_tasks_get_the_settings_and_folders_of_the_caller(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("FER_TF_REPORTS", "mine")
    monkeypatch.setenv("SECRET", "x")
    variables = cluster._variables(Share(3))
    assert variables["KERAS_BACKEND"] == "jax"
    assert variables["FER_TF_REPORTS"] == os.path.abspath("mine")
    assert variables["OMP_NUM_THREADS"] == "3"
    assert variables["CUDA_VISIBLE_DEVICES"] == "", "a task without a share of a card sees no card"
    half = cluster._variables(Share(gpus=0.5))
    assert "CUDA_VISIBLE_DEVICES" not in half
    assert half["TF_FORCE_GPU_ALLOW_GROWTH"] == "true", "two tasks share the card's memory"
    assert "SECRET" not in variables


def test_how_many_tasks_fit_on_a_computer():
    node = {"CPU": 8.0, "GPU": 1.0}
    shares = (Share(), Share(3), Share(16), Share(1, 1), Share(1, 0.25), Share(1, 2))
    assert [cluster._fitting(node, share) for share in shares] == [8, 2, 0, 1, 4, 0]
    assert cluster._fitting({}, Share()) == 0


def test_lost_processes_end_a_list_of_parts_with_the_advice_to_resume(monkeypatch):
    ray = Mock()
    ray.exceptions.RayError = type("RayError", (Exception,), {})
    parts = ray.data.from_items.return_value.map.return_value
    parts.iter_rows.side_effect = ray.exceptions.RayError("The actor died.\nMore about it")
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(OutOfTime, match=r"cluster: processes were ended from outside \(The actor died\.\)$"):
        list(cluster.Cluster(Share()).each(dict, {}, [1], workers=1))


# with Ray


@pytest.fixture(scope="module")
def computers():
    """Two computers with a core each, played by two sets of Ray's processes on this one."""
    pytest.importorskip("ray", reason="a cluster needs Ray: pip install -e .[cluster]")
    from ray.cluster_utils import Cluster as RayNodes

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}.items():
            patch.setenv(name, value)
        nodes = RayNodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        patch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes
        nodes.shutdown()


@pytest.fixture
def second(computers):
    """The second computer, while a test needs it."""
    node = computers.add_node(num_cpus=1)
    yield node
    if node in computers.worker_nodes:
        computers.remove_node(node)


def within(seconds, is_true):
    """True if `is_true()` in this time."""
    until = time.monotonic() + seconds
    while not (answer := is_true()) and time.monotonic() < until:
        time.sleep(0.2)
    return answer


def when(is_true, act):
    """Calls `act` in a thread once `is_true()`; the thread."""

    def wait():
        until = time.monotonic() + 300
        while not is_true() and time.monotonic() < until:
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def kill_a_predicting_process(computers):
    """kill -9 of a process that holds a model, on any of the computers; its id."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in computers.list_all_nodes()]
    workers = [child for pid in raylets for child in psutil.Process(pid).children()]
    alive = [worker for worker in workers if worker.status() != psutil.STATUS_ZOMBIE]
    worker = next(worker for worker in alive if "MapWorker" in " ".join(worker.cmdline()))
    worker.kill()
    return worker.pid


@pytest.mark.slow
def test_a_killed_process_costs_no_row_of_a_prediction_and_gives_none_twice(
    computers, second, tmp_path, monkeypatch, tiny_model_path
):
    monkeypatch.chdir(tmp_path)
    files = [write_face(tmp_path / "faces" / f"{number}.png", number) for number in range(48)]
    files[7] = BROKEN["text"](tmp_path / "faces" / "no.png")
    arguments = {"model": str(tiny_model_path), "batch_size": 4, "detector": "none"}
    killed = []
    kill = lambda: killed.append(kill_a_predicting_process(computers))  # noqa: E731
    killing = when(lambda: any(Path("scores").glob("part-*")), kill)
    with connected("ray") as cluster_of_two:
        assert cluster_of_two.size() == 2
        done = predict_shards(arguments, files, "scores", cluster_of_two, shard_files=4, progress=False)
    killing.join()
    assert len(killed) == 1, "nothing was killed"
    assert (done.rows, done.failed, done.shards, done.new) == (48, 1, 12, 12)
    predict_files(EmotionRecognizer(**arguments), files, "whole.csv", progress=False)
    rows = [line for path in sorted(Path("scores").glob("part-*")) for line in path.read_text().splitlines()[1:]]
    assert rows == Path("whole.csv").read_text().splitlines()[1:]
    assert len((Path("scores") / "_journal.jsonl").read_text().split()) > 12


SEARCH = """
import sys
from fer_tf.training.search import run_search
run_search("cnn", out=sys.argv[1], **eval(sys.argv[2]))
"""
TRAINING = {"size": "smoke", "limit": 64, "width": 0.1, "rotation": 0.0, "zoom": 0.0, "flip": False, "verbose": False}
TRAINING |= {"dataset_options": {"count": 400}}
SPACE = {"learning_rate": [0.03, 0.003], "batch_size": [8, 16], "epochs": [6, 8]}


@pytest.mark.slow
def test_a_lost_computer_costs_no_trial_and_the_csv_is_that_of_one_process(computers, second, fresh_home):
    """Both computers train when one of them is lost; its trial is resumed by the other."""
    out = fresh_home / "cluster"
    both_train = lambda: len(list(out.glob("trials/*/checkpoint.npz"))) > 1  # noqa: E731
    losing = when(both_train, lambda: computers.remove_node(second, allow_graceful=False))
    with connected("ray") as cluster_of_two:
        found = run_search("cnn", SPACE, out=out, cluster=cluster_of_two, **TRAINING)
        losing.join()
        assert within(60, lambda: cluster_of_two.size() == 1)  # the cluster needs seconds to see the loss
    assert len(found.table) == found.table["trial"].nunique() == 8
    # sums of floats depend on the number of threads: also one
    code = [sys.executable, "-c", SEARCH, fresh_home / "alone", repr({"space": SPACE, **TRAINING})]
    subprocess.run(code, check=True, env={**os.environ, **thread_variables(1)})
    tables = [pd.read_csv(folder / "trials.csv").drop(columns="seconds") for folder in (out, fresh_home / "alone")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.slow
def test_entries_of_a_queue_run_as_tasks_and_a_task_that_is_too_large_waits_with_a_note(computers, fresh_home, capfd):
    file = fresh_home / "queue.csv"
    file.write_text("experiment,seed,options,size\nmajority,0,count=120,smoke\nmajority,1,count=120,smoke\n")
    with connected("ray") as one:
        table = run_queue(read_queue(file), Settings(cluster=one), verbose=False)
    assert list(table["state"]) == ["finished", "finished"]
    assert "record" in (fresh_home / "reports" / "queue" / "majority-synthetic-identity-seed0.log").read_text()
    capfd.readouterr()
    with connected("ray", Share(64, 2)):
        pass
    assert "note: threads, gpus: no computer of the cluster has 64 cores and 2 GPUs" in capfd.readouterr().err
