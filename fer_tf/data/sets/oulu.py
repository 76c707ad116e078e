"""Oulu-CASIA NIR&VIS (Zhao et al. 2011): 80 people who pose six expressions, filmed by two cameras in three lights.

The publisher's form is `OriginalImg/VL/Strong/P001/Anger/000.jpeg` (320×240; VL visible light, NI near infrared) and,
with faces cut out, `PreProcess_Img/VL_Acropped/Strong/P001/Anger/000.jpeg`. The layout was taken from public code. A
sequence begins with a neutral face and ends at the peak of the expression.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ...common.checks import DataError, check_choice
from ...emotions import EMOTIONS
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..folders import class_folders, counts_text, folder_class, labelled_table, list_images, missing_data
from ..splits import naming, subject_folds
from ..stores import image_store

PEOPLE, SEQUENCES, FOLDS = 80, 480, 10
CAMERAS = {"visible": "VL", "infrared": "NI"}
LIGHTS = ("strong", "weak", "dark")
# Folders in which the publisher has faces already cut out, and whole pictures.
FORMS = {"cropped": "{}_Acropped", "original": "{}"}
# How deep below the root the camera's folder is searched: archives unpack into folders of their own.
_DEPTH = 4
PEAK_FRAMES = 3
PROTOCOLS = {"subject": "10-fold by subject: test = every tenth person from fold on, val = the next fold's"}
HOW_TO_GET = (
    "http://www.cse.oulu.fi/CMV/Downloads/Oulu-CASIA (ask its authors, by agreement): put OriginalImg/ or "
    "PreProcess_Img/ into {root}, so that files like VL_Acropped/Strong/P001/Anger/000.jpeg are below it"
)


class _Sequence(NamedTuple):
    """The pictures of one sequence, in order."""

    subject: str
    emotion: str
    frames: list[Path]


def load(
    root: Path,
    protocol: str,
    seed: int,
    fold: int = 0,
    camera: str = "visible",
    light: str = "strong",
    form: str = "auto",
    neutral: bool = True,
    image_size: int = 48,
    image_channels: int = 1,
) -> FaceDataset:
    """Loads Oulu-CASIA from `root`; see `load_dataset`. 7 classes, or 6 without neutral; uint8 [1920, S, S, C].

    Args:
        root, protocol, seed: the oulu folder, "subject", not used (the folds are fixed).
        fold: 0..9.
        camera: "visible" or "infrared".
        light: "strong" (that of the papers), "weak" or "dark".
        form: "cropped" (faces), "original" (whole pictures, squeezed to a square), or "auto": cropped if it is there.
        neutral: True takes the first frame of each sequence as neutral. Papers report six classes: use False.
        image_size: side S in pixels.
        image_channels: 1 or 3.
    Returns: `FaceDataset` with the last three frames of each sequence; columns subject, sequence and frame.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("camera", camera, CAMERAS)
    check_choice("light", light, LIGHTS)
    check_choice("form", form, ("auto", *FORMS))
    home, form_used = _home(root, camera, light, form)
    sequences, notes = _sequences(home)
    pictures, short = _pictures(sequences, neutral)
    names = EMOTIONS[:7] if neutral else EMOTIONS[:6]
    table, paths = labelled_table(root, pictures, names)
    with naming(f"oulu: {home}"):
        table["split"] = subject_folds(table["subject"].to_numpy(), fold, FOLDS)
    if form_used == "original":
        notes.append("pictures are whole and squeezed to a square, faces are not cropped")
    if short:
        notes.append(f"{short} sequences have fewer than 4 frames, so they give fewer than three peak frames")
    store = image_store(paths, (image_size, image_size), image_channels, stream=False)
    source = listing_fingerprint(root, paths)
    return FaceDataset("oulu", protocol, names, table, store, notes, source, deviation=_deviation(sequences))


def _home(root, camera, light, form):
    """(folder of a camera and light, its form), the cropped form first; `MissingDataError` if there is none."""
    homes = _homes(root)
    wanted = FORMS if form == "auto" else (form,)
    for name in wanted:
        if (camera, light, name) in homes:
            return homes[camera, light, name], name
    there = ", ".join(f"{key[0]} {key[1]} {key[2]}" for key in homes) or "nothing"
    folders = " or ".join(f"{FORMS[name].format(CAMERAS[camera])}/{light.title()}" for name in wanted)
    raise missing_data(f"oulu: no folder {folders} is below {root}; found: {there}", root, HOW_TO_GET)


