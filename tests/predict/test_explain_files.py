"""The command `explain`: a picture for every face and method, sheets, and a csv that says what was drawn."""

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import BROKEN, assert_refused, run_cli
from PIL import Image

from fer_tf.data.drawn_faces import draw_faces
from fer_tf.data.images import read_image
from fer_tf.emotions import EMOTIONS
from fer_tf.explain import explain
from fer_tf.explain.plots import blended
from fer_tf.models import build_model
from fer_tf.predict import EmotionRecognizer, explain_files
from fer_tf.predict.explain_files import FileExplainer
from fer_tf.predict.pictures import read_picture
from fer_tf.saving import save_model

COLUMNS = ["path", "face", "x", "y", "w", "h", "detected", "label", "confidence"]


COLUMNS += ["target", "method", "layer", "empty", "file", "error"]


@pytest.fixture(scope="module")
def averaged_path(tmp_path_factory):
    """An untrained net whose last map is averaged: it has every method but attention."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("models") / "averaged.h5"
    save_model(build_model("vgg_bn", (48, 48, 1), 7, width=0.05), path, EMOTIONS[:7])
    return path


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Two drawn faces of one name in two folders, and a broken file."""
    monkeypatch.chdir(tmp_path)
    for name, image in zip("ab", draw_faces(2, seed=1, size=60).images, strict=True):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.fromarray(image[..., 0]).save(tmp_path / "in" / name / "my face.png")
    BROKEN["text"](tmp_path / "in" / "a" / "notes.png")
    return tmp_path / "in"


def test_every_face_and_method_has_its_picture_and_row(capsys, pictures, averaged_path):
    given = ("explain", pictures, "--no-detect", "--model", averaged_path, "--out", "maps")
    answer = run_cli(capsys, *given, "--method", "gradcam, smoothgrad,gradcam")
    assert answer.code == 1
    assert "gradcam: the map of layer block4_conv2_relu" in answer.out
    assert "smoothgrad: the whole model" in answer.out
    assert "2 faces of 2 of 3 files explained; maps/explanations.csv" in answer.out
    assert answer.err.splitlines()[-1].startswith(f"not read: {pictures / 'a' / 'notes.png'}: is not a picture")
    table = pd.read_csv("maps/explanations.csv", keep_default_na=False)
    assert list(table.columns) == COLUMNS
    good = table[table["error"] == ""]
    files = [pictures / name / "my face.png" for name in "ab"]
    assert list(good["path"]) == [str(path) for path in files for _ in range(2)]
    assert list(good["method"]) == ["gradcam", "smoothgrad"] * 2
    assert list(good["layer"]) == ["block4_conv2_relu", ""] * 2
    assert (good["target"] == good["label"]).all()
    assert set(good["w"]) == {"60"}
    assert table.loc[table["error"] != "", ["method", "file", "label"]].to_numpy().tolist() == [["", "", ""]]
    predicted = EmotionRecognizer(averaged_path, detector="none").predict(files)
    assert list(good["label"])[::2] == list(predicted["label"])
    np.testing.assert_allclose(good["confidence"].astype(float)[::2], predicted["confidence"].astype(float), atol=1e-5)
    drawn = sorted(path.name for path in (pictures.parent / "maps").iterdir())
    assert drawn == sorted([*good["file"], "explanations.csv", "sheet-001.png"])


def test_a_picture_shows_the_face_beside_its_map(capsys, pictures, averaged_path):
    face = pictures / "b" / "my face.png"
    given = ("explain", face, "--no-detect", "--model", averaged_path, "--method", "integrated_gradients")
    answer = run_cli(capsys, *given, "--target", "Fear", "--out", "maps")
    assert answer.code == 0, answer.err
    row = pd.read_csv("maps/explanations.csv").iloc[0]
    assert row["target"] == "fear"
    shown = read_image(f"maps/{row['file']}").astype(int)
    assert shown.shape == (288 + 26, 2 * 288, 3)
    recognizer = EmotionRecognizer(averaged_path, detector="none")
    crops = recognizer.recognise([read_picture(face)]).crops
    item = explain(recognizer.model, crops, "integrated_gradients", "fear")
    np.testing.assert_array_equal(shown[:288, 288:], blended(crops, item, 288)[0])
    left = shown[:288, :288]
    assert (left.max(axis=-1) == left.min(axis=-1)).all()
    assert np.abs(left - shown[:288, 288:]).mean() > 20


@pytest.mark.parametrize("out", ["in/maps", "in", "."])
def test_pictures_of_an_earlier_call_are_no_faces(capsys, pictures, averaged_path, out):
    """Also if they are written next to the faces."""
    given = ("explain", ".", "--no-detect", "--model", averaged_path, "--method", "gradcam++", "--out", out)
    first, second = (run_cli(capsys, *given) for _ in range(2))
    assert first.out == second.out
    assert "2 faces of 2 of 3 files" in second.out
    assert len(pd.read_csv(f"{out}/explanations.csv")) == 3


def test_files_that_cannot_be_read_all_have_their_row(capsys, pictures, averaged_path):
    given = ("explain", pictures / "a" / "notes.png", "lost.png", "--model", averaged_path, "--out", "maps")
    answer = run_cli(capsys, *given, "--no-detect", "--method", "gradcam,occlusion")
    assert answer.code == 1
    assert "0 faces of 0 of 2 files explained" in answer.out
    table = pd.read_csv("maps/explanations.csv")
    assert len(table) == 2
    assert table["error"].notna().all()
    assert [path.name for path in (pictures.parent / "maps").iterdir()] == ["explanations.csv"]


