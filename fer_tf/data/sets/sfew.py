"""SFEW 2.0 (Dhall et al. 2011 and 2015): frames of films, seven expressions; the EmotiW challenge of 2015.

The publisher's form is `Train/Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png` (143×181, faces cut out and
aligned), `Val/Val_Aligned_Faces_new/…/Angry/…`, and the whole frames in `Train/Angry/…` and `Val/Angry/…`. The labels
of `Test` were never published, so the papers' test set is `Val`. The layout was taken from public code.
"""

import re
from pathlib import Path

import pandas as pd

from ...common.checks import DataError, InputError, check_choice
from ...emotions import EMOTIONS, canonical_emotion
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..folders import class_folders, counts_text, folder_class, labelled_table, list_images, missing_data
from ..splits import HELD_OUT, group_split, mark_held_out, naming
from ..stores import image_store

CLASS_NAMES = EMOTIONS[:7]
# Aligned faces and whole frames of train and of the published validation set.
PUBLISHED = {"aligned": (891, 431), "whole": (958, 436)}
_FRAME = re.compile(r"(.+)_\d{6,}_\d{6,}")
# A folder counts as a split if at least this many of its folders have the name of an emotion.
_CLASS_FOLDERS = 4
# How deep below the root such folders are searched: archives unpack into folders of their own.
_DEPTH = 5
PROTOCOLS = {"official": "train = Train without val; val = a tenth of Train, by film; test = its Val, as in papers"}
HOW_TO_GET = (
    "https://cs.anu.edu.au/few/ (ask its authors, by agreement): put Train/ and Val/ with "
    "Train_Aligned_Faces and Val_Aligned_Faces into {root}"
)


def load(
    root: Path, protocol: str, seed: int, faces: str = "auto", image_size: int = 96, image_channels: int = 3
) -> FaceDataset:
    """Loads SFEW 2.0 from `root`; see `load_dataset`. 7 classes, uint8 [1322, S, S, C] of aligned faces.

    Args:
        root, protocol, seed: the sfew folder, "official", seed that draws the films of val.
        faces: "aligned", "whole" (whole frames, which show scenes), or "auto": aligned if both splits have them.
        image_size: side S in pixels; pictures are squeezed to a square.
        image_channels: 1 or 3.
    Returns: `FaceDataset` with the column film ("" if the name of a file does not say it).
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("faces", faces, ("auto", *PUBLISHED))
    form, homes, notes = _chosen(root, faces)
    pictures = _pictures(homes)
    if pictures.empty or set(pictures["split"]) != set(homes):
        raise DataError(f"sfew: {', '.join(map(str, homes.values()))}: a split has no picture in its class folders")
    table, paths = labelled_table(root, pictures, CLASS_NAMES)
    counts = tuple(int((table["split"] == split).sum()) for split in ("train", "test"))
    notes += _hold_out_films(table, seed, root)
    if form == "whole":
        notes.append("pictures are whole frames squeezed to a square, faces are not cropped: crop faces first")
    store = image_store(paths, (image_size, image_size), image_channels, stream=False)
    source, deviation = listing_fingerprint(root, paths), _deviation(form, counts)
    return FaceDataset("sfew", protocol, CLASS_NAMES, table, store, notes, source, deviation=deviation)


def _chosen(root, faces):
    """(form, dict split -> home of its class folders, notes); `MissingDataError` if a split is missing."""
    found = _homes(root)
    complete = [form for form in PUBLISHED if {"train", "test"} <= set(found[form])]
    if not complete:
        what = ", ".join(f"{form} {split}" for form, homes in found.items() for split in homes) or "nothing"
        missing = f"sfew: Train and Val with class folders (Angry, …) of one kind are not below {root}; found: {what}"
        raise missing_data(missing, root, HOW_TO_GET)
    if faces != "auto" and faces not in complete:
        raise InputError(f"faces: {root} does not have {faces} pictures of both splits; it has {complete[0]} ones")
    form = complete[0] if faces == "auto" else faces
    notes = [f"also in the folder and not read: {other} pictures" for other in complete if other != form]
    return form, {split: found[form][split] for split in ("train", "test")}, notes


def _homes(root):
    """dict form -> dict split -> the folder that holds the class folders, of Train and Val anywhere below the root."""
    found = {form: {} for form in PUBLISHED}
    level = [root] if root.is_dir() else []
    for _ in range(_DEPTH):
        level = [folder for parent in level for folder in class_folders(parent) if not _is_emotion(folder)]
        for folder in level:
            split = _split_of(folder.relative_to(root))
            if split is None or sum(map(_is_emotion, class_folders(folder))) < _CLASS_FOLDERS:
                continue
            first = found["aligned" if _is_aligned(folder, root) else "whole"].setdefault(split, folder)
            if first != folder:
                raise DataError(f"{folder}: a second set of class folders next to {first}; move one of them away")
    return found


def _is_aligned(folder, root):
    return "aligned" in folder.relative_to(root).as_posix().lower()


def _pictures(homes):
    """DataFrame of path, emotion, split and film; an unknown class folder raises `DataError`."""
    rows = []
    for split, home in homes.items():
        # the publisher puts the aligned faces next to the class folders of the whole frames
        folders = [folder for folder in class_folders(home) if "aligned" not in folder.name.lower()]
        for folder, emotion in [(folder, folder_class(folder)) for folder in folders]:
            if emotion not in CLASS_NAMES:
                raise DataError(f"{folder}: SFEW has no {emotion}; its folders are Angry, Disgust, …, Neutral")
            for path in list_images(folder):
                match = _FRAME.fullmatch(path.stem)
                rows.append((path, emotion, split, match[1] if match else ""))
    return pd.DataFrame(rows, columns=["path", "emotion", "split", "film"])


def _is_emotion(folder):
    try:
        return canonical_emotion(folder.name) in CLASS_NAMES
    except InputError:
        return False


def _split_of(place):
    """The kit's split of a folder by the last part of its path that says one; None for Test and other folders."""
    for part in reversed(place.parts):
        for word, split in (("train", "train"), ("val", "test"), ("test", None)):
            if part.lower().startswith(word):
                return split
    return None


