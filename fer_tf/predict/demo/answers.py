"""What the demo page answers: pictures and camera frames in, annotated pictures, bars, maps and tables out.

Pictures come as data URLs in the body of a request and are decoded in memory; nothing of them is written anywhere. The
page itself is in `fer_tf.predict.demo.page`, what serves it in `fer_tf.predict.demo.server`.
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
from typing import NamedTuple

import numpy as np
from PIL import Image

from ...common.checks import DataError, InputError, check_range
from ...data.images import FORMATS, picture_pixels
from ...explain import TITLES, check_method, empty_reason, explain, is_empty, method_of_head
from ...explain.plots import face_beside_map
from ...runs import page, records
from ...saving.bundled import bundled_records
from ...saving.keras_files import model_info
from .. import annotate as drawing
from ..pictures import Picture
from ..tracking import Follower

MAX_MB = 10.0
# Longer sides of what is shown, in pixels, and seconds over which a live face's probabilities are averaged.
PICTURE_SIDE, LIVE_SIDE, MAP_SIDE = 800, 640, 260
LIVE_SECONDS = 1.0
COLUMNS = ("face", "label", "confidence", "x", "y", "w", "h", "found")


class Answer(NamedTuple):
    """What is shown of a picture.

    Attributes:
        message: a line about it, HTML; what is wrong with it, where it cannot be predicted.
        annotated: the picture with its faces, HTML; "" where it cannot be predicted, as are the next two.
        bars: dict class -> probability of the largest face; None.
        map: the largest face beside its map, with the layer's name, HTML.
        table: list of rows of `COLUMNS`, the largest face first; None.
    """

    message: str
    annotated: str = ""
    bars: dict | None = None
    map: str = ""
    table: list | None = None


class Demo:
    """Answers of one model.

    Args:
        recognizer: `fer_tf.predict.recognizer.EmotionRecognizer`.
        max_mb: megabytes (10⁶ bytes) that a picture may have at most.

    Attributes:
        layer: name of the layer whose map is drawn; "" where the model has none.
        method: "gradcam" or "hirescam", by the model's head; "" where it has no map.
    """

    def __init__(self, recognizer, max_mb=MAX_MB):
        self.recognizer, self.max_mb = recognizer, check_range("max_mb", max_mb, 0.01, 200)
        self.layer, self.method, self.no_map = "", "", ""
        recognizer.recognise([Picture("", np.zeros((64, 64, 1), np.uint8))])
        try:
            self.method = method_of_head(recognizer.model)
            self.layer = check_method(recognizer.model, self.method)
        except InputError as error:
            self.no_map = str(error)

    def picture(self, data):
        """The `Answer` to a picture, a data URL; any fault of it becomes a message."""
        return self._told(lambda: self._answer(read_upload(data, self.max_mb)), Answer)

    def frame(self, data, state=None, now=None):
        """One camera frame, its labels averaged over the last frames.

        Args:
            data: data URL.
            state: of the frame before, None for the first.
            now: seconds of a steady clock; None reads it.
        Returns: HTML; the state for the next frame, a JSON value.
        """
        follower = Follower(LIVE_SECONDS, state)
        now = time.monotonic() if now is None else now
        shown = self._told(lambda: self._live(read_upload(data, self.max_mb), follower, now), str)
        return shown, follower.state

    def _told(self, compute, wrap):
        try:
            return compute()
        except InputError as error:
            return wrap(notice(str(error), is_fault=True))
        except Exception as error:  # of one picture: the page goes on
            print(f"not predicted: {type(error).__name__}: {error}", file=sys.stderr)
            return wrap(notice(f"the picture could not be predicted ({type(error).__name__})", is_fault=True))

    def _answer(self, pixels):
        found = self.recognizer.recognise([Picture("", pixels)])
        faces = [_shown(row, shares) for row, shares in zip(found.rows, found.probabilities, strict=True)]
        image = self._drawn(pixels, faces, PICTURE_SIDE)
        first = dict(zip(self.recognizer.class_names, map(float, found.probabilities[0]), strict=True))
        label = max(first, key=first.get)
        whose = "The largest" if found.rows[0]["detected"] else "Its label"
        about = f"{self._found_faces(found.rows)} {whose}: {label}, {first[label]:.2f}."
        picture = picture_tag(image, f"The picture; {about}")
        return Answer(notice(about), picture, first, self._map(found, label), self._table(found))

    def _found_faces(self, rows):
        """How many faces were found, a sentence."""
        if self.recognizer.detector == "none":
            return "The whole picture was taken for a face; none was looked for."
        if not rows[0]["detected"]:
            return "No face found: the whole picture was taken for one."
        return f"{len(rows)} face{'s' * (len(rows) > 1)} found."

    def _drawn(self, pixels, faces, longest):
        """The picture with boxes and labels, without the panel that `annotate` puts beside it."""
        names = self.recognizer.class_names
        return drawing.annotate(pixels, faces, names, longest, steady=True)[:, : -drawing.PANEL]

    def _map(self, found, label):
        if not self.layer:
            return notice(f"no map: {self.no_map}")
        target = found.probabilities[:1].argmax(axis=1)
        item = explain(self.recognizer.model, found.crops[:1], self.method, target)[0]
        title, reason = f"{TITLES[self.method]} of {label}", empty_reason(self.method)
        image = face_beside_map(found.crops[0], item, title, MAP_SIDE, reason)
        about = f"{title}, layer {self.layer}"
        text = html.escape(f"{about}: {reason if is_empty(item) else 'where that map speaks for this class'}.")
        return f"<figure>{picture_tag(np.asarray(image), about)}<figcaption>{text}</figcaption></figure>"

    def _table(self, found):
        names = self.recognizer.class_names
        rows = zip(found.rows, found.probabilities, strict=True)
        return [
            [
                row["face"] + 1,
                names[shares.argmax()],
                round(float(shares.max()), 3),
                *(row[side] for side in "xywh"),
                "yes" if row["detected"] else "no: whole picture",
            ]
            for row, shares in rows
        ]

    def _live(self, pixels, follower, now):
        found = self.recognizer.recognise([Picture("", pixels)])
        is_face = self.recognizer.detector == "none"  # the whole frame, then
        seen = [place for place, row in enumerate(found.rows) if is_face or row["detected"]]
        boxes = [[found.rows[place][side] for side in "xywh"] for place in seen]
        tracks, steadied = follower.follow(boxes, now, found.probabilities[seen])
        faces = [drawing.Shown(*face) for face in zip(tracks, map(tuple, boxes), steadied, strict=True)]
        names = self.recognizer.class_names
        said = ", ".join(f"{face.number + 1} {names[face.probabilities.argmax()]}" for face in faces) or "no face found"
        return picture_tag(self._drawn(pixels, faces, LIVE_SIDE), said) + notice(said)


def read_upload(data, max_mb=MAX_MB):
    """The pixels of a picture that came as a data URL; it is decoded in memory and never stands in a file.

    Args:
        data: text, `data:image/png;base64,...`.
        max_mb: megabytes that its bytes may have at most; checked before they are decoded.
    Returns: uint8 [H, W, 1 or 3], upright.
    Raises: `DataError` for what is no picture, is broken, or has too many bytes or pixels.
    """
    head, comma, text = data.partition(",") if isinstance(data, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise DataError("no picture came")
    if len(text) * 3 / 4 > max_mb * 1e6 + 3:
        raise DataError(f"the picture has {len(text) * 0.75e-6:.1f} MB; at most {max_mb:g} MB are taken")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DataError("the picture did not come whole") from None
    return _decoded(content)


def _decoded(content):
    """As `fer_tf.data.images.read_image`, of bytes: the same formats, and the same limit before pixels are decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow remarks on damage that it can live with
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                if picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError
                picture.seek(0)
                return picture_pixels(picture)
    except Image.DecompressionBombError:
        raise DataError(f"the picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink it first") from None
    except Image.UnidentifiedImageError:
        raise DataError("this is not a picture that can be read (JPEG, PNG, BMP, GIF, TIFF, WebP)") from None
    except Exception as error:  # broken files bring Pillow's readers to raise anything
        raise DataError(f"the picture is broken ({type(error).__name__})") from None


