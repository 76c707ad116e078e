"""SmoothGrad (Smilkov et al. 2017)."""

import keras
import numpy as np

from ..common.checks import InputError, check_range, check_whole
from .cam import scaled
from .gradients import score_gradients
from .scores import scores_model


def smoothgrad(
    model: keras.Model,
    images: np.ndarray,
    targets: np.ndarray,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    batch_size: int = 256,
    signed: bool = False,
    squared: bool = False,
) -> np.ndarray:
    """The gradient of the target's score, averaged over noisy copies of the picture (Smilkov et al. 2017, §2).

    In the paper the noise is a share of the picture's range of values. Here it is a share of 255, and every picture
    gets the same noise, so a map does not depend on other pictures or batches. Noisy pixels are not clipped.

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N], the class to explain for each image.
        samples: noisy copies of each picture, at least 1.
        noise: standard deviation as a share of 255, 0..1; 0 gives the plain gradient (Simonyan et al. 2014).
        seed: seed of the noise.
        batch_size: noisy copies in each step; all copies of one picture are in the same step, even if they are more.
        signed: return the mean gradient, float [N, H, W, C], in score per gray value.
        squared: sum squares of the mean gradient over channels instead of absolute values (pooling by the squared
            ℓ2 norm, Arras et al. 2022, §3.3). Small values become smaller, so the map contains less noise.
    Returns: float32 [N, H, W], 0..1: the absolute mean gradient summed over channels; the largest value is one.
    Raises: `InputError` for values that are not allowed, or a model without scores.
    """
    check_whole("samples", samples, low=1)
    check_range("noise", noise, 0, 1)
    check_whole("seed", seed, low=0)
    if signed and squared:
        raise InputError("signed: squares have no sign; set one of signed and squared")
    head = scores_model(model)
    images = np.asarray(images, np.float32)
    added = np.random.default_rng(seed).normal(0, 255 * noise, (samples, 1, *images.shape[1:])).astype(np.float32)
    mean = np.zeros_like(images)
    images_per_step = max(1, batch_size // samples)
    for start in range(0, len(images), images_per_step):
        step = slice(start, start + images_per_step)
        copies = images[step] + added
        classes = np.tile(np.asarray(targets)[step], samples)
        gradients = score_gradients(head, copies.reshape(-1, *images.shape[1:]), classes)
        mean[step] = gradients.reshape(copies.shape).mean(axis=0)
    return mean if signed else scaled((mean**2 if squared else np.abs(mean)).sum(axis=-1))
