"""How hard the drawn faces are: named levels. An ablation can override every field."""

from dataclasses import dataclass, fields, replace
from typing import Any

OCCLUDERS = ("none", "sunglasses", "mask", "hand", "hair", "block", "edge")


@dataclass(frozen=True)
class Difficulty:
    """One level. Ranges are (low, high) and are drawn uniformly. An override may be one number, for a fixed value.

    Attributes:
        intensity: strength of the expression, 0 (none) .. 1 (strong).
        yaw, pitch, roll: degrees, drawn in -value..value (the mean of two draws, so frontal faces are most common).
        shift: place of the face in the frame, as a share of half the frame.
        zoom: relative size of the face (1 = standard crop).
        occlusion: share of images with an occluder.
        occluder: None draws the kind; one of OCCLUDERS is used for every image.
        blend: share of images with a second emotion mixed in.
        blend_weight: weight of the second emotion.
        person: how differently people show the same units (0: all the same), also in their resting face.
        jitter: how differently one person shows them from image to image.
        companions: factor for the share of images with accompanying units (units.COMPANIONS); 0 leaves pure prototypes.
        light: unevenness of the light.
        shadow: share of images with a cast shadow.
        exposure: spread of brightness.
        blur: standard deviation in pixels of a 48-pixel face.
        noise: standard deviation in gray levels.
        jpeg: share of images that are saved as JPEG and read back, at quality 30..85.
        background: share of images with a textured background (others are plain).
        glasses, beard: shares of identities that have them (used when the identity is drawn).
    Raises: `ValueError` for a value out of range.
    """

    intensity: tuple[float, float] = (0.4, 1.0)
    yaw: float = 25.0
    pitch: float = 12.0
    roll: float = 12.0
    shift: float = 0.06
    zoom: tuple[float, float] = (0.92, 1.1)
    occlusion: float = 0.18
    occluder: str | None = None
    blend: float = 0.12
    blend_weight: tuple[float, float] = (0.15, 0.4)
    person: float = 1.0
    jitter: float = 1.0
    companions: float = 1.0
    light: float = 0.6
    shadow: float = 0.2
    exposure: float = 0.5
    blur: tuple[float, float] = (0.0, 0.75)
    noise: tuple[float, float] = (0.0, 8.0)
    jpeg: float = 0.4
    background: float = 0.7
    glasses: float = 0.2
    beard: float = 0.22

    def __post_init__(self) -> None:
        for field in fields(self):  # the class is frozen, so the checked value is set through `object`
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name)))


_LIMITS = {  # field -> lowest and highest allowed value
    "intensity": (0, 1),
    "yaw": (0, 45),
    "pitch": (0, 30),
    "roll": (0, 180),
    "shift": (0, 1),
    "zoom": (0.3, 3),
    "occlusion": (0, 1),
    "blend": (0, 1),
    "blend_weight": (0, 0.5),
    "person": (0, 2),
    "jitter": (0, 2),
    "companions": (0, 1),
    "light": (0, 1),
    "shadow": (0, 1),
    "exposure": (0, 1),
    "blur": (0, 5),
    "noise": (0, 60),
    "jpeg": (0, 1),
    "background": (0, 1),
    "glasses": (0, 1),
    "beard": (0, 1),
}
_RANGES = ("intensity", "zoom", "blend_weight", "blur", "noise")


def _checked(name, value):
    """A field's value in its own type: name of an occluder, (low, high) pair or number. `ValueError` if it is wrong."""
    if name == "occluder":
        if value is not None and value not in OCCLUDERS:
            raise ValueError(f"occluder must be None or one of {OCCLUDERS}, got {value!r}")
        return value
    low, high = _LIMITS[name]
    pair = _pair(value, name in _RANGES)
    if pair is None or not low <= pair[0] <= pair[1] <= high:
        kind = "a number or a (low, high) pair" if name in _RANGES else "a number"
        raise ValueError(f"{name} must be {kind} in {low}..{high}, got {value!r}")
    return pair if name in _RANGES else pair[0]


def _pair(value, pair_allowed):
    """A number or a pair as (low, high) floats; None if it is neither."""
    is_pair = isinstance(value, (tuple, list))
    if isinstance(value, (bool, str)) or (is_pair and not (pair_allowed and len(value) == 2)):
        return None
    try:
        return tuple(float(v) for v in value) if is_pair else (float(value),) * 2
    except (TypeError, ValueError):
        return None


DIFFICULTIES = {
    "easy": Difficulty(
        intensity=(0.7, 1.0),
        yaw=8.0,
        pitch=4.0,
        roll=4.0,
        shift=0.02,
        zoom=(0.98, 1.04),
        occlusion=0.0,
        blend=0.0,
        person=0.5,
        jitter=0.5,
        light=0.3,
        shadow=0.0,
        exposure=0.2,
        blur=(0.0, 0.3),
        noise=(0.0, 3.0),
        jpeg=0.0,
        background=0.2,
    ),
    "default": Difficulty(),
    "hard": Difficulty(
        intensity=(0.2, 0.9),
        yaw=32.0,
        pitch=16.0,
        roll=18.0,
        shift=0.12,
        zoom=(0.82, 1.2),
        occlusion=0.45,
        blend=0.3,
        blend_weight=(0.2, 0.45),
        person=1.3,
        jitter=1.3,
        light=1.0,
        shadow=0.4,
        exposure=0.9,
        blur=(0.1, 1.3),
        noise=(2.0, 15.0),
        jpeg=0.7,
        background=0.9,
    ),
}


def resolve_difficulty(difficulty: str | Difficulty, overrides: dict[str, Any]) -> Difficulty:
    """The level with its overrides applied.

    Args:
        difficulty: a key of DIFFICULTIES, or a `Difficulty`.
        overrides: dict of its fields.
    Returns: `Difficulty`.
    Raises: `ValueError` for a wrong name or value.
    """
    if not isinstance(difficulty, Difficulty):
        if not isinstance(difficulty, str) or difficulty not in DIFFICULTIES:
            raise ValueError(f"difficulty must be one of {tuple(DIFFICULTIES)} or a Difficulty, got {difficulty!r}")
        difficulty = DIFFICULTIES[difficulty]
    allowed = tuple(f.name for f in fields(Difficulty))
    for name in overrides:
        if name not in allowed:
            raise ValueError(f"{name!r} is not a field of Difficulty; allowed overrides are {', '.join(allowed)}")
    return replace(difficulty, **overrides)
