"""Helpers of several test files: FER2013 in its forms, prepared folders, broken pictures, running the command line."""

import base64
import gzip
import io
import lzma
import os
import re
import sys
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from PIL import Image

from fer_tf.__main__ import main
from fer_tf.common.checks import InputError
from fer_tf.data.base import ArrayImages, FaceDataset

# What Kaggle's folder copies call the seven classes, in the order of the csv's codes.
KAGGLE_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")

# What tests of preparing prepare: drawn faces, and photographs at these places of a `folder`.
SYNTHETIC_COUNT = 120
SYNTHETIC = {"options": [f"count={SYNTHETIC_COUNT}"], "size": 32}

PHOTO_PLACES = [
    f"{split}/{emotion}/{place}"
    for split in ("train", "val", "test")
    for emotion in ("happy", "fear", "neutral")
    for place in ("a b/1.png", "ä/1.png", "1.png", "照片.png")
]


@dataclass
class Fer2013Rows:
    """A small FER2013: 14 Training, 3 PublicTest, 3 PrivateTest pictures per class, all different.

    The mean of picture k is k (to a hundredth), so that it is known again after JPEG has been at it.
    """

    def __post_init__(self):
        self.usages = np.repeat(np.array(USAGES, object), np.array([14, 3, 3]) * 7)
        self.labels = np.tile(np.arange(7), 20)
        ramp = np.linspace(-20, 20, 48)[None, None, :] * np.linspace(-1, 1, 48)[None, :, None]
        self.images = np.round(np.arange(140)[:, None, None] + 50 + ramp).astype(np.uint8)

    def csv(self, columns="emotion,pixels,Usage", end="\n"):
        """The text of a csv with these columns, whose names may have blanks as in icml_face_data.csv."""
        order = [name.strip() for name in columns.split(",")]
        lines = [columns]
        for label, image, usage in zip(self.labels, self.images, self.usages, strict=True):
            cells = {"emotion": str(label), "pixels": " ".join(map(str, image.ravel())), "Usage": usage}
            lines.append(",".join(cells[name] for name in order))
        return end.join(lines) + end

    def write_folders(self, root, suffix=".png", telling=True):
        """The folder form below `root`; `telling` file names say PublicTest or PrivateTest."""
        for row, (label, image, usage) in enumerate(zip(self.labels, self.images, self.usages, strict=True)):
            folder = root / ("train" if usage == "Training" else "test") / KAGGLE_NAMES[label]
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{usage}_{row}" if telling else f"im{row}"
            Image.fromarray(image).save(folder / f"{name}{suffix}", quality=95)

    def content(self, usages):
        """What a split of these usages must hold; see `content`."""
        rows = np.flatnonzero(np.isin(self.usages, usages))
        return sorted((int(self.labels[row]), self.images[row].tobytes()) for row in rows)


# A training whose steps cost little to trace: a narrow net, few pictures, no augmentation.
QUICK_TRAINING = {"limit": 64, "width": 0.1, "rotation": 0.0, "zoom": 0.0, "flip": False}

# No augmentation, and the compact net with a moving average and progressive resizing.
PLAIN = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "erase": 0.0, "contrast": 0.0, "flip": False}
COMPACT = {"epochs": 4, "width": 0.05, "sizes": "24:1,48:1", "ema": 0.9, "optimizer": "adamw", **PLAIN}