def _homes(root):
    """dict (camera, light, form) -> its folder with P001, P002, …, searched a few folders deep."""
    kinds = {
        (text.format(code).lower(), light): (camera, light, form)
        for camera, code in CAMERAS.items()
        for form, text in FORMS.items()
        for light in LIGHTS
    }
    homes, level = {}, [root] if root.is_dir() else []
    for _ in range(_DEPTH):
        level = [folder for parent in level for folder in class_folders(parent)]
        for folder in level:
            if key := kinds.get((folder.parent.name.lower(), folder.name.lower())):
                homes.setdefault(key, folder)
        level = [folder for folder in level if not _is_person(folder)]
    return homes


def _is_person(folder):
    return re.fullmatch(r"P\d{3}", folder.name.upper()) is not None


def _sequences(home):
    """The sequences of all people, sorted, and notes; a folder of another name raises `DataError`."""
    sequences, empty, others = [], 0, []
    for person in class_folders(home):
        if not _is_person(person):
            others.append(person.name)
            continue
        for folder in class_folders(person):
            emotion = folder_class(folder)
            if emotion not in EMOTIONS[:6]:
                raise DataError(f"{folder}: Oulu-CASIA has no {emotion}; its six folders are Anger … Surprise")
            frames = list_images(folder)
            empty += not frames
            if frames:
                sequences.append(_Sequence(person.name.upper(), emotion, frames))
    if not sequences:
        raise DataError(f"{home}: has no sequence like P001/Anger/000.jpeg")
    notes = [f"{empty} sequences are empty"] if empty else []
    if others:
        notes.append(f"{len(others)} folders are not people like P001 and are not read, for example {others[0]}")
    return sequences, notes


def _pictures(sequences, neutral):
    """DataFrame of the chosen frames, and how many sequences are short: the first as neutral, the last three."""
    rows, short = [], 0
    for subject, emotion, frames in sequences:
        first, peaks = frames[:1], frames[max(1, len(frames) - PEAK_FRAMES) :]
        if not peaks:  # a single frame is the expression
            first, peaks = [], frames
        short += len(peaks) < PEAK_FRAMES
        chosen = [(path, "neutral") for path in first if neutral] + [(path, emotion) for path in peaks]
        rows += [(path, name, subject, emotion, path.stem) for path, name in chosen]
    return pd.DataFrame(rows, columns=["path", "emotion", "subject", "sequence", "frame"]), short


def _deviation(sequences):
    people = len({sequence.subject for sequence in sequences})
    if people == PEOPLE and len(sequences) == SEQUENCES:
        return ""
    return f"this copy of Oulu-CASIA has {len(sequences)} sequences of {people} people, not {SEQUENCES} of {PEOPLE}"


def check(root: Path) -> list[str]:
    """Lists which parts of Oulu-CASIA are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    homes = _homes(root)
    if not homes:
        _home(root, "visible", "strong", "auto")
    lines = []
    for (camera, light, form), home in homes.items():
        sequences, notes = _sequences(home)
        counts = counts_text([sequence.emotion for sequence in sequences], EMOTIONS[:6])
        people = len({sequence.subject for sequence in sequences})
        lines.append(f"{home}: {camera}, {light} light, {form}: sequences of {people} people ({counts})")
        lines += [*notes, *filter(None, [_deviation(sequences)])]
    return lines


SPEC = DatasetSpec(
    load=load,
    title="Oulu-CASIA: posed expressions from neutral to peak, visible and infrared, three lights",
    class_names=EMOTIONS[:7],
    protocols=PROTOCOLS,
    images="1,920 (of 480 sequences in one light)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="Oulu-CASIA",
    honest_protocol="subject",
    check=check,
    traps=(
        "Not tested on the dataset itself: the names of its folders come from public code. Compare `data check` with "
        "what you received.",
        "The last three frames of a sequence are nearly equal: split by subject, never by picture.",
        "Papers report six expressions: with neutral (the first frames) the task has seven; use neutral=False.",
        "Visible light, strong, is the papers' part: the weak and dark parts and the infrared camera show the same "
        "people and are other tasks.",
        "One fold is a tenth of the people: the literature's figure is the mean over all ten.",
    ),
    folds={"subject": FOLDS},
)