def _hold_out_films(table, seed, root):
    """Moves a tenth of train to val, by film if every file of train says its film; returns notes."""
    train, films = (table["split"] == "train").to_numpy(), table["film"].to_numpy(object)
    split = table["split"].to_numpy(object, copy=True)
    notes = ["test is the published validation set, as in papers: the labels of its test set are not public"]
    shared = len(set(films[train]) & set(films[~train]) - {""})
    if shared:
        notes.append(f"{shared} films are in Train and in Val: this is the dataset's own split")
    if (films[train] != "").all() and len(set(films[train])) >= 2:
        split[train] = group_split(films[train], {"train": 1 - HELD_OUT, "val": HELD_OUT}, seed)
        table["split"] = split
        return [*notes, "val drawn from train, by film"]
    with naming(f"sfew: {root}"):
        mark_held_out(split, table["label"].to_numpy(), "val", seed)
    table["split"] = split
    return [*notes, "names of files do not say the film: val drawn from train by picture, so films are in both"]


def _deviation(form, counts):
    if counts == PUBLISHED[form]:
        return ""
    kind = "aligned faces" if form == "aligned" else "whole frames"
    wanted = " and ".join(map(str, PUBLISHED[form]))
    return f"this copy of SFEW has {counts[0]} and {counts[1]} {kind} in Train and Val, not {wanted}"


def check(root: Path) -> list[str]:
    """Lists which parts of SFEW are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    _chosen(root, "auto")
    lines = []
    for form, homes in _homes(root).items():
        for split, home in homes.items():
            counts = counts_text(_pictures({split: home})["emotion"], CLASS_NAMES)
            lines.append(f"{home}: {form} pictures, {split} ({counts})")
    return lines


SPEC = DatasetSpec(
    load=load,
    title="SFEW 2.0: frames of films, seven expressions, official split",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="1,322 aligned faces (1,394 frames)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="SFEW",
    honest_protocol="official",
    check=check,
    traps=(
        "Not tested on the dataset itself: folder names and counts come from public code and papers. Compare `data "
        "check` with what you received.",
        "The labels of its Test are not public: papers report its Val. A model that was chosen on Val has no test set.",
        "Frames of one film show the same people: val is drawn by film.",
        "Aligned faces were found by a detector that failed on some frames: results on aligned faces leave these out.",
        "It is small and the faces are hard: with about 890 training pictures, start from a face network or from "
        "another dataset.",
    ),
)
