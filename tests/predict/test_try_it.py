"""Trying a model in a notebook: what the scene holds, and the widget answers a picture and survives a bad file."""

import datetime
import io

import numpy as np
import pytest
from PIL import Image

from fer_tf.predict import EmotionRecognizer
from fer_tf.predict.try_it import look, scene, upload_widget


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, detector="none")


def test_a_scene_holds_each_face_enlarged(tiny_faces):
    faces = tiny_faces.test.images[:3]
    picture = scene(faces, side=96)
    assert picture.shape == (192, 3 * 144, 3)
    assert picture.dtype == np.uint8
    for place, face in enumerate(faces):
        part = picture[:, place * 144 : (place + 1) * 144]
        inside = part[(part != 128).any(axis=(1, 2))]
        assert inside.shape[0] <= 96
        assert abs(part[part != 128].mean() - face.mean()) < 15


def test_look_gives_a_row_a_face_and_a_picture_with_bars_beside_it(recognizer, tiny_faces):
    pixels = tiny_faces.test.images[0]
    marked, table = look(recognizer, pixels)
    assert len(table) == 1
    assert table.loc[0, "label"] in recognizer.class_names
    assert marked.ndim == 3
    assert marked.shape[1] > marked.shape[0]
    assert len(np.unique(marked)) > 10


def uploaded(content):
    """What the browser gives the button."""
    about = {"name": "a.png", "type": "image/png", "last_modified": datetime.datetime(2026, 1, 1)}
    return ({**about, "size": len(content), "content": memoryview(content)},)


def test_the_widget_shows_label_bars_and_map_of_an_uploaded_picture(recognizer, tiny_faces):
    file = io.BytesIO()
    Image.fromarray(tiny_faces.test.images[0][..., 0]).save(file, "PNG")
    button, shown = upload_widget(recognizer).children
    button.value = uploaded(file.getvalue())
    assert shown.value.count("<progress") == len(recognizer.class_names)
    assert "CAM of " in shown.value
    assert "data:image/jpeg;base64," in shown.value


def test_the_widget_tells_what_is_wrong_with_a_file(recognizer):
    button, shown = upload_widget(recognizer).children
    button.value = uploaded(b"no picture")
    assert "not a picture that can be read" in shown.value
    assert "<progress" not in shown.value
