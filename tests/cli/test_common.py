"""Options that the commands share: what is declared about a model that the kit did not make."""

import re

import numpy as np
import pandas as pd
import pytest
from commands import COMMANDS
from fixtures import assert_refused, files_below, run_cli, write_face

from fer_tf.emotions import EMOTIONS

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
    found = pages[0].settings["models"].opened(str(theirs)).predict(face)
    expected = EmotionRecognizer(tiny_model_path, detector="none").predict(face)
    np.testing.assert_allclose(found[sorted(EMOTIONS[:7])], expected[list(EMOTIONS[:7])], atol=1e-5)


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


def test_a_guess_shows_all_trials_and_is_called_a_guess(capsys, home, theirs):
    face = write_face(home / "a.png")
    answer = run_cli(capsys, "predict", face, "--no-detect", "--model", theirs, "--guess", "--classes", "fer2013")
    assert answer.code == 0, answer.err
    for pixels in ("0..255", "0..1", "-1..1"):
        assert f"pixels {pixels}: mean confidence" in answer.err
    assert re.search(r"guess: \S+ is likeliest; look into the code of the training", answer.err)


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
