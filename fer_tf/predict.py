"""Predicting emotions of the faces in pictures: files and arrays in, a tidy frame or csv out."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from PIL import Image

from .bundled import bundled_path
from .checks import DataError, InputError, check_choice, check_whole
from .data import faces
from .data.images import convert, picture_pixels, read_image
from .inference import predict_probabilities
from .paths import expanded, reports_root
from .predict_runtime import open_in_runtime
from .quiet import quiet_stderr
from .safe_text import one_line, shown_path
from .saving import DEFAULT_SHAPE, model_info, model_shape
from .sources import check_harmless, collect_files, list_fault

__all__ = ["EmotionRecognizer", "collect_files", "load_image", "preprocess_image"]

BOX_COLUMNS = ["path", "face", "x", "y", "w", "h", "detected"]
FILM_COLUMNS = ["frame", "time", "track"]
# Pixels of pictures that are held at once, read and not yet predicted (three bytes each, if coloured).
HELD_PIXELS = 2**25


def load_image(path):
    """Loads any picture as uint8 [height, width, 3], RGB, upright (the proposal's pseudocode, line 4).

    A relative path is looked for as it stands, then in reports/, where notebook 07 leaves `example.jpg`; `~` is the
    user's folder.
    """
    path = expanded(path)
    kept = reports_root() / path
    if path.exists() or path.is_absolute():
        return read_image(path, channels=3)
    if not kept.is_file():
        raise DataError(f"{path}: no such file; looked at {path.absolute()} and {kept}")
    return read_image(kept, channels=3)


def preprocess_image(image, model=None):
    """Makes a batch of one at a model's size (the proposal's pseudocode, line 6).

    Args:
        image: uint8 or float 0..255, [H, W], [H, W, 1] or [H, W, 3] (RGB).
        model: a model whose input it shall fit; None for the size of FaceNet2ExpNet.h5.
    Returns: float32 [1, height, width, channels], range 0..255: the models normalise by themselves.
    """
    height, width, channels = DEFAULT_SHAPE if model is None else model_shape(model)
    return convert(_as_pixels(image)[None], (height, width), channels).astype(np.float32)


class Picture(NamedTuple):
    """A picture to predict: its `path` as text ("" for an array), its `pixels`, uint8 [H, W, 1 or 3], or None and the
    `error` why they cannot be had; of a film also the number of the `frame` and its `time` in seconds."""

    path: str
    pixels: np.ndarray | None
    error: str = ""
    frame: int | None = None
    time: float | None = None


class Found(NamedTuple):
    """What was found in some pictures: `rows`, dicts of the first columns of the table, one a face and one a picture
    that could not be read ("picture" tells which it is from); for each row without an error, in order, `crops`, uint8
    [M, H, W, C] at the model's size, and `probabilities`, float [M, classes]."""

    rows: list
    crops: np.ndarray
    probabilities: np.ndarray


def read_picture(image):
    """The `Picture` of a path, array or PIL image; what is wrong with a file stands in it, a bad array raises."""
    if not isinstance(image, str | os.PathLike):
        return Picture("", _as_pixels(image))
    try:
        return Picture(shown_path(image), _read_file(image))
    except DataError as error:
        is_list = os.fspath(image).lower().endswith(".csv")
        fault = is_list and list_fault(image) or str(error).removeprefix(f"{image}: ")
        return Picture(shown_path(image), None, one_line(fault))


def in_chunks(pictures, count, pixels=HELD_PIXELS):
    """Lists of at most `count` pictures that together have at most `pixels` pixels (one may have more alone)."""
    chunk, held = [], 0
    for picture in pictures:
        size = 0 if picture.pixels is None else picture.pixels.shape[0] * picture.pixels.shape[1]
        if chunk and held + size > pixels:
            yield chunk
            chunk, held = [], 0
        chunk.append(picture)
        held += size
        if len(chunk) == count:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _read_file(path):
    check_harmless(path)
    # libtiff tells of damage past Python
    is_tiff = os.fspath(path).lower().endswith((".tif", ".tiff"))
    with warnings.catch_warnings(), quiet_stderr() if is_tiff else contextlib.nullcontext():
        warnings.simplefilter("ignore")  # Pillow remarks on damage that it can live with
        try:
            return read_image(path)
        except DataError:
            raise
        except Exception as error:  # broken files bring Pillow's readers to raise anything
            raise DataError(f"{path}: is a broken picture ({type(error).__name__})") from None


