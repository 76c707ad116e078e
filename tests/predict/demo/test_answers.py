"""What the demo page answers: faces, maps and bars for a picture or a frame, and a message for anything else."""

import base64
import io
import json

import numpy as np
import pytest
from fixtures import BROKEN, content_of, data_url
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.data.images import decode_data_url
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.demo.answers import COLUMNS, answer_frame, answer_picture, caught

CLASSES = list(EMOTIONS[:7])


def shown(url):
    """The picture of a data URL, uint8 [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,")))))


def answer_upload(recognizer, content):
    """What the page does with a picture's bytes."""
    return caught(lambda: answer_picture(recognizer, decode_data_url(data_url(content), 1)))


def test_a_picture_is_answered_as_predict_does(recognizer, scene):
    answer = answer_upload(recognizer, content_of(scene))
    expected = recognizer.predict(scene)
    assert "2 faces found" in answer["message"]
    assert expected.loc[0, "label"] in answer["message"]
    assert list(answer["bars"]) == CLASSES
    np.testing.assert_allclose(list(answer["bars"].values()), expected.loc[0, CLASSES].astype(float), atol=1e-6)
    titles, *rows = answer["table"]
    assert titles == COLUMNS
    for row, (_, wanted) in zip(rows, expected.iterrows(), strict=True):
        assert [row[0] - 1, row[1], *row[3:7]] == wanted[["face", "label", "x", "y", "w", "h"]].tolist()
    json.dumps(answer, allow_nan=False)


def test_the_picture_bears_boxes_and_the_map_tells_its_layer(recognizer, scene):
    answer = answer_upload(recognizer, content_of(scene))
    picture = shown(answer["picture"])
    assert picture.shape == (200, 420, 3), "the picture alone, without the panel of bars"
    assert np.abs(np.ptp(picture.astype(int), axis=2)).max() > 50, "boxes are coloured, the scene is gray"
    beside = shown(answer["map"])
    assert beside.shape[1] > 1.6 * beside.shape[0], "the face and, next to it, its map"
    assert ", layer " in answer["map_text"]


def test_an_empty_map_is_called_empty(recognizer, scene, monkeypatch):
    monkeypatch.setattr("fer_tf.predict.demo.answers.explain", lambda _, crops, *__: np.zeros(crops.shape[:3]))
    answer = answer_upload(recognizer, content_of(scene))
    assert ": empty, " in answer["map_text"]
    assert "speaks for" not in answer["map_text"]


def test_without_a_face_the_whole_picture_is_taken_and_it_says_so(recognizer):
    answer = answer_upload(recognizer, content_of(np.full((60, 80), 128, np.uint8)))
    assert "No face found: the whole picture" in answer["message"]
    assert answer["table"][1][3:] == [0, 0, 80, 60, "no: whole picture"]


def test_a_turned_photograph_comes_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    url = data_url(content_of(np.zeros((40, 60), np.uint8), "JPEG", exif=exif))
    assert decode_data_url(url, 1).shape == (60, 40, 1)


@pytest.mark.parametrize("fault", ["empty", "text", "half a jpeg", "half a png", "head of a jpeg"])
def test_a_broken_picture_is_a_message_and_no_traceback(recognizer, fault, tmp_path, capsys):
    content = BROKEN[fault](tmp_path / "broken.jpg").read_bytes()
    answer = answer_upload(recognizer, content)
    assert answer.keys() == {"message", "is_fault"}
    assert answer["is_fault"]
    assert "picture" in answer["message"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", [None, 7, "", "x", "data:image/png;base64", "data:image/png,abc", ["a"]])
def test_what_is_no_data_url_is_refused(wrong):
    with pytest.raises(DataError, match="no picture was received"):
        decode_data_url(wrong, 1)


def test_postscript_is_never_run(recognizer):
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    assert "not a picture that can be read" in answer_upload(recognizer, program)["message"]


def test_too_many_bytes_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(DataError, match="has 1.1 MB; at most 1 MB are allowed"):
        decode_data_url("data:image/png;base64," + "A" * 1_400_000, 1)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    bomb = content_of(np.zeros((3000, 3000), np.uint8))
    assert len(bomb) < 50_000
    for limit in (8_000_000, 1_000_000):  # Pillow itself only warns of the first
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"more than {limit:,} pixels"):
            decode_data_url(data_url(bomb), 1)


def test_a_fault_of_the_model_is_a_message_and_noted(recognizer, scene, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("out of memory at <b>")

    monkeypatch.setattr(recognizer, "recognise", fail)
    assert "could not be predicted (RuntimeError)" in answer_upload(recognizer, content_of(scene))["message"]
    assert "out of memory" in capsys.readouterr().err


def test_a_model_without_layers_still_answers(recognizer, scene):
    class Closed:
        fer_tf_info, name = recognizer.model.fer_tf_info, "closed"
        input_shape, output_shape = recognizer.model.input_shape, recognizer.model.output_shape
        predict_on_batch = staticmethod(recognizer.model.predict_on_batch)

        @property
        def layers(self):
            raise InputError("model: closed.onnx has no layers to look into")

    answer = answer_upload(EmotionRecognizer(Closed(), detector="haar"), content_of(scene))
    assert "no layers to look into" in answer["map_text"]
    assert answer["map"] == ""
    assert list(answer["bars"]) == CLASSES


# live


def test_live_labels_are_averaged_and_faces_keep_their_numbers(recognizer, scene, monkeypatch):
    shares, answers = np.eye(7)[[[0, 1], [6, 1]]], []
    real, frames = recognizer.recognise, iter(shares)
    monkeypatch.setattr(recognizer, "recognise", lambda *given: real(*given)._replace(probabilities=next(frames)))
    state = None
    for now in (0.0, 0.1):
        answers.append(answer_frame(recognizer, scene[..., None], state, now))
        state = json.loads(json.dumps(answers[-1]["state"], allow_nan=False))  # as it goes through the page
    assert [answer["message"] for answer in answers] == [f"1 {CLASSES[0]}, 2 {CLASSES[1]}"] * 2, "one frame is too few"
    assert [face["text"] for face in answers[1]["faces"]] == [f"1 {CLASSES[0]}", f"2 {CLASSES[1]}"]
    bars = answers[1]["bars"]
    np.testing.assert_allclose([bars[CLASSES[0]], bars[CLASSES[6]]], [np.exp(-0.1), 1 - np.exp(-0.1)])


def test_a_frame_without_a_face_says_so(recognizer):
    answer = answer_frame(recognizer, np.full((90, 90, 1), 128, np.uint8))
    assert answer["message"] == "no face found"
    assert answer["faces"] == []
    assert answer["bars"] is None


def test_without_a_detector_the_frame_is_the_face(tiny_model_path, scene):
    answer = answer_frame(EmotionRecognizer(tiny_model_path, detector="none"), scene[..., None])
    assert [face["box"] for face in answer["faces"]] == [(0, 0, 420, 200)]
