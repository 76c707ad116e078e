"""Test-time augmentation: the mean answer over several views of a picture."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from ..common.checks import check_choice
from ..data.base import FaceDataset
from ..layers import affine_sample
from ..models.inference import predict_probabilities
from . import evaluate, records, second

CROP = 0.9
NOTE = "probabilities are averaged over views of each image ({})"


def _mirror(images):
    return images[:, :, ::-1]


def crops(images: np.ndarray, share: float = CROP) -> Iterator[np.ndarray]:
    """The four corners and the centre of images: float [N, H, W, C] each, `share` of each side at the full size."""
    images = np.asarray(images, np.float32)
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, 0)):
        theta = np.array([[share, 0, x * (1 - share), 0, share, y * (1 - share)]], np.float32)
        yield np.asarray(affine_sample(images, np.repeat(theta, len(images), axis=0)))


# how -> the views of a batch [N, H, W, C]. Ten crops are Krizhevsky et al. 2012's (§4.1); their crops have 0.875 of
# the side, faces are cut closely already, so here it is 0.9.
VIEWS = {
    "none": lambda images: [images],
    "flip": lambda images: [images, _mirror(images)],
    "ten_crop": lambda images: (view for crop in crops(images) for view in (crop, _mirror(crop))),
}


class AveragedViews:
    """A model whose probabilities are the mean over views of each image; everything else is the model's."""

    def __init__(self, model, how):
        self._model, self._views = model, VIEWS[check_choice("tta", how, VIEWS)]

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Mean probabilities, float [N, num_classes]."""
        return np.mean([np.asarray(self._model.predict_on_batch(view)) for view in self._views(images)], axis=0)


def predict_with_tta(
    model: keras.Model, images: np.ndarray, how: str = "flip", batch_size: int = 256, progress: bool = False
) -> np.ndarray:
    """Class probabilities of images, averaged over views of each.

    Args:
        model: `keras.Model` on raw 0..255 pixels.
        images: uint8 or float [N, H, W, C], or a `Split`.
        how: "none"; "flip", the image and its mirror image; "ten_crop", four corners and the centre with 0.9 of each
            side, brought back to the full size, and their mirror images.
        batch_size, progress: as in `predict_probabilities`.
    Returns: float32 [N, num_classes].
    """
    return predict_probabilities(AveragedViews(model, how), images, batch_size, progress)


def evaluate_with_tta(
    model: keras.Model,
    ds: FaceDataset,
    name: str,
    how: str,
    out: str | Path | None = None,
    options: dict | None = None,
) -> records.Run:
    """`evaluate.evaluate_model` with probabilities averaged over views; the name and the notes say so.

    Where model and dataset have the same second output, the evaluation has its metrics, too. Its values are those of
    the images as they are, without views.
    """
    if how != "none":
        ds, name = replace(ds, notes=[*ds.notes, NOTE.format(how)]), f"{name}-{how}"
        model = AveragedViews(model, how)
    run = evaluate.evaluate_model(model, ds, name, out, how, options)
    second.write_second(run.directory, model, evaluate.fitted(model, ds), run.record)
    return records.read_run(run.directory)
