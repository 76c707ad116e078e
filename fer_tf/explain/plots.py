"""Figures of explanations: maps, windows and regions on faces, and scores of maps against the truth."""

import textwrap
from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw, ImageFont

from ..common.checks import InputError
from ..data.images import convert
from ..plots import PALETTE, picture_grid, show_picture, styled
from .maps import empty_reason, is_empty

# Looks evenly spaced, also to people who cannot distinguish red from green, and in black-and-white print.
COLOURS = "viridis"
BAR_LABEL = "importance (1: the map's highest)"
_STRENGTH = 0.55  # opacity of the map over the face; the colour bar shows the pure colours
_CAPTION = 26  # height of a picture's caption in pixels


def blended(images: np.ndarray, maps: np.ndarray, side: int | None = None) -> np.ndarray:
    """Lays maps over their pictures in colour.

    Args:
        images: uint8 [N, H, W, 1 or 3].
        maps: float [N, H, W], 0..1.
        side: pixels of the larger side of the results; None keeps the size.
    Returns: uint8 [N, H', W', 3]. A face with an empty map is gray, without colour.
    """
    scale = side / max(images.shape[1:3]) if side else 1
    faces = np.stack([_enlarged(image, scale, cv2.INTER_CUBIC) for image in convert(images, channels=3)])
    empty = is_empty(maps)[:, None, None, None]
    known = np.nan_to_num(maps, nan=0, posinf=0, neginf=0).astype(np.float32)
    shares = np.stack([_enlarged(face_map, scale, cv2.INTER_LINEAR) for face_map in known])
    colours = 255 * matplotlib.colormaps[COLOURS](shares.clip(0, 1))[..., :3]
    gray = faces.mean(axis=-1, keepdims=True)
    mixed = np.where(empty, gray, colours)
    return (_STRENGTH * mixed + (1 - _STRENGTH) * gray).round().astype(np.uint8)


def _enlarged(pixels, scale, how):
    return pixels if scale == 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how)


def map_tile(image: np.ndarray, face_map: np.ndarray, side: int, reason: str = "") -> np.ndarray:
    """A face with its map. If the map is empty, the picture says why.

    Args:
        image: uint8 [H, W, 1 or 3].
        face_map: float [H, W], 0..1.
        side: the longer side of the result in pixels, at least 60.
        reason: text on an empty map, see `fer_tf.explain.empty_reason`.
    Returns: uint8 [H', W', 3].
    """
    pixels = blended(image[None], face_map[None], side)[0]
    if not is_empty(face_map):
        return pixels
    tile = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(12)
    text = textwrap.fill(reason or empty_reason(), max(8, int(0.9 * tile.width / 6.5)))
    box = draw.multiline_textbbox((tile.width / 2, tile.height - 6), text, font, "md", align="center")
    draw.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill="black")
    draw.multiline_text((tile.width / 2, tile.height - 6), text, "white", font, "md", align="center")
    return np.asarray(tile)


def face_beside_map(
    image: np.ndarray, face_map: np.ndarray, caption: str, side: int = 288, reason: str = ""
) -> Image.Image:
    """An enlarged face, next to it the same face with its map, and below them a caption and the colour scale.

    Args:
        image, face_map, side, reason: see `map_tile`.
        caption: a line of text.
    Returns: PIL image.
    """
    face = _enlarged(convert(image[None], channels=3)[0], side / max(image.shape[:2]), cv2.INTER_CUBIC)
    both = np.concatenate([face, map_tile(image, face_map, side, reason)], axis=1)
    picture = Image.new("RGB", (both.shape[1], both.shape[0] + _CAPTION), "white")
    picture.paste(Image.fromarray(both))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    line, right = both.shape[0] + _CAPTION // 2, both.shape[1]
    ramp = 255 * matplotlib.colormaps[COLOURS](np.linspace(0, 1, 80))[None, :, :3].repeat(10, axis=0)
    picture.paste(Image.fromarray(ramp.astype(np.uint8)), (right - 96, line - 5))
    draw.text((right - 108, line), "0", "black", font, "lm")
    draw.text((right - 11, line), "1", "black", font, "lm")
    draw.text((6, line), _fitting(draw, caption, right - 124, font), "black", font, "lm")
    return picture


def _fitting(draw, text, width, font):
    """The text, shortened if it is wider than `width` pixels."""
    while len(text) > 4 and draw.textlength(text, font) > width:
        text = f"{text[:-4]}..."
    return text


