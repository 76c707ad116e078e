"""Consoles that cannot show every letter: commands show its code and never end with a `UnicodeEncodeError`."""

import io
import os
import subprocess
import sys
from unittest import mock

import pandas as pd
import pytest
from fixtures import BROKEN, assert_refused, run_cli, write_face

from fer_tf.__main__ import _stop, main
from fer_tf.data import load_dataset


def run_on(code, *words):
    """Runs the command line on a console with this encoding; returns (exit code, text of stdout, of stderr)."""
    out, err = io.TextIOWrapper(io.BytesIO(), code, "strict"), io.TextIOWrapper(io.BytesIO(), code, "backslashreplace")
    with (
        mock.patch.object(sys, "argv", ["fer-tf", *map(str, words)]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    for stream in (out, err):
        stream.flush()
    return stop.value.code or 0, *(stream.buffer.getvalue().decode(code) for stream in (out, err))


@pytest.mark.parametrize("code", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list",),
        ("list", "settings"),
        ("data", "check", "all"),
        ("data", "counts", "synthetic", "--option", "count=40"),
        *(
            (*command.split(), "--help")
            for command in ("train", "predict", "explain", "export", "adopt", "search", "queue", "data prepare", "demo")
        ),
    ],
    ids=" ".join,
)
def test_every_text_is_printed(code, words):
    exit_code, out, err = run_on(code, *words)
    assert exit_code == 0
    assert out


@pytest.mark.parametrize("code", ["ascii", "cp1252"])
def test_names_of_any_letters_are_printed(tmp_path, monkeypatch, tiny_model_path, code):
    monkeypatch.chdir(tmp_path)
    for name in ("é 照片.png", os.fsdecode(b"\xff.png")):
        write_face(tmp_path / "a.png").rename(name)
    exit_code, out, _ = run_on(code, "predict", ".", "照.png", "--no-detect", "--model", tiny_model_path)
    assert exit_code == 1, "the file that does not exist"
    assert "\\u7167\\u7247.png" in out


def test_a_system_without_utf8_predicts_names_of_any_letters(tmp_path, tiny_model_path):
    write_face(tmp_path / "a.png").rename(tmp_path / "é 照片.png")
    (tmp_path / "list.csv").write_text("path\né 照片.png\nnirgends ü.png\n", encoding="utf-8")
    plain = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "fer_tf", "predict", "list.csv", "--no-detect", "--out", "o.csv"]
    command += ["--annotate", "marked"]
    done = subprocess.run(
        [*command, "--model", str(tiny_model_path)], cwd=tmp_path, env={**os.environ, **plain}, capture_output=True
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    frame = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)
    assert frame["path"].tolist() == ["é 照片.png", "nirgends ü.png"]
    assert (frame["error"] == "").tolist() == [True, False]
    assert len(os.listdir(tmp_path / "marked")) == 1


def test_pictures_whose_names_are_not_utf8_are_listed(tmp_path):
    for row in range(30):
        path = write_face(tmp_path / "folder" / ("joy", "fear")[row % 2] / f"{row}.png", row)
        path.rename(path.with_name(os.fsdecode(b"\xff%d.png" % row)))
    exit_code, *_ = run_on("utf-8", "data", "split", "folder", "--data-dir", tmp_path, "--out", tmp_path / "s.csv")
    assert exit_code == 0
    assert pd.read_csv(tmp_path / "s.csv")["path"][0] == r"folder/fear/\xff1.png"
    names = load_dataset("folder", tmp_path).table["name"]
    assert names[0] == r"fear/\xff1.png"
    assert len(set(names)) == 30


def test_control_characters_of_a_broken_file_do_not_reach_the_terminal(capsys):
    with pytest.raises(SystemExit):
        _stop("error: list.csv: its first line is p\x00a\x1b[2J", 2)
    assert capsys.readouterr().err == "error: list.csv: its first line is p\\x00a\\x1b[2J\n"


# as a student calls it


def _python_m(folder, *arguments):
    command = [sys.executable, "-m", "fer_tf", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_program_of_its_own_prints_results_and_faults_and_nothing_else(tmp_path, tiny_model_path):
    write_face(tmp_path / "in/a.png")
    broken = BROKEN["empty"](tmp_path / "in/empty.jpg")
    words = ("predict", tmp_path / "in", "--no-detect", "--model", tiny_model_path, "--out", "scores.csv")
    done = _python_m(tmp_path, *words)
    assert done.returncode == 1
    [said] = done.stdout.splitlines()
    assert "1 of 2 files predicted" in said
    assert "scores.csv" in said
    [fault] = done.stderr.splitlines()
    assert str(broken) in fault
    assert "is empty" in fault


def test_ctrl_c_says_how_to_go_on(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fer_tf.data.load_dataset", interrupt)
    answer = run_cli(capsys, "data", "doctor", "synthetic")
    assert_refused(answer, "stopped; the same", "resumes here", code=130)


@pytest.mark.slow
def test_a_program_of_its_own_refuses_in_one_line(tmp_path):
    done = _python_m(tmp_path, "train", "cnm")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