def test_every_face_of_a_picture_is_explained(capsys, tmp_path, monkeypatch, averaged_path):
    monkeypatch.chdir(tmp_path)
    large, small = (
        draw_faces(1, seed=seed, size=side, difficulty="easy", emotions=["neutral"]).images[0, ..., 0]
        for seed, side in ((1, 140), (2, 100))
    )
    pixels = np.full((200, 420), 128, np.uint8)
    pixels[40:140, 30:130], pixels[30:170, 240:380] = small, large
    Image.fromarray(pixels).save("two.png")
    given = ("explain", "two.png", "--detector", "haar", "--model", averaged_path, "--out", "maps")
    answer = run_cli(capsys, *given, "--method", "occlusion")
    assert answer.code == 0
    assert "2 faces of 1 of 1 files explained" in answer.out
    table = pd.read_csv("maps/explanations.csv")
    assert list(table["face"]) == [0, 1]
    assert table["detected"].all()
    assert table["x"][0] > table["x"][1]
    assert list(table["file"]) == ["0001-two-face0-occlusion.png", "0001-two-face1-occlusion.png"]
    run_cli(capsys, *given, "--method", "gradcam", "--faces", "largest")
    assert len(pd.read_csv("maps/explanations.csv")) == 1


def test_a_picture_without_a_face_is_explained_whole_and_says_so(capsys, tmp_path, monkeypatch, averaged_path):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((90, 120), 128, np.uint8)).save("wall.png")
    given = ("explain", "wall.png", "--model", averaged_path, "--out", "maps", "--method", "gradcam,cam")
    answer = run_cli(capsys, *given, "--detector", "haar")
    assert answer.code == 0
    message = "no face found: wall.png: the whole picture was explained (detected is False)"
    assert answer.err.splitlines().count(message) == 1
    rows = pd.read_csv("maps/explanations.csv")
    assert not rows["detected"].any()
    assert rows[["w", "h"]].to_numpy().tolist() == [[120, 90]] * 2
    assert "no face" not in run_cli(capsys, *given, "--no-detect").err, "none was looked for"


def test_a_wrong_choice_of_faces_names_the_option(capsys, pictures, averaged_path):
    given = ("explain", pictures, "--model", averaged_path, "--out", "maps", "--faces", "biggest")
    assert_refused(run_cli(capsys, *given), "--faces: allowed are all, largest; received 'biggest'")


def test_results_do_not_depend_on_batches_and_sheets_go_on_over_them(tmp_path, averaged_path, rng, monkeypatch):
    monkeypatch.setattr(explain_files, "FACES_A_SHEET", 5)
    files = [tmp_path / f"{row}.png" for row in range(7)]
    for path in files:
        Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(path)
    files.insert(3, tmp_path / "lost.png")
    tables = []
    for size in (2, 100):
        explainer = FileExplainer(EmotionRecognizer(averaged_path, size, "none"), ["gradcam", "cam"])
        tables.append(explainer.write(files, tmp_path / f"out{size}", progress=False))
    pd.testing.assert_frame_equal(*tables, atol=1e-5)
    assert list(tables[0]["error"] != "") == [False] * 6 + [True] + [False] * 8
    for size in (2, 100):
        sheets = sorted(path.name for path in (tmp_path / f"out{size}").glob("sheet*"))
        assert sheets == ["sheet-001.png", "sheet-002.png"]
    for file in tables[0].loc[tables[0]["error"] == "", "file"]:
        first, second = (read_image(tmp_path / f"out{size}" / file).astype(int) for size in (2, 100))
        np.testing.assert_allclose(first, second, atol=2)


@pytest.mark.parametrize(
    ("method", "target", "text"),
    [
        ("gradcam,cam", None, "method: cam needs a net whose last map is averaged"),
        ("gradcam,attention", None, "attention needs a model with weights for regions"),
        ("gradcam,saliency", None, "method: allowed are cam, gradcam, gradcam++, hirescam, occlusion, "),
        (" ,", None, "method: give at least one"),
        ("gradcam", "bored", "target: allowed are anger, disgust, fear, happiness, sadness, surprise, neutral"),
    ],
)
def test_what_the_model_lacks_is_reported_before_anything_is_written(
    capsys, pictures, tiny_model_path, method, target, text
):
    given = ["explain", pictures, "--no-detect", "--model", tiny_model_path, "--out", "maps", "--method", method]
    assert_refused(run_cli(capsys, *given, *(["--target", target] if target else [])), text)
    assert [path.name for path in pictures.parent.iterdir()] == ["in"]


def test_folders_that_hold_nothing_and_files_in_the_folders_place_are_refused(capsys, pictures, tiny_model_path):
    (pictures / "empty").mkdir()
    given = ("--no-detect", "--model", tiny_model_path, "--out")
    assert_refused(run_cli(capsys, "explain", pictures / "empty", *given, "maps"), "empty: no files found")
    notes = pictures / "a" / "notes.png"
    answer = run_cli(capsys, "explain", pictures / "b", *given, notes)
    assert answer.code == 2
    assert str(notes) in answer.err
    assert notes.read_text() == "no picture"
