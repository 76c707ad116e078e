"""The inputs of `fuzz.py`: pictures, films, lists, model files, label files of the datasets and command lines.

Each kind is a class that is made with a folder to write to, and called with a random generator. A call makes an input,
gives it to the kit, and returns "accepted" or "refused". It raises `Lost` for a lost row, and whatever the kit raises.
"""

import contextlib
import functools
import io
import json
import os
import shutil
import sys
from unittest import mock

import numpy as np
from _mutations import mutated, mutated_json, mutated_text


class Lost(Exception):
    """A file has no row, or a row has neither a label nor a reason, or both."""


class Reached(BaseException):
    """A command accepted its arguments and began the long work, which fuzzing leaves out."""


@functools.cache
def recognizer(detector="none"):
    """A small network with random weights that computes without tracing."""
    import keras
    import tensorflow as tf

    from fer_tf.models import build_model
    from fer_tf.predict import EmotionRecognizer

    tf.config.run_functions_eagerly(True)
    keras.utils.set_random_seed(0)
    return EmotionRecognizer(build_model("cnn", (48, 48, 1), 7, width=0.1), 8, detector)


def check_rows(rows, files, class_names):
    """Raises `Lost` unless each file has a row, and each row a label with probabilities or a reason in one line."""
    from fer_tf.predict.addresses import shown_name

    missing = {shown_name(file) for file in files} - set(rows["path"])
    if missing:
        raise Lost(f"no row for {sorted(missing)[0]!r}")
    for row in rows.to_dict("records"):
        label, error = row["label"], row["error"]
        if (label in class_names) == bool(error) or not str(error).isprintable():
            raise Lost(f"label {label!r} and error {error!r}")
    return "refused" if (rows["error"] != "").all() else "accepted"


def predicted_rows(files, folder):
    """The rows that `predict_files` writes for some files."""
    import pandas as pd

    from fer_tf.common.text import read_cell
    from fer_tf.predict.predict_files import predict_files

    out = folder / "out.csv"
    predict_files(recognizer(), files, out, progress=False)
    rows = pd.read_csv(out, keep_default_na=False, dtype=str)
    return rows.assign(path=rows["path"].map(read_cell), error=rows["error"].map(read_cell))


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class Pictures:
    """Picture files of many formats, with a detector or without."""

    def __init__(self, folder):
        from PIL import Image, features

        exif = Image.Exif()
        exif[0x0112] = 6
        colour, gray = Image.fromarray(noise((24, 20, 3))), Image.fromarray(noise((24, 20)))
        forms = [
            (colour, "JPEG", {}),
            (colour, "JPEG", {"exif": exif, "progressive": True}),
            (colour.convert("CMYK"), "JPEG", {}),
            (colour, "PNG", {}),
            (colour.convert("P"), "PNG", {"transparency": 3}),
            (Image.fromarray(noise((24, 20)).astype(np.uint16) * 257), "PNG", {}),
            (gray, "GIF", {"save_all": True, "append_images": [gray]}),
            (colour, "BMP", {}),
            (colour, "TIFF", {"compression": "tiff_lzw"}),
            (Image.fromarray(noise((24, 20)).astype(np.float32)), "TIFF", {}),
            (colour, "WEBP", {}),
            (colour.convert("RGBA"), "WEBP", {"lossless": True}),
            (gray, "PPM", {}),
            *([(colour, "AVIF", {})] if features.check("avif") else []),
        ]
        self.folder, self.contents = folder, []
        for picture, form, options in forms:
            file = io.BytesIO()
            picture.save(file, form, **options)
            self.contents.append((form.lower(), file.getvalue()))

    def __call__(self, rng):
        suffix, content = self.contents[rng.integers(0, len(self.contents))]
        path = self.folder / f"a.{suffix if rng.random() < 0.8 else rng.choice(['jpg', 'png', 'heic', 'txt'])}"
        path.write_bytes(mutated(content, rng))
        finder = recognizer("haar" if rng.random() < 0.2 else "none")
        rows = finder.predict(path)
        path.unlink()
        return check_rows(rows, [path], finder.class_names)


