"""The command that predicts: what it writes, shows and reports."""

import os
import re

import pandas as pd
from fixtures import BROKEN, assert_refused, files_below, run_cli, write_face

from fer_tf.emotions import EMOTIONS


def test_predict_does_what_it_can_and_reports_the_rest(capsys, home, tiny_model_path):
    good = [write_face(home / name) for name in ("in/a.png", "in/deep/er/b.JPG", "in/with blank ü.png")]
    bad = [BROKEN["half a png"](home / "in/deep/half.png"), BROKEN["text"](home / "in/notes.jpg")]
    bad.append(BROKEN["link to itself"](home / "in/link.png"))
    (home / "in/Thumbs.db").write_text("litter")
    os.symlink(home / "in", home / "in/deep/loop")
    out = home / "in/scores.csv"
    for _ in range(2):  # the second time the csv is in the folder that is searched
        answer = run_cli(capsys, "predict", home / "in", "--no-detect", "--model", tiny_model_path, "--out", out)
        assert answer.code == 1
        assert "3 of 6 files predicted" in answer.out
        assert len(answer.err.splitlines()) == 3
        assert all(f"not read: {path}: " in answer.err for path in bad)
        frame = pd.read_csv(out, keep_default_na=False).set_index("path")
        assert sorted(frame.index) == sorted(map(str, [*good, *bad]))
        assert (frame.loc[map(str, good), "label"].isin(EMOTIONS)).all()
        assert (frame.loc[map(str, bad), "error"] != "").all()


def test_predict_without_out_shows_a_table(capsys, home, tiny_model_path):
    face = write_face(home / "a.png")
    answer = run_cli(capsys, "predict", face, home / "b.png", "--no-detect", "--model", tiny_model_path)
    assert answer.code == 1
    assert re.search(rf"{face} +0 +False +({'|'.join(EMOTIONS)}) +0\.\d+", answer.out)
    assert f"not read: {home / 'b.png'}: no such file" in answer.err


def test_predict_says_which_detectors_find_landmarks(capsys, home, tiny_model_path):
    face, model = write_face(home / "a.png"), ("--model", tiny_model_path)
    for arguments in (["--detector", "haar"], ["--no-detect"]):
        answer = run_cli(capsys, "predict", face, *model, "--align", "landmarks", *arguments)
        assert_refused(answer, "align: landmarks needs a detector that finds eyes, nose and mouth: mtcnn or yunet")
    answer = run_cli(capsys, "predict", face, *model, "--align", "nose")
    assert_refused(answer, "align: allowed are eyes, landmarks, none")


def test_predict_says_that_a_folder_is_empty(capsys, home, tiny_model_path):
    (home / "empty").mkdir()
    assert_refused(run_cli(capsys, "predict", home / "empty", "--model", tiny_model_path), "empty: no files found")


def test_predict_does_not_write_into_a_folder_s_place(capsys, home, tiny_model_path):
    face, folder = write_face(home / "a.png"), home / "out.csv"
    folder.mkdir()
    assert_refused(run_cli(capsys, "predict", face, "--model", tiny_model_path, "--out", folder), folder)
    below_a_file = face / "x.csv"
    assert_refused(run_cli(capsys, "predict", face, "--model", tiny_model_path, "--out", below_a_file), face)
    assert files_below(home) == ["a.png", "out.csv", "work"]
