"""Predicting emotions of the faces in pictures: files and arrays in, a tidy frame or csv out."""

import os
import warnings
from collections.abc import Iterator

import keras
import numpy as np
import pandas as pd
from PIL import Image

from ..common.checks import InputError, check_choice, check_whole
from ..data import faces
from ..data.images import convert
from ..models.inference import predict_probabilities
from ..saving.bundled import bundled_path
from ..saving.keras_files import model_info, model_shape
from ..saving.opening import open_in_runtime
from .pictures import Found, in_chunks, read_picture

BOX_COLUMNS = ["path", "face", "x", "y", "w", "h", "detected"]
FILM_COLUMNS = ["frame", "time", "track"]


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
        runtime: "keras", "onnx" or "tflite", see `fer_tf.saving.opening.open_in_runtime`; None for the model's own.
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
        """Predicts files into a csv; see `fer_tf.predict.files.predict_files`, which knows films and more.

        Args:
            paths: list of files.
            out: path of the csv.
            progress: show a bar.
        Returns: list of (path, error) of the files that could not be read.
        """
        from .files import predict_files  # it stands on this module

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
