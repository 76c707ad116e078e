"""How pictures are prepared. The settings are checked once, and compared with those of an earlier run in the folder."""

from dataclasses import asdict, dataclass
from typing import Any

from ...common.checks import InputError, check_choice, check_range, check_whole
from ..faces import DETECTORS, check_alignment
from .layouts import LAYOUTS

FORMATS = ("jpg", "png")
JPEG_QUALITY = 95
DETECTION_OFF = "none"


@dataclass(frozen=True)
class Settings:
    """How pictures are prepared.

    Attributes:
        size: side of the written pictures in pixels; document [4] has 64.
        channels: 1 (luminance), 3 (gray is repeated) or None (as in each dataset). Document [4] has gray pictures with
            three channels: use channels=1 here and channels=3 in `load_dataset`.
        format: "jpg" (quality 95) or "png" (exact).
        layout: a key of `LAYOUTS`.
        detector: a key of `DETECTORS`; "none" takes every picture whole, squeezed to a square.
        margin, align, missing: see `crop_faces`; missing is "whole" or "skip".
    Raises: `InputError` for a wrong value.
    """

    size: int = 64
    channels: int | None = None
    format: str = "jpg"
    layout: str = "numbered"
    detector: str = DETECTION_OFF
    margin: float = 0.0
    align: str | bool = "eyes"
    missing: str = "whole"

    def __post_init__(self) -> None:
        check_whole("size", self.size, 8, 4096)
        check_choice("channels", self.channels, (None, 1, 3))
        check_choice("format", self.format, FORMATS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("detector", self.detector, DETECTORS)
        check_range("margin", self.margin, 0, 2)
        check_alignment(self.align, self.detector)
        check_choice("missing", self.missing, ("whole", "skip"))
        if not self.detects and (self.margin, self.missing) != (0, "whole"):
            raise InputError("margin, missing: have no effect with detector 'none'; name a detector, or leave them out")

    @property
    def detects(self) -> bool:
        """True if faces are searched."""
        return self.detector != DETECTION_OFF

    def record(self) -> dict[str, Any]:
        """The settings that change pixels and file names, as a dict for `prepare.json`."""
        values = asdict(self)
        align = check_alignment(self.align, self.detector)
        # true and false as in folders that were prepared before "landmarks" was possible
        values["align"] = align if align == "landmarks" else align == "eyes"
        if not self.detects:
            values = {key: value for key, value in values.items() if key not in ("margin", "align", "missing")}
        return values | ({"quality": JPEG_QUALITY} if self.format == "jpg" else {})


def differences(stored: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """What differs between two records (dicts of values and of such dicts), as texts."""
    texts = []
    for key in sorted({*stored, *current}):
        old, new = stored.get(key, "absent"), current.get(key, "absent")
        if isinstance(old, dict) and isinstance(new, dict):
            texts += [f"{key}: {text}" for text in differences(old, new)]
        elif old != new and key == "fingerprint":
            texts.append("its files, labels or splits have changed")
        elif old != new:
            texts.append(f"{key} ({_short(old)} there, {_short(new)} now)")
    return texts


def _short(value):
    return ", ".join(value) if isinstance(value, dict) else value
