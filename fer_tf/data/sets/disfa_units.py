"""Reads DISFA's action units and derives emotions from them.

The labels are twelve facial action units with intensities 0..5, and no emotions. Emotions are derived from prototypes:
units at 2 or more, close to EMFACS (Ekman & Friesen), as far as twelve units allow. Contempt (unit 14) is not possible.
How a rule is read:

- A rule names the units that must be present. Other units may be present too, because a face shows more than a
  prototype (a laugh opens the lips: 25). So a frame can match two rules (1+2+4+5 with 25 is fear and surprise). It is
  dropped.
- Disgust has only one unit, 9, which laughing, crying and squinting show as well. So besides unit 9 only 4 and 17 may
  be present: 6+9+12 is happiness, 9+25 gets no label.
- Neutral is all twelve units at 0. A trace (1) of any unit makes a frame neither neutral nor anything else.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...common.checks import DataError, InputError
from ...emotions import EMOTIONS

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PRESENT = 2  # a unit is present from this intensity on
STRONGEST = 5  # the largest intensity
# emotion -> (units that must all be present, units of which at least one must be present)
RULES = {
    "happiness": ((6, 12), ()),
    "surprise": ((1, 2, 5), (25, 26)),
    "fear": ((1, 2, 4), (5, 20)),
    "sadness": ((1, 4), (15, 17)),
    "anger": ((4, 5, 17), ()),
}
WITH_DISGUST = (4, 9, 17)


def read_units(files: Sequence[Path]) -> np.ndarray:
    """The intensities of one subject.

    Args:
        files: its files, in the order of `UNITS`.
    Returns: int8 [frames, 12], 0..5.
    Raises: `DataError` that names file and line. Each file must count the frames 1, 2, 3 … up to the same last frame.
    """
    columns = [_read_unit(path) for path in files]
    for path, column in zip(files, columns, strict=True):
        if len(column) != len(columns[0]):
            raise DataError(f"{path}: labels {len(column)} frames, but {files[0].name} {len(columns[0])}")
    return np.stack(columns, axis=1)


def _read_unit(path):
    """int8 [frames]; the lines must be 1,i 2,i 3,i … with i in 0..5."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines()
    if not lines:
        raise DataError(f"{path}: is empty")
    values = []
    for number, line in enumerate(lines, start=1):
        frame, _, value = (text.strip() for text in line.partition(","))
        if frame != str(number):
            raise DataError(f"{path}, line {number}: must be frame {number} and its intensity; received {line[:40]!r}")
        if value not in ("0", "1", "2", "3", "4", "5"):
            raise DataError(f"{path}, line {number}: unknown intensity {value[:40]!r}; allowed are 0..5")
        values.append(int(value))
    return np.array(values, np.int8)


def emotions_of(units: np.ndarray, anger: bool = False) -> tuple[np.ndarray, dict[str, int]]:
    """The emotion of each frame, derived from its action units by the rules at the top of this file.

    Args:
        units: int [N, 12], intensities 0..5 in the order of `UNITS`.
        anger: True derives anger from 4+5+17; DISFA lacks the units 7 and 23 of its prototype.
    Returns: codes int [N] into `EMOTIONS`, -1 for dropped frames; and a dict reason -> number of dropped frames:
        `two_rules` (two emotions match), `trace` (no unit at 2, but not all at 0), `no_rule` (the units match no
        emotion).
    Raises: `InputError` for another shape.
    """
    units = np.asarray(units)
    if units.ndim != 2 or units.shape[1] != len(UNITS):
        raise InputError(f"units: must be [N, {len(UNITS)}], the units {UNITS}; received shape {units.shape}")
    matches = _matches(units >= PRESENT, anger)
    matches["neutral"] = (units <= 0).all(axis=1)
    names, table = list(matches), np.stack(list(matches.values()), axis=1)
    matching = table.sum(axis=1)
    codes = np.where(matching == 1, np.array([EMOTIONS.index(name) for name in names])[table.argmax(axis=1)], -1)
    is_trace = (matching == 0) & (units < PRESENT).all(axis=1)
    counts = {"two_rules": matching > 1, "trace": is_trace, "no_rule": (matching == 0) & ~is_trace}
    return codes, {why: int(rows.sum()) for why, rows in counts.items()}


def _matches(present, anger):
    """dict emotion -> bool [N], frames whose units (bool [N, 12]) match its rule; without neutral."""
    column = {unit: present[:, place] for place, unit in enumerate(UNITS)}
    matches = {}
    for emotion, (all_of, any_of) in RULES.items():
        if emotion != "anger" or anger:
            has_any = np.any([column[unit] for unit in any_of], axis=0) if any_of else True
            matches[emotion] = np.all([column[unit] for unit in all_of], axis=0) & has_any
    others = np.any([column[unit] for unit in UNITS if unit not in WITH_DISGUST], axis=0)
    matches["disgust"] = column[9] & ~others
    return matches