@styled
def overlays(
    images: np.ndarray,
    maps: dict[str, np.ndarray],
    titles: Sequence[str] | None = None,
    masks: np.ndarray | None = None,
    marks: dict[str, str] | None = None,
) -> Figure:
    """Faces and their maps: one row for each face, one column for each method. Empty maps are marked, with the reason.

    Args:
        images: uint8 [N, H, W, C].
        maps: dict method -> float [N, H, W], 0..1.
        titles: N names of the rows (label, confidence); None for none.
        masks: bool [N, H, W], the true regions, drawn as outlines; None if they are not known.
        marks: dict method -> line below the method's name; None for none.
    Returns: figure.
    Raises: `InputError` without a picture or a method.
    """
    if not len(images) or not maps:
        raise InputError(f"images, maps: need a picture and a method; received {len(images)} and {len(maps)}")
    rows, columns = len(images), 1 + len(maps)
    figure = Figure(figsize=(1.6 + 1.45 * columns, 0.5 + 1.45 * rows), layout="compressed")
    axes = figure.subplots(rows, columns, squeeze=False)
    shown = {"": images} | {name: blended(images, of_method, side=192) for name, of_method in maps.items()}
    for column, (name, pictures) in enumerate(shown.items()):
        for row, axis in enumerate(axes[:, column]):
            show_picture(axis, pictures[row])
            axis.set(xticks=[], yticks=[], frame_on=False)
            if masks is not None:
                _outline(axis, masks[row], pictures[row].shape)
            if name and is_empty(maps[name][row]):
                _say_empty(axis, empty_reason(name))
        # names of layers in nested models are wider than a picture
        mark = (marks or {}).get(name, "").replace("/", "/\n")
        axes[0, column].set_title("\n".join(filter(None, [name, mark])) or "face", fontsize=9)
    for axis, title in zip(axes[:, 0], titles or [], strict=False):
        axis.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
    figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), ax=axes, label=BAR_LABEL, shrink=max(0.4, 1.6 / rows))
    return figure


def _say_empty(axis, reason):
    """Writes the reason on a picture, in white on black."""
    ground = {"facecolor": "black", "edgecolor": "none", "pad": 1.5}
    text = textwrap.fill(reason, 22)
    axis.text(0.5, 0.03, text, transform=axis.transAxes, ha="center", color="white", fontsize=6.5, bbox=ground)


def _outline(axis, mask, shape):
    """Draws the border of a mask over a picture of `shape`, which can be larger than the mask."""
    if mask.any():
        scale = np.array(shape[:2]) / mask.shape
        ys, xs = ((np.arange(side) + 0.5) * factor - 0.5 for side, factor in zip(mask.shape, scale, strict=True))
        axis.contour(xs, ys, mask.astype(float), [0.5], colors="white", linewidths=1)


@styled
def map_scores(table: pd.DataFrame) -> Figure:
    """How often maps point into the true region, and the share of their mass inside it.

    Args:
        table: DataFrame from `fer_tf.explain.score_maps`; its last two rows are the baselines, which are gray.
    Returns: figure.
    """
    figure = Figure(figsize=(9, 1.1 + 0.34 * len(table)))
    axes = figure.subplots(1, 2, sharey=True)
    panels = {"pointing": "share of maps that point into the region", "mass inside": "mean share of a map inside"}
    places, area = np.arange(len(table))[::-1], table["area"].iloc[0]
    colours = [(0.6, 0.6, 0.6) if row >= len(table) - 2 else PALETTE[0] for row in range(len(table))]
    for axis, (key, label) in zip(axes, panels.items(), strict=True):
        ends = [f"{key.split()[0]} {end}" for end in ("low", "high")]
        spread = table[ends].sub(table[key], axis=0).abs().T.to_numpy()
        axis.barh(places, table[key], xerr=spread, color=colours, ecolor="black", capsize=3, height=0.65)
        axis.axvline(area, color=PALETTE[1], linestyle="--", label="the region's area")
        axis.set(xlabel=f"{label},\n95 % interval", xlim=(0, 1))
    shares = zip(table["method"], table["empty"], strict=True)
    names = [f"{method} ({empty:.0%} empty)" if empty else method for method, empty in shares]
    axes[0].set_yticks(places, names)
    axes[1].legend(fontsize=8, loc="lower right")
    figure.suptitle(f"Maps against the true region, {table['pictures'].iloc[0]:,} pictures", fontsize=11)
    return figure