@contextmanager
def home_of_runs(folder, with_figures=False):
    """Inside, reports and models are in `folder`: for runs that a whole file shares. Figures only if asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_TF_REPORTS", str(folder / "reports"))
        patch.setenv("FER_TF_MODELS", str(folder / "models"))
        if not with_figures:
            patch.setattr("fer_tf.runs.evaluate._save_figures", lambda *_: None)
        yield folder


def content(split):
    """A split as a sorted list of (label, pixels): equal for equal sets of labelled images, whatever their order."""
    return sorted((int(label), image.tobytes()) for label, image in zip(split.labels, split.images, strict=True))


def zip_bytes(members):
    """The bytes of a zip with these members, a dict of name -> text."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def tar_bytes(members):
    """The bytes of a .tar.gz with these members, a dict of name -> text."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return file.getvalue()


def csv_forms(rows):
    """Every common form of a FER2013 csv, a dict of what it is -> (file name, bytes)."""
    plain, icml = rows.csv(), rows.csv("emotion, Usage, pixels")
    text = plain.encode()
    return {
        "plain": ("fer2013.csv", text),
        "saved on Windows": ("fer2013.csv", b"\xef\xbb\xbf" + rows.csv(end="\r\n").encode()),
        "gz": ("fer2013.csv.gz", gzip.compress(text, 1)),
        "xz": ("fer2013.csv.xz", lzma.compress(text, preset=0)),
        "zip": ("fer2013.csv.zip", zip_bytes({"fer2013.csv": plain, "__MACOSX/fer2013.csv": "litter"})),
        "kaggle tarball": (
            "fer2013.tar.gz",
            tar_bytes({"fer2013/README": "x", "fer2013/fer2013.bib": "x", "fer2013/fer2013.csv": plain}),
        ),
        "icml": ("icml_face_data.csv", icml.encode()),
        "icml zip": ("icml_face_data.csv.zip", zip_bytes({"icml_face_data.csv": icml})),
        "kaggle zip": ("archive.zip", zip_bytes({"train.csv": "a,b", "icml_face_data.csv": icml})),
    }


def written_pictures(out):
    """The pictures that `data prepare` wrote to a folder."""
    return sorted(path for path in out.glob("t*/*/*")) + sorted(out.glob("val/*/*"))


def file_contents(folder):
    """The bytes of every file below a folder, by its path; not of a journal, whose lines come in any order."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "journal.jsonl"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


class GuardedDataset(FaceDataset):
    """A dataset that notes when its test split is asked for."""

    asked = []

    @property
    def test(self):
        GuardedDataset.asked.append("test")
        return super().test


def with_poisoned_test(load):
    """`load_dataset` whose datasets of eight classes have other test labels and pixels, and are guarded."""

    def poisoned(*arguments, **options):
        ds = load(*arguments, **options)
        table, images = ds.table.copy(), ds.store.array.copy()
        is_test = (table["split"] == "test").to_numpy()
        table.loc[is_test, "label"] = 7 - table.loc[is_test, "label"]
        images[is_test] = 255 - images[is_test]
        return GuardedDataset(ds.name, ds.protocol, ds.class_names, table, ArrayImages(images), source="poison")

    return poisoned


def write_face(path, seed=0, size=(48, 48)):
    """A picture of noise, written in the format of its suffix."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def cut(path, share=0.5):
    """Cuts a file to a share of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def _text(path):
    path.write_text("no picture")
    return path


def _empty(path):
    path.write_bytes(b"")
    return path


def _folder(path):
    path.mkdir()
    return path


def _link_to_itself(path):
    os.symlink(path, path)
    return path


def _below_a_file(path):
    return _text(path) / "x.jpg"


# Everything that is called a picture and cannot be read: what it is -> function(path) that makes it and returns where.
BROKEN = {
    "missing": lambda path: path,
    "empty": _empty,
    "text": _text,
    "folder": _folder,
    "half a jpeg": lambda path: cut(write_face(path)),
    "half a png": lambda path: cut(write_face(path.with_suffix(".png"))),
    "head of a jpeg": lambda path: cut(write_face(path), 0.02),
    "link to itself": _link_to_itself,
    "below a file": _below_a_file,
    "too long a name": lambda path: path.with_name("x" * 300 + ".jpg"),
}


@dataclass
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str


