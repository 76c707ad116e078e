"""The command that explains: a map that shows nothing is marked everywhere."""

import keras
import numpy as np
import pandas as pd
from fixtures import run_cli
from PIL import Image

from fer_tf.data.drawn_faces import draw_faces
from fer_tf.emotions import EMOTIONS
from fer_tf.explain import METHODS
from fer_tf.models import build_model
from fer_tf.saving import save_model

REASON = "nothing in the last map supports this class"


def test_the_command_says_it_in_csv_caption_and_on_the_screen(capsys, tmp_path, monkeypatch):
    """All weights of class 0 are below zero: nothing speaks for it."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    model = build_model("vgg_bn", (48, 48, 1), 7, width=0.05)
    kernel, bias = model.get_layer("scores").get_weights()
    kernel[:, 0] = -np.abs(kernel[:, 0]) - 0.01
    model.get_layer("scores").set_weights([kernel, bias])
    save_model(model, "m.h5", EMOTIONS[:7])
    Image.fromarray(draw_faces(1).images[0, ..., 0]).save("a.png")
    given = ("explain", "a.png", "--model", "m.h5", "--no-detect", "--out", "maps", "--target", "anger")
    answer = run_cli(capsys, *given, "--method", "auto,smoothgrad")
    assert answer.code == 0, answer.err
    assert f"gradcam: 1 of 1 maps are empty: {REASON}" in answer.out
    assert "smoothgrad: 1 of" not in answer.out
    table = pd.read_csv("maps/explanations.csv", keep_default_na=False)
    assert list(table["method"]) == ["gradcam", "smoothgrad"], "auto is written as what it became"
    assert list(table["empty"]) == [REASON, ""]


def test_the_help_names_every_method(capsys):
    text = run_cli(capsys, "explain", "--help").out
    assert not [name for name in METHODS if name not in text]
