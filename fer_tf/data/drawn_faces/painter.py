"""Paints faces with OpenCV: flat, antialiased polygons from back to front, on a canvas twice the picture's size."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from .geometry import HALF_FRAME, LINE_NAMES, SHIFT, Pose, curves_of, line_polygons
from .identity import BEARDS, HAIR_STYLES, Identities
from .moves import MOVES

SUPERSAMPLE = 2
_AA = cv2.LINE_AA
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in JPEG and OpenCV
_PAIRS = (".L", ".R")
_AU10, _AU12, _AU20 = (list(MOVES).index(name) for name in ("AU10", "AU12", "AU20"))


def paint(colour: ArrayLike, channels: int) -> list:
    """Colours in the form that OpenCV takes.

    Args:
        colour: [..., 3], RGB 0..255.
        channels: 1 or 3.
    Returns: nested lists of one gray level, or of (R, G, B) lists, 0..255.
    """
    colour = np.clip(np.asarray(colour, float), 0, 255)
    if channels == 1:
        return np.rint(colour @ _LUMA).astype(int).tolist()
    return np.rint(colour).astype(int).tolist()


def palette(people: Identities, channels: int) -> dict[str, list]:
    """The flat colours of every face: dict part -> list of N colours."""
    skin, red = people.skin, people.lip_red[:, None]
    ones, stubble = np.ones_like(skin), skin * 0.72 + people.hair * 0.08
    lip = _lips(skin, red)
    parts = {
        "skin": skin,
        "lid": skin * 0.93,
        "ear": skin * 0.88,
        "neck": skin * 0.74,
        "nostril": skin * 0.36,
        "lash": np.minimum(people.brow * 0.5, skin * 0.28),
        "lower_lash": skin * 0.60,
        "sclera": ones * (236, 234, 230),
        "iris": people.iris,
        "pupil": ones * 14,
        "glint": ones * 245,
        "lip_upper": lip * 0.84,
        "lip_lower": lip,
        "lip_line": skin * 0.30,
        "mouth": ones * (46, 18, 20),
        "tongue": ones * (150, 72, 74),
        "teeth": ones * (238, 234, 224),
        "hair": people.hair,
        "hair_back": people.hair * 0.8,
        "brow": people.brow,
        "beard": np.where((people.beard == 1)[:, None], stubble, people.hair * 0.9 + skin * 0.05),
        "cloth": people.cloth,
        "frame": people.frame,
    }
    return {part: paint(colour, channels) for part, colour in parts.items()}


def _lips(skin, red):
    """Lip colour [N, 3]: darker and redder than the skin, more so with a higher `red` [N, 1] in 0..1."""
    return skin * (np.array([0.90, 0.68, 0.68]) - red * np.array([0.12, 0.20, 0.16]))


def line_colours(people: Identities, strengths: np.ndarray, channels: int) -> list:
    """Colours of the fine lines, darker with strength [N, lines]: nested list [N][lines]."""
    shade = 1 - 0.50 * strengths[:, :, None] * np.array([0.94, 1.0, 1.0])
    return paint(people.skin[:, None] * shade, channels)


class Outlines:
    """The polygons of N faces in fixed point, for a canvas with a side of `canvas` pixels: `parts[name]` is int32 [N,
    m, 2].
    """

    def __init__(
        self, posed: np.ndarray, pose: Pose, strengths: np.ndarray, lines: np.ndarray, people: Identities, canvas: int
    ) -> None:
        parts = curves_of(posed, canvas)
        _curl(parts, people)
        for side in _PAIRS:
            _join(parts, "eye" + side, "lid_up" + side, "lid_low" + side)
            _join(parts, "cover_up" + side, "lid_up" + side, "crease" + side)
            _join(parts, "cover_low" + side, "lid_low" + side, "bag" + side)
            _join(parts, "brow" + side, "brow_top" + side, "brow_low" + side)
        _join(parts, "upper_lip", "lip_top", "lip_up")
        _join(parts, "lower_lip", "lip_low", "lip_bottom")
        _join(parts, "lips", "lip_top", "lip_bottom")
        _join(parts, "opening", "lip_up", "lip_low")
        _join(parts, "hair", "hair_outer", "hairline")
        _join(parts, "beard", "beard_outer", "beard_inner")
        _join(parts, "stache", "stache_top", "stache_low")
        self.parts, self.scale = parts, pose.zoom * canvas / (2 * HALF_FRAME)
        self.lines = line_polygons(posed, lines, pose.zoom, canvas)
        self._open_mouth(strengths)

    def _open_mouth(self, strengths):
        """Teeth and tongue between the lips; `gap` [N] is the height of the opening in face units."""
        up, low = self.parts["lip_up"].astype(float), self.parts["lip_low"].astype(float)
        across = low - up
        height = np.linalg.norm(across, axis=2, keepdims=True) + 1e-6
        unit = (self.scale * (1 << SHIFT))[:, None, None]
        self.gap = (height / unit).max(axis=(1, 2)) * (across[:, across.shape[1] // 2, 1] > 0)
        movers = strengths.mean(axis=1)
        taper = 1 - np.abs(np.linspace(-1, 1, up.shape[1])) ** 3  # no teeth in the corners
        shown = 0.03 + 0.05 * movers[:, [_AU12]] + 0.04 * movers[:, [_AU10]] + 0.04 * movers[:, [_AU20]]
        upper = np.minimum((shown * taper)[:, :, None] * unit, 0.92 * height) / height
        lower = np.minimum(0.045 * movers[:, [_AU20], None] * unit, 0.3 * height) / height
        self.parts["teeth"] = _rounded(np.concatenate([up, (up + across * upper)[:, ::-1]], axis=1))
        self.parts["teeth_low"] = _rounded(np.concatenate([low, (low - across * lower)[:, ::-1]], axis=1))
        tongue = low - across * (0.42 * taper**2)[:, None]
        self.parts["tongue"] = _rounded(np.concatenate([low, tongue[:, ::-1]], axis=1))


def _join(parts, name, there, back):
    parts[name] = np.concatenate([parts[there], parts[back][:, ::-1]], axis=1)


def _rounded(points):
    return np.rint(points).astype(np.int32)


def _curl(parts, people):
    """Waves in the outline of curly hair: every second sample moves outwards."""
    curly = people.style == HAIR_STYLES.index("curly")
    outer = parts["hair_outer"][curly].astype(float)
    if len(outer):
        centre = outer.mean(axis=1, keepdims=True)
        outer[:, ::2] = centre + (outer - centre)[:, ::2] * 1.10
        parts["hair_outer"][curly] = _rounded(outer)


class FacePainter:
    """Paints the faces of one batch. `face(canvas, i)` draws face i on a uint8 canvas in place."""

    def __init__(self, outlines: Outlines, people: Identities, line_strengths: np.ndarray, channels: int) -> None:
        self.parts, self.outlines, self.people = outlines.parts, outlines, people
        self.irises = np.rint(people.iris_size * outlines.scale * (1 << SHIFT)).astype(int).tolist()
        self.colours = palette(people, channels)
        self.line_colours = line_colours(people, line_strengths, channels)
        self.line_on = (line_strengths > 0.05).tolist()

    def face(self, canvas: np.ndarray, i: int) -> None:
        """Draws face i on a uint8 canvas in place, from the back of the head to the glasses."""
        style, beard = HAIR_STYLES[self.people.style[i]], BEARDS[self.people.beard[i]]
        if style == "long":
            self._fill(canvas, i, "hair_back", "hair_back")
        self._fill(canvas, i, "neck", "neck")
        self._fill(canvas, i, "cloth", "cloth")
        self._fill(canvas, i, "ear", "ear.L", "ear.R")
        self._fill(canvas, i, "skin", "head")
        if beard in ("stubble", "full"):
            self._fill(canvas, i, "beard", "beard")
        for side in _PAIRS:
            self._eye(canvas, i, side)
        self._fill(canvas, i, "nostril", "nostril.L", "nostril.R")
        self._lines(canvas, i)
        if beard != "none":
            self._fill(canvas, i, "beard", "stache")
        self._mouth(canvas, i)
        if style != "bald":
            self._fill(canvas, i, "hair", "hair")
        self._fill(canvas, i, "brow", "brow.L", "brow.R")
        if self.people.glasses[i]:
            self._glasses(canvas, i)

    def _fill(self, canvas, i, colour, *names):
        cv2.fillPoly(canvas, [self.parts[name][i] for name in names], self.colours[colour][i], _AA, SHIFT)

    def _stroke(self, canvas, i, colour, width, closed, *names):
        """Lines with a constant width in face units, at least one canvas pixel."""
        pixels = max(1, int(width * self.outlines.scale[i] + 0.5))
        cv2.polylines(canvas, [self.parts[n][i] for n in names], closed, self.colours[colour][i], pixels, _AA, SHIFT)

    def _eye(self, canvas, i, side):
        """Eyeball and iris first; then the lids cover what they hide."""
        self._fill(canvas, i, "sclera", "eye" + side)
        centre = self.parts["iris" + side][i, 0].tolist()
        radius = self.irises[i]
        cv2.circle(canvas, centre, radius, self.colours["iris"][i], -1, _AA, SHIFT)
        cv2.circle(canvas, centre, radius // 2, self.colours["pupil"][i], -1, _AA, SHIFT)
        glint = [centre[0] - radius // 3, centre[1] - radius // 3]
        cv2.circle(canvas, glint, radius // 5, self.colours["glint"][i], -1, _AA, SHIFT)
        self._fill(canvas, i, "lid", "cover_up" + side)
        self._fill(canvas, i, "skin", "cover_low" + side)
        self._stroke(canvas, i, "lower_lash", 0.014, False, "lid_low" + side)
        self._stroke(canvas, i, "lash", 0.036, False, "lid_up" + side)

    def _lines(self, canvas, i):
        polygons, colours, shown = self.outlines.lines[i], self.line_colours[i], self.line_on[i]
        for at in range(len(LINE_NAMES)):
            if shown[at]:
                cv2.fillPoly(canvas, [polygons[at]], colours[at], _AA, SHIFT)

    def _mouth(self, canvas, i):
        gap = self.outlines.gap[i]
        if gap > 0.02:
            self._fill(canvas, i, "mouth", "opening")
            if gap > 0.15:
                self._fill(canvas, i, "tongue", "tongue")
                self._fill(canvas, i, "teeth", "teeth_low")
            self._fill(canvas, i, "teeth", "teeth")
        self._fill(canvas, i, "lip_upper", "upper_lip")
        self._fill(canvas, i, "lip_lower", "lower_lip")
        self._stroke(canvas, i, "lip_line", 0.024, False, "lip_up")

    def _glasses(self, canvas, i):
        self._stroke(canvas, i, "frame", 0.03, True, "lens.L", "lens.R")
        self._stroke(canvas, i, "frame", 0.03, False, "glasses_bridge", "temple.L", "temple.R")
