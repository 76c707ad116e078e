"""The figure of a film's emotions: the probability of each class over time, one panel per face."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..plots import PALETTE, styled

# The largest number of faces in a figure (those seen longest), and of points in a line (more are averaged over time).
FACES, POINTS = 4, 600
# Two points are not joined if their distance is more than this many usual distances: the face was not seen between.
GAP = 3
_DASHES = ("-", "--", "-.", ":")


@styled
def timeline(table: pd.DataFrame, class_names: Sequence[str], title: str = "") -> Figure:
    """Draws the probabilities of all classes over a film's time, for each face that was followed.

    A gray background marks the times when the face was lost.

    `table` is a DataFrame with time (seconds), track (number of the face, missing if none was found) and one column per
    class, 0..1.
    """
    seen = table.dropna(subset=["track"])
    numbers = seen["track"].value_counts(sort=False).sort_values(ascending=False, kind="stable").index[:FACES]
    figure = Figure(figsize=(10, 0.9 + 2.1 * max(1, len(numbers))))
    axes = figure.subplots(max(1, len(numbers)), sharex=True, squeeze=False)[:, 0]
    step = np.median(np.diff(np.unique(table["time"]))) if table["time"].nunique() > 1 else 1.0
    for axis, number in zip(axes, numbers, strict=False):
        _draw(axis, seen[seen["track"] == number], class_names, step)
        axis.set(ylim=(-0.02, 1.02), ylabel=f"face {int(number) + 1}\nprobability")
    if not len(numbers):
        axes[0].text(0.5, 0.5, "no face found", transform=axes[0].transAxes, ha="center")
        axes[0].set_yticks([])
    else:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9, frameon=False)
    axes[0].set_xlim(table["time"].min(), max(table["time"].max(), table["time"].min() + step))
    axes[-1].set_xlabel("time in seconds")
    more = seen["track"].nunique() - len(numbers)
    axes[0].set_title(f"{title}{f' (and {more} faces seen for less long)' if more else ''}", parse_math=False)
    return figure


def _draw(axis, rows, class_names, step):
    rows, step = _thinned(rows, class_names, step)
    times = rows["time"].to_numpy()
    breaks = np.flatnonzero(np.diff(times) > GAP * step) + 1
    for end in breaks:
        axis.axvspan(times[end - 1], times[end], color="0.93", linewidth=0)
    for code, name in enumerate(class_names):
        values = np.insert(rows[name].to_numpy(float), breaks, np.nan)
        dash = _DASHES[code % len(_DASHES)]
        marker = "." if len(times) < 3 else None
        axis.plot(np.insert(times, breaks, np.nan), values, dash, color=PALETTE[code], marker=marker, label=name)


def _thinned(rows, class_names, step):
    """(rows, distance between two rows in seconds); more than `POINTS` rows are averaged over equal spans of time."""
    if len(rows) <= POINTS:
        return rows, step
    spans = pd.cut(rows["time"], POINTS, labels=False)
    length = (rows["time"].max() - rows["time"].min()) / POINTS
    return rows.groupby(spans)[["time", *class_names]].mean(), max(step, length)
