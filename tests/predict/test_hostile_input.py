"""Pictures, films, lists and models that are broken or harmful: each gets its row, with a label or what is wrong, and
nothing of it is run."""

import base64
import contextlib
import io
import json
import marshal
import os
import pickle
import socket
import struct
import warnings
import zlib

import cv2
import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import run_cli
from keras.src.saving.serialization_lib import SafeModeScope
from PIL import Image

from fer_tf.common.checks import ModelFileError
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer, collect_files
from fer_tf.predict.pictures import read_picture
from fer_tf.predict.predict_files import Options, predict_files
from fer_tf.saving import load_model, save_model

CLASSES = list(EMOTIONS[:7])


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=16, detector="none")


def rows_of(recognizer, paths, out, **options):
    """The csv's rows after checking that each has a label with probabilities or a reason, in one line."""
    predict_files(recognizer, paths, out, progress=False, **options)
    frame = pd.read_csv(out, keep_default_na=False)
    for row in frame.to_dict("records"):
        assert (row["label"] in CLASSES) != bool(row["error"])
        assert row["error"] == "" or row["error"].isprintable()
        assert row["error"] != "" or sum(map(float, (row[name] for name in CLASSES))) == pytest.approx(1, abs=1e-4)
    return frame


# pictures


def encoded(kind, **options):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    more = {"GIF": {"save_all": True, "append_images": [Image.fromarray(255 - pixels)]}}.get(kind, {})
    Image.fromarray(pixels).save(file, kind, **more, **options)
    return file.getvalue()


def mutated(content, rng):
    """The bytes cut off somewhere, or with some bits turned over, half of them in the head."""
    content = bytearray(content)
    if rng.random() < 0.3:
        return bytes(content[: rng.integers(0, len(content))])
    span = len(content) if rng.random() < 0.5 else min(len(content), 100)
    for place in rng.integers(0, span, rng.integers(1, 8)):
        content[place] ^= 1 << rng.integers(0, 8)
    return bytes(content)


def test_mutated_pictures_have_a_label_or_a_reason(recognizer, tmp_path, capfd):
    rng, paths = np.random.default_rng(1), []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        content = encoded(kind)
        for number in range(60):
            paths.append(tmp_path / f"{number}.{kind.lower()}")
            paths[-1].write_bytes(mutated(content, rng))
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = rows_of(recognizer, paths, tmp_path / "out.csv")
    assert frame["path"].tolist() == list(map(str, paths))
    assert 60 < (frame["error"] == "").sum() < 300, "some can still be read, some cannot"
    assert capfd.readouterr() == ("", ""), "libraries keep quiet"


