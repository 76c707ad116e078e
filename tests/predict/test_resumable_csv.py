"""The csv that grows: what a stopped call leaves is resumed, or put aside."""

import json
from unittest import mock

import pandas as pd
import pytest
from stopping import stop_in

from fer_tf.common.checks import InputError
from fer_tf.predict.pictures import read_picture
from fer_tf.predict.predict_files import predict_files
from fer_tf.predict.resumable_csv import ResumableCsv

# going on


def test_a_stopped_call_goes_on_after_its_last_whole_batch(recognizer, faces, home):
    files = [*faces[:6], home / "lost.png", *faces[6:]]
    predict_files(recognizer, files, home / "whole.csv", progress=False)
    stop_in(recognizer, files, home / "out.csv", after=2)
    assert not (home / "out.csv").exists()
    with open(home / "out.csv.part", "a") as part:  # a row that was being written
        part.write('"faces/9.pn')
    read, remarks = [], []
    with mock.patch("fer_tf.predict.predict_files.read_picture", lambda path: read.append(path) or read_picture(path)):
        summary = predict_files(recognizer, files, home / "out.csv", progress=False, say=remarks.append)
    assert read == files[8:]
    assert remarks == [f"{home / 'out.csv'}: resumes after 8 of 11 files"]
    assert (home / "out.csv").read_text() == (home / "whole.csv").read_text()
    assert summary.failed == [(str(home / "lost.png"), "no such file")], "also of the part done before"
    assert not list(home.glob("*.part*"))


def test_what_was_put_aside_is_not_overwritten(recognizer, faces, home):
    for files in (faces, faces[1:], faces):
        stop_in(recognizer, files, home / "out.csv")
    kept = [pd.read_csv(home / f"out.csv.part{number}.old")["path"].tolist() for number in (1, 2)]
    assert kept == [list(map(str, files[:4])) for files in (faces, faces[1:])]


def test_a_foreign_file_of_the_rows_name_is_put_aside(recognizer, faces, home):
    (home / "out.csv.part").write_bytes(b"\xff half a download")
    predict_files(recognizer, faces, home / "out.csv", progress=False)
    assert (home / "out.csv.part1.old").read_bytes() == b"\xff half a download"


def test_what_cannot_be_put_aside_does_not_lock_the_csv(recognizer, faces, home):
    stop_in(recognizer, faces, home / "out.csv")
    with mock.patch("shutil.copyfile", side_effect=OSError("full")), pytest.raises(OSError, match="full"):
        ResumableCsv(home / "out.csv", ["path"], "other")
    ResumableCsv(home / "out.csv", ["path"], "other").close()


def test_nothing_is_said_where_nothing_was_done(recognizer, faces, home):
    stop_in(recognizer, faces, home / "out.csv", after=0)
    assert (home / "out.csv.part").is_file()
    remarks = []
    predict_files(recognizer, faces, home / "out.csv", progress=False, say=remarks.append)
    assert not remarks
    assert not list(home.glob("*.part*"))


@pytest.mark.parametrize("spoil", ["{", "[]", "{}", "null", '{"job": 1}', ""])
def test_a_spoilt_note_is_as_none(recognizer, faces, home, spoil):
    stop_in(recognizer, faces, home / "out.csv")
    (home / "out.csv.part.json").write_text(spoil)
    predict_files(recognizer, faces, home / "out.csv", progress=False)
    assert len(pd.read_csv(home / "out.csv")) == 10


def test_a_note_that_says_more_than_there_is_is_as_none(recognizer, faces, home):
    stop_in(recognizer, faces, home / "out.csv")
    note = home / "out.csv.part.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "bytes": 10**6}))
    predict_files(recognizer, faces, home / "out.csv", progress=False)
    assert pd.read_csv(home / "out.csv")["path"].tolist() == list(map(str, faces))


def test_rows_are_on_the_disk_while_it_works(recognizer, faces, home):
    seen, real = [], recognizer._probabilities

    def looking(crops):
        seen.append(len((home / "out.csv.part").read_text().splitlines()))
        return real(crops)

    with mock.patch.object(recognizer, "_probabilities", looking):
        predict_files(recognizer, faces, home / "out.csv", progress=False)
    assert seen == [1, 5, 9]


def test_one_csv_is_written_by_one_process(home):
    pytest.importorskip("fcntl")
    first = ResumableCsv(home / "out.csv", ["path"], "job")
    with pytest.raises(InputError, match=r"out\.csv\.part: is being written by another process"):
        ResumableCsv(home / "out.csv", ["path"], "job")
    first.close()
    ResumableCsv(home / "out.csv", ["path"], "job").close()
