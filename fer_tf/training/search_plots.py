"""Figures of a hyperparameter search. Frames in, matplotlib figures out."""

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..plots import styled


def _plane(settings):
    """The two settings a heat map is drawn over: learning rate and batch size where they were searched."""
    usual = [key for key in ("learning_rate", "batch_size") if key in settings]
    return [*usual, *(key for key in settings if key not in usual)][:2]


def _plain(setting):
    return setting.replace("_", " ")


@styled
def heat_map(table: pd.DataFrame, settings: list) -> Figure:
    """The best validation accuracy over two settings, the maximum over all others; empty where nothing was tried.

    Args:
        table: DataFrame of done trials: the settings and val_accuracy.
        settings: those with more than one value; learning_rate and batch_size are drawn, else the first two.
    """
    rows, *columns = _plane(settings)
    grouped = table.groupby([rows, *columns])["val_accuracy"].max()
    grid = grouped.unstack() if columns else grouped.to_frame("")
    figure = Figure(figsize=(2.6 + 0.9 * grid.shape[1], 1.6 + 0.55 * grid.shape[0]))
    axis = figure.subplots()
    sns.heatmap(
        grid, annot=True, fmt=".3f", cmap="viridis", ax=axis, linewidths=0.5, cbar_kws={"label": "val accuracy"}
    )
    axis.set(xlabel=_plain("".join(columns)), ylabel=_plain(rows), title="best over the other settings")
    axis.tick_params(axis="y", rotation=0)
    return figure


@styled
def parallel_coordinates(table: pd.DataFrame, settings: list) -> Figure:
    """Every trial as a line through its settings to its validation accuracy, which also is its colour.

    A setting's values are evenly spaced on its axis; lines are spread a little so that you can see equal values.

    Args:
        table: DataFrame of done trials: the settings and val_accuracy.
        settings: those with more than one value.
    """
    table = table.sort_values("val_accuracy")  # the best are drawn last, above the others
    scores = table["val_accuracy"].to_numpy()
    low, high = scores.min(), scores.max()
    shares = (scores - low) / (high - low) if high > low else np.ones(len(scores))
    levels = [sorted(table[key].unique()) for key in settings]
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, (len(table), len(settings)))
    heights = [
        table[key].map({level: number / max(1, len(values) - 1) for number, level in enumerate(values)})
        for key, values in zip(settings, levels, strict=True)
    ]
    steps = np.array([0.3 / max(3, len(values)) for values in levels])
    lines = np.column_stack([np.stack(heights, axis=1).astype(float) + spread * steps, shares])
    figure = Figure(figsize=(2.2 + 1.7 * len(settings), 4.2))
    axis = figure.subplots()
    colours = matplotlib.colormaps["viridis"]
    for line, share in zip(lines, shares, strict=True):
        axis.plot(range(len(line)), line, color=colours(share), alpha=0.35 + 0.6 * share, linewidth=1 + share)
    _label_axes(axis, settings, levels)
    for height, value in ({0: low, 1: high} if high > low else {1: high}).items():
        axis.text(len(settings) + 0.04, height, f"{value:.3f}", ha="left", va="center", fontsize=8)
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(low, high if high > low else low + 1e-9), colours)
    figure.colorbar(scale, ax=axis, label="val accuracy", pad=0.02)
    return figure


def _label_axes(axis, settings, levels):
    names = [*map(_plain, settings), "val accuracy"]
    for place, values in enumerate([*levels, []]):
        axis.axvline(place, color="black", linewidth=0.8, zorder=0)
        for number, level in enumerate(values):
            height = number / max(1, len(values) - 1)
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            axis.text(place - 0.04, height, f"{level}", ha="right", va="center", fontsize=8, bbox=box, zorder=5)
    axis.set_xticks(range(len(names)), names)
    axis.set(yticks=[], xlim=(-0.45, len(names) - 0.75), ylim=(-0.12, 1.12))
    axis.spines[:].set_visible(False)
