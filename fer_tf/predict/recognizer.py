"""Predicts the emotions of the faces in pictures: takes files and arrays, returns a tidy DataFrame or writes a csv."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from ..common.ahead import made_ahead
from ..common.checks import InputError, check_choice, check_range, check_whole
from ..common.inference import predict_both, predict_probabilities, whole_of
from ..common.text import one_line
from ..data import faces
from ..data.images import convert
from ..saving.bundled import bundled_path
from ..saving.declaration import Declaration
from ..saving.keras_files import model_info, model_shape
from ..saving.opening import open_in_runtime
from ..saving.runtimes import ExportedModel
from .pictures import Faces, Picture, Searched, in_chunks, read_picture

if TYPE_CHECKING:
    import keras

# One picture: a path, an array or a PIL image.
AnyPicture = str | os.PathLike[str] | np.ndarray | Image.Image
# The faces of a picture that could not be read: one row without a crop.
_UNREAD = [({"face": 0, "detected": False}, None)]
BOX_COLUMNS = ["path", "face", "x", "y", "w", "h", "detected"]
FILM_COLUMNS = ["frame", "time", "track"]


class EmotionRecognizer:
    """Recognises the emotion of every face in every picture.

    Args:
        model: a loaded model, or the path of a `.h5`, `.keras`, `.onnx` or `.tflite` file or of a SavedModel's
            folder; None for the bundled model (models/bundled/).
        batch_size: pictures per step, fewer if they are large. Results do not depend on it.
        detector: a key of `fer_tf.data.faces.DETECTORS`; None takes YuNet if its file is there, else MTCNN if it is
            installed, else Haar; "none" takes every picture as a ready face crop.
        select: "all" faces of a picture, or the "largest".
        margin: share of the face's side to add on every side of a crop. FER2013's own crops have no margin.
        align: "eyes" turns the crops until the eyes are level; "landmarks" also moves and scales them until eyes, nose
            and mouth are at fixed places; "none". See `fer_tf.data.faces.crop_face`.
        min_face: pixels; faces whose longer side is smaller are left out. The higher, the faster is the search.
        small_faces: True also searches large pictures for faces that are small in them, which takes longer; see
            `fer_tf.data.faces.detect_faces`.
        classes: 7 leaves contempt out: the other probabilities then sum to one. None keeps all classes.
        runtime: "keras", "onnx" or "tflite", see `fer_tf.saving.opening.open_in_runtime`; None for the model's own.
        declaration: the pixels, classes and channels of a model that was not made by the kit, see
            `fer_tf.saving.Declaration`. A file of another origin needs it.
    Raises: `InputError` for wrong arguments, or a runtime that is not installed; `ModelFileError` if the file holds no
        usable model, or needs a declaration.

    Attributes:
        model: the opened model.
        class_names: list of the model's classes, in the order of its outputs, without the one that is left out.
        value_names: list of the values of its second output, such as valence and arousal; empty without one.
        shape: (height, width, channels) of the model's input.
    """

    def __init__(
        self,
        model: keras.Model | ExportedModel | str | os.PathLike[str] | None = None,
        batch_size: int = 64,
        detector: str | None = None,
        select: str = "all",
        margin: float = 0.0,
        align: str | bool = "eyes",
        runtime: str | None = None,
        declaration: Declaration | None = None,
        min_face: float = 0,
        small_faces: bool = False,
        classes: int | None = None,
    ) -> None:
        self.model = open_in_runtime(bundled_path() if model is None else model, runtime, declaration)
        names = list(model_info(self.model)["class_names"])
        self._outputs = _chosen_outputs(names, classes)
        self.class_names = [names[output] for output in self._outputs]
        whole = whole_of(self.model)
        self.value_names = [] if whole is None else list(whole.second.names)
        masked_by = model_info(self.model).get("provenance", {}).get("salient_by")
        if masked_by:
            message = f"model: was trained on pictures changed by the maps of {masked_by}"
            warnings.warn(f"{message}; its results on other pictures are not reliable", stacklevel=2)
        self.shape = model_shape(self.model)
        self.batch_size = check_whole("batch_size", batch_size, low=1)
        self.detector = faces.default_detector() if detector is None else detector
        check_choice("detector", self.detector, faces.DETECTORS)
        align = faces.check_alignment(align, self.detector)
        self.cropping = {"select": check_choice("select", select, ("all", "largest")), "margin": margin, "align": align}
        self.search = {"min_size": check_range("min_face", min_face, 0), "small_faces": small_faces}

    @property
    def columns(self) -> list[str]:
        """The columns of the DataFrame that `predict` returns."""
        return [*BOX_COLUMNS, "score", "label", "confidence", *self.class_names, *self.value_names, "error"]

    @property
    def film_columns(self) -> list[str]:
        """The columns for films: `columns` with frame, time and track after the path."""
        return [self.columns[0], *FILM_COLUMNS, *self.columns[1:]]

    def predict(self, images: AnyPicture | Iterable[AnyPicture]) -> pd.DataFrame:
        """Predicts pictures.

        If no face is found, the row describes the whole picture.

        Args:
            images: a path, array or PIL image, or a sequence of them; an array [N, H, W, C] works too. Arrays hold
                0..255, see `fer_tf.predict.preprocess_image`.
        Returns: DataFrame, one row per face:

            - path: "" for arrays.
            - face: number of the face in its picture; 0 is the largest.
            - x, y, w, h: the box in pixels; it may reach beyond the picture.
            - detected: False if no face was found, or the detector is "none".
            - score: the detector's confidence, 0..1; NaN if it has none.
            - label, confidence: the most probable class and its probability, 0..1.
            - one column per class: its probability, 0..1.
            - of a model with a second output, one column per value: valence and arousal, -1..1, or the intensity of
              an action unit, 0..1.
            - error: why the picture could not be read, or "".
        Raises: `InputError` for an argument that is neither a picture nor a sequence of pictures.
        """
        if "keras" in sys.modules:  # otherwise nobody can have made a tensor
            import keras

            if keras.ops.is_tensor(images):  # its first axis would count as a sequence of pictures
                images = keras.ops.convert_to_numpy(images)
        dimensions = images.ndim if isinstance(images, np.ndarray) else None
        if isinstance(images, str | os.PathLike | Image.Image | np.ndarray) and dimensions in (None, 2, 3):
            images = [images]
        is_sequence = isinstance(images, Iterator) or hasattr(images, "__len__")
        if not is_sequence or dimensions == 0:
            raise InputError(f"images: must be a picture or a sequence of pictures; received {type(images).__name__}")
        rows, probabilities = [], [np.zeros((0, len(self.class_names)))]
        chunks = in_chunks(map(read_picture, images), self.batch_size)  # type: ignore[arg-type]
        for _, recognised in self.recognise_each(map(Searched, chunks)):
            rows += recognised.rows
            probabilities.append(recognised.probabilities)
        return self.table(rows, np.concatenate(probabilities))

    def recognise_each(self, chunks: Iterable[Searched], is_live: bool = False) -> Iterator[tuple[Searched, Faces]]:
        """Recognises lists of pictures one after another; the results are those of `recognise`.

        A list is read while faces are searched in the one before, and while the model predicts those of the one before
        that. So up to four lists are in memory.

        Args:
            chunks: the lists of pictures, with their faces if they are known already.
            is_live: True makes nothing ahead, so that the pictures of a camera are not old.
        """
        ahead = (lambda items: items) if is_live else made_ahead
        for searched, rows, crops in ahead(self._cropped(searched) for searched in ahead(chunks)):
            yield searched, self._answered(rows, crops)

    def recognise(self, pictures: Sequence[Picture], face_boxes: Sequence[Sequence[faces.Face]] | None = None) -> Faces:
        """Finds the faces in pictures and predicts their probabilities.

        Args:
            pictures: the pictures.
            face_boxes: the faces of each picture that could be read, if they are known already; None searches for them.
        """
        _, rows, crops = self._cropped(Searched(pictures, face_boxes))
        return self._answered(rows, crops)

    def _cropped(self, searched):
        """(searched, the columns of each row, uint8 [M, H, W, C]): the crops of the rows without an error."""
        pictures = searched.pictures
        read = [picture.pixels for picture in pictures if picture.pixels is not None]
        faces_of_pictures = iter(self._crop_each(read, searched.face_boxes))
        rows, face_crops = [], []
        for position, picture in enumerate(pictures):
            answer = picture.error if picture.pixels is None else next(faces_of_pictures)
            error, picture_faces = (answer, _UNREAD) if isinstance(answer, str) else ("", answer)
            origin = {"picture": position, "path": picture.path, "frame": picture.frame, "time": picture.time}
            rows += [{**origin, "error": error, **row} for row, _ in picture_faces]
            face_crops += [crop for _, crop in picture_faces if crop is not None]
        return searched, rows, np.stack(face_crops) if face_crops else np.zeros((0, *self.shape), np.uint8)

    def table(
        self, rows: Sequence[dict], probabilities: np.ndarray, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Makes the DataFrame that `predict` returns.

        Args:
            rows: the rows of `Faces`.
            probabilities: float [M, classes], for the rows without an error, in the same order.
            columns: columns of the DataFrame, such as `film_columns`; None for `columns`.
        """
        frame = pd.DataFrame(rows, columns=["path", "error"] if not rows else None)
        frame = frame.reindex(columns=columns or self.columns)
        types: dict = dict.fromkeys(("x", "y", "w", "h", "frame", "track"), "Int64")
        types |= dict.fromkeys(("time", "score", "confidence", *self.value_names), float)
        frame = frame.astype({name: dtype for name, dtype in types.items() if name in frame})
        frame["label"] = frame["label"].astype(object)
        if len(probabilities):
            is_read = frame.index[frame["error"] == ""]
            frame.loc[is_read, "label"] = np.array(self.class_names, object)[probabilities.argmax(axis=1)]
            frame.loc[is_read, "confidence"] = probabilities.max(axis=1)
            frame.loc[is_read, self.class_names] = probabilities
        return frame

    def targets(self, probabilities: np.ndarray) -> np.ndarray:
        """The model's output with the most probable class of each face, for a map: float [M, classes] → int [M]."""
        return self._outputs[probabilities.argmax(axis=1)]

    def _answered(self, rows, crops):
        """The `Faces` of rows and of the crops, uint8 [M, H, W, C], of those without an error."""
        if not self.value_names:
            return Faces(rows, crops, self._probabilities(crops))
        probabilities, values = predict_both(self.model, crops, self.batch_size)
        answers = (dict(zip(self.value_names, answer, strict=True)) for answer in values.tolist())
        rows = [row if row["error"] else {**row, **next(answers)} for row in rows]
        return Faces(rows, crops, self._of_classes(probabilities))

    def _probabilities(self, crops):
        """Predicts uint8 [M, H, W, C] at the model's size; returns float [M, classes]."""
        return self._of_classes(predict_probabilities(self.model, crops, self.batch_size))

    def _of_classes(self, probabilities):
        """The probabilities of `class_names`, float [M, classes], out of those of all outputs."""
        if len(self._outputs) == probabilities.shape[1]:
            return probabilities
        chosen = probabilities[:, self._outputs]
        total = chosen.sum(axis=1, keepdims=True)
        return np.divide(chosen, total, out=np.full_like(chosen, 1 / chosen.shape[1]), where=total > 0)

    def _crop_each(self, pictures, face_boxes):
        """As `_crop`; a picture on which the detector fails has the reason as text instead of its faces."""
        try:
            return self._crop(pictures, face_boxes)
        except InputError:  # the detector cannot be loaded, or an argument is wrong
            raise
        except Exception as error:
            if len(pictures) > 1:
                boxes = [None] * len(pictures) if face_boxes is None else [[boxes] for boxes in face_boxes]
                alone = zip(pictures, boxes, strict=True)
                return [answer for pixels, known in alone for answer in self._crop_each([pixels], known)]
            reason = one_line(f"{type(error).__name__}: {error}")[:200]
            return [f"the face detector {self.detector} fails on it ({reason})"]

    def _crop(self, pictures, face_boxes):
        """For each picture its faces, largest first: (columns of the row, uint8 [H, W, C] at the model's size)."""
        size = max(self.shape[:2])
        if self.detector == "none" or not pictures:
            face_crops = [[faces.FaceCrop(pixels)] for pixels in pictures]
        else:
            options = {**self.cropping, **(self.search if face_boxes is None else {})}
            face_crops = faces.crop_faces(pictures, size, self.detector, found=face_boxes, **options)
        return [
            [
                _face_row(index, crop.face, pixels, self._fitted(crop.image if crop.detected else pixels))
                for index, crop in enumerate(crops)
            ]
            for pixels, crops in zip(pictures, face_crops, strict=True)
        ]

    def _fitted(self, pixels):
        return convert(pixels[None], self.shape[:2], self.shape[2])[0]

    def predict_to_csv(
        self, paths: Sequence[str | Path], out: str | Path, progress: bool = True
    ) -> list[tuple[str, str]]:
        """Predicts files and writes a csv. `predict_files.predict_files` has more options, such as for films.

        Args:
            paths: the files.
            out: path of the csv.
            progress: show a progress bar.
        Returns: list of (path, error) of the files that could not be read.
        """
        from .predict_files import predict_files  # here, because that module builds on this one

        return predict_files(self, paths, out, progress=progress).failed


def _chosen_outputs(names, classes):
    """The numbers of the model's outputs that are used: all, or those that are not contempt."""
    check_choice("classes", classes, (None, 7))
    chosen = np.array([number for number, name in enumerate(names) if name.lower() != "contempt"])
    if classes is None:
        return np.arange(len(names))
    if len(chosen) != classes:
        raise InputError(f"classes: 7 leaves contempt out; this model has {', '.join(names)}")
    return chosen


def _face_row(index, face, pixels, crop):
    """(columns that describe a face of a picture, its crop); without a face they describe the whole picture."""
    x, y, w, h = (round(value) for value in (face.box if face else (0, 0, pixels.shape[1], pixels.shape[0])))
    score = face.score if face else None
    return {"face": index, "x": x, "y": y, "w": w, "h": h, "detected": face is not None, "score": score}, crop
