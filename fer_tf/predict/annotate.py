"""Draws results on pictures: boxes and labels on the picture, and bars of all probabilities next to it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..data.images import convert
from ..explain.maps import empty_reason
from ..explain.plots import map_tile
from ..plots import PALETTE
from .pictures import Faces

# Limits for the longer side of an annotated picture, in pixels. Smaller pictures are enlarged to make room for labels.
SHORTEST, LONGEST = 320, 1600
PANEL = 270  # width of a panel column next to the picture, in pixels
COLUMNS = 4  # panel columns at most; the number of the remaining faces is written below
_FONT, _LINE, _HEAD, _FACE = 13, 16, 26, 112  # heights in pixels: letters, a bar's line, a face's heading, its crop


class Shown(NamedTuple):
    """A face to draw.

    Attributes:
        number: its number from 0, which gives its name and its colour.
        box: (x, y, w, h) in the picture's pixels; None for the whole picture, which gets no box.
        probabilities: float [classes], 0..1.
        crop: uint8 [H, W, 1 or 3] to show next to its map, or None.
        map: float [H, W], 0..1, or None.
        reason: text that is written on an empty map, see `fer_tf.explain.empty_reason`.
    """

    number: int
    box: tuple[float, float, float, float] | None
    probabilities: np.ndarray
    crop: np.ndarray | None = None
    map: np.ndarray | None = None
    reason: str = ""


def faces_to_draw(faces: Faces, maps: np.ndarray | None = None, method: str = "") -> list[list[Shown]]:
    """Recognised faces as `annotate` takes them.

    Args:
        faces: the faces of some pictures, or of a film's frames with the tracks of `follow_faces`.
        maps: float [M, H, W], 0..1, for the crops; None draws neither crops nor maps.
        method: the method of the maps, which says why a map is empty.
    Returns: a list for each picture; a face without a track is left out.
    """
    shown: list[list[Shown]] = [[] for _ in range(faces.rows[-1]["picture"] + 1)]
    no_images = [None] * len(faces.crops)
    crops, face_maps = (no_images, no_images) if maps is None else (faces.crops, maps)
    read_rows = [row for row in faces.rows if not row["error"]]
    for row, shares, crop, face_map in zip(read_rows, faces.probabilities, crops, face_maps, strict=True):
        number = row.get("track", row["face"])
        if number is not None:
            box = tuple(row[side] for side in "xywh") if row["detected"] else None
            shown[row["picture"]].append(Shown(number, box, shares, crop, face_map, empty_reason(method)))
    return shown


def annotate(
    pixels: np.ndarray,
    faces: Sequence[Shown],
    class_names: Sequence[str],
    longest: int = LONGEST,
    steady: bool = False,
    with_crops: bool = False,
) -> np.ndarray:
    """Draws faces on their picture, and their probabilities in a panel next to it.

    Args:
        pixels: uint8 [H, W, 1 or 3].
        faces: the faces to draw, the most important first.
        class_names: names of the probabilities.
        longest: a picture with a longer side than this is shrunk, in pixels.
        steady: always use one panel column, so that all frames of a film have the same size.
        with_crops: leave room for crops even if no face has one.
    Returns: uint8 [H', W', 3].
    """
    scale = min(max(1.0, SHORTEST / max(pixels.shape[:2])), longest / max(pixels.shape[:2]))
    picture = _scaled(pixels, scale)
    with_crops = with_crops or any(face.crop is not None for face in faces)
    block = _HEAD + _LINE * len(class_names) + _FACE * with_crops
    height = max(picture.shape[0], block)
    rows = height // block
    columns = 1 if steady else min(COLUMNS, max(1, math.ceil(len(faces) / rows)))
    canvas = Image.new("RGB", (picture.shape[1] + columns * PANEL, height), "white")
    canvas.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(canvas)
    boxed = [face for face in reversed(faces) if face.box is not None]  # the most important on top
    for face in boxed:
        draw.rectangle(_corners(face, scale), outline=_colour(face.number), width=3)
    for face in boxed:
        _draw_label(draw, face, class_names, _corners(face, scale), picture.shape)
    for index, face in enumerate(faces[: rows * columns]):
        corner = picture.shape[1] + (index // rows) * PANEL + 8, (index % rows) * block + 4
        _draw_block(canvas, draw, face, class_names, corner)
    _draw_rest(draw, len(faces), len(faces) - rows * columns, picture.shape[1], height)
    return np.asarray(canvas)


def _scaled(pixels, scale):
    pixels = convert(pixels[None], channels=3)[0]
    if scale == 1:
        return pixels
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _colour(number):
    return tuple(round(255 * share) for share in PALETTE[number % len(PALETTE)])


def _ink(colour):
    """Black or white, whichever is easier to read on a colour (by its luma)."""
    return "black" if np.dot(colour, (0.299, 0.587, 0.114)) > 140 else "white"


def _label(face, class_names):
    best = int(np.argmax(face.probabilities))
    return f"{class_names[best]} {face.probabilities[best]:.2f}"


def _corners(face, scale):
    x, y, w, h = (side * scale for side in face.box)
    return x, y, x + w, y + h


def _draw_label(draw, face, class_names, corners, shape):
    """Writes a face's label above its box, or inside the box if there is no room above."""
    x, y = corners[:2]
    colour, font = _colour(face.number), ImageFont.load_default(_FONT)
    text = f"{face.number + 1} {_label(face, class_names)}"
    width = draw.textlength(text, font) + 8
    left = min(max(x, 0), max(0, shape[1] - width))
    top = y - _LINE - 2 if y >= _LINE + 2 else max(y, 0)
    draw.rectangle((left, top, left + width, top + _LINE + 2), fill=colour)
    draw.text((left + 4, top + _LINE / 2 + 1), text, _ink(colour), font, "lm")