class Films:
    """Films in three containers."""

    def __init__(self, folder):
        import cv2

        self.folder, self.contents = folder, []
        for suffix, code in (("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "MJPG")):
            path = folder / f"whole.{suffix}"
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), 10, (64, 48))
            for index in range(6):
                writer.write(noise((48, 64, 3), index))
            writer.release()
            self.contents.append((suffix, path.read_bytes()))

    def __call__(self, rng):
        suffix, content = self.contents[rng.integers(0, len(self.contents))]
        path = self.folder / f"a.{suffix}"
        path.write_bytes(mutated(content, rng))
        with _few_timelines(rng):
            return check_rows(predicted_rows([path], self.folder), [path], recognizer().class_names)


def _few_timelines(rng):
    """Draws the timeline of every tenth film only: matplotlib takes three quarters of a film's time."""
    if rng.random() < 0.1:
        return contextlib.nullcontext()
    return mock.patch("fer_tf.predict.film_summary.save_figure")


class Lists:
    """Csv files with a column path."""

    TEXT = 'label,path\nfear,a.png\nanger,"b, c.png"\nfear,\'=d.png\njoy,sub/ä.png\nsad,a.png\n,film.avi\n'

    def __init__(self, folder):
        from PIL import Image

        self.folder = folder
        (folder / "sub").mkdir()
        for name in ("a.png", "b, c.png", "=d.png", "sub/ä.png"):
            Image.fromarray(noise((16, 16))).save(folder / name)

    def __call__(self, rng):
        from fer_tf.predict import collect_files

        path = self.folder / "list.csv"
        path.write_bytes(mutated_text(self.TEXT, rng))
        files = collect_files([path])
        if not files:
            raise Lost("the list gives no file")
        return check_rows(predicted_rows(files, self.folder), files, recognizer().class_names)


class Models:
    """Model files: changed bytes, and changed descriptions of their layers and classes."""

    def __init__(self, folder):
        import keras

        from fer_tf.emotions import EMOTIONS
        from fer_tf.saving import save_model

        recognizer()
        self.folder, self.contents = folder, {}
        layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(7, activation="softmax")])
        for suffix in ("h5", "keras"):
            save_model(model, folder / f"whole.{suffix}", EMOTIONS[:7])
            self.contents[suffix] = (folder / f"whole.{suffix}").read_bytes()

    def __call__(self, rng):
        from fer_tf.common.checks import InputError
        from fer_tf.predict import EmotionRecognizer

        suffix = str(rng.choice(["h5", "keras"]))
        path = self.folder / f"a.{suffix}"
        if rng.random() < 0.4:
            path.write_bytes(mutated(self.contents[suffix], rng))
        else:
            self._describe_otherwise(path, suffix, rng)
        try:
            opened = EmotionRecognizer(path, detector="none")
            rows = opened.predict(noise((8, 8)))
        except InputError:
            return "refused"
        return check_rows(rows, [""], opened.class_names)

    def _describe_otherwise(self, path, suffix, rng):
        """Writes the file with one place of its JSON changed."""
        import zipfile

        import h5py

        if suffix == "h5":
            path.write_bytes(self.contents[suffix])
            with h5py.File(path, "a") as file:
                name = str(rng.choice(["model_config", "fer_tf"]))
                file.attrs[name] = json.dumps(mutated_json(json.loads(file.attrs[name]), rng))
            return
        with zipfile.ZipFile(io.BytesIO(self.contents[suffix])) as whole, zipfile.ZipFile(path, "w") as changed:
            chosen = str(rng.choice(["config.json", "fer_tf.json", "metadata.json"]))
            for name in whole.namelist():
                content = whole.read(name)
                if name == chosen:
                    content = json.dumps(mutated_json(json.loads(content), rng)).encode()
                changed.writestr(name, content)


