"""The answers of the demo page: takes pictures and camera frames, returns annotated pictures, bars, maps and tables.

Pictures come as data URLs in the body of a request. They are decoded in memory and never written to disk.
`fer_tf.predict.demo.page` makes the page, `fer_tf.predict.demo.server` serves it.
"""

import base64
import binascii
import contextlib
import html
import io
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ...common.checks import DataError, InputError, check_range
from ...common.paths import reports_root, results_root
from ...data import DATASETS
from ...data.images import FORMATS, picture_pixels
from ...explain import TITLES, check_method, empty_reason, explain, is_empty, method_of_head
from ...explain.plots import face_beside_map
from ...runs import records
from ...saving.bundled import bundled_records
from ...saving.declaration import declared_text
from ...saving.keras_files import model_info
from .. import annotate as drawing
from ..pictures import Picture
from ..recognizer import EmotionRecognizer
from ..tracking import Follower, follow_faces

if TYPE_CHECKING:
    import keras

    from ...saving.runtimes import ExportedModel

MAX_MB = 10.0
# The longer sides of pictures, live frames and maps on the page, in pixels.
PICTURE_SIDE, LIVE_SIDE, MAP_SIDE = 800, 640, 260
# Seconds over which the probabilities of a live face are averaged.
LIVE_SECONDS = 1.0
COLUMNS = ("face", "label", "confidence", "x", "y", "w", "h", "found")


class Answer(NamedTuple):
    """What the page shows for a picture. If the picture cannot be predicted, only `message` has content.

    Attributes:
        message: HTML, a line about the picture, or about what is wrong with it.
        annotated: HTML, the picture with its faces, or "".
        bars: dict class -> probability (0..1) of the largest face, or None.
        map: HTML, the largest face next to its map, with the layer's name, or "".
        table: rows of `COLUMNS`, the largest face first, or None.
    """

    message: str
    annotated: str = ""
    bars: dict[str, float] | None = None
    map: str = ""
    table: list[list] | None = None


class Demo:
    """Answers with one model.

    Args:
        recognizer: the model and its detector.
        max_mb: largest size of a picture in megabytes (10⁶ bytes), 0.01 to 200.
    Raises: `InputError` for another size.

    Attributes:
        layer: name of the layer whose map is drawn, or "" if the model has no map.
        method: "gradcam" or "hirescam", which depends on the model's head, or "" if the model has no map.
        no_map: why the model has no map, or "".
    """

    def __init__(self, recognizer: EmotionRecognizer, max_mb: float = MAX_MB) -> None:
        self.recognizer, self.max_mb = recognizer, check_range("max_mb", max_mb, 0.01, 200)
        self.layer, self.method, self.no_map = "", "", ""
        recognizer.recognise([Picture("", np.zeros((64, 64, 1), np.uint8))])
        try:
            self.method = method_of_head(recognizer.model)
            self.layer = check_method(recognizer.model, self.method)
        except InputError as error:
            self.no_map = str(error)

    def picture(self, data: str | None) -> Answer:
        """Answers to a picture that comes as a data URL. Anything wrong with it becomes the answer's message."""
        return self._catch_errors(lambda: self._answer(read_upload(data, self.max_mb)), Answer)

    def frame(self, data: str | None, state: dict | None = None, now: float | None = None) -> tuple[str, dict]:
        """Answers to a camera frame. The probabilities are averaged over the last frames.

        Args:
            data: the frame as a data URL.
            state: the state that the frame before returned; None for the first frame.
            now: seconds of a monotonic clock; None reads the clock.
        Returns: HTML; the state for the next frame, a JSON value.
        """
        follower = Follower(LIVE_SECONDS, state)
        seconds = time.monotonic() if now is None else now
        answer = self._catch_errors(lambda: self._live(read_upload(data, self.max_mb), follower, seconds), str)
        return answer, follower.state

    def _catch_errors(self, compute, wrap):
        """The result of `compute`, or an error as a notice that `wrap` makes an answer of."""
        try:
            return compute()
        except InputError as error:
            return wrap(notice(str(error), is_fault=True))
        except Exception as error:  # one picture must not stop the page
            print(f"not predicted: {type(error).__name__}: {error}", file=sys.stderr)
            return wrap(notice(f"the picture could not be predicted ({type(error).__name__})", is_fault=True))

    def _answer(self, pixels):
        recognised = self.recognizer.recognise([Picture("", pixels)])
        image = self._drawn(pixels, drawing.faces_to_draw(recognised)[0], PICTURE_SIDE)
        bars = dict(zip(self.recognizer.class_names, map(float, recognised.probabilities[0]), strict=True))
        label = max(bars, key=bars.get)
        subject = "The largest" if recognised.rows[0]["detected"] else "Its label"
        message = f"{self._face_count(recognised.rows)} {subject}: {label}, {bars[label]:.2f}."
        picture = picture_tag(image, f"The picture; {message}")
        return Answer(notice(message), picture, bars, self._map(recognised, label), self._table(recognised))

    def _face_count(self, rows):
        """A sentence that says how many faces were found."""
        if self.recognizer.detector == "none":
            return "The whole picture was taken as a face, without a search for faces."
        if not rows[0]["detected"]:
            return "No face found: the whole picture was taken as a face."
        return f"{len(rows)} face{'s' * (len(rows) > 1)} found."

    def _drawn(self, pixels, faces, longest):
        """The picture with boxes and labels, without the panel that `annotate` adds."""
        names = self.recognizer.class_names
        return drawing.annotate(pixels, faces, names, longest, steady=True)[:, : -drawing.PANEL]

    def _map(self, recognised, label):
        if not self.layer:
            return notice(f"no map: {self.no_map}")
        target = recognised.probabilities[:1].argmax(axis=1)
        face_map = explain(self.recognizer.model, recognised.crops[:1], self.method, target)[0]
        title, reason = f"{TITLES[self.method]} of {label}", empty_reason(self.method)
        image = face_beside_map(recognised.crops[0], face_map, title, MAP_SIDE, reason)
        caption = f"{title}, layer {self.layer}"
        meaning = reason if is_empty(face_map) else "where this map speaks for the class"
        text = html.escape(f"{caption}: {meaning}.")
        return f"<figure>{picture_tag(np.asarray(image), caption)}<figcaption>{text}</figcaption></figure>"

    def _table(self, recognised):
        table = self.recognizer.table(recognised.rows, recognised.probabilities)
        table["found"] = np.where(table["detected"].astype(bool), "yes", "no: whole picture")
        table["face"] += 1
        return table.round({"confidence": 3})[list(COLUMNS)].astype(object).to_numpy().tolist()

    def _live(self, pixels, follower, now):
        recognised = self.recognizer.recognise([Picture("", pixels, time=now)])
        [faces] = drawing.faces_to_draw(follow_faces(recognised, follower, self.recognizer.detector))
        whole_frame = (0, 0, pixels.shape[1], pixels.shape[0])  # it gets a box too, for its label
        faces = [face._replace(box=face.box or whole_frame) for face in faces]
        names = self.recognizer.class_names
        labels = [f"{face.number + 1} {names[face.probabilities.argmax()]}" for face in faces]
        message = ", ".join(labels) or "no face found"
        return picture_tag(self._drawn(pixels, faces, LIVE_SIDE), message) + notice(message)


