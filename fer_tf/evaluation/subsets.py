"""Accuracy on hard parts of a test set, models side by side: frames and arrays in, frames out."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score

from ..common.checks import InputError, check_names
from ..emotions import EMOTIONS
from .comparison import accuracy_by, range_groups
from .metrics import bootstrap_intervals

EDGES = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 1)


def subset_accuracy(predictions, masks, seed=0):
    """Accuracy on the whole test set and on parts of it (occluded faces, turned faces, ...).

    Args:
        predictions: dict model -> DataFrame with columns name, truth, label (`Run.predictions`), of the same images.
        masks: DataFrame indexed by image name, or dict of such Series, a bool column a part, as in
            `ds.table.set_index("name")[["occluded", "pose30"]]`; names that were not tested are passed over.
        seed: of the bootstrap.
    Returns: DataFrame, the rows of "all" first, then of one part after the other, a row a model: subset, model, images,
        accuracy, low, high (95 % bootstrap interval; that of "all" is the run's own), macro F1 (over the classes that
        have an image in the part). `frame.pivot(index="subset", columns="model", values="accuracy")` sets models side
        by side.
    Raises: `InputError` if models saw other images, or a mask is not bool or lacks a test image.
    """
    frames = {model: _by_name(model, frame) for model, frame in predictions.items()}
    _check_same(frames)
    masks = _checked_masks(pd.DataFrame(masks), next(iter(frames.values())).index)
    masks.insert(0, "all", True)
    rows = [
        {"subset": subset, "model": model, **_scores(frame[masks[subset].to_numpy()], seed)}
        for subset in masks
        for model, frame in frames.items()
    ]
    return _in_order(pd.DataFrame(rows), subset=masks.columns, model=frames)


def occlusion_curve(share, correct, edges=EDGES, least=1):
    """Accuracy against how much of the picture is covered.

    Args:
        share: float [N], the covered share of each picture, 0..1.
        correct: dict model -> bool [N], whether it was right.
        edges: upper edges of the bins, rising to at least the largest share; an edge of 0 gathers the uncovered.
        least: pictures in a bin; one with fewer is joined with the next, the last with the one before (but not with 0).
    Returns: DataFrame, a row a bin with images and model: bin, images, model, accuracy, low, high (95 % Wilson).
    """
    share, edges = np.asarray(share, float), list(edges)
    if share.ndim != 1 or not len(share) or not ((share >= 0) & (share <= 1)).all():
        raise InputError("share: must be numbers from 0 to 1, one a picture")
    if (np.diff(edges) <= 0).any() or not edges or edges[-1] < share.max():
        raise InputError(f"edges: must rise to at least the largest share, {share.max():g}; received {edges}")
    bins = range_groups(share, _joined(edges, share, least))
    parts = [accuracy_by(_right(model, hits, len(share)), bins).assign(model=model) for model, hits in correct.items()]
    table = pd.concat(parts).rename(columns={"group": "bin", "n": "images"})
    table = _in_order(table, bin=bins.categories, model=correct).sort_values(["bin", "model"], ignore_index=True)
    return table[["bin", "images", "model", "accuracy", "low", "high"]]


def _joined(edges, share, least):
    """Those of the edges between which, and below the first of which, lie at least so many shares; the last stays."""
    kept = []
    for edge in edges:
        below = kept[-1] if kept else -np.inf
        if ((share > below) & (share <= edge)).sum() >= least:
            kept.append(edge)
    if kept[-1:] == edges[-1:]:
        return kept
    return [*(kept[:-1] if kept[-1:] != [0] else kept), edges[-1]]


def _by_name(model, frame):
    check_names(f"labels of {model}", {*frame["truth"], *frame["label"]}, EMOTIONS)
    if frame["name"].duplicated().any():
        raise InputError(
            f"predictions of {model}: {frame['name'][frame['name'].duplicated()].iloc[0]} stands there twice"
        )
    return frame.set_index("name")


def _check_same(frames):
    """All frames in the first one's order; another set of images or another truth is refused."""
    if not frames:
        raise InputError("predictions: there is no model to compare")
    first, truth = next((model, frame["truth"]) for model, frame in frames.items())
    for model, frame in frames.items():
        if set(frame.index) != set(truth.index) or (frame["truth"].reindex(truth.index) != truth).any():
            raise InputError(f"predictions: {model} was tested on other images or labels than {first}")
        frames[model] = frame.loc[truth.index]


def _checked_masks(masks, names):
    if masks.index.duplicated().any() or not names.isin(masks.index).all():
        raise InputError(f"masks: must be indexed by image name, once each, and hold every test image ({names[0]}, …)")
    wrong = [name for name in masks if masks[name].dtype != bool or name == "all"]
    if wrong:
        raise InputError(f"masks: {wrong[0]} must be a column of True and False, and not be called 'all'")
    return masks.loc[names]


def _scores(part, seed):
    scores = {"images": len(part), "accuracy": np.nan, "low": np.nan, "high": np.nan, "macro F1": np.nan}
    if not len(part):
        return scores
    truth, label = part["truth"], part["label"]
    # in the order of `EMOTIONS` as in a run's metrics, so that the same draws give the same interval
    confusion = confusion_matrix(truth, label, labels=[name for name in EMOTIONS if name in {*truth, *label}])
    low, high = bootstrap_intervals(confusion, seed=seed)["accuracy"]
    present = sorted(set(truth))
    macro = f1_score(truth, label, labels=present, average="macro", zero_division=0)
    return scores | {"accuracy": float((truth == label).mean()), "low": low, "high": high, "macro F1": macro}


def _right(model, hits, count):
    """A frame as `accuracy_by` takes it: the label is the truth (True) where the model was right."""
    hits = np.asarray(hits)
    if hits.shape != (count,) or hits.dtype != bool:
        raise InputError(f"correct: {model} must have True or False for each of the {count} pictures")
    return pd.DataFrame({"truth": True, "label": hits})


def _in_order(table, **orders):
    """The columns as ordered categories, so that sorting and pivoting keep this order."""
    return table.assign(**{key: pd.Categorical(table[key], list(order), ordered=True) for key, order in orders.items()})
