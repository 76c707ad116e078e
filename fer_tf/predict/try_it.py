"""Tries a model in a notebook: a picture with its faces, bars and maps, and a widget for your own pictures."""

import html
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from ..data.images import decode_image
from ..explain import explain, resolve_method
from .annotate import annotate, faces_to_draw
from .demo.answers import answer_picture, caught
from .pictures import Picture
from .recognizer import EmotionRecognizer

if TYPE_CHECKING:
    import ipywidgets


def scene(images: np.ndarray, side: int = 144, seed: int = 0) -> np.ndarray:
    """Puts enlarged faces next to each other on one gray picture, so that a detector can look for them.

    Args:
        images: uint8 [N, H, W, 1 or 3].
        side: side of each face in the scene, in pixels.
        seed: seed of their vertical positions.
    Returns: uint8 [2 side, N (side + side / 2), 3].
    """
    gap, rng = side // 2, np.random.default_rng(seed)
    picture = np.full((2 * side, len(images) * (side + gap), 3), 128, np.uint8)
    for index, image in enumerate(images):
        face = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        top, left = int(rng.integers(gap // 2, gap + gap // 2)), index * (side + gap) + gap // 2
        picture[top : top + side, left : left + side] = face if face.ndim == 3 else face[..., None]
    return picture


def look(
    recognizer: EmotionRecognizer, pixels: np.ndarray, method: str | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Predicts one picture and shows where the model looks.

    Args:
        recognizer: the model and its detector.
        pixels: uint8 [H, W, 1 or 3].
        method: a method of `fer_tf.explain.explain`; None takes the default for the model's head.
    Returns: uint8 [H', W', 3], the picture with boxes, and for each face its crop, its map and one bar per class;
        DataFrame, one row per face (see `EmotionRecognizer.predict`).
    """
    faces = recognizer.recognise([Picture("", pixels)])
    method = resolve_method(recognizer.model, method)
    maps = explain(recognizer.model, faces.crops, method, recognizer.targets(faces.probabilities))
    [shown] = faces_to_draw(faces, maps, method)
    return annotate(pixels, shown, recognizer.class_names), recognizer.table(faces.rows, faces.probabilities)


def upload_widget(recognizer: EmotionRecognizer) -> "ipywidgets.VBox":
    """A button to choose a picture from your computer. It shows its faces, bars and the map of the largest face.

    The result is lost when the kernel stops, unless the notebook is saved with the state of its widgets.
    """
    import ipywidgets

    button = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Picture")
    shown = ipywidgets.HTML("Choose a picture; it stays in this kernel's memory.")

    def answer(change):
        if change["new"]:
            content = bytes(change["new"][0]["content"])
            button.value = ()  # otherwise a notebook saved with its widgets would keep the picture
            shown.value = as_html(caught(lambda: answer_picture(recognizer, decode_image(content))))

    button.observe(answer, names="value")
    return ipywidgets.VBox([button, shown])


def as_html(answer: dict) -> str:
    """An answer of the demo page as HTML, for the page itself and for the widget of a notebook.

    Args:
        answer: what `answer_picture`, `answer_frame` or `caught` returns, or a dict with `about`, a list of lines.
    Returns: HTML without scripts and styles; text from models and files is escaped.
    """
    if "about" in answer:
        return "".join(f"<li>{html.escape(line)}</li>" for line in answer["about"])
    message, map_text = (f"<p>{html.escape(answer.get(name, ''))}</p>" for name in ("message", "map_text"))
    if answer.get("is_fault"):
        return message.replace("<p>", "<p role='alert'>", 1)
    images = [_image(answer, "picture", "The picture, its faces in boxes"), _image(answer, "map", "A face and its map")]
    bars = "".join(_bar(html.escape(name), share) for name, share in (answer.get("bars") or {}).items())
    bars = f"<table aria-label='Probabilities of the largest face'>{bars}</table>"
    return f"{message}{images[0]}{bars}{images[1]}{map_text}{_faces_table(answer.get('table'))}"


def _image(answer, name, text):
    return f"<img src='{answer[name]}' alt='{text}'>" if answer.get(name) else ""


def _bar(name, share):
    bar = f"<progress value='{share:.4f}' aria-label='{name}'></progress>"
    return f"<tr><td>{name}</td><td>{bar}</td><td>{share:.2f}</td></tr>"


def _faces_table(rows):
    if not rows:
        return ""
    lines = [[html.escape(str(cell)) for cell in row] for row in rows]
    head, *body = (f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in lines)
    table = f"<table>{head.replace('td>', 'th>')}{''.join(body)}</table>"
    return f"<div class='wide' role='region' aria-label='All faces' tabindex='0'>{table}</div>"
