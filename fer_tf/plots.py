"""Figures in the kit's common style. They take arrays and frames and return matplotlib figures."""

import functools
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .common.checks import InputError, check_choice
from .common.files import replacing
from .common.paths import reports_root

_STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "svg.hashsalt": "fer_tf",
    "figure.constrained_layout.use": True,
}
PALETTE = sns.color_palette("colorblind")


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorates a function that draws a figure: it draws in the kit's style."""

    @functools.wraps(function)
    def drawn(*arguments, **options):
        with matplotlib.rc_context(_STYLE):
            return function(*arguments, **options)

    return drawn


def save_figure(
    figure: Figure, path: Path, caption: str = "", made_with: dict[str, Any] | None = None, section: str = ""
) -> None:
    """Writes a figure as .png and .svg.

    Args:
        figure: a matplotlib figure.
        path: path without suffix.
        caption: description that both files contain; "" for none.
        made_with: parameters that the .png file contains as JSON; None for none.
        section: of the report, which the .png file contains; "" for none.
    """
    about = {"Description": caption} if caption else {}
    facts = {"Parameters": json.dumps(made_with) if made_with else "", "Section": section}
    parameters = {key: text for key, text in facts.items() if text}
    for suffix in (".png", ".svg"):
        with replacing(path.with_name(path.name + suffix)) as temporary, matplotlib.rc_context(_STYLE):
            metadata: dict[str, Any] = {**about, "Date": None} if suffix == ".svg" else {**about, **parameters}
            figure.savefig(temporary, metadata=metadata)
        figure.set_layout_engine("none")  # one layout is enough: it takes as long as drawing


# Sections of the report for the figures that chapters keep, in the report's order.
SECTIONS = ("The data", "Training", "What the models look at", "How sure, and how robust")
# The parameters of the chapter that keeps figures.
_parameters: dict[str, int | str] = {}


def set_parameters(**parameters: int | str) -> None:
    """Says with which parameters the following figures are made. A chapter calls it once, in a cell at its top.

    Args:
        **parameters: `seed`, `dataset_options`, `size` and `overrides` of the chapter; those that are "" are left out.
    """
    _parameters.clear()
    _parameters.update({key: value for key, value in parameters.items() if value != ""})


def keep(figure: Figure, name: str, caption: str, section: str = "") -> Figure:
    """Writes a figure to reports/figures/<name>.png and .svg, and returns it so that a notebook shows it.

    The .png file also contains the parameters of `set_parameters`. A later run of the notebook with another seed
    overwrites the file, and the report then says which run a figure shows.

    Args:
        figure: a matplotlib figure.
        name: name of the files, without suffix.
        caption: a sentence that says what the figure shows. The report prints it, and screen readers read it aloud.
        section: one of `SECTIONS`, where the report shows the figure. "": the figure stays in the notebook.
    Raises: `InputError` for an empty caption or an unknown section.
    """
    if not caption.strip():
        raise InputError(f"caption: {name} needs a sentence that says what the figure shows; received {caption!r}")
    if section:
        check_choice("section", section, SECTIONS)
    save_figure(figure, reports_root() / "figures" / name, caption, _parameters, section)
    return figure


def picture_grid(rows: int, columns: int, width: float = 1.15, height: float = 1.15) -> tuple[Figure, np.ndarray]:
    """A figure for pictures, width × height inches each, and its axes [rows, columns], which are switched off."""
    figure = Figure(figsize=(columns * width, rows * height))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    return figure, axes


def show_picture(axis: Any, image: np.ndarray, title: str = "") -> None:
    """Shows a picture, 0..255 [H, W, C], on an axis."""
    image = np.asarray(image)
    is_gray = image.shape[-1] == 1
    axis.imshow(image[..., 0] if is_gray else image, cmap="gray" if is_gray else None, vmin=0, vmax=255)
    axis.set_title(title, fontsize=8)


