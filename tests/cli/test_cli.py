"""The command line: every command explains itself, what it is given wrongly it refuses in one line and writes nothing,
and training, evaluation and prediction of one model agree."""

import json
import re
import shlex
import shutil

import h5py
import numpy as np
import pytest
from commands import COMMANDS
from fixtures import assert_refused, files_below, run_cli, write_face

from fer_tf.emotions import EMOTIONS

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


# wrong input

MAJORITY = ("train", "majority", "--dataset", "fer2013", "--size", "smoke")


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
