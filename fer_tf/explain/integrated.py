"""Integrated gradients (Sundararajan 2017)."""

import numpy as np

from ..common.checks import check_range, check_whole
from .cam import scaled
from .gradients import score_gradients
from .scores import scores_model


def integrated_gradients(model, images, targets, steps=32, baseline=0.0, batch_size=256, signed=False):
    """How much each pixel adds to the target's score on the way from a blank image (Sundararajan 2017, eq. 3).

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N].
        steps: of the midpoint sum over the way.
        baseline: gray value of the blank image, 0..255.
        batch_size: pictures on the way a step.
        signed: return the attributions themselves, float [N, H, W, C]: their sum is the score's difference.
    Returns: float32 [N, H, W], absolute value summed over channels, its largest value one.
    """
    check_whole("steps", steps, low=1)
    check_range("baseline", baseline, 0, 255)
    head = scores_model(model)
    images = np.asarray(images, np.float32)
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    mean = np.zeros_like(images)
    per = max(1, batch_size // steps)
    for start in range(0, len(images), per):
        part = images[start : start + per]
        way = baseline + shares[:, None, None, None, None] * (part - baseline)
        wanted = np.tile(np.asarray(targets)[start : start + per], steps)
        gradients = score_gradients(head, way.reshape(-1, *images.shape[1:]), wanted)
        mean[start : start + per] = gradients.reshape(way.shape).mean(axis=0)
    attributions = (images - baseline) * mean
    return attributions if signed else scaled(np.abs(attributions).sum(axis=-1))