@styled
def class_counts(counts: pd.DataFrame) -> Figure:
    """Number of images in each class and split, as bars.

    Args:
        counts: DataFrame from `FaceDataset.counts()`.
    """
    table = counts.drop(index="all", columns="all").melt(ignore_index=False, var_name="split", value_name="images")
    figure = Figure(figsize=(8, 3.4))
    axis = figure.subplots()
    sns.barplot(table.reset_index(), x="class", y="images", hue="split", palette="colorblind", ax=axis)
    axis.set(xlabel="", ylabel="images", title="Images per class and split")
    return figure


@styled
def sample_sheet(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], per_class: int = 10, seed: int = 0
) -> Figure:
    """Random pictures, one row for each class.

    Args:
        images: uint8 [N, H, W, C].
        labels: int [N], codes of `class_names`.
        class_names: C names.
        per_class: pictures in a row.
        seed: seed of the random choice.
    """
    rng = np.random.default_rng(seed)
    figure, axes = picture_grid(len(class_names), per_class, 0.95, 0.95)
    for code, name in enumerate(class_names):
        rows = np.flatnonzero(labels == code)
        for axis, row in zip(axes[code], rng.permutation(rows)[:per_class], strict=False):
            show_picture(axis, images[row])
        name_row(axes[code, 0], name)
    return figure


def name_row(axis: Any, name: str) -> None:
    """Writes the name of a row to the left of its first picture; as text, because axes are switched off."""
    axis.text(-0.1, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)