def run_cli(capsys, *arguments):
    """Runs the command line in this process; an exception that gets out of it (a traceback) fails the test."""
    capsys.readouterr()
    with mock.patch.object(sys, "argv", ["fer-tf", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    # colours come on some build machines
    out, err = (re.sub("\x1b\\[[0-9;]*m", "", text) for text in capsys.readouterr())
    return Answer(stop.value.code or 0, out, err)


def assert_refused(answer, *texts, code=2):
    """The command said in one line what is wrong, printed no result, and stopped with `code`."""
    assert answer.code == code
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert answer.out == ""
    for text in texts:
        assert str(text) in answer.err


def assert_refused_before_writing(home, message, function, **arguments):
    """The call raises `InputError` with this message (a pattern), and no report is begun in `home`."""
    with pytest.raises(InputError, match=message):
        function(**arguments)
    assert not (home / "reports").exists()


def told_apart(model):
    """The model with random attention vectors, so that its regions differ in weight. Keras starts them all equally."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.name in ("self_attention", "relation_attention"):
            layer.set_weights([rng.normal(0, 3, weight.shape) for weight in layer.get_weights()])
    return model


def film_frames(count=24, size=(48, 64)):
    """Gray frames, BGR uint8 [H, W, 3], each of its own pattern."""
    ramp = np.linspace(0, 100, size[1])[None, :, None]
    for index in range(count):
        yield np.repeat((np.roll(ramp, 5 * index, axis=1) + 5 * index).astype(np.uint8), size[0], axis=0).repeat(3, 2)


def history_of(*values, accuracies=None):
    """The history of a training with these validation losses."""
    epochs = range(1, len(values) + 1)
    rows = zip(epochs, values, accuracies or [0.5] * len(values), strict=True)
    return pd.DataFrame([{"epoch": e, "val_loss": v, "val_accuracy": a, "seconds": 1.0} for e, v, a in rows])


def content_of(pixels, form="PNG", **options):
    """The bytes of a picture's file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def data_url(content):
    """A picture's bytes as a browser sends them."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def fit_compact(faces, home, teacher=None, limit=64, **overrides):
    """Fits the compact net on a few faces with the settings `COMPACT`; returns the model, the facts and the history."""
    from fer_tf.experiments import resolve
    from fer_tf.training import fitting

    experiment = resolve("compact", "smoke", {**COMPACT, "teacher": "cnn" if teacher else "", **overrides})
    progress = fitting.Progress(home, "f", verbose=False)
    model, facts = fitting.fit(faces.limited(limit).training_data(), experiment, 0, progress, teacher=teacher)
    return model, facts, pd.read_csv(home / "history.csv")


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def black(height, width, channels=1, *boxes):
    """A black picture with white rectangles (x, y, w, h)."""
    picture = np.zeros((height, width, channels), np.uint8)
    for x, y, w, h in boxes:
        picture[y : y + h, x : x + w] = 255
    return picture


def paste(canvas, face, x, y, side):
    """Puts a face into the canvas at a size; returns the canvas."""
    method = cv2.INTER_AREA if side < len(face) else cv2.INTER_LINEAR
    canvas[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=method)[..., None]
    return canvas


def of_kind(model, *kinds):
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def multiply_adds(model):
    """Of convolutions and dense layers, also of models inside: one an output value and weight of its filter."""
    total = sum(multiply_adds(part) for part in of_kind(model, keras.Model))
    for layer in of_kind(model, layers.DepthwiseConv2D):
        total += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    for layer in of_kind(model, layers.SeparableConv2D):
        weights = np.prod(layer.depthwise_kernel.shape) + np.prod(layer.pointwise_kernel.shape)
        total += np.prod(layer.output.shape[1:3]) * weights
    for layer in of_kind(model, layers.Conv2D):
        total += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    for layer in of_kind(model, layers.Conv2DTranspose):
        total += np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape)
    return total + sum(np.prod(layer.kernel.shape) for layer in of_kind(model, layers.Dense))


def rectangles(picture):
    """The white rectangles of a picture, uint8 [H, W, 3], as faces with eyes."""
    from fer_tf.data.faces import Face

    _, _, stats, _ = cv2.connectedComponentsWithStats((picture[..., 1] > 128).astype(np.uint8))
    return [
        Face((float(x), float(y), float(w), float(h)), 0.5, (x + w / 4, y + h / 4), (x + 3 * w / 4, y + h / 4))
        for x, y, w, h, _ in stats[1:]
    ]


# Parameters of chapters at smoke size.
CHAPTER_PARAMETERS = {
    "dataset": "synthetic",
    "data_dir": "",
    "protocol": "",
    "seed": 0,
    "size": "smoke",
    "overrides": "",
    "dataset_options": "count=240",
}
