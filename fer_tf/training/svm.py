"""HOG or LBP features with a support vector machine, the classical baseline of document [3]'s related work.

Arrays in, arrays out; chosen on validation images only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from skimage.feature import local_binary_pattern
from sklearn.kernel_approximation import Nystroem
from sklearn.svm import SVC, LinearSVC
from tqdm.auto import tqdm

from ..common.checks import InputError, check_choice, check_whole
from ..evaluation.metrics import apply_temperature, fit_temperature

KERNELS = ("linear", "rbf")
BATCH = 512
BAR_AFTER = 3  # seconds: shorter work shows no bar


def hog_features(images: np.ndarray, cell: int = 8, bins: int = 9, progress: bool = True) -> np.ndarray:
    """Histograms of oriented gradients (Dalal & Triggs 2005) by OpenCV: blocks of 2×2 cells, one cell apart, each
    normalised as the paper's L2-Hys.

    Args:
        images: uint8 [N, H, W, C], 0..255, or a `Split` (read batch by batch); RGB is taken as gray.
        cell: side of a cell in pixels; H and W are multiples of it, at least two.
        bins: directions, over half a turn.
        progress: a bar after some seconds.
    Returns: float32 [N, D], D = (H / cell − 1) · (W / cell − 1) · 4 · bins; 900 at 48 px.
    """
    height, width = _checked_sides(images, cell)
    describer = cv2.HOGDescriptor((width, height), (2 * cell, 2 * cell), (cell, cell), (cell, cell), bins)
    return describe_images(images, describer.compute, describer.getDescriptorSize(), "HOG", progress)


def lbp_features(
    images: np.ndarray, cell: int = 8, radius: int = 1, points: int = 8, progress: bool = True
) -> np.ndarray:
    """Histograms of uniform local binary patterns in cells (Ojala 2002; Shan, Gong & McOwan 2009) by scikit-image.

    Shan's are 59 patterns of 8 neighbours at radius 2 in regions of 18×21 pixels of a face of 110×150; the same six to
    seven regions a side, and a radius that shrinks with them, are cells of 8 px and radius 1 at 48 px.

    Args:
        images, cell, progress: see `hog_features`.
        radius: of the neighbours' circle, in pixels.
        points: neighbours on it.
    Returns: float32 [N, D], D = cells · (points · (points − 1) + 3), 2,124 at 48 px; each cell's shares sum to one.
    """
    height, width = _checked_sides(images, cell)
    patterns = points * (points - 1) + 3
    rows, columns = np.indices((height, width)) // cell
    first = (rows * (width // cell) + columns) * patterns
    length = (height // cell) * (width // cell) * patterns

    def describe(image):
        codes = local_binary_pattern(image, points, radius, method="nri_uniform").astype(np.int64)
        return np.bincount((first + codes).ravel(), minlength=length) / cell**2

    return describe_images(images, describe, length, "LBP", progress)


def _checked_sides(images, cell):
    """(height, width) of the images, refused where cells do not fill them."""
    check_whole("cell", cell, low=2)
    shape = images.store.shape if hasattr(images, "fetch") else np.shape(images)[1:]
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape[:2]) < 2 * cell or any(side % cell for side in shape[:2]):
        raise InputError(
            f"images: must be [N, H, W, 1 or 3] with sides that are multiples of {cell}, from {2 * cell}; received "
            f"{tuple(shape)} each"
        )
    return shape[:2]


def describe_images(images: Any, describe: Callable[..., Any], length: int, name: str, progress: bool) -> np.ndarray:
    """The features of all images, batch by batch.

    Args:
        images: uint8 [N, H, W, 1 or 3], 0..255, or a `Split`; RGB is taken as gray.
        describe: function gray uint8 [H, W] -> float [length].
        length: D, the number of features.
        name: of the bar.
        progress: a bar after some seconds.
    Returns: float32 [N, D].
    """
    fetch = images.fetch if hasattr(images, "fetch") else np.asarray(images).__getitem__
    features = np.zeros((len(images), length), np.float32)
    starts = range(0, len(images), BATCH)
    for start in progress_bar(starts, name, "batch", progress):
        rows = np.arange(start, min(start + BATCH, len(images)))
        for row, image in zip(rows, fetch(rows), strict=True):
            gray = image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            features[row] = np.ravel(describe(np.ascontiguousarray(gray)))
    return features


@dataclass(frozen=True)
class Svm:
    """A fitted support vector machine.

    Attributes:
        mapping: fitted transformer of features, or None.
        machine: fitted `LinearSVC` or `SVC`; its classes are those that training had.
        num_classes: C.
        temperature: that makes validation probabilities best calibrated.
        chosen: the settings with the highest validation accuracy: C, gamma (None for a linear one), val_accuracy.
        trials: all that were tried, dicts like `chosen`.
    """

    mapping: Nystroem | None
    machine: LinearSVC | SVC
    num_classes: int
    temperature: float
    chosen: dict
    trials: list

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities: the softmax of the decision function over the temperature.

        Args:
            features: float [N, D].
        Returns: float [N, C]; a class without a training image gets almost nothing.
        """
        return apply_temperature(_shares(self.mapping, self.machine, self.num_classes, features), self.temperature)

    @property
    def parameters(self) -> int:
        """Numbers that were learned: weights, or support vectors and their coefficients, and the mapping."""
        count = self.machine.intercept_.size
        if isinstance(self.machine, SVC):
            return count + self.machine.support_vectors_.size + self.machine.dual_coef_.size
        if self.mapping is not None:
            count += self.mapping.components_.size + self.mapping.normalization_.size
        return count + self.machine.coef_.size


