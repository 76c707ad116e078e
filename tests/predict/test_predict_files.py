"""Files of every kind into a csv that grows as they are read: what is meant by a name, rows safe in spreadsheets, going
on after a stop, and memory that does not grow."""

import contextlib
import csv
import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from fixtures import run_cli, write_face
from PIL import Image
from stopping import Stopped, stop_in, stopping

from fer_tf.common.text import read_cell
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer, collect_files
from fer_tf.predict.pictures import in_chunks, read_picture
from fer_tf.predict.predict_files import Options, predict_files, written_places

CLASSES = list(EMOTIONS[:7])


def scores(frame):
    return frame[CLASSES].to_numpy(float)


# what is meant by a name


def test_a_csv_of_predictions_is_such_a_list(recognizer, faces, home):
    predict_files(recognizer, faces[:3], home / "a.csv", progress=False)
    assert collect_files([home / "a.csv"]) == faces[:3]


def test_what_is_written_is_not_predicted(recognizer, faces, home):
    out, options = home / "faces" / "out.csv", Options(annotate=home / "faces" / "marked")
    for _ in range(2):
        files = collect_files([home / "faces"], written_places(out, options))
        assert sorted(files) == sorted(faces)
        predict_files(recognizer, files, out, options, progress=False)
    assert collect_files([out], written_places(out)) == [], "a csv is not read while it is written"


# safe in spreadsheets

NAMES = [
    "=1+1.png",
    "+a.png",
    "-a.png",
    "@a.png",
    "\ta.png",
    "\na.png",
    "\ra.png",
    "'a.png",
    "''=a.png",
    " =a.png",
    "＝a.png",
    "a=b.png",
    "a,b;c.png",
    'a"b.png',
    "a\nb.png",
    "a\r\nb.png",
    "plain.png",
]


