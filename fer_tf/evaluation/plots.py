"""Figures of an evaluation: calibration, comparisons, robustness, errors. They take frames and return figures."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import sklearn.metrics
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..plots import PALETTE, name_row, picture_grid, show_picture, styled

_STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
# Different marks distinguish the lines in black-and-white print.
_MARKS = "osD^vPX*"


@styled
def accuracy_by(table: pd.DataFrame, label: str) -> Figure:
    """Accuracy in groups with 95 % intervals.

    The dashed line is the accuracy of a model that always predicts the most frequent class of the group.

    Args:
        table: DataFrame from `evaluation.comparison.accuracy_by`.
        label: name of the grouping, for the axis.
    """
    figure = Figure(figsize=(6, 3.2))
    groups = [f"{group}\n{count} images" for group, count in zip(table["group"], table["n"], strict=True)]
    _accuracies(figure.subplots(), table, groups, label)
    return figure


def _accuracies(axis, table, groups, label):
    """Points with intervals, and a dashed line for the share of the most frequent class."""
    places = np.arange(len(table))
    spread = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axis.errorbar(places, table["accuracy"], yerr=spread, fmt="o", color=PALETTE[0], capsize=3)
    axis.plot(places, table["commonest"], "--", color=PALETTE[1], label="most frequent class")
    axis.set_xticks(places, groups)
    axis.set(ylim=(0, 1), xlabel=label, ylabel="accuracy, 95 % interval")
    axis.legend(fontsize=8)


@styled
def ablation(table: pd.DataFrame) -> Figure:
    """Accuracy with one property fixed at a time, one panel for each property.

    Args:
        table: DataFrame with the columns fixed (the property), value, accuracy, low, high and commonest.
    """
    panels = table["fixed"].unique()
    figure = Figure(figsize=(4 * len(panels), 3.4))
    for axis, fixed in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        rows = table[table["fixed"] == fixed]
        _accuracies(axis, rows, rows["value"], fixed)
        axis.tick_params(axis="x", rotation=45)
    return figure


@styled
def accuracy_bars(table: pd.DataFrame) -> Figure:
    """Test accuracy of each run with its 95 % interval.

    Args:
        table: DataFrame with run, accuracy, low, high and reduced; reduced runs are pale.
    """
    figure = Figure(figsize=(8, 0.9 + 0.32 * len(table)))
    axis = figure.subplots()
    places = np.arange(len(table))[::-1]
    spread = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    colours = [(*PALETTE[0], 0.45 if reduced else 1.0) for reduced in table["reduced"]]
    axis.barh(places, table["accuracy"], xerr=spread, color=colours, ecolor="black", capsize=3, height=0.6)
    if any(table["reduced"]):
        marks = [Patch(color=(*PALETTE[0], share), label=label) for label, share in (("full", 1.0), ("reduced", 0.45))]
        axis.legend(handles=marks, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    axis.set_yticks(places, table["run"])
    axis.set(xlabel="test accuracy, 95 % bootstrap interval", xlim=(0, 1), ylim=(-0.7, len(table) - 0.3))
    for place, value, high in zip(places, table["accuracy"], table["high"], strict=True):
        axis.text(high + 0.01, place, f"{value:.3f}", va="center", fontsize=9)
    return figure


@styled
def reliability_diagram(tables: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy against confidence with 95 % intervals, and below it the number of images; one column for each table.

    On the dashed diagonal, confidence equals accuracy. Below it the model is too confident.

    Args:
        tables: dict title -> DataFrame from `evaluation.calibration.reliability`, for example before and after
            temperature scaling.
    """
    figure = Figure(figsize=(0.6 + 3.6 * len(tables), 4.6))
    axes = figure.subplots(2, len(tables), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1))
    for (above, below), (title, table) in zip(axes.T, tables.items(), strict=True):
        gap = (table["images"] * (table["accuracy"] - table["confidence"]).abs()).sum() / table["images"].sum()
        above.plot([0, 1], [0, 1], "--", color="gray", linewidth=1)
        filled = table[table["images"] > 0]
        spread = [filled["accuracy"] - filled["accuracy_low"], filled["accuracy_high"] - filled["accuracy"]]
        above.errorbar(
            filled["confidence"], filled["accuracy"], yerr=spread, fmt="o-", color=PALETTE[0], capsize=2, clip_on=False
        )
        above.set(xlim=(0, 1), ylim=(0, 1), title=f"{title}\nECE {gap:.3f}")
        width = table["high"] - table["low"]
        below.bar(table["low"], table["images"], width, align="edge", color=PALETTE[0], edgecolor="white")
        below.set_xlabel("confidence (probability of the answer)")
    axes[0, 0].set_ylabel("accuracy, 95 % interval")
    axes[1, 0].set_ylabel("images")
    return figure


