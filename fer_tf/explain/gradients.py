"""Gradients of class scores under TensorFlow and JAX, and the two methods that average them over changed pictures."""

import keras
import numpy as np

from ..common.checks import InputError, check_range, check_whole
from .logits import logits_model
from .maps import scaled


def score_gradients(head: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Gradient of the score of each image's target class with respect to the inputs.

    In inference mode images do not influence each other. The gradient of the sum of all scores therefore contains the
    gradient of each image.

    Args:
        head: `keras.Model`, [M, ...] → scores before the softmax [N, C]; M is N, or a multiple of N (regions).
        inputs: float [M, ...].
        targets: int [N].
    Returns: float32 [M, ...], the same shape as the inputs.
    """
    inputs = keras.ops.convert_to_tensor(inputs, "float32")
    one_hot = np.eye(head.output_shape[-1], dtype=np.float32)[np.asarray(targets)]
    differentiate = {"tensorflow": _by_tensorflow, "jax": _by_jax}[keras.backend.backend()]
    return keras.ops.convert_to_numpy(differentiate(head, inputs, one_hot))


def _by_tensorflow(head, inputs, one_hot):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        score = tf.reduce_sum(head(inputs, training=False) * one_hot)
    return tape.gradient(score, inputs)


def _by_jax(head, inputs, one_hot):
    import jax

    return jax.grad(lambda values: (head(values, training=False) * one_hot).sum())(inputs)


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
    images = np.asarray(images, np.float32)
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)[:, None, None, None, None]

    def path(pictures):
        return baseline + shares * (pictures - baseline)

    attributions = (images - baseline) * _mean_gradients(model, images, targets, path, batch_size // steps)
    return attributions if signed else scaled(np.abs(attributions).sum(axis=-1))


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
    images = np.asarray(images, np.float32)
    added = np.random.default_rng(seed).normal(0, 255 * noise, (samples, 1, *images.shape[1:])).astype(np.float32)
    mean = _mean_gradients(model, images, targets, added.__add__, batch_size // samples)
    return mean if signed else scaled((mean**2 if squared else np.abs(mean)).sum(axis=-1))


def _mean_gradients(model, images, targets, copies_of, images_per_step):
    """The mean gradient over the copies [S, n, H, W, C] of each step's n images, float32 [N, H, W, C]."""
    head, mean, step_size = logits_model(model), np.zeros_like(images), max(1, images_per_step)
    for start in range(0, len(images), step_size):
        step = slice(start, start + step_size)
        copies = copies_of(images[step])
        classes = np.tile(np.asarray(targets)[step], len(copies))
        gradients = score_gradients(head, copies.reshape(-1, *images.shape[1:]), classes)
        mean[step] = gradients.reshape(copies.shape).mean(axis=0)
    return mean
