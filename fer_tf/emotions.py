"""The emotion names of the kit, and the label codes of every dataset that it reads.

The first 6, 7 and 8 names of `EMOTIONS` are the class sets of the literature. The first seven have
FER2013's codes: 0 anger .. 6 neutral (Goodfellow 2013).
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .common.checks import InputError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")

# The label list of the proposal's pseudocode [1] §D d): the output order of the exported FaceNet2ExpNet.h5.
EMOTION_LABELS = ["Neutrality", "Happiness", "Anger", "Sadness", "Fear", "Surprise", "Disgust", "Contempt"]

# FER+'s vote columns in their own order (Barsoum 2016); the last two are not emotions.
FERPLUS_COLUMNS = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
]

# RAF-DB's basic labels (Li, Deng & Du 2017).
RAFDB_CODES = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}

# AffectNet's expression codes (Mollahosseini 2017); 8 none, 9 uncertain and 10 no face are not emotions.
AFFECTNET_CODES = dict(
    enumerate(["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"])
)

# CK+'s emotion files (Lucey et al. 2010), and the codes of the csv copy ckextended.csv: two different orders.
CKPLUS_CODES = dict(enumerate(["neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]))
CKPLUS_CSV_CODES = dict(enumerate(EMOTIONS))

# JAFFE's file names (Lyons et al. 1998, KA.AN1.39.tiff), in the order of `EMOTIONS`.
JAFFE_CODES = dict(zip(["AN", "DI", "FE", "HA", "SA", "SU", "NE"], EMOTIONS[:7], strict=True))

# TFEID's file names (f01_dfh_ag.jpg) in the order of `EMOTIONS`, as public code reads them; contempt is not known.
TFEID_CODES = dict(zip(["ag", "dg", "fg", "hg", "sg", "pg", "ng"], EMOTIONS[:7], strict=True))

# KDEF's file names (Lundqvist, Flykt & Öhman 1998, AF01ANS.JPG: afraid, angry, disgusted, happy, sad, surprised,
# neutral), in the order of `EMOTIONS`.
KDEF_CODES = dict(zip(["AN", "DI", "AF", "HA", "SA", "SU", "NE"], EMOTIONS[:7], strict=True))

# The codes of the Toronto Face Database (Susskind, Anderson & Hinton 2010), as public code reads them; -1 is no label.
TFD_CODES = dict(enumerate(EMOTIONS[:7], start=1))

# What a dataset with more than classes can be loaded with (its option `targets`).
TARGETS = ("expression", "expression+valence_arousal", "expression+action_units")


class SecondOutput(NamedTuple):
    """What a model answers about a face next to its class.

    Attributes:
        kind: "valence_arousal" (each value -1..1) or "action_units" (each intensity 0..1).
        names: names of the K values. In a dataset they are columns of its table.
        present: intensity from which an action unit counts as present.
    """

    kind: str
    names: tuple[str, ...]
    present: float = 0.5


SECOND_KINDS = ("valence_arousal", "action_units")
VALENCE_AROUSAL = SecondOutput("valence_arousal", ("valence", "arousal"))

# (valence, arousal) of each emotion at full strength, -1..1: pleasure and arousal in Russell & Mehrabian 1977,
# "Evidence for a three-factor theory of emotions", as later work quotes them (angry, disgusted, fearful, happy, sad,
# surprised). Contempt is the kit's own choice: as unpleasant as mild anger, with little arousal.
AFFECT = {
    "anger": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "happiness": (0.81, 0.51),
    "sadness": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
    "neutral": (0.0, 0.0),
    "contempt": (-0.40, 0.15),
}

# All spellings of an emotion in folder names, file names and csv columns of the known datasets.
ALIASES = {
    "anger": ("anger", "angry", "an", "ang"),
    "disgust": ("disgust", "disgusted", "di", "dis"),
    "fear": ("fear", "fearful", "afraid", "scared", "fe", "fea"),
    "happiness": ("happiness", "happy", "joy", "smile", "ha", "hap"),
    "sadness": ("sadness", "sad", "sa"),
    "surprise": ("surprise", "surprised", "su", "sur"),
    "neutral": ("neutral", "neutrality", "calm", "ne", "neu"),
    "contempt": ("contempt", "contemptuous", "co", "con"),
}
_BY_ALIAS = {alias: emotion for emotion, aliases in ALIASES.items() for alias in aliases}


def canonical_emotion(name: str) -> str:
    """The kit's name for an emotion that is written in any known way ("Happy", "joy", "HA").

    Args:
        name: upper and lower case are the same.
    Returns: a name of `EMOTIONS`.
    Raises: `InputError` if the name is unknown.
    """
    emotion = _BY_ALIAS.get(str(name).strip().lower())
    if emotion is None:
        others = sorted(alias for alias in _BY_ALIAS if alias not in EMOTIONS and len(alias) > 3)
        raise InputError(f"unknown emotion {name!r}; known are {', '.join(EMOTIONS)} (and {', '.join(others)})")
    return emotion


# Columns of the kit's tables. Your own class cannot have such a name: its probabilities would overwrite them.
RESERVED = (
    *(
        "path",
        "face",
        "frame",
        "time",
        "track",
        "x",
        "y",
        "w",
        "h",
        "detected",
        "score",
        "label",
        "confidence",
        "error",
    ),
    *("name", "truth", "copy_of", "near_copy_of", "split", "subject", "all"),
)
_ALLOWED_NAME = re.compile(r"(?=.*[^\W\d_])\w[\w .'&()+-]{0,59}")


def class_name(name: str) -> str:
    """The kit's name of a class: that of an emotion, written in any known way; any other name stays as it is.

    Args:
        name: such as "Happy" (→ happiness) or "confused".
    Raises: `InputError` for a name that cannot be a class: without a letter, longer than 60 characters, with other
        characters than letters, digits, blanks and _ . ' & ( ) + -, or one of `RESERVED`.
    """
    text = str(name).strip()
    if text.lower() in _BY_ALIAS:
        return _BY_ALIAS[text.lower()]
    if text.lower() in RESERVED:
        raise InputError(f"class {text!r}: is the name of a column of the kit's tables; give the class another name")
    if not _ALLOWED_NAME.fullmatch(text):
        raise InputError(
            f"unknown emotion {text!r}; known are {', '.join(EMOTIONS)}. Your own class needs a name with a "
            "letter, of at most 60 letters, digits, blanks and _ . ' & ( ) + -"
        )
    return text


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names, each once: the emotions in the order of `EMOTIONS`, then all others by alphabet."""
    present = set(names)
    return (
        *(name for name in EMOTIONS if name in present),
        *sorted(present - set(EMOTIONS), key=lambda name: (name.casefold(), name)),
    )


