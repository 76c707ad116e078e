"""SmoothGrad (Smilkov 2017)."""

import numpy as np

from ..common.checks import InputError, check_range, check_whole
from .cam import scaled
from .gradients import score_gradients
from .scores import scores_model


def smoothgrad(model, images, targets, samples=32, noise=0.15, seed=0, batch_size=256, signed=False, squared=False):
    """The target score's gradient by the pixels, averaged over noisy copies (Smilkov 2017, the equation of §2).

    The paper gives the noise as a share of the picture's own range of values; here it is one of 0..255, and every
    picture gets the same noise, so that a map depends on neither company nor batches. Noisy pixels are not clipped.

    Args:
        model: `keras.Model` that ends in scores and a softmax.
        images: [N, H, W, C], raw 0..255.
        targets: int [N].
        samples: noisy copies of each picture.
        noise: standard deviation as a share of 255, 0..1; 0 gives the plain gradient (Simonyan 2014).
        seed: of the noise.
        batch_size: noisy copies a step; all copies of one picture go together, also where they are more.
        signed: return the mean gradient itself, float [N, H, W, C], score a gray value.
        squared: sum the squares of the mean gradient over channels, not its absolute values (pooling by the squared
            ℓ2 norm, Arras 2022, §3.3): what is small goes further down, so that less of the map's sum is noise.
    Returns: float32 [N, H, W], absolute value of the mean gradient summed over channels, its largest value one.
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
    per = max(1, batch_size // samples)
    for start in range(0, len(images), per):
        copies = images[start : start + per] + added
        wanted = np.tile(np.asarray(targets)[start : start + per], samples)
        gradients = score_gradients(head, copies.reshape(-1, *images.shape[1:]), wanted)
        mean[start : start + per] = gradients.reshape(copies.shape).mean(axis=0)
    return mean if signed else scaled((mean**2 if squared else np.abs(mean)).sum(axis=-1))
