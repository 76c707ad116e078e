"""The command line: every command explains itself, what it is given wrongly it refuses in one line and writes nothing,
and training, evaluation and prediction of one model agree."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import typer
from fixtures import BROKEN, assert_refused, run_cli, write_face
from PIL import Image

from fer_tf.cli import app
from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS
from fer_tf.experiments import SETTINGS


def _commands(command, path=()):
    """(words of the command, click command) of every command, those of groups included."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from _commands(child, (*path, name))
        else:
            yield (*path, name), child


ROOT = typer.main.get_command(app)
COMMANDS = dict(_commands(ROOT))


@pytest.fixture
def home(fresh_home, monkeypatch):
    """Empty reports and models folders, and a separate working directory."""
    (fresh_home / "work").mkdir()
    monkeypatch.chdir(fresh_home / "work")
    return fresh_home


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# help


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example_of_this_command(capsys, words):
    answer = run_cli(capsys, *words, "--help")
    assert answer.code == 0
    assert re.search(rf"Examples?:\s+fer-tf\s+{' '.join(words)}", " ".join(answer.out.replace("│", " ").split()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_examples_of_the_help_are_valid_commands(words):
    examples = re.findall("`([^`]+)`", COMMANDS[words].epilog)
    assert examples
    for example in examples:
        given = shlex.split(example)
        assert tuple(given[: 1 + len(words)]) == ("fer-tf", *words)
        COMMANDS[words].make_context(" ".join(words), given[1 + len(words) :])  # raises a usage error


def test_help_names_every_command(capsys):
    shown = run_cli(capsys, "--help").out + run_cli(capsys, "data", "--help").out
    assert not [words for words in COMMANDS if not re.search(rf"\b{words[-1]}\b", shown)]


# looking


def test_list_names_what_there_is_and_says_that_no_run_is_there(capsys, home):
    answer = run_cli(capsys, "list")
    assert answer.code == 0
    for name in ("synthetic", "fer2013", "official, pooled, balanced, folder", "majority", "cnn_batch32", "none yet"):
        assert name in answer.out


def test_list_settings_shows_default_range_and_help_of_each(capsys, home):
    answer = run_cli(capsys, "list", "settings")
    assert answer.code == 0
    shown = [line for line in answer.out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    assert [line.split()[0] for line in shown] == list(SETTINGS)
    assert "  dropout (0.5; 0 to 0.99)\n" in answer.out
    assert "  flip (false; true or false)\n" in answer.out
    assert "  schedule (constant; constant, cosine, plateau)\n" in answer.out
    assert "  unfreeze (empty)\n" in answer.out
    assert all(setting.help in answer.out for setting in SETTINGS.values())
    assert_refused(run_cli(capsys, "list", "nothing"), "what: allowed are all, settings; received 'nothing'")


def test_data_check_tells_what_is_there_and_what_is_missing(capsys, home, fer2013_root):
    present = run_cli(capsys, "data", "check", "fer2013", "--data-dir", fer2013_root)
    assert present.code == 0
    assert str(fer2013_root / "fer2013" / "fer2013.csv") in present.out
    missing = run_cli(capsys, "data", "check", "fer2013", "--data-dir", home / "nowhere")
    assert missing.code == 1
    assert missing.err == ""
    assert str(home / "nowhere" / "fer2013") in missing.out
    assert "https://www.kaggle.com" in missing.out
    both = run_cli(capsys, "data", "check", "--data-dir", home / "nowhere")
    assert "synthetic: " in both.out
    assert "How to get it" in both.out


def test_data_counts_shows_images_a_class_and_split(capsys, home, fer2013_root):
    answer = run_cli(capsys, "data", "counts", "fer2013", "--data-dir", fer2013_root)
    assert answer.code == 0
    assert re.search(r"disgust +20 +5 +5 +30\n", answer.out)
    assert re.search(r"all +140 +35 +35 +210\n", answer.out)


# training, evaluating, predicting


def test_training_evaluation_and_prediction_of_one_model_agree(capsys, home, fer2013_root):
    where = ("--dataset", "fer2013", "--data-dir", fer2013_root)
    plain = [word for setting in ("rotation=0", "zoom=0", "flip=false", "width=0.25") for word in ("--set", setting)]
    train = ("train", "cnn", *where, "--size", "smoke", "--set", "epochs=1", "--seed", 3, *plain)
    trained = run_cli(capsys, *train)
    assert trained.code == 0, trained.err
    run, model = home / "reports/runs/cnn-fer2013-official-seed3", home / "models/cnn-fer2013-official-seed3.h5"
    assert f"model  {model}" in trained.out
    assert "not the source's settings: smoke size" in trained.out
    expected = pd.read_csv(run / "predict.csv", index_col="name")
    assert len(expected) == 35
    assert json.loads((run / "record.json").read_text())["seed"] == 3

    evaluated = run_cli(capsys, "evaluate", model, *where, "--out", "elsewhere")
    assert evaluated.code == 0, evaluated.err
    again = pd.read_csv("elsewhere/predict.csv", index_col="name")
    pd.testing.assert_frame_equal(again, expected, atol=1e-4)
    accuracies = [re.search(r"test accuracy \d\.\d+", answer.out)[0] for answer in (trained, evaluated)]
    assert accuracies[0] == accuracies[1]

    ds = load_dataset("fer2013", fer2013_root)
    for name, image in zip(ds.table["name"].iloc[ds.test.rows], ds.test.images, strict=True):
        os.makedirs("faces", exist_ok=True)
        Image.fromarray(image[..., 0]).save(f"faces/{name}.png")
    predicted = run_cli(capsys, "predict", "faces", "--no-detect", "--model", model.name, "--out", "scores.csv")
    assert predicted.code == 0
    assert "35 of 35 files predicted" in predicted.out
    frame = pd.read_csv("scores.csv")
    frame.index = frame["path"].str.extract(r"(row\d+)\.png")[0]
    columns = ["label", "confidence", *EMOTIONS[:7]]
    pd.testing.assert_frame_equal(frame.loc[expected.index, columns], expected[columns], check_names=False, atol=1e-4)

    assert re.search(r"cnn-fer2013-official-seed3 +test accuracy", run_cli(capsys, "list").out)
    again = run_cli(capsys, *train)
    assert "up to date" in again.out + again.err


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


# wrong input

MAJORITY = ("train", "majority", "--dataset", "fer2013", "--size", "smoke")


def test_a_setting_that_the_experiment_does_not_use_is_named(capsys, home, fer2013_root):
    """Otherwise it would seem to have been tried."""
    answer = run_cli(capsys, *MAJORITY, "--data-dir", fer2013_root, "--set", "attention=self", "--set", "l2=0.5")
    assert answer.code == 0
    assert "attention, l2: majority does not use this setting. It has no effect" in answer.err


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("train", "cnm"), ["experiment: allowed are majority, cnn, cnn_batch32, ", "received 'cnm'"]),
        (("train", "cnn", "--dataset", "fer2014"), ["dataset: allowed are synthetic, fer2013", "'fer2014'"]),
        ((*MAJORITY, "--protocol", "offical"), ["protocol: allowed are official, pooled, balanced", "'offical'"]),
        ((*MAJORITY, "--size", "tiny"), ["size: allowed are full, quick, smoke; received 'tiny'"]),
        ((*MAJORITY, "--set", "epoch=2"), ["unknown 'epoch'; allowed are attention, backbone"]),
        ((*MAJORITY, "--set", "model=cnn"), ["unknown 'model'"]),
        ((*MAJORITY, "--set", "epochs=two"), ["epochs: must be int; received 'two'"]),
        ((*MAJORITY, "--set", "epochs=1.5"), ["epochs: must be int; received '1.5'"]),
        ((*MAJORITY, "--set", "flip=maybe"), ["flip: allowed are true, false", "'maybe'"]),
        ((*MAJORITY, "--set", "epochs"), ["must be name=value; received 'epochs'"]),
        ((*MAJORITY, "--set", "optimizer=adamm"), ["optimizer: allowed are adam, adamw, sgd; received 'adamm'"]),
        ((*MAJORITY, "--set", "batch_size=0"), ["batch_size: must be a number >= 1"]),
        ((*MAJORITY, "--set", "learning_rate=nan"), ["learning_rate: must be a number"]),
        ((*MAJORITY, "--set", "mixup=inf"), ["mixup: must be a number"]),
        ((*MAJORITY, "--epochs", "-1"), ["epochs: must be a number >= 0"]),
        ((*MAJORITY, "--seed", "-1"), ["seed"]),
        ((*MAJORITY, "--protocol", "balanced"), ["the protocol needs 400"]),
        (("data", "check", "fer2014"), ["dataset: allowed are synthetic, fer2013", "received 'fer2014'"]),
        (("data", "counts", "fer2014"), ["dataset: allowed are synthetic, fer2013"]),
        (("data", "counts", "fer2013", "--protocol", "pooled", "--seed", "-1"), ["seed"]),
        (("evaluate", "nowhere.h5", "--dataset", "fer2013"), ["no model file nowhere.h5; looked at", "bundled"]),
        (("predict", "a.png", "--model", "nowhere.h5"), ["no model file nowhere.h5; looked at", "bundled"]),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(capsys, home, fer2013_root, monkeypatch, arguments, texts):
    monkeypatch.setenv("FER_TF_DATA", str(fer2013_root))
    assert_refused(run_cli(capsys, *arguments), "error: ", *texts)
    assert files_below(home) == ["work"]


@pytest.mark.parametrize("command", [("train", "cnn"), ("data", "counts"), ("evaluate", "model")])
def test_a_missing_dataset_is_reported_in_one_line(capsys, home, tiny_model_path, command):
    words = {"train": ("train", "cnn", "--dataset", "fer2013"), "data": ("data", "counts", "fer2013")}
    arguments = words.get(command[0], ("evaluate", tiny_model_path, "--dataset", "fer2013"))
    answer = run_cli(capsys, *arguments, "--data-dir", home / "nowhere")
    assert_refused(answer, home / "nowhere" / "fer2013", "How to get it: https://www.kaggle.com")
    assert files_below(home) == ["work"]


def test_training_on_a_broken_csv_leaves_nothing(capsys, home):
    (home / "fer2013").mkdir()
    (home / "fer2013/fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    answer = run_cli(capsys, "train", "cnn", "--dataset", "fer2013", "--data-dir", home)
    assert_refused(answer, home / "fer2013/fer2013.csv", "line 2: 3 pixel values, 2304 expected")
    assert files_below(home) == ["fer2013", "fer2013/fer2013.csv", "work"]


@pytest.mark.parametrize(
    "arguments", [("predict",), ("predict", "--model", "a.h5"), ("train",), ("nosuch",), ("list", "--x")]
)
def test_an_incomplete_command_is_a_usage_error(capsys, home, arguments):
    answer = run_cli(capsys, *arguments)
    assert answer.code == 2
    assert "Usage: " in answer.err
    assert "Traceback" not in answer.err


# model files


def _without_model(path):
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(3)


def _described(**changes):
    """Edits the description in a good model file."""

    def edit(path):
        with h5py.File(path, "a") as file:
            file.attrs["fer_tf"] = json.dumps({**json.loads(file.attrs["fer_tf"]), **changes})

    return edit


def _raw_description(text):
    def edit(path):
        with h5py.File(path, "a") as file:
            file.attrs["fer_tf"] = text

    return edit


def _cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


SEVEN = list(EMOTIONS[:7])
# what is wrong with a model file -> (function that spoils a good one, what must be said)
BAD_MODELS = {
    "text": (lambda path: path.write_text("no model"), "is not a model file (.h5 or .keras)"),
    "empty": (lambda path: path.write_bytes(b""), "is not a model file (.h5 or .keras)"),
    "half a file": (_cut_in_half, "is not a model file"),
    "no model inside": (_without_model, "is HDF5 but holds no Keras model"),
    "six names for seven outputs": (_described(class_names=SEVEN[:6]), "names 6 classes"),
    "a class twice": (_described(class_names=[*SEVEN[:6], "anger"]), "names 7 classes"),
    "a class of numbers": (_described(class_names=[*SEVEN[:6], "7"]), "cannot be used: unknown emotion '7'"),
    "six numbers for names": (_described(class_names=[0, 1, 2, 3, 4, 5]), "names 6 classes"),
    "lists for names": (_described(class_names=[[name] for name in SEVEN]), "class"),
    "other input": (_described(input_shape=[64, 64, 3]), "says input (64, 64, 3) but takes (48, 48, 1)"),
    "number for the input": (_described(input_shape=48), "input"),
    "other pixel range": (_described(pixel_range=[0, 1]), "wants pixels in [0, 1], the kit gives (0, 255)"),
    "no pixel range": (_described(pixel_range=None), "pixel"),
    "no class names": (_described(class_names=None), "has no class_names"),
    "a list": (_raw_description("[1, 2]"), "has no class_names"),
    "no JSON": (_raw_description("{"), "is not JSON"),
}


@pytest.mark.parametrize("fault", BAD_MODELS)
def test_a_file_that_is_no_model_or_contradicts_itself_is_refused(capsys, home, tiny_model_path, fault):
    spoil, message = BAD_MODELS[fault]
    model = home / "my model.h5"
    shutil.copy(tiny_model_path, model)
    spoil(model)
    (home / "scores.csv").write_text("of an earlier run")
    answer = run_cli(capsys, "predict", write_face(home / "a.png"), "--model", model, "--out", home / "scores.csv")
    assert_refused(answer, f"error: {model}: ", message)
    assert (home / "scores.csv").read_text() == "of an earlier run"
    assert files_below(home) == ["a.png", "my model.h5", "scores.csv", "work"]


def test_a_folder_is_no_model(capsys, home):
    answer = run_cli(capsys, "predict", write_face(home / "a.png"), "--model", home / "work")
    assert_refused(answer, f"no model file {home / 'work'}")


# models that the kit did not make


@pytest.fixture
def theirs(home, tiny_model_path, untraced_here):
    """A file without the kit's description: a network on pixels 0..1 with its classes in alphabetical order."""
    import keras

    from fer_tf.saving import load_model

    layers = load_model(tiny_model_path)
    inputs = keras.Input((48, 48, 1))
    model = keras.Model(inputs, layers(keras.layers.Rescaling(255.0)(inputs)))
    model.save(home / "theirs.h5")
    return home / "theirs.h5"


DECLARED = ("--pixels", "0..1", "--classes", "alphabetical")


def _scores(path):
    return pd.read_csv(path)[sorted(EMOTIONS[:7])].to_numpy(float)


def test_every_command_refuses_an_undeclared_model_and_says_what_to_type(capsys, home, theirs, fer2013_root):
    face = write_face(home / "a.png")
    commands = {
        "predict": (face, "--model", theirs),
        "explain": (face, "--model", theirs, "--out", home / "maps"),
        "evaluate": (theirs, "--dataset", "fer2013", "--data-dir", fer2013_root),
        "export": (theirs, "--to", "tflite"),
    }
    for command, words in commands.items():
        answer = run_cli(capsys, command, *words)
        assert_refused(answer, f"{theirs}: does not say its classes and pixel range", "--pixels 0..1 --classes fer2013")
        assert f"`fer-tf adopt {theirs} --pixels 0..1 --classes fer2013 --out theirs-adopted.h5`" in answer.err
    assert files_below(home) == ["a.png", "theirs.h5", "work"]


def test_a_declared_model_answers_as_the_same_model_of_the_kit(capsys, home, theirs, tiny_model_path):
    face = write_face(home / "a.png")
    assert run_cli(capsys, "predict", face, "--no-detect", "--model", theirs, *DECLARED, "--out", "1.csv").code == 0
    assert run_cli(capsys, "predict", face, "--no-detect", "--model", tiny_model_path, "--out", "2.csv").code == 0
    expected = pd.read_csv("2.csv")[list(EMOTIONS[:7])].to_numpy(float)  # the outputs in their order
    np.testing.assert_allclose(_scores("1.csv"), expected, atol=1e-5)
    answer = run_cli(capsys, "adopt", theirs, *DECLARED, "--out", "mine.h5")
    assert answer.code == 0, answer.err
    assert "mine.h5: takes raw 0..255 pixels; inside they become 0..1, channels gray" in answer.out
    assert "labels inside: anger, disgust, fear, happiness, neutral, sadness, surprise" in answer.out
    assert run_cli(capsys, "predict", face, "--no-detect", "--model", "mine.h5", "--out", "3.csv").code == 0
    np.testing.assert_allclose(_scores("3.csv"), expected, atol=1e-5)


def test_a_declared_evaluation_says_what_was_declared(capsys, home, theirs, fer2013_root):
    answer = run_cli(capsys, "evaluate", theirs, *DECLARED, "--dataset", "fer2013", "--data-dir", fer2013_root)
    assert answer.code == 0, answer.err
    assert "note: declared by the user: pixels 0..1, channels gray, the classes" in answer.out


def test_the_page_takes_a_declared_model(capsys, home, theirs, tiny_model_path, monkeypatch):
    from fer_tf.predict import EmotionRecognizer
    from fer_tf.predict.demo import server

    face, pages = write_face(home / "a.png"), []
    monkeypatch.setattr(server, "serve", lambda page, *_: pages.append(page))
    answer = run_cli(capsys, "demo", "--model", theirs, *DECLARED, "--detector", "none", "--port", "0", "--no-browser")
    assert answer.code == 0, answer.err
    found = pages[0].settings["models"].opened[str(theirs)].predict(face)
    expected = EmotionRecognizer(tiny_model_path, detector="none").predict(face)
    np.testing.assert_allclose(found[sorted(EMOTIONS[:7])], expected[list(EMOTIONS[:7])], atol=1e-5)


def test_a_guess_shows_all_trials_and_is_called_a_guess(capsys, home, theirs):
    face = write_face(home / "a.png")
    answer = run_cli(capsys, "predict", face, "--no-detect", "--model", theirs, "--guess", "--classes", "fer2013")
    assert answer.code == 0, answer.err
    for pixels in ("0..255", "0..1", "-1..1"):
        assert f"pixels {pixels}: mean confidence" in answer.err
    assert re.search(r"guess: \S+ is likeliest; look into the code of the training", answer.err)


def test_a_model_of_raw_scores_is_refused_until_it_is_declared(capsys, home, tiny_model_path, untraced_here):

    from fer_tf.explain.logits import logits_model
    from fer_tf.saving import load_model

    logits_model(load_model(tiny_model_path)).save(home / "scores.keras")
    face, declared = write_face(home / "a.png"), ("--pixels", "0..255", "--classes", "fer2013")
    for words in (
        ("predict", face, "--model"),
        ("explain", face, "--out", "maps", "--model"),
        ("adopt", "--out", "m.h5"),
    ):
        answer = run_cli(capsys, *words, home / "scores.keras", *declared)
        assert_refused(answer, "scores.keras: its outputs are not probabilities", "add --logits")
    options = ("--no-detect", "--model", home / "scores.keras", *declared, "--logits", "--out", "1.csv")
    assert run_cli(capsys, "predict", face, *options).code == 0
    assert run_cli(capsys, "predict", face, "--no-detect", "--model", tiny_model_path, "--out", "2.csv").code == 0
    np.testing.assert_allclose(_scores("1.csv"), _scores("2.csv"), atol=1e-5)
    answer = run_cli(capsys, "predict", face, "--model", home / "scores.keras", "--logits")
    assert_refused(answer, "classes: missing")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pixels", "0..1"), "classes: missing; a model that the kit did not make needs --classes"),
        (("--classes", "fer2013"), "pixels: give one of --pixels and --guess"),
        (("--classes", "fer2013", "--guess", "--pixels", "0..1"), "pixels: give one of --pixels and --guess"),
        (("--classes", "fer2013", "--pixels", "0-1"), "pixels: allowed are 0..255, 0..1, -1..1, imagenet-caffe"),
        (("--classes", "imagenet", "--pixels", "0..1"), "classes: the named orders of 7 classes are fer2013 (anger"),
        (("--classes", "fer2013", "--pixels", "0..1", "--channels", "bgr"), "bgr needs a model of 3 channels"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(capsys, home, theirs, words, message):
    face = write_face(home / "a.png")
    assert_refused(run_cli(capsys, "predict", face, "--model", theirs, *words), message)
    assert files_below(home) == ["a.png", "theirs.h5", "work"]


def test_a_model_of_the_kit_takes_no_declaration(capsys, home, tiny_model_path):
    answer = run_cli(capsys, "predict", write_face(home / "a.png"), "--model", tiny_model_path, *DECLARED)
    assert_refused(
        answer, "tiny.h5: says its pixels and classes itself; leave pixels, classes, channels, guess and logits out"
    )
    assert_refused(run_cli(capsys, "adopt", tiny_model_path, "--out", "x.h5"), "adopt: needs --classes, and --pixels")


def test_the_help_names_every_kind_of_pixels_and_every_order():
    from fer_tf.layers.declared_input import PIXELS
    from fer_tf.saving.declaration import named_orders

    for words in [(name,) for name in ("predict", "explain", "evaluate", "export", "demo", "adopt")]:
        helps = {option.name: option.help for option in COMMANDS[words].params}
        assert all(name in helps["pixels"] for name in PIXELS)
        assert all(name in helps["classes"] for name in {**named_orders(7), **named_orders(8)})


@pytest.mark.parametrize(
    ("shape", "names", "notes"),
    [
        ((48, 48, 1), EMOTIONS, ["contempt left out, its probabilities renormalised"]),
        ((32, 32, 3), EMOTIONS[:6], ["images of neutral left out", "converted to the model's (32, 32, 3)"]),
    ],
)
def test_a_model_of_another_dataset_is_mapped_and_reported(capsys, home, fer2013_root, shape, names, notes):
    from fer_tf.models import build_model
    from fer_tf.saving import save_model

    save_model(build_model("cnn", shape, len(names), width=0.1), home / "other.h5", names)
    answer = run_cli(capsys, "evaluate", home / "other.h5", "--dataset", "fer2013", "--data-dir", fer2013_root)
    assert answer.code == 0, answer.err
    assert all(note in answer.out for note in notes)


def test_a_model_with_one_class_in_common_is_not_evaluated(capsys, home, fer2013_root):
    from fer_tf.models import build_model
    from fer_tf.saving import save_model

    names = ("neutral", "contempt")
    save_model(build_model("cnn", (48, 48, 1), 2, width=0.1), home / "other.h5", names)
    answer = run_cli(capsys, "evaluate", home / "other.h5", "--dataset", "fer2013", "--data-dir", fer2013_root)
    assert_refused(answer, "error: model: knows neutral, contempt; fer2013 has anger", "too few classes in common")
    assert files_below(home) == ["other.h5", "work"]


# as a student calls it


def _python_m(*arguments):
    command = [sys.executable, "-m", "fer_tf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_program_of_its_own_prints_results_and_faults_and_nothing_else(home, tiny_model_path):
    write_face(home / "in/a.png")
    broken = BROKEN["empty"](home / "in/empty.jpg")
    done = _python_m("predict", home / "in", "--no-detect", "--model", tiny_model_path, "--out", "scores.csv")
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


def test_a_program_of_its_own_refuses_in_one_line(home):
    done = _python_m("train", "cnm")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