def read_upload(data: str | None, max_mb: float = MAX_MB) -> np.ndarray:
    """Decodes a picture from a data URL in memory. It is never written to a file.

    Args:
        data: text, `data:image/png;base64,...`.
        max_mb: largest size of the picture in megabytes (10⁶ bytes); checked before the bytes are decoded.
    Returns: uint8 [H, W, 1 or 3], upright.
    Raises: `DataError` if it is not a picture, is broken, or has too many bytes or pixels.
    """
    head, comma, text = data.partition(",") if isinstance(data, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise DataError("no picture was received")
    if len(text) * 3 / 4 > max_mb * 1e6 + 3:
        raise DataError(f"the picture has {len(text) * 0.75e-6:.1f} MB; at most {max_mb:g} MB are allowed")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DataError("the picture was not received completely") from None
    return _decoded(content)


def _decoded(content):
    """Like `fer_tf.data.images.read_image`, for bytes: the same formats, and the same limit on pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about damage that it can handle
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                if picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError
                picture.seek(0)
                return picture_pixels(picture)
    except Image.DecompressionBombError:
        raise DataError(f"the picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink it first") from None
    except Image.UnidentifiedImageError:
        raise DataError("this is not a picture that can be read (JPEG, PNG, BMP, GIF, TIFF, WebP)") from None
    except Exception as error:  # Pillow's readers raise errors of any type on broken files
        raise DataError(f"the picture is broken ({type(error).__name__})") from None


def notice(text: str, is_fault: bool = False) -> str:
    """Makes an HTML line of a text. Screen readers read a fault aloud at once."""
    style, role = ("fault", "alert") if is_fault else ("note", "status")
    text = text[:1].upper() + text[1:]
    return f'<p class="fer-{style}" role="{role}">{html.escape(text)}</p>'


def picture_tag(pixels: np.ndarray, about: str) -> str:
    """Makes an HTML tag that contains a picture, uint8 [H, W, 3], as a JPEG. Screen readers read `about` aloud."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    text = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{html.escape(about)}" src="data:image/jpeg;base64,{text}">'


def model_lines(model: "keras.Model | ExportedModel") -> list[str]:
    """Lines of text about a model: its name and classes, its training dataset, its test accuracy and its limits."""
    info = model_info(model)
    provenance = info.get("provenance", {})
    lines = [f"Model: {provenance.get('run') or model.name}; {', '.join(info['class_names'])}."]
    if declared := declared_text(provenance):
        lines.append(f"{declared[0].upper()}{declared[1:]}.")
    dataset, protocol = provenance.get("dataset"), provenance.get("protocol")
    if not dataset:
        return [*lines, "Its training dataset is not recorded."]
    lines.append(f"Trained on: {dataset}{f' ({protocol})' if protocol else ''}. {_measured(provenance)}")
    if dataset in DATASETS:
        lines.append(f"Limits: {DATASETS[dataset].limits}.")
    return lines


def _measured(provenance):
    """A sentence with the test accuracy of the run that made a model, if there is a record of it."""
    subject = "Accuracy of the model that this was exported from" if "export" in provenance else "Accuracy"
    for test in _test_metrics(provenance):
        return f"{subject} on its {test['n']:,} test images: {100 * test['accuracy']:.1f} %."
    return "Its test accuracy is not recorded here."


def _test_metrics(provenance):
    """Yields the test metrics in the records of bundled models and of runs with this run name and fingerprint."""
    name, fingerprint = provenance.get("run"), provenance.get("fingerprint")
    if not fingerprint or not isinstance(name, str) or Path(name).name != name:  # the file may come from anywhere
        return
    for record in bundled_records():
        if (record.get("run"), record.get("fingerprint")) == (name, fingerprint):
            yield record["test"]
    for root in (reports_root() / "runs", results_root() / "runs"):
        with contextlib.suppress(InputError):
            run = records.read_run(root / name)
            if run.record["fingerprint"] == fingerprint:
                yield run.metrics["test"]