def test_odd_names_come_back_from_the_csv(recognizer, home):
    for number, name in enumerate(NAMES):
        Image.fromarray(np.full((48, 48), number, np.uint8)).save(home / name)
    failed = predict_files(recognizer, [*NAMES, "=lost.png"], home / "out" / "x.csv", progress=False).failed
    with open(home / "out" / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [read_cell(row["path"]) for row in rows] == [*NAMES, "=lost.png"]
    assert [row["path"] for row in rows[:2]] == ["'=1+1.png", "'+a.png"]
    np.testing.assert_allclose(scores(pd.DataFrame(rows[:-1])), scores(recognizer.predict(NAMES)), atol=1e-6)
    assert failed == [("=lost.png", "no such file")]
    assert collect_files(["out/x.csv"])[: len(NAMES)] == [type(home)(name) for name in NAMES]


def _other_margin(recognizer, files):
    return EmotionRecognizer(recognizer.model, 4, "none", margin=0.1), files


def _other_model(recognizer, files):
    import keras

    model = keras.models.clone_model(recognizer.model)
    model.fer_tf_info = recognizer.model.fer_tf_info
    return EmotionRecognizer(model, 4, "none"), files


def _other_files(recognizer, files):
    return recognizer, files[1:]


def _changed_file(recognizer, files):
    write_face(files[0], 99)
    return recognizer, files


@pytest.mark.parametrize("change", [_other_margin, _other_model, _other_files, _changed_file])
def test_rows_of_another_job_are_put_aside_and_it_is_said(recognizer, faces, home, change):
    stop_in(recognizer, faces, home / "out.csv")
    other, files = change(recognizer, faces)
    remarks = []
    predict_files(other, files, home / "out.csv", progress=False, say=remarks.append)
    assert len(remarks) == 1
    assert "starting again" in remarks[0]
    assert remarks[0].endswith("out.csv.part1.old")
    assert pd.read_csv(home / "out.csv.part1.old")["path"].tolist() == list(map(str, faces[:4])), "not thrown away"
    frame = pd.read_csv(home / "out.csv")
    assert frame["path"].tolist() == list(map(str, files))
    np.testing.assert_allclose(scores(frame), scores(other.predict(files)), atol=1e-6)


def test_other_declared_pixels_are_another_job(recognizer, faces, home):
    """The weights are the same, and so are the names of the columns, but the rows would not fit each other."""
    import keras

    from fer_tf.saving import Declaration

    model = keras.models.clone_model(recognizer.model)  # without its description
    first, second = (
        EmotionRecognizer(model, 4, "none", declaration=Declaration(pixels, CLASSES)) for pixels in ("0..1", "-1..1")
    )
    stop_in(first, faces, home / "out.csv")
    remarks = []
    predict_files(second, faces, home / "out.csv", progress=False, say=remarks.append)
    assert ["starting again" in remark for remark in remarks] == [True]
    np.testing.assert_allclose(scores(pd.read_csv(home / "out.csv")), scores(second.predict(faces)), atol=1e-6)


class Exported:
    """A model that is not Keras's, of a file."""

    def __init__(self, model, path):
        self.path, self.fer_tf_info = path, model.fer_tf_info
        self.input_shape, self.output_shape = model.input_shape, model.output_shape
        self.predict_on_batch = model.predict_on_batch


def test_an_exported_model_is_known_by_its_file(recognizer, faces, home):
    (home / "m.onnx").write_text("1")
    (home / "n.onnx").write_text("2")
    remarks = []
    for name, after in (("m.onnx", 1), ("m.onnx", 1), ("n.onnx", 9)):
        other = EmotionRecognizer(Exported(recognizer.model, home / name), 4, "none")
        with contextlib.suppress(Stopped), stopping(other, after):
            predict_files(other, faces, home / "out.csv", progress=False, say=remarks.append)
    assert [remark.split(": ", 1)[1][:14] for remark in remarks] == ["resumes after ", "cannot be resu"]
    assert pd.read_csv(home / "out.csv")["path"].tolist() == list(map(str, faces))


# memory


def test_memory_does_not_grow_with_the_number_of_pictures(recognizer, home, monkeypatch):
    monkeypatch.setattr(in_chunks, "__defaults__", (2**20,))
    Image.fromarray(np.zeros((700, 700, 3), np.uint8)).save(home / "0.png")
    files = [home / "0.png"]
    for number in range(1, 80):
        files.append(home / f"{number}.png")
        os.link(files[0], files[-1])
    wide = EmotionRecognizer(recognizer.model, 64, "none")
    wide.predict(files[:1])
    peaks = []
    for count in (30, 80):  # both longer than what is read ahead
        tracemalloc.start()
        predict_files(wide, files[:count], home / f"{count}.csv", progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 25e6, "all 80 pictures have 118 MB"
    assert peaks[1] < 1.3 * peaks[0]


def test_chunks_hold_so_many_pictures_or_pixels():
    pictures = [read_picture(np.zeros((side, 10), np.uint8)) for side in (10, 10, 10, 50, 1, 1, 1)]
    sizes = [[len(picture.pixels) for picture in chunk] for chunk in in_chunks(iter(pictures), 3, 200)]
    assert sizes == [[10, 10], [10], [50], [1, 1, 1]]


# the command


def test_the_command_takes_patterns_and_lists_and_goes_on(capsys, home, faces, tiny_model_path, recognizer):
    (home / "list.csv").write_text("path\nfaces/1.png\nfaces/lost.png\n")
    given = ("list.csv", "faces/[23].png", "--no-detect", "--model", tiny_model_path)
    for _ in range(2):
        answer = run_cli(capsys, "predict", *given, "--out", "s.csv", "--annotate", "marked")
        assert answer.code == 1
        assert "3 of 4 files predicted" in answer.out
        assert "faces/lost.png: no such file" in answer.err
    assert sorted(os.listdir("marked")) == ["000001-1.jpg", "000003-2.jpg", "000004-3.jpg"]
    table = run_cli(capsys, "predict", *given)
    assert table.code == 1
    assert table.out.count("faces/") == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--explain", "gradcam"), "explain: the maps go into annotated copies; also give annotate"),
        (("--explain", "gradcamm", "--annotate", "x"), "method: allowed are cam, gradcam"),
        (("--smooth", "-1"), "smooth: must be a number >= 0"),
        (("--fps", "0"), "fps: must be above 0"),
        (("--fps", "2", "--every", "2"), "every and fps: give only one of them"),
        (("--webcam", "0"), "webcam and streams: need --out"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, home, faces, tiny_model_path, given, message):
    answer = run_cli(capsys, "predict", "faces", "--no-detect", "--model", tiny_model_path, *given)
    assert answer.code == 2
    assert message in answer.err
    assert answer.out == ""
    assert os.listdir() == ["faces"]


def test_nothing_given_is_a_usage_error(capsys, home, tiny_model_path):
    answer = run_cli(capsys, "predict", "--model", tiny_model_path)
    assert answer.code == 2
    assert "Usage: " in answer.err
