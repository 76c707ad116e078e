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
            shown.value = _as_html(caught(lambda: answer_picture(recognizer, decode_image(content))))

    button.observe(answer, names="value")
    return ipywidgets.VBox([button, shown])


def _as_html(answer):
    if answer.get("is_fault"):
        return f"<p role='alert'><b>{html.escape(answer['message'])}</b></p>"
    rows = sorted(answer["bars"].items(), key=lambda item: -item[1])
    bars = "".join(
        f"<tr><td>{html.escape(name)}</td><td><progress value='{share:.4f}'></progress></td><td>{share:.2f}</td></tr>"
        for name, share in rows
    )
    images = [f"<img alt='' src='{answer[name]}'>" for name in ("picture", "map") if answer[name]]
    texts = [f"<p>{html.escape(answer[name])}</p>" for name in ("message", "map_text")]
    return f"{texts[0]}{images[0]}<table>{bars}</table>{''.join(images[1:])}{texts[1]}"
