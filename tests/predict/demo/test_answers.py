"""What the demo page answers: faces, maps and bars for a picture or a frame, and a message for anything else."""

import base64
import io
import json

import numpy as np
import pytest
from fixtures import BROKEN, content_of, data_url
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.common.files import write_json
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.demo.answers import COLUMNS, Demo, model_lines, read_upload
from fer_tf.saving import describe, load_model

pytestmark = pytest.mark.extras

CLASSES = list(EMOTIONS[:7])


@pytest.fixture(scope="module")
def demo(recognizer):
    return Demo(recognizer, max_mb=1)


def shown_pictures(text):
    """The pictures that HTML holds, uint8 [H, W, 3] each."""
    parts = text.split("data:image/jpeg;base64,")[1:]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(part.split('"')[0])))) for part in parts]


def test_a_picture_is_answered_as_predict_does(demo, recognizer, scene):
    answer = demo.picture(data_url(content_of(scene)))
    expected = recognizer.predict(scene)
    assert "2 faces found" in answer.message
    assert expected.loc[0, "label"] in answer.message
    assert list(answer.bars) == CLASSES
    np.testing.assert_allclose(list(answer.bars.values()), expected.loc[0, CLASSES].astype(float), atol=1e-6)
    assert [len(row) for row in answer.table] == [len(COLUMNS)] * 2
    for row, (_, wanted) in zip(answer.table, expected.iterrows(), strict=True):
        assert [row[0] - 1, row[1], *row[3:7]] == wanted[["face", "label", "x", "y", "w", "h"]].tolist()


def test_the_picture_bears_boxes_and_the_map_tells_its_layer(demo, scene):
    answer = demo.picture(data_url(content_of(scene)))
    (shown,) = shown_pictures(answer.annotated)
    assert shown.shape == (200, 420, 3), "the picture alone, without the panel of bars"
    assert np.abs(np.ptp(shown.astype(int), axis=2)).max() > 50, "boxes are coloured, the scene is gray"
    (beside,) = shown_pictures(answer.map)
    assert beside.shape[1] > 1.6 * beside.shape[0], "the face and, next to it, its map"
    assert demo.layer
    assert f"layer {demo.layer}" in answer.map


def test_without_a_face_the_whole_picture_is_taken_and_it_says_so(demo):
    answer = demo.picture(data_url(content_of(np.full((60, 80), 128, np.uint8))))
    assert "No face found: the whole picture" in answer.message
    assert answer.table[0][3:] == [0, 0, 80, 60, "no: whole picture"]


def test_a_turned_photograph_comes_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_upload(data_url(content_of(np.zeros((40, 60), np.uint8), "JPEG", exif=exif))).shape == (60, 40, 1)


@pytest.mark.parametrize("fault", ["empty", "text", "half a jpeg", "half a png", "head of a jpeg"])
def test_a_broken_picture_is_a_message_and_no_traceback(demo, fault, tmp_path, capsys):
    content = BROKEN[fault](tmp_path / "broken.jpg").read_bytes()
    answer = demo.picture(data_url(content))
    assert 'role="alert"' in answer.message
    assert "icture" in answer.message
    assert answer[1:] == ("", None, "", None)
    assert capsys.readouterr().err == ""
    shown, state = demo.frame(data_url(content))
    assert 'role="alert"' in shown
    assert state["tracks"] == []


@pytest.mark.parametrize("wrong", [None, 7, "", "x", "data:image/png;base64", "data:image/png,abc", ["a"]])
def test_what_is_no_data_url_is_a_message(demo, wrong):
    assert "No picture was received" in demo.picture(wrong).message


def test_postscript_is_never_run(demo):
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    assert "not a picture that can be read" in demo.picture(data_url(program)).message


def test_too_many_bytes_are_refused_before_they_are_decoded(demo, monkeypatch):
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    message = demo.picture("data:image/png;base64," + "A" * 1_400_000).message
    assert "has 1.1 MB; at most 1 MB are allowed" in message


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    bomb = content_of(np.zeros((3000, 3000), np.uint8))
    assert len(bomb) < 50_000
    for limit in (8_000_000, 1_000_000):  # Pillow itself only warns of the first
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"more than {limit:,} pixels"):
            read_upload(data_url(bomb))