def _draw_block(canvas, draw, face, class_names, corner):
    """Draws a face's heading, its crop next to its map, and its bars."""
    (left, top), font, colour = corner, ImageFont.load_default(_FONT), _colour(face.number)
    name = "whole picture" if face.box is None else str(face.number + 1)
    draw.rectangle((left, top + 3, left + 14, top + 17), fill=colour)
    draw.text((left + 20, top + 10), f"{name}: {_label(face, class_names)}", "black", font, "lm")
    top += _HEAD - 4
    if face.crop is not None:
        _paste_faces(canvas, face, (left, top))
        top += _FACE
    for line, (label, share) in enumerate(zip(class_names, face.probabilities, strict=True)):
        _draw_bar(draw, label, float(share), (left, top + line * _LINE), colour, font)


def _paste_faces(canvas, face, corner):
    side = _FACE - 8
    tiles = [face.crop]
    if face.map is not None:
        tiles.append(map_tile(face.crop, face.map, side, face.reason))
    for index, pixels in enumerate(tiles):
        tile = Image.fromarray(_scaled(pixels, side / max(pixels.shape[:2])))
        canvas.paste(tile, (corner[0] + index * (side + 8), corner[1]))


def _draw_bar(draw, label, share, corner, colour, font):
    """Draws a class's name, its bar on a pale background as wide as probability 1, and its number."""
    left, top = corner
    begin, wide = left + 84, PANEL - 84 - 48
    draw.text((begin - 6, top + _LINE / 2), label, "black", font, "rm")
    draw.rectangle((begin, top + 2, begin + wide, top + _LINE - 3), fill=(235, 235, 235))
    if share * wide >= 1:
        draw.rectangle((begin, top + 2, begin + share * wide, top + _LINE - 3), fill=colour)
    draw.text((begin + wide + 5, top + _LINE / 2), f"{share:.2f}", "black", font, "lm")


def _draw_rest(draw, count, hidden, left, height):
    """Writes that no face was found, or how many faces are not in the panel."""
    font = ImageFont.load_default(_FONT)
    if not count:
        draw.text((left + 8, 14), "no face found", "black", font, "lm")
    elif hidden > 0:
        draw.text((left + 8, height - 3), f"and {hidden} more", "black", font, "ld")
