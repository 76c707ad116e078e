"""DISFA's action units: reading their files, and deriving emotions from them.

Twelve facial action units are labelled, each 0..5, and no emotions. Emotions are derived by prototypes of units at 2 or
more, close to EMFACS's (Ekman & Friesen), as far as twelve units go; contempt (14) cannot be had. How a rule is read:

- A rule names what must be there. Other units may be there too, since one face shows more than a prototype (a laugh
  parts the lips: 25). So a frame can match two rules (1+2+4+5 with 25 is fear and surprise) and is then dropped.
- Disgust alone rests on one unit, 9, which laughing, crying and squinting show as well. It therefore holds only where
  nothing but 4 and 17 stands beside 9: 6+9+12 is happiness, 9+25 nothing.
- Neutral is all twelve at 0; a trace (1) of any unit makes a frame neither neutral nor anything else.
"""

import numpy as np

from ...common.checks import DataError, InputError
from ...emotions import EMOTIONS

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PRESENT = 2  # the intensity from which a unit counts
# emotion -> (units that must all be present, units of which one must be)
RULES = {
    "happiness": ((6, 12), ()),
    "surprise": ((1, 2, 5), (25, 26)),
    "fear": ((1, 2, 4), (5, 20)),
    "sadness": ((1, 4), (15, 17)),
    "anger": ((4, 5, 17), ()),
}
BESIDE_DISGUST = (4, 9, 17)


def read_units(files):
    """Intensities of one subject, int8 [frames, 12], out of its files in the order of `UNITS`.

    Raises: `DataError` naming file and line, if they do not count 1, 2, 3 … with 0..5 each, all to the same frame.
    """
    columns = [_read_unit(path) for path in files]
    for path, column in zip(files, columns, strict=True):
        if len(column) != len(columns[0]):
            raise DataError(f"{path}: labels {len(column)} frames, but {files[0].name} {len(columns[0])}")
    return np.stack(columns, axis=1)


def _read_unit(path):
    """int8 [frames]: the lines must be 1,i 2,i 3,i … with i in 0..5."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines()
    if not lines:
        raise DataError(f"{path}: holds no line")
    values = []
    for number, line in enumerate(lines, start=1):
        frame, _, value = (part.strip() for part in line.partition(","))
        if frame != str(number):
            raise DataError(f"{path}, line {number}: must be frame {number} and its intensity; received {line[:40]!r}")
        if value not in ("0", "1", "2", "3", "4", "5"):
            raise DataError(f"{path}, line {number}: unknown intensity {value[:40]!r}; allowed are 0..5")
        values.append(int(value))
    return np.array(values, np.int8)


def emotions_of(units, anger=False):
    """The emotion of each frame by its action units; how the rules are read stands at the top of this file.

    Args:
        units: int [N, 12], intensities 0..5 in the order of `UNITS`.
        anger: True derives anger from 4+5+17; DISFA lacks the units 7 and 23 that its prototype also has.
    Returns: codes int [N] into `EMOTIONS`, -1 for dropped frames, and a dict why -> count of these: `two_rules`
        (two emotions match), `trace` (no unit at 2, not all 0), `no_rule` (units that make no emotion).
    """
    units = np.asarray(units)
    if units.ndim != 2 or units.shape[1] != len(UNITS):
        raise InputError(f"units: must be [N, {len(UNITS)}], the units {UNITS}; received shape {units.shape}")
    matches = _matches(units >= PRESENT, anger)
    matches["neutral"] = (units <= 0).all(axis=1)
    names, table = list(matches), np.stack(list(matches.values()), axis=1)
    how_many = table.sum(axis=1)
    codes = np.where(how_many == 1, np.array([EMOTIONS.index(name) for name in names])[table.argmax(axis=1)], -1)
    is_trace = (how_many == 0) & (units < PRESENT).all(axis=1)
    counts = {"two_rules": how_many > 1, "trace": is_trace, "no_rule": (how_many == 0) & ~is_trace}
    return codes, {why: int(rows.sum()) for why, rows in counts.items()}


def _matches(present, anger):
    """dict emotion -> bool [N], frames whose units (bool [N, 12]) match its rule; neutral is not among them."""
    column = {unit: present[:, place] for place, unit in enumerate(UNITS)}
    matches = {}
    for emotion, (all_of, any_of) in RULES.items():
        if emotion != "anger" or anger:
            one = np.any([column[unit] for unit in any_of], axis=0) if any_of else True
            matches[emotion] = np.all([column[unit] for unit in all_of], axis=0) & one
    others = np.any([column[unit] for unit in UNITS if unit not in BESIDE_DISGUST], axis=0)
    matches["disgust"] = column[9] & ~others
    return matches
