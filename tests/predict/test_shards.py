"""Pictures in shards on a cluster: the rows of `predict_files`, resumed by shard, and one failed picture is one row."""

import json
import os

import pandas as pd
import pytest
from fixtures import BROKEN
from inline_cluster import InlineCluster

from fer_tf.common.checks import InputError
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.predict_files import predict_files
from fer_tf.predict.shards import ShardWriter, predict_shards


@pytest.fixture
def arguments(tiny_model_path):
    return {"model": str(tiny_model_path), "batch_size": 4, "detector": "none"}


@pytest.fixture
def files(faces, home):
    return [*faces, BROKEN["half a png"](home / "half.png"), home / "=lost.png"]


def predicted(arguments, files, out="scores", cluster=None, **options):
    options = {"shard_files": 4, "progress": False, **options}
    return predict_shards(arguments, files, out, cluster or InlineCluster(), **options)


def test_the_shards_together_are_the_csv_of_one_process(arguments, files, home):
    done = predicted(arguments, files)
    predict_files(EmotionRecognizer(**arguments), files, "whole.csv", progress=False)
    texts = [path.read_text().splitlines() for path in sorted((home / "scores").glob("part-*.csv"))]
    assert [len(lines) for lines in texts] == [5, 5, 5]
    header, *rows = (home / "whole.csv").read_text().splitlines()
    assert {lines[0] for lines in texts} == {header}
    assert [line for lines in texts for line in lines[1:]] == rows
    assert (done.pictures, done.rows, done.failed, done.shards, done.new) == (12, 12, 2, 3, 3)
    assert [path for path, _ in done.first_failed] == [str(files[10]), str(files[11])]


def test_parquet_has_the_same_rows(arguments, files, home):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, which Ray Data brings")
    predicted(arguments, files, form="parquet")
    parts = [pd.read_parquet(path) for path in sorted((home / "scores").glob("part-*.parquet"))]
    frame, expected = pd.concat(parts, ignore_index=True), EmotionRecognizer(**arguments).predict(files)
    pd.testing.assert_frame_equal(frame, expected[frame.columns], check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(home / "scores"), frame)  # other files of the folder are skipped


def test_only_missing_shards_are_made_and_counts_are_those_of_all(arguments, files, home):
    first = predicted(arguments, files)
    (home / "scores" / "part-000001.csv").unlink()
    journal = home / "scores" / "_journal.jsonl"
    kept = [line for line in journal.read_text().splitlines() if not line.startswith('{"number": 2')]
    journal.write_text("\n".join(kept) + '\n{"number": 2, "pic')  # killed between the shard and its line
    cluster, said = InlineCluster(), []
    again = predicted(arguments, files, cluster=cluster, say=said.append)
    assert [part["number"] for part in cluster.parts] == [1, 2]
    assert said == ["scores: resumes after 1 of 3 shards"]
    assert again == first._replace(new=2)
    assert predicted(arguments, files).new == 0


OTHER = "the model, its settings or the list of files"


@pytest.mark.parametrize(
    ("change", "what"),
    [("files", "files"), ("order", OTHER), ("settings", OTHER), ("shard_files", "shard_files"), ("format", "format")],
)
def test_a_folder_of_another_prediction_is_refused_and_kept(arguments, files, home, change, what):
    predicted(arguments, files)
    before = {path.name: path.read_bytes() for path in (home / "scores").iterdir()}
    given = {"arguments": arguments, "files": files}
    given |= {
        "files": {"files": files[1:]},
        "order": {"files": files[::-1]},
        "settings": {"arguments": {**arguments, "classes": None, "select": "largest"}},
        "shard_files": {"shard_files": 5},
        "format": {"form": "parquet"},
    }[change]
    with pytest.raises(InputError, match=rf"holds shards of another prediction \({what} differ\)"):
        predicted(**given)
    assert {path.name: path.read_bytes() for path in (home / "scores").iterdir()} == before


def test_what_cannot_be_predicted_in_shards_is_refused(arguments, files, home):
    (home / "full").mkdir()
    (home / "full" / "x.txt").touch()
    for out, given, message in (
        ("scores", [*files, "a.mp4"], "a.mp4: is a film; a cluster predicts pictures"),
        ("full", files, "full is not empty and holds no shards"),
        (files[0], files, "is a file; with --cluster give a folder"),
        ("scores", [], "no files found"),
    ):
        with pytest.raises(InputError, match=message):
            predicted(arguments, given, out)
    with pytest.raises(InputError, match="shard_format: allowed are csv, parquet; received 'json'"):
        predicted(arguments, files, form="json")
    assert not (home / "scores").exists()


def test_a_computer_that_does_not_see_the_folder_says_so_before_it_loads_the_model(home):
    with pytest.raises(InputError, match="does not see .*_job.json; put --out into a folder that all computers"):
        ShardWriter({"model": "none.h5"}, str(home / "nowhere"), "csv", "job")
    os.makedirs("scores")
    (home / "scores" / "_job.json").write_text(json.dumps({"job": "other"}))
    with pytest.raises(InputError, match="now holds another prediction"):
        ShardWriter({"model": "none.h5"}, "scores", "csv", "job")