def fit_svm(
    features: np.ndarray,
    labels: np.ndarray,
    val_features: np.ndarray,
    val_labels: np.ndarray,
    kernel: str = "linear",
    Cs: tuple = (0.01, 0.1, 1.0, 10.0),
    gammas: tuple = (1.0,),
    landmarks: int = 0,
    num_classes: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Svm:
    """Fits a support vector machine for every setting and keeps the one best on validation (of equals, the first).

    Args:
        features, labels: float [N, D], int [N] to learn from.
        val_features, val_labels: likewise, to choose and to calibrate on.
        kernel: "linear" (one class against the rest, squared hinge), or "rbf", exp(−γ‖x − x'‖²).
        Cs: weights of the errors, tried in this order.
        gammas: γ of rbf in units of scikit-learn's "scale", 1 / (D · variance of the features).
        landmarks: 0 fits rbf exactly, in a time that grows with N² or more; else rbf by a linear machine on Nyström's
            approximation with this number of training images (Williams & Seeger 2001).
        num_classes: C; default the highest label + 1.
        seed: of the landmarks and of the order of steps.
        progress: a bar after some seconds.
    """
    _check_fit(labels, val_labels, check_choice("kernel", kernel, KERNELS), Cs, gammas, landmarks)
    num_classes = num_classes or int(max(np.max(labels), np.max(val_labels))) + 1
    best, trials = None, []
    total = len(Cs) * (len(gammas) if kernel == "rbf" else 1)
    fits = _fits(features, labels, kernel, Cs, gammas, landmarks, seed)
    for C, gamma, mapping, machine in progress_bar(fits, "SVM", "fit", progress, total):
        shares = _shares(mapping, machine, num_classes, val_features)
        trials.append({"C": float(C), "gamma": gamma, "val_accuracy": np.mean(shares.argmax(axis=1) == val_labels)})
        if best is None or trials[-1]["val_accuracy"] > best[-1]["val_accuracy"]:
            best = mapping, machine, shares, trials[-1]
    assert best is not None  # each C gives a fit
    mapping, machine, shares, chosen = best
    return Svm(mapping, machine, num_classes, fit_temperature(val_labels, shares), chosen, trials)


def _fits(features, labels, kernel, Cs, gammas, landmarks, seed):
    """Yields C, gamma, mapping and machine of every setting, fitted."""
    for gamma in gammas if kernel == "rbf" else (None,):
        rate = gamma and gamma / (features.shape[1] * features.var(dtype=np.float64))
        mapping, mapped = None, features
        if landmarks:
            count = min(landmarks, len(features))
            mapping = Nystroem(gamma=rate, n_components=count, random_state=seed).fit(features)
            mapped = mapping.transform(features)
        for C in Cs:
            yield C, gamma, mapping, _machine(C, None if landmarks else rate, seed).fit(mapped, labels)


def progress_bar(items: Any, name: str, unit: str, progress: bool, total: int | None = None) -> tqdm:
    """A bar over `items` that comes after some seconds, on a screen only; none if `progress` is false."""
    disable = None if progress else True
    return tqdm(items, name, total, unit=unit, delay=BAR_AFTER, leave=False, disable=disable)


def _check_fit(labels, val_labels, kernel, Cs, gammas, landmarks):
    check_whole("landmarks", landmarks, low=0)
    if landmarks and kernel == "linear":
        raise InputError("landmarks: approximate the rbf kernel; allowed with linear is 0")
    for name, values in (("Cs", Cs), ("gammas", gammas)):
        if not values or min(values) <= 0:
            raise InputError(f"{name}: must be numbers above 0; received {values}")
    if len(np.unique(labels)) < 2 or not len(val_labels):
        raise InputError("labels: must be of two classes or more, and there must be a validation image")


def _machine(C, rate, seed):
    if rate:
        return SVC(C=C, gamma=rate, cache_size=1000)
    # liblinear's own tolerance: on FER2013's HOG 48 s a fit instead of 78 with a tenth of it, and no less accurate
    return LinearSVC(C=C, tol=1e-2, dual="auto", random_state=seed, max_iter=10_000)


def _shares(mapping, machine, num_classes, features):
    """The softmax of the decision function, float [N, num_classes]; 0 for classes the machine does not know."""
    scores = machine.decision_function(features if mapping is None else mapping.transform(features))
    if scores.ndim == 1:  # two classes have one score
        scores = np.stack([-scores, scores], axis=1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = np.zeros((len(features), num_classes))
    shares[:, machine.classes_] = powers / powers.sum(axis=1, keepdims=True)
    return shares
