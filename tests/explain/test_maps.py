"""An empty map is marked as empty wherever it is shown, and the models that ship have next to none."""

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import run_cli
from PIL import Image

from fer_tf.common.paths import bundled_root, data_root
from fer_tf.data import load_dataset
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.emotions import EMOTIONS
from fer_tf.explain import METHODS, empty_reason, explain, is_empty, score_maps
from fer_tf.explain import plots as explain_plots
from fer_tf.models import build_model
from fer_tf.predict.annotate import Shown, annotate
from fer_tf.saving import load_model, save_model

BUNDLED = sorted(path.name for path in bundled_root().glob("*.h5"))
REASON = "nothing in the last map supports this class"


@pytest.fixture
def maps(rng):
    """The second is zero, the third holds a value that is not finite."""
    maps = rng.random((4, 12, 10)).astype(np.float32)
    maps[1], maps[2, 3, 3] = 0, np.nan
    return maps


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 12, 10, 1), dtype=np.uint8)


def test_zero_and_not_finite_maps_are_empty(maps):
    np.testing.assert_array_equal(is_empty(maps), [False, True, True, False])
    np.testing.assert_array_equal(is_empty(maps[None]), [[False, True, True, False]])
    assert is_empty(maps[1])
    assert is_empty(np.full((3, 3), np.inf))
    assert is_empty(maps[:0]).shape == (0,)


def test_every_method_has_a_reason():
    for method in METHODS:
        assert empty_reason(method).startswith("empty: ")
        assert "supports this class" in empty_reason(method) or "cam" not in method
    assert empty_reason("gradcam, scrambled") == empty_reason("gradcam") == f"empty: {REASON}"
    assert empty_reason("change") == empty_reason() == "empty: nothing supports this class"


def test_tiles_of_a_sheet_say_it(images, maps):
    figure = explain_plots.overlays(images, {"hirescam": maps, "drop": maps})
    texts = [" ".join(text.get_text().split()) for axis in figure.axes for text in axis.texts]
    assert texts == [f"empty: {REASON}", "empty: nothing supports this class"] * 2
    figure.canvas.draw()


def test_a_map_that_is_not_finite_is_drawn_in_gray(images, maps):
    shown = explain_plots.blended(images, maps).astype(int)
    is_gray = (shown.max(axis=-1) == shown.min(axis=-1)).all(axis=(1, 2))
    np.testing.assert_array_equal(is_gray, [False, True, True, False])


def test_a_marked_tile_has_white_letters_on_black():
    face = np.full((48, 52, 1), 128, np.uint8)
    marked = explain_plots.map_tile(face, np.zeros((48, 52)), 104, empty_reason("gradcam"))
    assert (face == 128).all()
    assert marked.shape == (96, 104, 3)
    assert (marked == 0).all(axis=-1).sum() > 500
    assert (marked > 200).all(axis=-1).sum() > 100
    assert (marked[:20] == 128).all()


def test_a_face_beside_its_map_and_annotated_copies_are_marked(images, maps):
    caption, shown = "happiness 0.90", []
    for item in maps[:2]:
        beside = np.asarray(explain_plots.face_beside_map(images[0], item, caption, side=120)).astype(int)
        face = Shown(0, None, np.full(8, 0.125), images[0], item, empty_reason("hirescam"))
        shown.append((beside[:120, 100:], annotate(images[0], [face], list(EMOTIONS)).astype(int)[:, -270:]))
    for marked, found in zip(shown[1], shown[0], strict=True):
        black, before = ((pixels == 0).all(axis=-1).sum() for pixels in (marked, found))
        assert black > before + 500


def test_the_table_of_scores_counts_them(maps):
    masks = np.zeros(maps.shape, bool)
    masks[:, 2:5, 2:5] = True
    found = np.where(np.isfinite(maps), maps, 0)
    found[0] = 0
    table = score_maps({"gradcam": found}, masks, replicates=10)
    assert table["empty"].tolist() == [0.5, 0, 0]
    labels = [label.get_text() for label in explain_plots.map_scores(table).axes[0].get_yticklabels()]
    assert labels == ["gradcam (50% empty)", "centre Gaussian", "uniform"]


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


@pytest.mark.parametrize("name", BUNDLED)
def test_a_model_that_ships_has_next_to_no_empty_maps_of_drawn_faces(name):
    faces = draw_faces(100, seed=3, size=48).images
    assert is_empty(explain(load_model(bundled_root() / name), faces)).mean() <= 0.02


@pytest.mark.skipif(not (data_root() / "fer2013").is_dir(), reason="FER2013 is not here")
@pytest.mark.parametrize("name", BUNDLED)
def test_a_model_that_ships_has_next_to_no_empty_maps_of_real_faces(name):
    faces, _ = load_dataset("fer2013", protocol="official").test.sample(100, 0)
    assert is_empty(explain(load_model(bundled_root() / name), faces)).mean() <= 0.02
