"""Pictures with what was recognised in them: boxes and labels on the picture, bars of all probabilities beside it."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..explain.empty import empty_reason, is_empty
from ..explain.plots import blended, mark_empty
from ..plots import _COLOURS

# Sides of an annotated picture in pixels: smaller ones are enlarged, so that a label finds room, larger ones shrunk.
SHORTEST, LONGEST = 320, 1600
PANEL = 270  # width of the panel beside it, in pixels
COLUMNS = 4  # panels at most; further faces are counted
_FONT, _LINE, _HEAD, _FACE = 13, 16, 26, 112  # heights in pixels: letters, a bar's line, a face's heading, its crop


class Shown(NamedTuple):
    """A face to draw.

    Attributes:
        number: what it is called, and which colour it has.
        box: (x, y, w, h) in the picture's pixels; None for the whole picture, which gets no box.
        probabilities: float [classes].
        crop: uint8 [H, W, 1 or 3] to show beside its map, or None.
        map: float [H, W], 0..1, or None.
        reason: what is written on the map where it is empty, see `fer_tf.explain.empty_reason`.
    """

    number: int
    box: tuple | None
    probabilities: np.ndarray
    crop: np.ndarray | None = None
    map: np.ndarray | None = None
    reason: str = ""


def annotate(pixels, faces, class_names, longest=LONGEST, steady=False, with_crops=False):
    """Draws faces on their picture, and a panel with their probabilities beside it.

    Args:
        pixels: uint8 [H, W, 1 or 3].
        faces: list of `Shown`, the most important first.
        class_names: names of the probabilities.
        longest: sides beyond this are shrunk, in pixels.
        steady: one panel whatever there is to show, so that all frames of a film come out in one size.
        with_crops: leave room for crops also where no face has one.
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
    for place, face in enumerate(faces[: rows * columns]):
        corner = picture.shape[1] + (place // rows) * PANEL + 8, (place % rows) * block + 4
        _draw_block(canvas, draw, face, class_names, corner)
    _draw_rest(draw, len(faces), len(faces) - rows * columns, picture.shape[1], height)
    return np.asarray(canvas)


def _scaled(pixels, scale):
    pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
    if scale == 1:
        return pixels
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _colour(number):
    return tuple(round(255 * share) for share in _COLOURS[number % len(_COLOURS)])


def _ink(colour):
    """Black or white, whichever is read better on a colour."""
    return "black" if np.dot(colour, (0.299, 0.587, 0.114)) > 140 else "white"


def _said(face, class_names):
    best = int(np.argmax(face.probabilities))
    return f"{class_names[best]} {face.probabilities[best]:.2f}"


def _corners(face, scale):
    x, y, w, h = (side * scale for side in face.box)
    return x, y, x + w, y + h


def _draw_label(draw, face, class_names, corners, shape):
    """What is said of a face, above its box or inside where there is no room."""
    x, y = corners[:2]
    colour, font = _colour(face.number), ImageFont.load_default(_FONT)
    text = f"{face.number + 1} {_said(face, class_names)}"
    width = draw.textlength(text, font) + 8
    left = min(max(x, 0), max(0, shape[1] - width))
    top = y - _LINE - 2 if y >= _LINE + 2 else max(y, 0)
    draw.rectangle((left, top, left + width, top + _LINE + 2), fill=colour)
    draw.text((left + 4, top + _LINE / 2 + 1), text, _ink(colour), font, "lm")


def _draw_block(canvas, draw, face, class_names, corner):
    """A face's heading, its crop beside its map, and its bars."""
    (left, top), font, colour = corner, ImageFont.load_default(_FONT), _colour(face.number)
    name = "whole picture" if face.box is None else str(face.number + 1)
    draw.rectangle((left, top + 3, left + 14, top + 17), fill=colour)
    draw.text((left + 20, top + 10), f"{name}: {_said(face, class_names)}", "black", font, "lm")
    top += _HEAD - 4
    if face.crop is not None:
        _paste_faces(canvas, face, (left, top))
        top += _FACE
    for line, (label, share) in enumerate(zip(class_names, face.probabilities, strict=True)):
        _draw_bar(draw, label, float(share), (left, top + line * _LINE), colour, font)


def _paste_faces(canvas, face, corner):
    side = _FACE - 8
    shown = [face.crop]
    if face.map is not None:
        shown.append(blended(face.crop[None], face.map[None], side)[0])
        if is_empty(face.map):
            shown[-1] = mark_empty(shown[-1], face.reason or empty_reason())
    for place, pixels in enumerate(shown):
        tile = Image.fromarray(_scaled(pixels, side / max(pixels.shape[:2])))
        canvas.paste(tile, (corner[0] + place * (side + 8), corner[1]))


def _draw_bar(draw, label, share, corner, colour, font):
    """A class's name, its bar on a pale ground that is 1 wide, and its figure."""
    left, top = corner
    begin, wide = left + 84, PANEL - 84 - 48
    draw.text((begin - 6, top + _LINE / 2), label, "black", font, "rm")
    draw.rectangle((begin, top + 2, begin + wide, top + _LINE - 3), fill=(235, 235, 235))
    if share * wide >= 1:
        draw.rectangle((begin, top + 2, begin + share * wide, top + _LINE - 3), fill=colour)
    draw.text((begin + wide + 5, top + _LINE / 2), f"{share:.2f}", "black", font, "lm")


def _draw_rest(draw, count, more, left, height):
    """Says that no face is there, or how many are not in the panel."""
    font = ImageFont.load_default(_FONT)
    if not count:
        draw.text((left + 8, 14), "no face found", "black", font, "lm")
    elif more > 0:
        draw.text((left + 8, height - 3), f"and {more} more", "black", font, "ld")