def png_of(width, height):
    """A PNG of black pixels that takes few bytes, one bit a pixel."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    data = zlib.compress(bytes(((width + 7) // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20000, 20000), (10000, 9000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_unread(tmp_path, size):
    path = tmp_path / "bomb.png"
    content = png_of(*(min(side, 20000) for side in size))
    path.write_bytes(content[:16] + struct.pack(">II", *size) + content[24:])
    assert len(path.read_bytes()) < 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(path)
    assert picture.pixels is None
    assert "more than" in picture.error or "not a picture" in picture.error


def test_a_bomb_in_a_picture_s_texts_is_refused_or_harmless(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("x", "a" * 30_000_000, zip=True)
    Image.new("L", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels is not None or "broken picture" in picture.error


@pytest.mark.parametrize("detector", ["none", "haar", "mtcnn"])
def test_pictures_of_odd_sizes_are_predicted(recognizer, tmp_path, detector):
    paths = []
    for width, height in ((1, 1), (20000, 1), (1, 20000), (20000, 30), (19, 400)):
        paths.append(tmp_path / f"{width}x{height}.png")
        paths[-1].write_bytes(png_of(width, height))
    finder = EmotionRecognizer(recognizer.model, detector=detector)
    frame = rows_of(finder, paths, tmp_path / "out.csv")
    assert (frame["error"] == "").all()
    assert frame[["w", "h"]].astype(int).to_numpy().tolist() == [[1, 1], [20000, 1], [1, 20000], [20000, 30], [19, 400]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_turned_by_exif_is_predicted_as_it_is_seen(recognizer, tmp_path, turn):
    upright = np.zeros((40, 60), np.uint8)
    upright[:20, :30], upright[20:, 30:] = 255, 90
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    frame = recognizer.predict(tmp_path / "a.png")
    expected = recognizer.predict(upright)
    assert frame[["w", "h"]].to_numpy(int).tolist() == [[60, 40]]
    np.testing.assert_allclose(frame[CLASSES].to_numpy(float), expected[CLASSES].to_numpy(float), atol=1e-6)


def test_pipes_sockets_and_devices_are_not_waited_for(recognizer, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png"))
        files = [*sorted(tmp_path.iterdir()), "/dev/zero", "/dev/null"]
        frame = rows_of(recognizer, files, tmp_path / "out" / "o.csv")
    assert set(frame["error"]) == {"is a pipe or a device, not a file"}
    assert len(frame) == 5


def test_postscript_is_not_run(recognizer, tmp_path, monkeypatch):
    script = tmp_path / "bin" / "gs"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    (tmp_path / "a.jpg").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    )
    frame = rows_of(recognizer, [tmp_path / "a.jpg"], tmp_path / "out.csv")
    assert frame["error"].tolist() == ["is PostScript, which is a program and not a picture"]
    assert not (tmp_path / "run").exists()


def test_names_that_are_none_are_reported(recognizer, tmp_path):
    names = [
        "a\0b.png",
        "a\0b.mp4",
        "http://127.0.0.1:9/x.mp4",
        "rtsp://127.0.0.1:9/y.mp4",
        "a" * 5000 + ".png",
        "~nobody/x.png",
        "x\ud800",
    ]
    frame = rows_of(recognizer, collect_files(names), tmp_path / "out.csv")
    assert (frame["error"] != "").all()
    assert len(frame) == len(names)


# lists


def test_mutated_lists_have_rows_for_what_they_name_or_for_themselves(recognizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    whole = b'label,path\nfear,a.png\nanger,"b, c.png"\nfear,\'=d.png\n'
    rng = np.random.default_rng(2)
    for number in range(50):
        content = mutated(whole, rng)
        (tmp_path / "list.csv").write_bytes(content)
        frame = rows_of(recognizer, collect_files(["list.csv"]), tmp_path / "out.csv")
        assert 1 <= len(frame) <= 6, (number, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column path"),
        (b"file\na.png\n", "has no column path"),
        (b"path\n", "names no file in its column path"),
        (b"path\n\n  \n", "names no file in its column path"),
        (b'path\n"' + b"x" * 200_000, "cannot be read as a list"),
        (b"\xff\xfe" + "path\na.png\n".encode("utf-16-le"), "is not a list of pictures"),
        (bytes(range(256)), "is not a list of pictures"),
    ],
)
def test_a_csv_that_is_no_list_says_so_in_its_row(recognizer, tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    files = collect_files([tmp_path / "list.csv"])
    frame = rows_of(recognizer, files, tmp_path / "out.csv")
    assert len(frame) == 1
    assert message in frame["error"][0]


# films


def film_bytes(folder, kind):
    codes = {"avi": "MJPG", "mp4": "mp4v", "mkv": "MJPG"}
    path = folder / f"whole.{kind}"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codes[kind]), 10, (64, 48))
    for index in range(8):
        writer.write(np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["avi", "mp4", "mkv"])
def test_mutated_films_have_rows(recognizer, tmp_path, kind, capfd):
    rng, paths, content = np.random.default_rng(3), [], film_bytes(tmp_path, kind)
    for number in range(4):
        paths.append(tmp_path / f"{number}.{kind}")
        paths[-1].write_bytes(mutated(content, rng))
    frame = rows_of(recognizer, paths, tmp_path / "out.csv")
    assert set(frame["path"]) == set(map(str, paths))
    assert capfd.readouterr() == ("", "")


def test_a_film_that_ends_in_a_frame_gives_those_before(recognizer, tmp_path):
    content = film_bytes(tmp_path, "avi")
    third = [place for place in range(len(content)) if content.startswith(b"00dc", place)][2]
    (tmp_path / "cut.avi").write_bytes(content[: third + 500])
    frame = rows_of(recognizer, [tmp_path / "cut.avi"], tmp_path / "out.csv")
    assert frame["frame"].tolist()[:2] == ["0", "1"] or frame["frame"].tolist()[:2] == [0, 1]
    assert "its header claims" in frame["error"].iloc[-1]


def test_films_whose_names_are_not_utf8_are_read_and_copied(recognizer, tmp_path):
    folder = tmp_path / os.fsdecode(b"f\xfc")  # OpenCV ends the whole process for such a name
    folder.mkdir()
    path = folder / os.fsdecode(b"\xff.avi")
    path.write_bytes(film_bytes(tmp_path, "avi"))
    frame = rows_of(recognizer, [path], folder / "out.csv", options=Options(annotate=folder / "marked"))
    assert len(frame) == 8
    assert (frame["error"] == "").all()
    assert len(list((folder / "marked").glob("*.mp4"))) == 1


# models

RUN = (lambda x: (__import__("os").system("touch run"), x)[1]).__code__
CODE = base64.b64encode(marshal.dumps(RUN)).decode()
OF_OS = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
PROCESS = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "run"]}}
OLD_LAMBDA = {
    "class_name": "Lambda",
    "config": {"name": "a", "function": [CODE, None, None], "function_type": "lambda", "arguments": {}},
}
NEW_CODE = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "a", "function": NEW_CODE}}
# What is put into a model's description instead of its first layer, or into its second.
CARRIERS = {
    "a Lambda": ("layer", LAMBDA),
    "a Lambda of old": ("layer", OLD_LAMBDA),
    "a Lambda in a wrapper": ("layer", {"class_name": "TimeDistributed", "config": {"name": "t", "layer": LAMBDA}}),
    "a function of os": ("layer", {**LAMBDA, "config": {"name": "a", "function": OF_OS}}),
    "another class": ("layer", PROCESS),
    "an activation of os": ("activation", OF_OS),
    "code for activation": ("activation", NEW_CODE),
    "a class for initializer": ("kernel_initializer", PROCESS),
    "a saved graph": ("layer", {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "."}}),
}


def with_carrier(config, place, carrier):
    layers = config["config"]["layers"]
    first = next(number for number, layer in enumerate(layers) if layer["class_name"] == "Flatten")
    if place == "layer":
        layers[first] = carrier
    else:
        layers[first + 1]["config"][place] = carrier
    return json.dumps(config)


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "m.h5"
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    save_model(keras.Sequential(layers), path, CLASSES)
    save_model(keras.Sequential(layers), path.with_suffix(".keras"), CLASSES)
    return path


@pytest.mark.parametrize("is_unsafe", [False, True], ids=["", "after enable_unsafe_deserialization"])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_h5_file_that_carries_code_is_refused_and_the_code_not_run(
    plain_model, tmp_path, monkeypatch, carrier, is_unsafe
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.h5"
    path.write_bytes(plain_model.read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = with_carrier(json.loads(file.attrs["model_config"]), *CARRIERS[carrier])
    # `enable_unsafe_deserialization` does this to the whole process: some other code may have wanted it
    scope = SafeModeScope(False) if is_unsafe else contextlib.nullcontext()
    with scope, pytest.raises(ModelFileError, match="m.h5: cannot be loaded as a Keras model"):
        load_model(path)
    assert os.listdir() == ["m.h5"]


def test_a_keras_file_that_carries_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = [keras.Input((8, 8, 1)), keras.layers.Lambda(eval("lambda x: x")), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(7, activation="softmax")]).save("m.keras")
    with pytest.raises(ModelFileError, match=r"m\.keras: cannot be loaded as a Keras model"):
        load_model("m.keras")


class _Runs:
    def __reduce__(self):
        return os.system, ("touch run",)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_pickle_is_no_model(capsys, tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"m{suffix}").write_bytes(pickle.dumps(_Runs()))
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    answer = run_cli(capsys, "predict", "a.png", "--model", f"m{suffix}")
    assert answer.code == 2
    assert f"m{suffix}: is not a model file" in answer.err
    assert sorted(os.listdir()) == ["a.png", f"m{suffix}"]
