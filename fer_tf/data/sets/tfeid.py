"""TFEID (Chen & Yen 2007), the Taiwanese Facial Expression Image Database: 40 people, eight expressions.

The layout is known from public code, not from the dataset itself: folders `dfh_anger_x/` … `dfh_disguest_x/` (that
spelling) in folders like `TFEID High/`, with files like `f01_dfh_ag.jpg` (woman 1). This reader takes any folder below
the root with an emotion in its name. If no folder has one, it takes any file with an emotion in its name.
"""

import re
from pathlib import Path

import pandas as pd

from ...common.checks import DataError
from ...emotions import ALIASES, EMOTIONS, TFEID_CODES
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..folders import counts_text, labelled_table, missing_data, sort_files
from ..splits import naming, split_table
from ..stores import image_store

# The public part: frontal, high intensity. Without contempt (68 images) it is the 268 of the seven-class literature.
PUBLISHED = {8: 336, 7: 268}
# Names of two letters are left out: they also abbreviate many other words.
_WORDS = {alias: emotion for emotion, aliases in ALIASES.items() for alias in aliases if len(alias) > 2}
_WORDS["disguest"] = "disgust"
PROTOCOLS = {"subject": "80/10/10 with a seed, by subject if every file name contains one, else stratified"}
HOW_TO_GET = (
    "https://bml.ym.edu.tw/tfeid/ (by request, for research): put its folders, whose names hold the emotion "
    "(dfh_anger_x, happiness, …), into {root}"
)


def load(root: Path, protocol: str, seed: int, image_size: int = 48, image_channels: int = 1) -> FaceDataset:
    """Loads TFEID from `root`; see `load_dataset`. The classes found (8, or 7 without contempt), uint8 [N, S, S, C].

    Args:
        root, protocol, seed: the tfeid folder, "subject", seed that draws the subjects (or images) of val and test.
        image_size: side S in pixels; pictures are whole and squeezed to a square.
        image_channels: 1 or 3.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    pictures, notes = _pictures(root)
    names = tuple(emotion for emotion in EMOTIONS if (pictures["emotion"] == emotion).any())
    table, paths = labelled_table(root, pictures, names)
    nameless = int((table["subject"] == "").sum())
    if nameless:
        table = table.drop(columns="subject")
        notes.append(f"{nameless} of {len(table)} file names contain no subject: faces of one person are in all splits")
    with naming(f"tfeid: {root}"):
        notes += split_table(table, seed)
    store = image_store(paths, (image_size, image_size), image_channels, stream=False)
    source = listing_fingerprint(root, paths)
    return FaceDataset("tfeid", protocol, names, table, store, notes, source, deviation=_deviation(pictures))


def _pictures(root):
    """DataFrame of path, emotion and subject ("" if unknown), and notes; a picture without an emotion raises."""
    paths, others = sort_files(root)
    if not paths:
        raise missing_data(f"tfeid: no picture is in {root}", root, HOW_TO_GET)
    rows, doubtful = [], 0
    for path in paths:
        by_folder = _folder_emotion(root, path)
        by_name = _named_emotion(path, path.stem, {**_WORDS, **TFEID_CODES})
        if by_folder is None and by_name is None:
            raise DataError(
                f"{path}: neither its folders nor its name contain an emotion; folders have names like dfh_anger_x or "
                f"happiness ({', '.join(EMOTIONS)})"
            )
        doubtful += None not in (by_folder, by_name) and by_folder != by_name
        rows.append((path, by_folder or by_name, _subject(path)))
    notes = []
    if doubtful:
        notes.append(f"{doubtful} file names seem to contain another emotion than their folder; the folder counts")
    if others:
        notes.append(f"{len(others)} files that are not pictures were not read")
    return pd.DataFrame(rows, columns=["path", "emotion", "subject"]), notes


def _folder_emotion(root, path):
    """The emotion of the nearest folder with an emotion in its name, or None."""
    emotions = (_named_emotion(path, folder.name, _WORDS) for folder in path.relative_to(root).parents)
    return next(filter(None, emotions), None)


def _named_emotion(path, name, words):
    """The one emotion among the words of a name, or None; two emotions raise."""
    emotions = {words[word] for word in re.split(r"[^a-z]+", name.lower()) if word in words}
    if len(emotions) > 1:
        raise DataError(f"{path}: {name!r} contains {' and '.join(sorted(emotions))}; only one emotion is allowed")
    return next(iter(emotions), None)


def _subject(path):
    """f01 or m12 if the name contains exactly one such word, else ""."""
    words = set(re.findall(r"(?<![a-z0-9])[fm]\d+(?![a-z0-9])", path.stem.lower()))
    return words.pop() if len(words) == 1 else ""


def _deviation(pictures):
    classes = pictures["emotion"].nunique()
    if PUBLISHED.get(classes) == len(pictures):
        return ""
    return (
        f"this copy of TFEID has {len(pictures):,} images of {classes} classes, not the public part's 336 of 8 "
        "(268 without contempt)"
    )


def check(root: Path) -> list[str]:
    """Lists which parts of TFEID are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    pictures, notes = _pictures(root)
    counts, people = counts_text(pictures["emotion"], EMOTIONS), len({*pictures["subject"]} - {""})
    return [f"{root}: {counts}; {people} subjects by name", *notes, *filter(None, [_deviation(pictures)])]


SPEC = DatasetSpec(
    load=load,
    title="TFEID: forty Taiwanese faces posing, in the laboratory",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="336 public (of 7,200)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by request",
    paper_name="TFEID",
    honest_protocol="subject",
    check=check,
    traps=(
        "Not tested on the dataset itself: folder names (dfh_anger_x, dfh_disguest_x), file names (f01_…, m12_…: woman "
        "1, man 12) and counts come from public code and papers. Compare `data check` with what you received.",
        "A subject is read from the file's name (f01, m12); that f01 is one person in all folders is an assumption.",
        "High and slight intensity, and the pictures at an angle, are of the same 40 people: mixing them changes "
        "the task, but not the number of faces.",
        "Pictures show the head and are not cropped: crop faces first.",
        "Four people are a tenth: val and test have about 30 images each; report intervals and several seeds.",
    ),
)