def _shown(row, probabilities):
    box = tuple(row[side] for side in "xywh") if row["detected"] else None
    return drawing.Shown(row["face"], box, probabilities)


def notice(text, is_fault=False):
    """A line for the page, HTML; a fault is read out at once by screen readers."""
    kind, role = ("fault", "alert") if is_fault else ("note", "status")
    text = text[:1].upper() + text[1:]
    return f'<p class="fer-{kind}" role="{role}">{html.escape(text)}</p>'


def picture_tag(pixels, about):
    """uint8 [H, W, 3] as HTML that holds the picture itself, a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    text = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{html.escape(about)}" src="data:image/jpeg;base64,{text}">'


def model_lines(model):
    """What is known of a model: lines of text for the page, its name, what it has learned from, what was measured."""
    info = model_info(model)
    provenance = info.get("provenance", {})
    lines = [f"Model: {provenance.get('run') or model.name}; {', '.join(info['class_names'])}."]
    dataset, protocol = provenance.get("dataset"), provenance.get("protocol")
    if not dataset:
        return [*lines, "What it has learned from is not recorded."]
    lines.append(f"Learned from: {dataset}{f' ({protocol})' if protocol else ''}. {_measured(provenance)}")
    if dataset == "synthetic":
        lines.append("These are drawn faces: what it says of real ones is worth nothing.")
    return lines


def _measured(provenance):
    """The test accuracy of the run that made a model, where its record is there: the bundled one's, or the run's."""
    whose = "Accuracy of the model that this was exported from" if "export" in provenance else "Accuracy"
    for test in _test_figures(provenance):
        return f"{whose} on its {test['n']:,} test images: {100 * test['accuracy']:.1f} %."
    return "Its test accuracy is not recorded here."


def _test_figures(provenance):
    """Yields the figures in the records that bear a model's run and fingerprint."""
    name, fingerprint = provenance.get("run"), provenance.get("fingerprint")
    if not fingerprint or not isinstance(name, str) or Path(name).name != name:  # the file may come from anywhere
        return
    for record in bundled_records():
        if (record.get("run"), record.get("fingerprint")) == (name, fingerprint):
            yield record["test"]
    for root in (records.reports_root() / "runs", page.results_root() / "runs"):
        with contextlib.suppress(InputError):
            run = records.read_run(root / name)
            if run.record["fingerprint"] == fingerprint:
                yield run.metrics["test"]