def similar_emotion(name: str) -> str:
    """The known spelling of an emotion that a class name is probably meant to be ("hapiness"); "" for none."""
    spellings = [alias for alias in _BY_ALIAS if len(alias) > 3]
    return next(iter(difflib.get_close_matches(name.lower(), spellings, 1, 0.8)), "")


def known_name(name: str) -> str:
    """A form in which names can be compared: the kit's name for an emotion, any other text in small letters."""
    try:
        return canonical_emotion(name)
    except InputError:
        return str(name).strip().casefold()


def class_subset(classes: int | str | Sequence[str] | None, available: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """The class names that `classes` asks for, in the order of `class_order`.

    Args:
        classes: None (all of `available`), 6, 7 or 8 (the first names of `EMOTIONS`), or a sequence of class names.
        available: the names that the dataset has.
    Returns: tuple of names.
    Raises: `InputError` for another number, an unknown name or a class that the dataset does not have.
    """
    if classes is None:
        return tuple(available)
    if isinstance(classes, int) and not isinstance(classes, bool):
        if classes not in (6, 7, 8):
            raise InputError(f"classes: allowed are 6, 7, 8 or a tuple of emotion names, not {classes}")
        names = EMOTIONS[:classes]
    else:
        chosen = [classes] if isinstance(classes, str) else list(classes)  # type: ignore[arg-type]
        names = class_order(class_name(name) for name in chosen)
    missing = [name for name in names if name not in available]
    if missing:
        raise InputError(f"classes: {', '.join(missing)} not in this dataset, which has {', '.join(available)}")
    return names