@styled
def emotion_regions(faces: dict, means: dict, table: pd.DataFrame) -> Figure:
    """The mean map of each emotion, and the share of its mass in each region with its 95 % interval.

    Args:
        faces: dict emotion -> uint8 [H, W, 1 or 3], the face under the map.
        means: dict emotion -> float [H, W], see `fer_tf.explain.mean_maps`.
        table: DataFrame from `fer_tf.explain.region_shares`.
    Returns: figure.
    """
    figure = Figure(figsize=(10, 5.2))
    grid = figure.add_gridspec(2, len(means), height_ratios=(1, 2.2))
    for place, (name, face_map) in enumerate(means.items()):
        axis = figure.add_subplot(grid[0, place])
        show_picture(axis, blended(faces[name][None], face_map[None], side=144)[0], name)
        axis.set_axis_off()
    axis, regions = figure.add_subplot(grid[1, :]), list(dict.fromkeys(table["region"]))
    for place, (name, rows) in enumerate(table.groupby("emotion", sort=False)):
        at = np.array([regions.index(region) for region in rows["region"]]) + (place - (len(means) - 1) / 2) * 0.09
        spread = rows[["low", "high"]].sub(rows["mass"], axis=0).abs().T.to_numpy()
        axis.errorbar(at, rows["mass"], spread, fmt="o", markersize=4, color=PALETTE[place], label=name)
    areas = table.groupby("region", sort=False)["area"].mean().reindex(regions)
    centres = np.arange(len(regions))
    axis.hlines(areas, centres - 0.42, centres + 0.42, "gray", "dashed", label="area of the region")
    axis.set(ylabel="share of the map's mass", ylim=(0, None))
    axis.set_xticks(range(len(regions)), regions)
    axis.legend(fontsize=8, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False)
    return figure


@styled
def window_outlines(images: np.ndarray, corners: np.ndarray, titles: Sequence[str]) -> Figure:
    """Pictures with the window that a spatial transformer samples; the thick side becomes the top.

    Args:
        images: uint8 [N, H, W, C].
        corners: float [N, 4, 2], (x, y) in pixels, clockwise from the corner that becomes the top left.
        titles: N texts.
    """
    figure, axes = picture_grid(1, len(images), 1.35, 1.6)
    height, width = images.shape[1:3]
    for axis, image, outline, title in zip(axes[0], images, corners, titles, strict=True):
        show_picture(axis, image, title)
        closed = np.vstack([outline, outline[:1]])
        axis.plot(closed[:, 0], closed[:, 1], color=PALETTE[1], linewidth=1.5)
        axis.plot(closed[:2, 0], closed[:2, 1], color=PALETTE[1], linewidth=3)
        # parts of the window can be outside the picture
        axis.set_xlim(min(-1, closed[:, 0].min() - 2), max(width, closed[:, 0].max() + 2))
        axis.set_ylim(max(height, closed[:, 1].max() + 2), min(-1, closed[:, 1].min() - 2))
    return figure


@styled
def weighted_regions(images: np.ndarray, boxes: np.ndarray, weights: np.ndarray, titles: Sequence[str]) -> Figure:
    """Pictures with the outlines of their crops; a thicker line means a higher weight.

    The strongest crop of each picture has the second colour. The text below each title gives the weights of the whole
    face (I0), of the strongest crop and of the weakest crop.

    Args:
        images: uint8 [N, H, W, C].
        boxes: float [R, 4], (left, top, width, height) in pixels; index 0 is the whole face, which is not drawn.
        weights: float [N, R].
        titles: N texts.
    """
    columns = max(1, min(6, len(images)))
    figure, axes = picture_grid(max(1, -(-len(images) // columns)), columns, 1.7, 2.1)
    for axis, image, row, title in zip(axes.ravel(), images, weights, titles, strict=False):
        order = 1 + np.argsort(row[1:])
        texts = [f"I{index} {row[index]:.3f}" for index in (0, order[-1], order[0])]
        show_picture(axis, image, f"{title}\n{texts[0]}\n{texts[1]}, {texts[2]}")
        spread = max(np.ptp(row[1:]), 1e-7)
        for index in order:
            _outline_crop(axis, boxes[index], index, (row[index] - row[order[0]]) / spread, index == order[-1])
    return figure


def _outline_crop(axis, box, index, share, is_strongest):
    """Outline of a crop, moved a little to the inside by its number, so that outlines do not cover each other."""
    left, top, width, height = box
    inset = 0.004 * index * (width + height)
    corner = (left - 0.5 + inset, top - 0.5 + inset)
    colour = PALETTE[1 if is_strongest else 0]
    style = {"edgecolor": colour, "linewidth": 0.4 + 2.2 * share, "alpha": 0.35 + 0.65 * share}
    axis.add_patch(Rectangle(corner, width - 2 * inset, height - 2 * inset, fill=False, **style))
