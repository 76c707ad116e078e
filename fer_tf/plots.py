"""Every figure of the kit, in one style. Arrays and frames in, matplotlib figures out."""

import functools
import itertools
import json
import sys

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from .common.checks import InputError
from .common.files import replacing
from .common.paths import reports_root

_STYLE = {
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
_COLOURS = sns.color_palette("colorblind")


def _styled(function):
    """Draws in the kit's style, on a figure of its own that no pyplot state keeps alive."""

    @functools.wraps(function)
    def styled(*arguments, **options):
        with matplotlib.rc_context(_STYLE):
            return function(*arguments, **options)

    return styled


def save_figure(figure, path, caption="", made_with=None):
    """Writes a figure to `path` without suffix, as .png and .svg; the caption goes into both as their description, and
    what it was made with, a dict, into the .png as JSON."""
    about = {"Description": caption} if caption else {}
    made = {"Parameters": json.dumps(made_with)} if made_with else {}
    for suffix in (".png", ".svg"):
        with replacing(path.with_name(path.name + suffix)) as part, matplotlib.rc_context(_STYLE):
            figure.savefig(part, metadata={**about, "Date": None} if suffix == ".svg" else {**about, **made})
        figure.set_layout_engine("none")  # laid out once: it takes as long as drawing


def keep(figure, name, caption):
    """Writes a figure to reports/figures/<name>.png and .svg and returns it, for a notebook to show.

    The caption is a sentence that says what is to be seen: the report prints it, and reads it to whom cannot see. The
    notebook's parameters go into the file: a later notebook with another seed writes to the same place, and the report
    says what a figure is of.
    """
    if not caption.strip():
        raise InputError(f"caption: {name} needs a sentence that says what is to be seen; received {caption!r}")
    save_figure(figure, reports_root() / "figures" / name, caption, notebook_parameters())
    return figure


# What makes figures of one dataset and protocol differ; notebooks have these as flat parameters, "" for the default.
_PARAMETERS = ("seed", "dataset_options", "size", "overrides")


def notebook_parameters():
    """The parameters of the notebook that this is called in, without those left at "": dict; {} outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    names = shell.user_ns if shell else {}
    return {key: names[key] for key in _PARAMETERS if isinstance(names.get(key), int | str) and names[key] != ""}


def _grid(rows, columns, width=1.15, height=1.15):
    figure = Figure(figsize=(columns * width, rows * height))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    return figure, axes


def _show(axis, image, title=""):
    image = np.asarray(image)
    is_gray = image.shape[-1] == 1
    axis.imshow(image[..., 0] if is_gray else image, cmap="gray" if is_gray else None, vmin=0, vmax=255)
    axis.set_title(title, fontsize=8)


@_styled
def class_counts(counts):
    """Bars of images per class and split.

    Args:
        counts: DataFrame of `FaceDataset.counts()`.
    """
    table = counts.drop(index="all", columns="all").melt(ignore_index=False, var_name="split", value_name="images")
    figure = Figure(figsize=(8, 3.4))
    axis = figure.subplots()
    sns.barplot(table.reset_index(), x="class", y="images", hue="split", palette="colorblind", ax=axis)
    axis.set(xlabel="", ylabel="images", title="Images per class and split")
    return figure


@_styled
def sample_sheet(images, labels, class_names, per_class=10, seed=0):
    """Pictures drawn at random, a row a class.

    Args:
        images: uint8 [N, H, W, C]; labels int [N].
    """
    rng = np.random.default_rng(seed)
    figure, axes = _grid(len(class_names), per_class, 0.95, 0.95)
    for code, name in enumerate(class_names):
        rows = np.flatnonzero(labels == code)
        for axis, row in zip(axes[code], rng.permutation(rows)[:per_class], strict=False):
            _show(axis, images[row])
        _row_name(axes[code, 0], name)
    return figure


def _row_name(axis, name):
    """A row's name left of its first picture; the axis itself is switched off."""
    axis.text(-0.1, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)


@_styled
def mean_faces(images, labels, class_names):
    """The mean picture of every class, and its difference from the mean of all (gray is none).

    Args:
        images: uint8 [N, H, W, C]; labels int [N].
    """
    gray = images.mean(axis=-1)
    overall = gray.mean(axis=0)
    figure, axes = _grid(2, len(class_names), 1.3, 1.35)
    for code, name in enumerate(class_names):
        chosen = gray[labels == code]
        mean = chosen.mean(axis=0) if len(chosen) else overall
        _show(axes[0, code], mean[..., None], name)
        axes[1, code].imshow(mean - overall, cmap="RdBu_r", vmin=-30, vmax=30)
    _row_name(axes[0, 0], "mean")
    _row_name(axes[1, 0], "minus all")
    return figure


@_styled
def intensity(images, labels, class_names):
    """How bright the pictures are: histogram of all pixels, and each picture's mean by class."""
    figure = Figure(figsize=(9, 3.2))
    left, right = figure.subplots(1, 2)
    counts = np.bincount(images.ravel(), minlength=256)
    left.fill_between(np.arange(256), counts / counts.sum(), color=_COLOURS[0], linewidth=0)
    left.set(xlabel="pixel value (0..255)", ylabel="share of pixels", title="All pixels")
    means = images.mean(axis=(1, 2, 3))
    sns.boxplot(x=np.array(class_names)[labels], y=means, order=class_names, ax=right, color=_COLOURS[0], fliersize=1)
    right.set(xlabel="", ylabel="mean pixel value", title="Mean brightness of a picture")
    right.tick_params(axis="x", rotation=45)
    return figure


@_styled
def picture(image):
    """One picture, uint8 [H, W, C], without frame."""
    figure = Figure(figsize=(image.shape[1] / 100, image.shape[0] / 100))
    axis = figure.subplots()
    _show(axis, image)
    axis.axis("off")
    return figure


@_styled
def image_row(images, titles):
    """Pictures side by side with titles, at most ten a row."""
    columns = max(1, min(10, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure, axes = _grid(rows, columns, 1.2, 1.45)
    for axis, image, title in zip(axes.ravel(), images, titles, strict=False):
        _show(axis, image, title)
    return figure


@_styled
def windows(images, corners, titles):
    """Pictures with the window that a spatial transformer samples; the thick side is what becomes its top.

    Args:
        images: uint8 [N, H, W, C]; corners float [N, 4, 2], (x, y) in pixels, clockwise; titles: N texts.
    """
    figure, axes = _grid(1, len(images), 1.35, 1.6)
    height, width = images.shape[1:3]
    for axis, image, outline, title in zip(axes[0], images, corners, titles, strict=True):
        _show(axis, image, title)
        closed = np.vstack([outline, outline[:1]])
        axis.plot(closed[:, 0], closed[:, 1], color=_COLOURS[1], linewidth=1.5)
        axis.plot(closed[:2, 0], closed[:2, 1], color=_COLOURS[1], linewidth=3)
        # the window may reach beyond the picture
        axis.set_xlim(min(-1, closed[:, 0].min() - 2), max(width, closed[:, 0].max() + 2))
        axis.set_ylim(max(height, closed[:, 1].max() + 2), min(-1, closed[:, 1].min() - 2))
    return figure


@_styled
def region_weights(images, boxes, weights, titles):
    """Pictures with their crops' outlines: the weakest crop of a picture hair-thin and faint, the strongest thick and
    in the second colour. Below the title the weights of the whole face (I0), of the strongest and the weakest crop.

    Args:
        images: uint8 [N, H, W, C]; boxes float [R, 4], (left, top, width, height), index 0 the whole face, which is
            not drawn; weights float [N, R]; titles: N texts.
    """
    columns = max(1, min(6, len(images)))
    figure, axes = _grid(max(1, -(-len(images) // columns)), columns, 1.7, 2.1)
    for axis, image, row, title in zip(axes.ravel(), images, weights, titles, strict=False):
        order = 1 + np.argsort(row[1:])
        told = [f"I{index} {row[index]:.3f}" for index in (0, order[-1], order[0])]
        _show(axis, image, f"{title}\n{told[0]}\n{told[1]}, {told[2]}")
        spread = max(np.ptp(row[1:]), 1e-7)
        for index in order:
            _outline(axis, boxes[index], index, (row[index] - row[order[0]]) / spread, index == order[-1])
    return figure


def _outline(axis, box, index, share, is_strongest):
    """A crop's outline, a little inside its true place by its number, so that outlines do not hide each other."""
    left, top, width, height = box
    inset = 0.004 * index * (width + height)
    corner = (left - 0.5 + inset, top - 0.5 + inset)
    colour = _COLOURS[1 if is_strongest else 0]
    style = {"edgecolor": colour, "linewidth": 0.4 + 2.2 * share, "alpha": 0.35 + 0.65 * share}
    axis.add_patch(Rectangle(corner, width - 2 * inset, height - 2 * inset, fill=False, **style))


@_styled
def value_curves(table, x, y, group, xlabel, ylabel):
    """Lines of y over x, one a group, with the band low..high where the table has it."""
    figure = Figure(figsize=(6, 3.5))
    axis = figure.subplots()
    for colour, (name, part) in zip(itertools.cycle(_COLOURS), table.groupby(group, sort=False)):
        places = part[x].astype(str) if part[x].dtype.kind not in "fi" else part[x]
        axis.plot(places, part[y], marker="o", color=colour, label=name)
        if {"low", "high"} <= set(part):
            axis.fill_between(places, part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=8)
    return figure


@_styled
def sheet(picture, columns, rows=()):
    """A contact sheet drawn as one picture, with names above its columns and beside its rows.

    Args:
        picture: uint8 [H, W] or [H, W, 3].
        columns, rows: names, evenly spread.
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


@_styled
def marked_masks(images, masks, titles):
    """Pictures with masks laid over in colour.

    Args:
        images: uint8 [N, H, W, C].
        masks: dict name -> bool [N, H, W]; the first is orange, the second blue.
        titles: N texts.
    """
    layers = np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)
    for colour, mask in zip(((222, 143, 5), (1, 115, 178)), masks.values(), strict=False):
        layers = np.where(mask[..., None], 0.45 * layers + 0.55 * np.array(colour), layers)
    return image_row(layers.astype(np.uint8), titles)


@_styled
def accuracy_by(table, label):
    """Accuracy in groups with 95 % intervals; dashed is the accuracy of always giving the commonest class.

    Args:
        table: DataFrame of `evaluation.comparison.accuracy_by`.
        label: of the groups.
    """
    figure = Figure(figsize=(6, 3.2))
    groups = [f"{group}\n{count} images" for group, count in zip(table["group"], table["n"], strict=True)]
    _accuracies(figure.subplots(), table, groups, label)
    return figure


def _accuracies(axis, table, groups, label):
    """Points with intervals, and the accuracy of always giving the commonest class, dashed."""
    places = np.arange(len(table))
    spread = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axis.errorbar(places, table["accuracy"], yerr=spread, fmt="o", color=_COLOURS[0], capsize=3)
    axis.plot(places, table["commonest"], "--", color=_COLOURS[1], label="commonest class")
    axis.set_xticks(places, groups)
    axis.set(ylim=(0, 1), xlabel=label, ylabel="accuracy, 95 % interval")
    axis.legend(fontsize=8)


@_styled
def ablation(table):
    """Accuracy with one thing fixed at a time.

    Args:
        table: DataFrame with fixed, value, accuracy, low, high, commonest; a panel for each of `fixed`.
    """
    panels = table["fixed"].unique()
    figure = Figure(figsize=(4 * len(panels), 3.4))
    for axis, fixed in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        part = table[table["fixed"] == fixed]
        _accuracies(axis, part, part["value"], fixed)
        axis.tick_params(axis="x", rotation=45)
    return figure


@_styled
def learning_curves(histories):
    """Loss and accuracy by epoch, training dashed and validation solid.

    Args:
        histories: dict name -> DataFrame with epoch, loss, accuracy, val_loss, val_accuracy.
    """
    figure = Figure(figsize=(9, 3.4))
    axes = figure.subplots(1, 2)
    for (name, history), colour in zip(histories.items(), _COLOURS * 9, strict=False):
        for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
            axis.plot(history["epoch"], history[metric], "--", color=colour, alpha=0.6)
            axis.plot(history["epoch"], history[f"val_{metric}"], "-", color=colour, label=name, marker=".")
    for axis, label in zip(axes, ("cross-entropy loss", "accuracy"), strict=True):
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_title("dashed: training (augmented, with dropout), solid: validation", fontsize=9)
    axes[1].legend(fontsize=8)
    return figure


@_styled
def confusion_matrices(confusion, class_names, title=""):
    """The confusion matrix as counts and as row shares; rows are the truth."""
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


@_styled
def accuracy_bars(table):
    """Test accuracy of every run with its 95 % interval.

    Args:
        table: DataFrame with run, accuracy, low, high, reduced; runs that differ from their source are pale.
    """
    figure = Figure(figsize=(8, 0.9 + 0.32 * len(table)))
    axis = figure.subplots()
    places = np.arange(len(table))[::-1]
    spread = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    colours = [(*_COLOURS[0], 0.45 if reduced else 1.0) for reduced in table["reduced"]]
    axis.barh(places, table["accuracy"], xerr=spread, color=colours, ecolor="black", capsize=3, height=0.6)
    names = [
        f"{run}{' (reduced)' if reduced else ''}" for run, reduced in zip(table["run"], table["reduced"], strict=True)
    ]
    axis.set_yticks(places, names)
    axis.set(xlabel="test accuracy, 95 % bootstrap interval", xlim=(0, 1), ylim=(-0.7, len(table) - 0.3))
    for place, value, high in zip(places, table["accuracy"], table["high"], strict=True):
        axis.text(high + 0.01, place, f"{value:.3f}", va="center", fontsize=9)
    return figure
