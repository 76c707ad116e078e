"""Trying a model in a notebook: a picture with its faces, bars and maps, and a widget that takes one's own pictures."""

import base64
import html

import cv2
import numpy as np

from ..explain import empty_reason, explain, resolve_method
from . import annotate as drawing
from .demo.answers import Demo
from .pictures import Picture


def scene(images, side=144, seed=0):
    """Faces side by side on one gray picture, each enlarged, for a detector to find again.

    Args:
        images: uint8 [N, H, W, C].
        side: of each face in the scene, in pixels.
        seed: of their heights in the picture.
    Returns: uint8 [2 side, N (side + side / 2), 3].
    """
    gap, rng = side // 2, np.random.default_rng(seed)
    picture = np.full((2 * side, len(images) * (side + gap), 3), 128, np.uint8)
    for place, image in enumerate(images):
        face = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        top, left = int(rng.integers(gap // 2, gap + gap // 2)), place * (side + gap) + gap // 2
        picture[top : top + side, left : left + side] = face if face.ndim == 3 else face[..., None]
    return picture


def look(recognizer, pixels, method=None):
    """What a model says of a picture, and where it looks.

    Args:
        recognizer: `EmotionRecognizer`.
        pixels: uint8 [H, W, 1 or 3].
        method: of `fer_tf.explain.explain`; None takes the default for the model's head.
    Returns: uint8 [H', W', 3], the picture with boxes, and for each face its crop, its map and a bar a class;
        DataFrame, a row a face (see `EmotionRecognizer.predict`).
    """
    found = recognizer.recognise([Picture("", pixels)])
    method = resolve_method(recognizer.model, method)
    maps = explain(recognizer.model, found.crops, method, found.probabilities.argmax(axis=1))
    boxes = [tuple(row[side] for side in "xywh") if row["detected"] else None for row in found.rows]
    faces = [
        drawing.Shown(row["face"], box, *values, empty_reason(method))
        for row, box, *values in zip(found.rows, boxes, found.probabilities, found.crops, maps, strict=True)
    ]
    return drawing.annotate(pixels, faces, recognizer.class_names), recognizer.table(found.rows, found.probabilities)


def upload_widget(recognizer):
    """A button that takes a picture from this computer and shows its faces, bars and the map of the largest.

    What is shown is lost with the kernel, unless the notebook is saved with its widgets' state.

    Args:
        recognizer: `EmotionRecognizer`.
    Returns: ipywidgets box.
    """
    import ipywidgets

    demo = Demo(recognizer)
    button = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Picture")
    shown = ipywidgets.HTML("Choose a picture; it stays in this kernel's memory.")

    def answer(change):
        if change["new"]:
            content = bytes(change["new"][0]["content"])
            button.value = ()  # a notebook that is saved with its widgets would keep the picture
            shown.value = _as_html(demo.picture(f"data:image;base64,{base64.b64encode(content).decode()}"))

    button.observe(answer, names="value")
    return ipywidgets.VBox([button, shown])


def _as_html(answer):
    rows = sorted((answer.bars or {}).items(), key=lambda item: -item[1])
    bars = "".join(
        f"<tr><td>{html.escape(name)}</td><td><progress value='{share:.4f}'></progress></td><td>{share:.2f}</td></tr>"
        for name, share in rows
    )
    return f"{answer.message}{answer.annotated}<table>{bars}</table>{answer.map}"