class Labels:
    """The label files of each dataset, and the names of files where the labels are in them."""

    def __init__(self, folder):
        from _tiny_datasets import WRITERS

        self.homes = []
        for name, writers in WRITERS.items():
            for number, write in enumerate(writers):
                home = folder / f"{name}{number}"
                self.homes.append((name, home, write(home)))

    def __call__(self, rng):
        from fer_tf.common.checks import InputError

        name, home, files = self.homes[rng.integers(0, len(self.homes))]
        shutil.rmtree(os.environ["FER_TF_CACHE"], ignore_errors=True)
        with _changed_file(files, rng) if files else _renamed_file(home / name, rng):
            try:
                return self._load(name, home)
            except InputError:
                return "refused"

    def _load(self, name, home):
        from fer_tf.data import DATASETS, check_dataset, load_dataset

        check_dataset(name, home)
        options = {"stream": True} if "stream" in DATASETS[name].options else {}
        ds = load_dataset(name, home, **options)
        pictures = len(ds.store.array if ds.store.paths is None else ds.store.paths)
        if not ds.table["label"].between(0, len(ds.class_names) - 1).all() or len(ds.table) != pictures:
            raise Lost(f"{len(ds.table)} rows and {pictures} pictures")
        return "accepted"


@contextlib.contextmanager
def _changed_file(files, rng):
    path = files[rng.integers(0, len(files))]
    content = path.read_bytes()
    is_text = path.suffix in (".csv", ".txt", ".json")
    path.write_bytes(mutated_text(content.decode(), rng) if is_text else mutated(content, rng))
    try:
        yield
    finally:
        path.write_bytes(content)


@contextlib.contextmanager
def _renamed_file(home, rng):
    paths = sorted(path for path in home.rglob("*") if path.is_file())
    path = paths[rng.integers(0, len(paths))]
    letters = mutated_text(path.name, rng).decode("utf-8", "replace").replace("/", "").replace("\0", "")[:100]
    other = path.with_name(letters.strip(".") or "x")
    if other.exists():
        yield
        return
    path.rename(other)
    try:
        yield
    finally:
        other.rename(path)


# What a command would do for long; here its arguments only have to get there.
LONG_WORK = (
    "fer_tf.training.fitting.fit",
    "fer_tf.training.search.run_search",
    "fer_tf.training.queue.run_queue",
    "fer_tf.training.pretraining.pretrain",
    "fer_tf.training.classical.run_classical",
    "fer_tf.runs.reproduce.reproduce",
    "fer_tf.runs.release.add_runs",
    "fer_tf.runs.release.render_results",
    "fer_tf.runs.bundle.bundle_run",
    "fer_tf.runs.report.build_report",
    "fer_tf.predict.demo.server.serve",
)
ODD_ARGUMENTS = [
    *("", " ", "-1", "0", "1", "3", "1e999", "nan", "inf", "9" * 20, "é", "照片", "\udcff", "a\nb", "../x", "x=1", "="),
    *(",", "~nobody", "%s", "{}", "[", "*", "null", "x" * 5000, "-", "--", "none", "a.png", "broken.png", "m.h5"),
    *("broken.h5", "d", "list.csv", "q.csv", "film.avi", "ä b.txt", "http://127.0.0.1:9/a.png", "rtsp://127.0.0.1:9/a"),
]
# Values that are right for options of these names.
RIGHT = {
    "dataset": ["synthetic", "folder", "fer2013"],
    "name": ["synthetic", "folder"],
    "names": ["synthetic", "folder"],
    "model": ["m.h5", "broken.h5"],
    "out": ["out", "out.csv", "out/a.h5"],
    "images": ["a.png", "d", "list.csv", "broken.png", "film.avi"],
    "experiment": ["cnn", "ran", "hog_svm"],
    "size": ["smoke", "quick", "16"],
    "detector": ["haar", "none"],
    "options": ["count=40", "stream=true", "classes=6"],
    "settings": ["epochs=2", "limit=8", "width=0.1"],
    "pixels": ["0..1", "-1..1"],
    "classes": ["fer2013", "7"],
    "method": ["gradcam", "occlusion,auto"],
    "runtime": ["keras"],
    "to": ["onnx"],
    "what": ["q.csv", "status", "all", "settings"],
    "seconds": ["1"],
    "webcam": ["9"],
}


