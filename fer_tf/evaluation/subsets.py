"""Accuracy of several models on hard parts of a test set. Functions take frames and arrays and return frames."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from ..common.checks import InputError
from ..emotions import class_name, class_order
from .comparison import accuracy_by, macro_f1, range_groups
from .metrics import bootstrap_intervals

EDGES = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 1)


def subset_accuracy(
    predictions: dict[str, pd.DataFrame], masks: pd.DataFrame | dict[str, pd.Series], seed: int = 0
) -> pd.DataFrame:
    """Accuracy on the whole test set and on parts of it (occluded faces, turned faces, ...).

    Args:
        predictions: dict model -> DataFrame with the columns name, truth and label (`Run.predictions`). All models have
            the same images.
        masks: DataFrame with image names as index and one bool column for each part, or a dict of such Series, for
            example `ds.table.set_index("name")[["occluded", "pose30"]]`. Names that were not tested are ignored.
        seed: seed of the bootstrap.
    Returns: DataFrame, one row for each part and model, the rows of "all" first: subset, model, images, accuracy, low,
        high (95 % bootstrap interval; for "all" the same as in the run's metrics), macro F1 (over the classes with an
        image in the part). `frame.pivot(index="subset", columns="model", values="accuracy")` has one column for each
        model.
    Raises: `InputError` if the images of the models differ, or if a mask is not bool or lacks a test image.
    """
    frames = on_same_images(predictions)
    parts = _checked_masks(pd.DataFrame(masks), next(iter(frames.values())).index)
    parts.insert(0, "all", True)
    rows = [
        {"subset": subset, "model": model, **_scores(frame[parts[subset].to_numpy()], seed)}
        for subset in parts
        for model, frame in frames.items()
    ]
    return _in_order(pd.DataFrame(rows), subset=parts.columns, model=frames)


def occlusion_curve(
    share: np.ndarray, correct: dict[str, np.ndarray], edges: Sequence[float] = EDGES, least: int = 1
) -> pd.DataFrame:
    """Accuracy against the covered share of the picture.

    Args:
        share: float [N], covered share of each picture, 0..1.
        correct: dict model -> bool [N], whether its prediction is right.
        edges: upper edges of the bins in ascending order, up to at least the largest share. An edge of 0 collects the
            pictures that are not covered.
        least: smallest number of pictures in a bin. A smaller bin is joined with the next one, and the last bin with
            the one before it (but not with the bin 0).
    Returns: DataFrame, one row for each model and bin with images: bin, images, model, accuracy, low, high (95 % Wilson
        interval).
    Raises: `InputError` for shares, edges or arrays that are not allowed.
    """
    share, edges = np.asarray(share, float), list(edges)
    if share.ndim != 1 or not len(share) or not ((share >= 0) & (share <= 1)).all():
        raise InputError("share: must be numbers from 0 to 1, one for each picture")
    if (np.diff(edges) <= 0).any() or not edges or edges[-1] < share.max():
        raise InputError(
            f"edges: must be ascending, up to at least the largest share {share.max():g}; received {edges}"
        )
    bins = range_groups(share, _joined(edges, share, least))
    curves = [accuracy_by(_right(model, hits, len(share)), bins).assign(model=model) for model, hits in correct.items()]
    table = pd.concat(curves).rename(columns={"group": "bin", "n": "images"})
    table = _in_order(table, bin=bins.categories, model=correct).sort_values(["bin", "model"], ignore_index=True)
    return table[["bin", "images", "model", "accuracy", "low", "high"]]


def _joined(edges, share, least):
    """The edges of bins with at least `least` shares; the last edge always stays."""
    joined = []
    for edge in edges:
        below = joined[-1] if joined else -np.inf
        if ((share > below) & (share <= edge)).sum() >= least:
            joined.append(edge)
    if joined[-1:] == edges[-1:]:
        return joined
    return [*(joined[:-1] if joined[-1:] != [0] else joined), edges[-1]]


def on_same_images(predictions: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The predictions of models with the image's name as index, all in the order of the first model.

    Args:
        predictions: see `subset_accuracy`.
    Raises: `InputError` for no model, unknown labels, an image that appears twice, or other images or truths.
    """
    if not predictions:
        raise InputError("predictions: must have at least one model; received none")
    frames: dict[str, pd.DataFrame] = {}
    for model, frame in predictions.items():
        if other := sorted(name for name in {*frame["truth"], *frame["label"]} if class_name(name) != name):
            raise InputError(f"labels of {model}: {other[0]!r} is written {class_name(other[0])!r} in the kit's tables")
        twice = frame["name"][frame["name"].duplicated()]
        if len(twice):
            raise InputError(f"predictions of {model}: {twice.iloc[0]} appears twice")
        frame = frame.set_index("name")
        first, reference = next(iter(frames.items()), (model, frame))
        truth = reference["truth"]
        if set(frame.index) != set(truth.index) or (frame["truth"].reindex(truth.index) != truth).any():
            raise InputError(f"predictions: {model} was tested on other images or labels than {first}")
        frames[model] = frame.loc[truth.index]
    return frames


def _checked_masks(masks, names):
    if masks.index.duplicated().any() or not names.isin(masks.index).all():
        raise InputError(f"masks: must have every test image ({names[0]}, …) in the index, and no name twice")
    wrong = [name for name in masks if masks[name].dtype != bool or name == "all"]
    if wrong:
        raise InputError(f"masks: {wrong[0]} must be a column of True and False, with a name other than 'all'")
    return masks.loc[names]


def _scores(predictions, seed):
    scores = {"images": len(predictions), "accuracy": np.nan, "low": np.nan, "high": np.nan, "macro F1": np.nan}
    if not len(predictions):
        return scores
    truth, label = predictions["truth"], predictions["label"]
    # the order of the classes, as in the metrics of a run, so that the same seed gives the same interval
    confusion = confusion_matrix(truth, label, labels=class_order([*truth, *label]))
    low, high = bootstrap_intervals(confusion, seed=seed)["accuracy"]
    accuracy = float((truth == label).mean())
    return scores | {"accuracy": accuracy, "low": low, "high": high, "macro F1": macro_f1(truth, label)}


def _right(model, hits, count):
    """A frame for `accuracy_by`: the label equals the truth (True) where the model is right."""
    hits = np.asarray(hits)
    if hits.shape != (count,) or hits.dtype != bool:
        raise InputError(f"correct: {model} must have True or False for each of the {count} pictures")
    return pd.DataFrame({"truth": True, "label": hits})


def _in_order(table, **orders):
    """Turns columns into ordered categories, so that sorting and pivoting keep this order."""
    return table.assign(**{key: pd.Categorical(table[key], list(order), ordered=True) for key, order in orders.items()})
