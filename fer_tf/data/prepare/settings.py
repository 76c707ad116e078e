"""How pictures are prepared: checked once, and compared with what an earlier run in the same folder was told."""

from dataclasses import asdict, dataclass

from ...common.checks import InputError, check_choice, check_range, check_whole
from ..faces import DETECTORS
from ..faces.detectors import load_detector
from .layouts import LAYOUTS

FORMATS = ("jpg", "png")
JPEG_QUALITY = 95
DETECTION_OFF = "none"


@dataclass(frozen=True)
class Settings:
    """How pictures are prepared.

    Attributes:
        size: side of the pictures written, pixels; document [4] has 64.
        channels: 1 (luminance), 3 (gray is repeated) or None (as each dataset is). Document [4]'s gray pictures with
            three channels come of channels=1 here and channels=3 in `load_dataset`.
        format: "jpg" (quality 95) or "png" (nothing lost).
        layout: a key of `LAYOUTS`.
        detector: a key of `DETECTORS`; "none" takes every picture whole, squeezed to the square.
        margin, align, missing: see `crop_faces`; missing is "whole" or "skip".
    """

    size: int = 64
    channels: int | None = None
    format: str = "jpg"
    layout: str = "numbered"
    detector: str = DETECTION_OFF
    margin: float = 0.0
    align: bool = True
    missing: str = "whole"

    def __post_init__(self):
        check_whole("size", self.size, 8, 4096)
        check_choice("channels", self.channels, (None, 1, 3))
        check_choice("format", self.format, FORMATS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("detector", self.detector, DETECTORS)
        check_range("margin", self.margin, 0, 2)
        check_choice("align", self.align, (True, False))
        check_choice("missing", self.missing, ("whole", "skip"))
        if not self.detects and (self.margin, self.missing) != (0, "whole"):
            raise InputError("margin, missing: mean nothing with detector 'none'; name a detector, or leave them out")

    @property
    def detects(self):
        """True if faces are looked for."""
        return self.detector != DETECTION_OFF

    def wake_detector(self):
        """Loads the detector, so that a missing library or file is told before anything is written."""
        load_detector(self.detector)

    def record(self):
        """The settings that decide about pixels and names, as a dict for `prepare.json`."""
        kept = asdict(self)
        if not self.detects:
            kept = {key: value for key, value in kept.items() if key not in ("margin", "align", "missing")}
        return kept | ({"quality": JPEG_QUALITY} if self.format == "jpg" else {})


def differences(there, now):
    """What differs between two records (dicts of values and of such dicts), as a list of texts."""
    found = []
    for key in sorted({*there, *now}):
        old, new = there.get(key, "absent"), now.get(key, "absent")
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{key}: {text}" for text in differences(old, new)]
        elif old != new and key == "fingerprint":
            found.append("its files, labels or splits have changed")
        elif old != new:
            found.append(f"{key} ({_short(old)} there, {_short(new)} now)")
    return found


def _short(value):
    return ", ".join(value) if isinstance(value, dict) else value