def _as_pixels(image):
    """Any of the accepted pictures as uint8 [H, W, 1 or 3]."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        return picture_pixels(image)
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise InputError(f"image: must be [H, W], [H, W, 1] or [H, W, 3]; received {np.shape(image)}")
    if not np.issubdtype(pixels.dtype, np.number) or not np.isfinite(pixels).all():
        raise InputError("image: must hold finite numbers")
    if not np.issubdtype(pixels.dtype, np.integer) and 0 < pixels.max() <= 1:
        raise InputError("image: pixels seem to be scaled to 0..1; give 0..255, the models normalise by themselves")
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"image: pixels must be in 0..255; received {pixels.min()} to {pixels.max()}")
    return pixels.astype(np.uint8) if np.issubdtype(pixels.dtype, np.integer) else pixels.round().astype(np.uint8)


class EmotionRecognizer:
    """Recognises the emotion of every face in every picture it is given.

    Args:
        model: a loaded model, or the path of a `.h5`, `.keras`, `.onnx` or `.tflite` file or of a SavedModel's
            folder; None for the bundled one (models/bundled/).
        batch_size: pictures a step, fewer where they are large; results do not depend on it.
        detector: a key of `fer_tf.data.faces.DETECTORS`; None takes MTCNN where it is installed, else Haar; "none"
            takes every picture as a ready face crop.
        select: "all" faces of a picture or the "largest".
        margin, align: of the crops, see `fer_tf.data.faces.crop_face`. FER2013's own crops have no margin.
        runtime: "keras", "onnx" or "tflite", see `fer_tf.predict_runtime.open_in_runtime`; None for the model's own.
    """

    def __init__(self, model=None, batch_size=64, detector=None, select="all", margin=0.0, align=True, runtime=None):
        self.model = open_in_runtime(bundled_path() if model is None else model, runtime)
        self.class_names = list(model_info(self.model)["class_names"])
        first = model_info(self.model).get("provenance", {}).get("salient_by")
        if first:
            about = f"model: has learned pictures changed by {first}'s maps"
            warnings.warn(f"{about}; what it says of others is worth little", stacklevel=2)
        self.shape = model_shape(self.model)
        self.batch_size = check_whole("batch_size", batch_size, low=1)
        self.detector = faces.default_detector() if detector is None else detector
        check_choice("detector", self.detector, faces.DETECTORS)
        self.cropping = {"select": check_choice("select", select, ("all", "largest")), "margin": margin, "align": align}

    @property
    def columns(self):
        """The columns of what `predict` returns."""
        return [*BOX_COLUMNS, "score", "label", "confidence", *self.class_names, "error"]

    @property
    def film_columns(self):
        """The columns where there are films: frame, time and track come after the path."""
        return [self.columns[0], *FILM_COLUMNS, *self.columns[1:]]

    def predict(self, images):
        """Predicts pictures.

        Args:
            images: a path, array or PIL image, or a sequence of them (an array [N, H, W, C] too).
        Returns: DataFrame, one row a face: path ("" for arrays), face (0: the largest in its picture), x, y, w, h
            (the box in pixels; it may reach beyond the picture), detected (False where no face was found or looked
            for: the whole picture then), score (how sure the detector is, 0..1; NaN where it does not tell), label,
            confidence 0..1, a probability a class, error ("" or why the picture could not be read).
        """
        images = _untensored(images)
        if isinstance(images, str | os.PathLike | Image.Image) or _is_array(images) and images.ndim in (2, 3):
            images = [images]
        is_sequence = isinstance(images, Iterator) or hasattr(images, "__len__")
        if not is_sequence or _is_array(images) and images.ndim == 0:
            raise InputError(f"images: must be a picture or a sequence of them; received {type(images).__name__}")
        rows, probabilities = [], [np.zeros((0, len(self.class_names)))]
        for chunk in in_chunks(map(read_picture, images), self.batch_size):
            found = self.recognise(chunk)
            rows += found.rows
            probabilities.append(found.probabilities)
        return self.table(rows, np.concatenate(probabilities))

    def predict_with_crops(self, pictures):
        """What `predict` returns, of a list of `Picture`s, and the crops it was predicted from.

        Returns: DataFrame, see `predict`; uint8 [M, H, W, C] at the model's size, a crop for each row without an error.
        """
        found = self.recognise(pictures)
        return self.table(found.rows, found.probabilities), found.crops

    def recognise(self, pictures):
        """Finds and predicts the faces of a list of `Picture`; returns `Found`."""
        cropped = iter(self._crop([picture.pixels for picture in pictures if picture.pixels is not None]))
        rows, crops = [], []
        for position, picture in enumerate(pictures):
            own = [({"face": 0, "detected": False}, None)] if picture.pixels is None else next(cropped)
            place = {"picture": position, "path": picture.path, "frame": picture.frame, "time": picture.time}
            rows += [{**place, "error": picture.error, **row} for row, _ in own]
            crops += [crop for _, crop in own if crop is not None]
        crops = np.stack(crops) if crops else np.zeros((0, *self.shape), np.uint8)
        return Found(rows, crops, self._probabilities(crops))

    def table(self, rows, probabilities, columns=None):
        """The DataFrame of `Found`'s rows and probabilities; `columns` as `predict`'s, or `film_columns`."""
        frame = pd.DataFrame(rows, columns=["path", "error"] if not rows else None)
        frame = frame.reindex(columns=columns or self.columns)
        kinds = dict.fromkeys(("x", "y", "w", "h", "frame", "track"), "Int64")
        kinds |= dict.fromkeys(("time", "score", "confidence"), float)
        frame = frame.astype({name: kind for name, kind in kinds.items() if name in frame})
        frame["label"] = frame["label"].astype(object)
        if len(probabilities):
            read = frame.index[frame["error"] == ""]
            frame.loc[read, "label"] = np.array(self.class_names, object)[probabilities.argmax(axis=1)]
            frame.loc[read, "confidence"] = probabilities.max(axis=1)
            frame.loc[read, self.class_names] = probabilities
        return frame

    def _probabilities(self, crops):
        """float [M, classes] of uint8 [M, H, W, C] at the model's size."""
        if not len(crops):
            return np.zeros((0, len(self.class_names)), np.float32)
        return predict_probabilities(self.model, crops, self.batch_size)

    def _crop(self, pictures):
        """For each picture its faces, largest first: (columns of the row, uint8 [H, W, C] at the model's size)."""
        size = max(self.shape[:2])
        if self.detector == "none" or not pictures:
            return [[_face_row(0, None, pixels, self._fitted(pixels))] for pixels in pictures]
        found = faces.crop_faces(pictures, size, self.detector, **self.cropping)
        return [
            [
                _face_row(index, crop.face, pixels, self._fitted(crop.image if crop.detected else pixels))
                for index, crop in enumerate(crops)
            ]
            for pixels, crops in zip(pictures, found, strict=True)
        ]

    def _fitted(self, pixels):
        return convert(pixels[None], self.shape[:2], self.shape[2])[0]

    def predict_to_csv(self, paths, out, progress=True):
        """Predicts files into a csv; see `fer_tf.predict_files.predict_files`, which knows films and more.

        Args:
            paths: list of files.
            out: path of the csv.
            progress: show a bar.
        Returns: list of (path, error) of the files that could not be read.
        """
        from .predict_files import predict_files  # it stands on this module

        return predict_files(self, paths, out, progress=progress).failed


def _face_row(index, face, pixels, crop):
    """The columns that tell which face of a picture this is, and its crop; without a face, the whole picture."""
    x, y, w, h = (round(value) for value in (face.box if face else (0, 0, pixels.shape[1], pixels.shape[0])))
    score = face.score if face else None
    return {"face": index, "x": x, "y": y, "w": w, "h": h, "detected": face is not None, "score": score}, crop


def _is_array(images):
    return isinstance(images, np.ndarray)


def _untensored(images):
    """The backend's tensors as arrays: else their first axis would be taken for a sequence of pictures."""
    return keras.ops.convert_to_numpy(images) if keras.ops.is_tensor(images) else images