class Commands:
    """Command lines: options of each command with right and odd values."""

    def __init__(self, folder):
        import typer

        from fer_tf.cli import app

        self.folder = folder / "here"
        self.folder.mkdir()
        self._write_files()
        self.commands = []
        tree = typer.main.get_command(app)
        for name, command in tree.commands.items():
            inner = getattr(command, "commands", None) or {"": command}
            self.commands += [([name, second] if second else [name], command) for second, command in inner.items()]

    def _write_files(self):
        from PIL import Image

        from fer_tf.emotions import EMOTIONS
        from fer_tf.saving import save_model

        place = self.folder
        (place / "d" / "sub").mkdir(parents=True)
        for name in ("a.png", "d/1.png", "d/sub/ä.png"):
            Image.fromarray(noise((16, 16))).save(place / name)
        save_model(recognizer().model, place / "m.h5", EMOTIONS[:7])
        for name in ("broken.png", "broken.h5", "film.avi", "ä b.txt"):
            (place / name).write_bytes(b"\x89PNG no")
        (place / "list.csv").write_text("path\na.png\nnowhere.png\n")
        (place / "q.csv").write_text("experiment,dataset,size\ncnn,synthetic,smoke\n")

    def arguments(self, rng):
        """The words of one command line."""
        words, command = self.commands[rng.integers(0, len(self.commands))]
        words = list(words)
        if rng.random() < 0.03:
            words[-1] = str(rng.choice(ODD_ARGUMENTS))
        for parameter in command.params:
            is_argument = parameter.param_type_name == "argument"
            if rng.random() > (0.95 if is_argument or parameter.required else 0.2):
                continue
            flag = [] if is_argument else [parameter.opts[0]]
            words += flag if getattr(parameter, "is_flag", False) else [*flag, self._value(parameter.name, rng)]
        if rng.random() < 0.1:
            words.append(str(rng.choice(ODD_ARGUMENTS)))
        takes_options = any(parameter.name == "options" for parameter in command.params)
        # a small dataset: the default one takes longer than an input may
        return words + ["--option", "count=40"] * (takes_options and "count=40" not in words)

    def _value(self, name, rng):
        known = RIGHT.get(name, ())
        pool = known if known and rng.random() < 0.75 else ODD_ARGUMENTS
        return str(pool[rng.integers(0, len(pool))])

    def __call__(self, rng):
        from fer_tf.__main__ import main

        words = self.arguments(rng)
        code = str(rng.choice(["ascii", "cp1252", "utf-8"]))
        out, err = (io.TextIOWrapper(io.BytesIO(), code, rule) for rule in ("strict", "backslashreplace"))
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            with contextlib.ExitStack() as stack:
                for name in LONG_WORK:
                    stack.enter_context(mock.patch(name, side_effect=Reached))
                stack.enter_context(mock.patch.object(sys, "argv", ["fer-tf", *words]))
                stack.enter_context(contextlib.redirect_stdout(out))
                stack.enter_context(contextlib.redirect_stderr(err))
                main()
        except SystemExit as end:
            if end.code not in (0, None, 1, 2, 75, 130):
                raise Lost(f"exit code {end.code} of {words}") from None
            return "refused" if end.code else "accepted"
        except Reached:
            return "accepted"
        except Exception as error:
            error.add_note(f"command {words}")
            raise
        finally:
            os.chdir(before)
        return "accepted"


KINDS = {
    "pictures": Pictures,
    "films": Films,
    "lists": Lists,
    "models": Models,
    "labels": Labels,
    "commands": Commands,
}
# Shares of the inputs: films, models and commands take longest.
SHARES = {"pictures": 8, "films": 2, "lists": 2, "models": 2, "labels": 4, "commands": 2}
