"""Predicting emotions of the faces in pictures: files, folders and arrays in, a tidy frame or csv out."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from .checks import DataError, InputError, check_choice, check_whole
from .data import faces
from .data.folders import list_files
from .data.images import convert, picture_pixels, read_image
from .inference import predict_probabilities
from .paths import replacing, reports_root
from .saving import DEFAULT_SHAPE, load_model, model_info, model_shape

BOX_COLUMNS = ["path", "face", "x", "y", "w", "h", "detected"]


def load_image(path):
    """Loads any picture as uint8 [height, width, 3], RGB, upright (the proposal's pseudocode, line 4).

    A relative path is looked for as it stands, then in reports/, where notebook 07 leaves `example.jpg`; `~` is the
    user's folder.
    """
    path = Path(path).expanduser()
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
        model: a loaded model, or the path of a `.h5` or `.keras` file.
        batch_size: pictures a step; results do not depend on it.
        detector: a key of `fer_tf.data.faces.DETECTORS`; None takes MTCNN where it is installed, else Haar; "none"
            takes every picture as a ready face crop.
        select: "all" faces of a picture or the "largest".
        margin, align: of the crops, see `fer_tf.data.faces.crop_face`. FER2013's own crops have no margin.
    """

    def __init__(self, model=None, batch_size=64, detector=None, select="all", margin=0.0, align=True):
        if model is None:
            raise InputError(
                "model: none is bundled yet; give the path of a trained one (`fer-tf train cnn` makes one)"
            )
        self.model = load_model(model) if isinstance(model, str | os.PathLike) else model
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
        return [*BOX_COLUMNS, "label", "confidence", *self.class_names, "error"]

    def predict(self, images):
        """Predicts pictures.

        Args:
            images: a path, array or PIL image, or a sequence of them (an array [N, H, W, C] too).
        Returns: DataFrame, one row a face: path ("" for arrays), face (0: the largest in its picture), x, y, w, h
            (the box in pixels; it may reach beyond the picture), detected (False where no face was found or looked
            for: the whole picture then), label, confidence 0..1, a probability a class, error ("" or why the picture
            could not be read).
        """
        if isinstance(images, str | os.PathLike | Image.Image) or _is_array(images) and images.ndim in (2, 3):
            images = [images]
        images = list(images) if isinstance(images, Iterator) else images
        if not hasattr(images, "__len__") or _is_array(images) and images.ndim == 0:
            raise InputError(f"images: must be a picture or a sequence of them; received {type(images).__name__}")
        frames = [self._chunk(images[start : start + self.batch_size]) for start in self._starts(images)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=self.columns)

    def _starts(self, images):
        return range(0, len(images), self.batch_size)

    def _chunk(self, images):
        return self.predict_with_crops(images)[0]

    def predict_with_crops(self, images):
        """What `predict` returns of a list of pictures that are held at once, and the crops it was predicted from.

        Returns: DataFrame, see `predict`; uint8 [M, H, W, C] at the model's size, a crop for each row without an error.
        """
        read, errors = {}, {}
        for position, image in enumerate(images):
            try:
                read[position] = _as_pixels(image)
            except DataError as error:
                errors[position] = _without_path(error, image)
        cropped = dict(zip(read, self._crop(list(read.values())), strict=True))
        rows = [
            {"path": _shown_path(image), "error": errors.get(position, ""), **row}
            for position, image in enumerate(images)
            for row, _ in cropped.get(position, [({"face": 0, "detected": False}, None)])
        ]
        frame = pd.DataFrame(rows).reindex(columns=self.columns)
        boxes = ["x", "y", "w", "h"]
        frame[boxes] = frame[boxes].astype("Int64")
        crops = [crop for found in cropped.values() for _, crop in found]
        crops = np.stack(crops) if crops else np.zeros((0, *self.shape), np.uint8)
        if len(crops):
            self._fill(frame, predict_probabilities(self.model, crops, self.batch_size))
        return frame, crops

    def _crop(self, pictures):
        """For each picture its faces, largest first: (columns of the row, uint8 [H, W, C] at the model's size)."""
        size = max(self.shape[:2])
        if self.detector == "none" or not pictures:
            return [[_face_row(0, None, pixels, self._fitted(pixels))] for pixels in pictures]
        found = faces.crop_faces(pictures, size, self.detector, **self.cropping)
        return [
            [_face_row(index, crop.face, pixels, self._fitted(crop.image if crop.detected else pixels))
             for index, crop in enumerate(crops)]
            for pixels, crops in zip(pictures, found, strict=True)
        ]  # fmt: skip

    def _fitted(self, pixels):
        return convert(pixels[None], self.shape[:2], self.shape[2])[0]

    def _fill(self, frame, probabilities):
        """Puts the probabilities into the rows without an error."""
        read = frame.index[frame["error"] == ""]
        frame["label"] = frame["label"].astype(object)
        frame.loc[read, "label"] = np.array(self.class_names, object)[probabilities.argmax(axis=1)]
        frame.loc[read, "confidence"] = probabilities.max(axis=1)
        frame.loc[read, self.class_names] = probabilities

    def predict_to_csv(self, paths, out, progress=True):
        """Predicts files and writes the csv chunk by chunk, so memory does not grow with their number.

        The csv appears when it is complete.

        Args:
            paths: list of files.
            out: path of the csv.
            progress: show a bar.
        Returns: list of (path, error) of the files that could not be read.
        """
        failed = []
        bar = tqdm(total=len(paths), disable=not progress, unit="image", desc="predict")
        with replacing(out) as part, bar, open(part, "w", newline="", encoding="utf-8") as file:
            pd.DataFrame(columns=self.columns).to_csv(file, index=False)
            for start in self._starts(paths):
                frame = self._chunk(paths[start : start + self.batch_size])
                frame.to_csv(file, index=False, header=False, float_format="%.6f")
                broken = frame[frame["error"] != ""]
                failed += list(zip(broken["path"], broken["error"], strict=True))
                bar.update(len(paths[start : start + self.batch_size]))
        return failed


def _face_row(index, face, pixels, crop):
    """The columns that tell which face of a picture this is, and its crop; without a face, the whole picture."""
    x, y, w, h = (round(value) for value in (face.box if face else (0, 0, pixels.shape[1], pixels.shape[0])))
    return {"face": index, "x": x, "y": y, "w": w, "h": h, "detected": face is not None}, crop


def _is_array(images):
    return isinstance(images, np.ndarray)


def _shown_path(image):
    """The path as text that any csv can hold; "" for what is no file."""
    if not isinstance(image, str | os.PathLike):
        return ""
    return os.fsencode(image).decode("utf-8", "backslashreplace")


def _without_path(error, image):
    return str(error).removeprefix(f"{image}: ")


def collect_files(inputs, leave_out=()):
    """The files meant by a list of files and folders; folders are searched through, litter is left out.

    Args:
        inputs: paths; one that does not exist is kept, so that it is reported in its own row.
        leave_out: paths never to take (the csv being written).
    Returns: list of `Path`, each once.
    """
    skipped = {os.path.realpath(path) for path in leave_out}
    found = {}
    for item in map(Path, inputs):
        for path in list_files(item) if item.is_dir() else [item]:
            if os.path.realpath(path) not in skipped:
                found.setdefault(path, None)
    return list(found)
