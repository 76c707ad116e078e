"""The answers of the demo page as JSON values. Pictures are read and drawn in memory, and never written to disk."""

import sys
import time
from collections.abc import Callable

import numpy as np

from ...common.checks import InputError
from ...data.faces import follow_or_search
from ...data.images import encode_data_url
from ...explain import TITLES, check_method, empty_reason, explain, is_empty, method_of_head
from ...explain.plots import face_beside_map
from .. import annotate as drawing
from ..pictures import Picture
from ..recognizer import EmotionRecognizer
from ..tracking import Follower, follow_faces

# The longer sides of pictures and maps on the page, in pixels.
PICTURE_SIDE, MAP_SIDE = 800, 260
# Seconds over which the probabilities of a live face are averaged; longer side of a frame in which faces are searched.
LIVE_SECONDS, LIVE_SIDE = 1.0, 400
COLUMNS = ["face", "label", "confidence", "x", "y", "w", "h", "found"]


def answer_picture(recognizer: EmotionRecognizer, pixels: np.ndarray) -> dict:
    """What the page shows for a picture, uint8 [H, W, 1 or 3].

    Returns: dict with a `message`, the `picture` with its faces as a data URL, the `bars` of the largest face (class ->
        probability, 0..1), its `map` as a data URL or "", a `map_text` that explains it or says why there is none, and
        the `table` of all faces (rows, the first has the titles).
    """
    recognised = recognizer.recognise([Picture("", pixels)])
    [faces] = drawing.faces_to_draw(recognised)
    image = drawing.annotate(pixels, faces, recognizer.class_names, PICTURE_SIDE, steady=True)[:, : -drawing.PANEL]
    bars = _bars(recognizer, recognised.probabilities[0])
    label = max(bars, key=bars.__getitem__)
    message = f"{_face_count(recognizer, recognised.rows)}: {label}, {bars[label]:.2f}."
    table = recognizer.table(recognised.rows, recognised.probabilities).round({"confidence": 3})
    found = np.where(table["detected"].astype(bool), "yes", "no: whole picture")
    rows = [COLUMNS, *table.assign(face=table["face"] + 1, found=found)[COLUMNS].astype(object).to_numpy().tolist()]
    answer = {"message": message, "picture": encode_data_url(image), "bars": bars, "table": rows}
    return answer | _map(recognizer, recognised, label)


def answer_frame(
    recognizer: EmotionRecognizer, pixels: np.ndarray, state: dict | None = None, now: float | None = None
) -> dict:
    """What the page shows for a camera frame, uint8 [H, W, 1 or 3], averaged over the last frames.

    Args:
        recognizer, pixels: the model and the frame.
        state: the state in the answer to the frame before; None for the first frame.
        now: seconds of a monotonic clock; None reads the clock.
    Returns: dict with a `message`, the `faces` (`box` is x, y, w, h in pixels, and `text`), the `bars` of the largest
        face or None, and the `state` for the next frame.
    """
    state, seconds = state or {}, time.monotonic() if now is None else now
    found, faces_state = follow_or_search(pixels, recognizer.detector, state.get("faces"), seconds, max_side=LIVE_SIDE)
    recognised = recognizer.recognise([Picture("", pixels, time=seconds)], [found])
    follower = Follower(LIVE_SECONDS, state)
    [shown] = drawing.faces_to_draw(follow_faces(recognised, follower, recognizer.detector))
    whole_frame = (0, 0, pixels.shape[1], pixels.shape[0])  # it gets a box too, for its label
    labels = [f"{face.number + 1} {recognizer.class_names[face.probabilities.argmax()]}" for face in shown]
    faces = [{"box": face.box or whole_frame, "text": text} for face, text in zip(shown, labels, strict=True)]
    bars = _bars(recognizer, shown[0].probabilities) if shown else None
    state = {**follower.state, "faces": faces_state}
    return {"message": ", ".join(labels) or "no face found", "faces": faces, "bars": bars, "state": state}


def _bars(recognizer, probabilities):
    return dict(zip(recognizer.class_names, map(float, probabilities), strict=True))


def _face_count(recognizer, rows):
    if recognizer.detector == "none":
        return "The whole picture was taken as a face, without a search for faces. Its label"
    if not rows[0]["detected"]:
        return "No face found: the whole picture was taken as a face. Its label"
    return f"{len(rows)} face{'s' * (len(rows) > 1)} found. The largest"


def _map(recognizer, recognised, label):
    """The `map` of the largest face and its `map_text`, see `answer_picture`."""
    model = recognizer.model
    try:
        method = method_of_head(model)
        layer = check_method(model, method)
    except InputError as error:
        return {"map": "", "map_text": f"No map: {error}"}
    face_map = explain(model, recognised.crops[:1], method, recognizer.targets(recognised.probabilities[:1]))[0]
    title, reason = f"{TITLES[method]} of {label}", empty_reason(method)
    image = face_beside_map(recognised.crops[0], face_map, title, MAP_SIDE, reason)
    meaning = f"empty, {reason}" if is_empty(face_map) else "where this map speaks for the class"
    return {"map": encode_data_url(np.asarray(image)), "map_text": f"{title}, layer {layer}: {meaning}."}


def caught(compute: Callable[[], dict]) -> dict:
    """The answer of `compute`. If it fails, the answer has the error as its `message`, and `is_fault` is True."""
    try:
        return compute()
    except InputError as error:
        return {"message": str(error), "is_fault": True}
    except Exception as error:  # one picture must not stop the page
        print(f"not predicted: {type(error).__name__}: {error}", file=sys.stderr)
        return {"message": f"the picture could not be predicted ({type(error).__name__})", "is_fault": True}
