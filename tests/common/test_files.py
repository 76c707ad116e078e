"""Files appear only when they are complete; what was there stays until then."""

import os

import numpy as np
import pytest

from fer_tf.common import files
from fer_tf.common.files import as_json, read_json, replacing, write_json, write_text


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    write_text(path, "old")
    with replacing(path) as part:
        part.write_text("new")
        assert part.name == "a.txt", "writers choose their format by the suffix"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with replacing(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def left_behind(folder, name, content, seconds=3600):
    """A temporary folder as `kill -9` leaves it, made some seconds ago."""
    place = folder / name
    place.mkdir()
    (place / content).write_text("half")
    os.utime(place, (os.stat(place).st_mtime - seconds,) * 2)
    return place


@pytest.mark.skipif(os.name != "posix", reason="the locks are those of POSIX")
def test_the_next_process_removes_what_a_killed_one_left(tmp_path):
    left_behind(tmp_path, ".scores.csv.a1b2c3d4", "scores.csv")
    young = left_behind(tmp_path, ".b.txt.a1b2c3d4", "b.txt", seconds=5)  # its process may not hold it yet
    own = left_behind(tmp_path, ".notes.a1b2c3d4", "other.txt")  # not a folder of the kit
    files._tidied.clear()  # as in a new process
    write_text(tmp_path / "a.txt", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", young.name, own.name}


def test_a_file_that_is_being_written_for_long_is_left_alone(tmp_path):
    with replacing(tmp_path / "notebook.ipynb") as part:
        part.write_text("half")
        os.utime(part.parent, (0, 0))
        files._tidied.clear()
        write_text(tmp_path / "a.txt", "new")
        assert part.read_text() == "half"
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "notebook.ipynb"}


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, not a file to write"):
        write_text(tmp_path, "text")


def test_json_comes_back_as_as_json_says(tmp_path):
    content = {"pair": (1, 2), "number": np.float32(0.5), "text": "é"}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == as_json(content) == {"pair": [1, 2], "number": 0.5, "text": "é"}


@pytest.mark.parametrize("text", [None, "", "{", '{"a": 1'])
def test_a_missing_or_broken_json_file_is_empty(tmp_path, text):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json") == {}