@styled
def mean_faces(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The mean picture of each class, and its difference from the mean of all pictures (white: no difference).

    Args:
        images: uint8 [N, H, W, C].
        labels: int [N], codes of `class_names`.
        class_names: C names.
    """
    gray = images.mean(axis=-1)
    overall = gray.mean(axis=0)
    figure, axes = picture_grid(2, len(class_names), 1.3, 1.35)
    for code, name in enumerate(class_names):
        of_class = gray[labels == code]
        mean = of_class.mean(axis=0) if len(of_class) else overall
        show_picture(axes[0, code], mean[..., None], name)
        axes[1, code].imshow(mean - overall, cmap="RdBu_r", vmin=-30, vmax=30)
    name_row(axes[0, 0], "mean")
    name_row(axes[1, 0], "minus all")
    return figure


@styled
def intensity(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Brightness of the pictures: a histogram of all pixels, and the mean of each picture by class.

    Args:
        images: uint8 [N, H, W, C].
        labels: int [N], codes of `class_names`.
        class_names: C names.
    """
    figure = Figure(figsize=(9, 3.2))
    left, right = figure.subplots(1, 2)
    counts = np.bincount(images.ravel(), minlength=256)
    left.fill_between(np.arange(256), counts / counts.sum(), color=PALETTE[0], linewidth=0)
    left.set(xlabel="pixel value (0..255)", ylabel="share of pixels", title="All pixels")
    means = images.mean(axis=(1, 2, 3))
    sns.boxplot(x=np.array(class_names)[labels], y=means, order=class_names, ax=right, color=PALETTE[0], fliersize=1)
    right.set(xlabel="", ylabel="mean pixel value", title="Mean brightness of a picture")
    right.tick_params(axis="x", rotation=45)
    return figure


@styled
def picture(image: np.ndarray) -> Figure:
    """One picture without a frame.

    Args:
        image: uint8 [H, W, C].
    """
    figure = Figure(figsize=(image.shape[1] / 100, image.shape[0] / 100))
    axis = figure.subplots()
    show_picture(axis, image)
    axis.axis("off")
    return figure


@styled
def image_row(images: Sequence[np.ndarray] | np.ndarray, titles: Sequence[str]) -> Figure:
    """Pictures with titles, at most ten in a row.

    Args:
        images: N pictures, uint8 [H, W, C].
        titles: N texts.
    """
    columns = max(1, min(10, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure, axes = picture_grid(rows, columns, 1.2, 1.45)
    for axis, image, title in zip(axes.ravel(), images, titles, strict=False):
        show_picture(axis, image, title)
    return figure


@styled
def value_curves(table: pd.DataFrame, x: str, y: str, group: str, xlabel: str, ylabel: str) -> Figure:
    """Lines of y over x, one for each group, with a band from low to high if the table has these columns.

    Args:
        table: DataFrame with the columns `x`, `y` and `group`, and optionally low and high.
        x, y, group: names of columns.
        xlabel, ylabel: labels of the axes.
    """
    figure = Figure(figsize=(6, 3.5))
    axis = figure.subplots()
    for colour, (name, rows) in zip(itertools.cycle(PALETTE), table.groupby(group, sort=False)):
        places = rows[x].astype(str) if rows[x].dtype.kind not in "fi" else rows[x]
        axis.plot(places, rows[y], marker="o", color=colour, label=name)
        if {"low", "high"} <= set(rows):
            axis.fill_between(places, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=8)
    return figure


@styled
def sheet(picture: np.ndarray, columns: Sequence[str], rows: Sequence[str] = ()) -> Figure:
    """A contact sheet that is one picture, with names above its columns and to the left of its rows.

    Args:
        picture: uint8 [H, W] or [H, W, 3].
        columns, rows: names of columns and rows of equal size.
    """
    height, width = picture.shape[:2]
    figure = Figure(figsize=(9, 9 * height / width + 0.3))
    axis = figure.subplots()
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_xticks((np.arange(len(columns)) + 0.5) * width / len(columns), columns)
    axis.set_yticks((np.arange(len(rows)) + 0.5) * height / max(1, len(rows)), rows)
    axis.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)
    return figure


@styled
def marked_masks(images: np.ndarray, masks: dict[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Gray pictures with coloured masks on top.

    Args:
        images: uint8 [N, H, W, C].
        masks: dict name -> bool [N, H, W]; the first mask is orange, the second blue.
        titles: N texts.
    """
    layers = np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)
    for colour, mask in zip(((222, 143, 5), (1, 115, 178)), masks.values(), strict=False):
        layers = np.where(mask[..., None], 0.45 * layers + 0.55 * np.array(colour), layers)
    return image_row(layers.astype(np.uint8), titles)


@styled
def learning_curves(histories: dict[str, pd.DataFrame]) -> Figure:
    """Loss and accuracy by epoch; training is dashed and validation solid. A dotted line is where a phase begins.

    Args:
        histories: dict name -> DataFrame with epoch, loss, accuracy, val_loss, val_accuracy, and phase if any.
    """
    figure = Figure(figsize=(9, 3.4))
    axes = figure.subplots(1, 2)
    for (name, history), colour in zip(histories.items(), PALETTE * 9, strict=False):
        for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
            axis.plot(history["epoch"], history[metric], "--", color=colour, alpha=0.6)
            axis.plot(history["epoch"], history[f"val_{metric}"], "-", color=colour, label=name, marker=".")
            phases = history.drop_duplicates("phase")["epoch"][1:] if "phase" in history else []
            for epoch in phases:
                axis.axvline(epoch - 0.5, color=colour, linestyle=":", alpha=0.8)
    for axis, label in zip(axes, ("cross-entropy loss", "accuracy"), strict=True):
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_title("dashed: training (augmented, with dropout), solid: validation", fontsize=9)
    axes[1].legend(fontsize=8)
    return figure


@styled
def confusion_matrices(confusion: np.ndarray | list[list[int]], class_names: Sequence[str], title: str = "") -> Figure:
    """The confusion matrix as counts and as shares of each true class; rows are the truth.

    Args:
        confusion: int [C, C], rows are the truth.
        class_names: C names.
        title: first words of both titles.
    """
    confusion = np.asarray(confusion)
    support = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, support, out=np.zeros(confusion.shape), where=support > 0)
    figure = Figure(figsize=(12, 4.8))
    left, right = figure.subplots(1, 2)
    options = {"annot": True, "cmap": "Blues", "xticklabels": class_names, "yticklabels": class_names, "square": True}
    sns.heatmap(confusion, fmt="d", ax=left, annot_kws={"size": 8}, cbar_kws={"label": "images"}, **options)
    bar = {"label": "share of the true class"}
    sns.heatmap(shares, fmt=".2f", ax=right, vmin=0, vmax=1, annot_kws={"size": 8}, cbar_kws=bar, **options)
    for axis, name in ((left, "counts"), (right, "share of each true class")):
        axis.set(xlabel="predicted", ylabel="truth", title=f"{title} {name}".strip())
        axis.tick_params(axis="x", rotation=45)
    return figure