def test_a_fault_of_the_model_is_a_message_and_noted(demo, scene, monkeypatch, capsys):
    def fail(_):
        raise RuntimeError("out of memory at <b>")

    monkeypatch.setattr(demo.recognizer, "recognise", fail)
    assert "could not be predicted (RuntimeError)" in demo.picture(data_url(content_of(scene))).message
    assert "out of memory" in capsys.readouterr().err


def test_a_model_without_layers_still_answers(recognizer, scene):
    class Closed:
        fer_tf_info, name = recognizer.model.fer_tf_info, "closed"
        input_shape, output_shape = recognizer.model.input_shape, recognizer.model.output_shape
        predict_on_batch = staticmethod(recognizer.model.predict_on_batch)

        @property
        def layers(self):
            raise InputError("model: closed.onnx has no layers to look into")

    answer = Demo(EmotionRecognizer(Closed(), detector="haar")).picture(data_url(content_of(scene)))
    assert "no layers to look into" in answer.map
    assert list(answer.bars) == CLASSES


# live


def test_live_labels_are_averaged_and_faces_keep_their_numbers(recognizer, scene, monkeypatch):
    demo, shares, seen = Demo(recognizer), np.eye(7)[[[0, 1], [6, 1]]], []
    real = recognizer.recognise
    frames = iter(shares)
    monkeypatch.setattr(recognizer, "recognise", lambda given: real(given)._replace(probabilities=next(frames)))
    blank = np.zeros((9, 400, 3), np.uint8)
    monkeypatch.setattr(
        "fer_tf.predict.demo.answers.drawing.annotate", lambda _, faces, *__, **___: seen.append(faces) or blank
    )
    url, state = data_url(content_of(scene)), None
    for now in (0.0, 0.1):
        shown, state = demo.frame(url, state, now)
        state = json.loads(json.dumps(state))  # as it goes through the page
    assert [face.number for face in seen[0]] == [face.number for face in seen[1]] == [0, 1]
    np.testing.assert_allclose(seen[1][0].probabilities[[0, 6]], [np.exp(-0.1), 1 - np.exp(-0.1)])
    assert f"1 {CLASSES[0]}, 2 {CLASSES[1]}" in shown, "one frame does not turn a label over"


def test_a_frame_without_a_face_says_so(demo):
    shown, state = demo.frame(data_url(content_of(np.full((90, 90), 128, np.uint8))))
    assert "No face found" in shown
    assert state == {"tracks": [], "count": 0}


# what is said of the model


def test_the_page_tells_data_and_measured_accuracy(fresh_home, tiny_model_path):
    model = load_model(tiny_model_path)
    assert "not recorded" in " ".join(model_lines(model))
    about = {"run": "cnn-fer2013-official-seed9", "fingerprint": "f", "dataset": "fer2013", "protocol": "official"}
    model.fer_tf_info = describe(model, CLASSES, about)
    assert "test accuracy is not recorded" in " ".join(model_lines(model))
    record = fresh_home / "reports/runs/cnn-fer2013-official-seed9"
    write_json(record / "record.json", {"fingerprint": "f"})
    write_json(record / "metrics.json", {"fingerprint": "f", "test": {"n": 3589, "accuracy": 0.6154}})
    text = " ".join(model_lines(model))
    assert "cnn-fer2013-official-seed9" in text
    assert "fer2013 (official)" in text
    assert "3,589 test images: 61.5 %" in text
    model.fer_tf_info = describe(model, CLASSES, {**about, "fingerprint": "another"})
    assert "61.5" not in " ".join(model_lines(model)), "the record is of another training"
    model.fer_tf_info = describe(model, CLASSES, {"dataset": "synthetic"})
    assert "real ones is worth nothing" in " ".join(model_lines(model))


def test_the_page_tells_what_was_declared(tiny_model_path):
    model = load_model(tiny_model_path)
    model.fer_tf_info = describe(model, CLASSES, {"declared": {"pixels": "-1..1", "channels": "gray", "guess": True}})
    text = " ".join(model_lines(model))
    assert "Declared by the user: pixels -1..1 (a guess: check it against the model's training), channels gray" in text
