"""Integrated gradients (Sundararajan, Taly & Yan 2017)."""

import keras
import numpy as np

from ..common.checks import check_range, check_whole
from .cam import scaled
from .gradients import score_gradients
from .scores import scores_model


def integrated_gradients(
    model: keras.Model,
    images: np.ndarray,
    targets: np.ndarray,
    steps: int = 32,
    baseline: float = 0.0,
    batch_size: int = 256,
    signed: bool = False,
) -> np.ndarray:
    """How much each pixel adds to the target's score on the path from a blank image (Sundararajan et al. 2017, eq. 3).

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N], the class to explain for each image.
        steps: number of points on the path, at least 1; the integral is a midpoint sum over them.
        baseline: gray value of the blank image, 0..255.
        batch_size: pictures in each step; all points of one path are in the same step.
        signed: return the attributions, float [N, H, W, C]. Their sum is the difference of the two scores.
    Returns: float32 [N, H, W], 0..1: absolute attributions summed over channels; the largest value is one.
    Raises: `InputError` for values that are not allowed, or a model without scores.
    """
    check_whole("steps", steps, low=1)
    check_range("baseline", baseline, 0, 255)
    head = scores_model(model)
    images = np.asarray(images, np.float32)
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    mean = np.zeros_like(images)
    images_per_step = max(1, batch_size // steps)
    for start in range(0, len(images), images_per_step):
        step = slice(start, start + images_per_step)
        path = baseline + shares[:, None, None, None, None] * (images[step] - baseline)
        classes = np.tile(np.asarray(targets)[step], steps)
        gradients = score_gradients(head, path.reshape(-1, *images.shape[1:]), classes)
        mean[step] = gradients.reshape(path.shape).mean(axis=0)
    attributions = (images - baseline) * mean
    return attributions if signed else scaled(np.abs(attributions).sum(axis=-1))