@styled
def class_curves(y_true: np.ndarray, y_prob: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Each class against all others: the ROC curves (left) and the precision-recall curves (right), with their areas.

    The dashed diagonal is chance in the left panel. In the right panel chance is the class's share of the images, the
    dotted line of its colour. Classes without an image, and a class that all images have, are left out.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], probabilities 0..1.
        class_names: C names, in the order of the codes.
    """
    figure = Figure(figsize=(9.6, 4.2))
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], "--", color="gray", linewidth=1)
    for code, (name, colour) in enumerate(zip(class_names, PALETTE * 9, strict=False)):
        is_class, scores = y_true == code, y_prob[:, code]
        if is_class.all() or not is_class.any():
            continue
        false, true, _ = sklearn.metrics.roc_curve(is_class, scores)
        precision, recall, _ = sklearn.metrics.precision_recall_curve(is_class, scores)
        area, average = sklearn.metrics.auc(false, true), sklearn.metrics.average_precision_score(is_class, scores)
        left.plot(false, true, color=colour, label=f"{name} {area:.2f}")
        right.plot(recall, precision, color=colour, label=f"{name} {average:.2f}")
        right.axhline(is_class.mean(), color=colour, linestyle=":", linewidth=0.8)
    left.set(xlabel="false positive rate", ylabel="true positive rate (recall)", title="ROC, with its area")
    right.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="precision-recall, with average precision")
    for axis in (left, right):
        axis.legend(fontsize=7)
    return figure


@styled
def mcnemar_heat_map(differences: pd.DataFrame, p_values: pd.DataFrame) -> Figure:
    """Difference in accuracy between all pairs of models, row minus column, in percentage points.

    Stars mark pairs for which McNemar's exact test finds a difference.

    Args:
        differences, p_values: DataFrames from `evaluation.significance.square` for "difference" and "p_holm".
    """
    points = 100 * differences
    texts = np.vectorize(_difference)(points.to_numpy(), p_values.reindex_like(points).to_numpy())
    size = 0.85 * len(points)
    figure = Figure(figsize=(size + 3.6, size + 1.6))
    axis = figure.subplots()
    limit = max(1.0, np.nanmax(np.abs(points.to_numpy()))) if points.notna().any(axis=None) else 1.0
    bar = {"label": "accuracy of the row minus the column, points"}
    sns.heatmap(
        points,
        annot=texts,
        fmt="",
        cmap="RdBu",
        vmin=-limit,
        vmax=limit,
        square=True,
        linewidths=0.5,
        ax=axis,
        annot_kws={"size": 8},
        cbar_kws=bar,
    )
    axis.set_title("McNemar, Holm's adjusted p: * < 0.05, ** < 0.01, *** < 0.001", fontsize=9)
    axis.set(xlabel="", ylabel="")
    _slant(axis)
    return figure


def _difference(points, p_value):
    if np.isnan(points):
        return ""
    star = next((star for bound, star in _STARS if p_value < bound), "")
    return f"{round(points, 1) + 0.0:+.1f}\n{star}".strip().replace("-", "−")


def _slant(axis):
    axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    axis.tick_params(axis="y", rotation=0)


@styled
def robustness_curves(tables: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy against the level of each corruption; pictures get worse to the right.

    There is one panel for each corruption, and in it one line with a 95 % band for each model.

    Args:
        tables: dict model -> DataFrame from `evaluation.robustness.robustness_curves`.
    """
    names = list(dict.fromkeys(name for table in tables.values() for name in table["corruption"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(0.5 + 3.1 * columns, 0.6 + 2.5 * rows))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, name in zip(axes.ravel(), names, strict=False):
        _panel(axis, name, tables)
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    axes[0, 0].set_ylim(0, 1)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def _panel(axis, name, tables):
    looks = zip(itertools.cycle(PALETTE), itertools.cycle(_MARKS), tables.items(), strict=False)
    for colour, mark, (model, table) in looks:
        rows = table[table["corruption"] == name]
        axis.plot(rows["level"], rows["accuracy"], marker=mark, markersize=4, color=colour, label=model)
        axis.fill_between(rows["level"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        unit = rows["unit"].iloc[0] if len(rows) else axis.get_xlabel()
        axis.set(title=name, xlabel=unit)
    levels = np.concatenate([table.loc[table["corruption"] == name, "level"] for table in tables.values()])
    if (
        len(levels) and levels[0] == levels.max() > levels.min()
    ):  # the clean level is the highest one: JPEG quality, darker
        axis.invert_xaxis()


@styled
def confusion_examples(pairs: pd.DataFrame, pictures: dict[str, np.ndarray]) -> Figure:
    """Pictures of confused classes, one row for each pair, with the confidence of each wrong prediction.

    Args:
        pairs: first rows of the DataFrame from `evaluation.errors.confusions`.
        pictures: dict name -> uint8 [H, W, C] for all names in examples.
    """
    columns = max(1, *(len(names) for names in pairs["examples"]), 1) if len(pairs) else 1
    figure, axes = picture_grid(max(1, len(pairs)), columns, 1.15, 1.3)
    rows: Any = pairs.itertuples()
    for row, pair in zip(axes, rows, strict=False):
        for axis, name, sure in zip(row, pair.examples, pair.sureness, strict=False):
            show_picture(axis, pictures[name], f"{sure:.2f}")
        name_row(row[0], f"{pair.truth}\nas {pair.label}\n{pair.images} ({100 * pair.share:.0f} %)")
    return figure


@styled
def cross_heat_map(matrix: pd.DataFrame, label: str = "accuracy") -> Figure:
    """Results of models trained on one dataset (rows) and tested on another (columns); empty if nothing was tested.

    Args:
        matrix: DataFrame from `evaluation.cross.cross_matrix`.
        label: name of the values; for "change" the colours are centred at zero.
    """
    figure = Figure(figsize=(2.8 + 0.9 * matrix.shape[1], 1.6 + 0.65 * matrix.shape[0]))
    axis = figure.subplots()
    limit = np.nanmax(np.abs(matrix.to_numpy()), initial=0.01)
    change = {"cmap": "RdBu", "vmin": -limit, "vmax": limit, "fmt": "+.3f"}
    shares = {"cmap": "viridis", "vmin": 0, "vmax": 1, "fmt": ".3f"}
    axis.set_facecolor("0.92")
    look = change if label == "change" else shares
    bar = {"label": "change in accuracy" if label == "change" else label}
    sns.heatmap(matrix, annot=True, linewidths=0.5, ax=axis, cbar_kws=bar, **look)
    axis.set(xlabel="tested on", ylabel="trained on")
    _slant(axis)
    return figure


@styled
def group_bars(table: pd.DataFrame, label: str, overall: float | None = None) -> Figure:
    """Accuracy of each group with its 95 % interval, the best group on top; the dashed line is the overall accuracy.

    Args:
        table: DataFrame from `evaluation.comparison.accuracy_by`.
        label: name of the grouping ("subject").
        overall: accuracy over all images; None for the images of the groups in the table.
    """
    if overall is None:
        overall = np.average(table["accuracy"], weights=table["n"])
    table = table.sort_values("accuracy", kind="stable")
    figure = Figure(figsize=(7, 1.0 + 0.3 * len(table)))
    axis = figure.subplots()
    places = np.arange(len(table))
    spread = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axis.barh(places, table["accuracy"], xerr=spread, color=PALETTE[0], ecolor="black", capsize=2, height=0.65)
    axis.axvline(overall, linestyle="--", color=PALETTE[1], label="all")
    axis.set_yticks(places, [f"{group} ({n:,})" for group, n in zip(table["group"], table["n"], strict=True)])
    axis.set(xlim=(0, 1), ylim=(-0.6, len(table) - 0.4), xlabel="accuracy, 95 % interval", ylabel=f"{label} (images)")
    axis.legend(fontsize=8, loc="lower right")
    return figure
