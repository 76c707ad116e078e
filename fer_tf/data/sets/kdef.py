"""KDEF (Lundqvist, Flykt & Öhman 1998): 70 people who pose seven expressions, twice, photographed from five angles.

The publisher's form is `KDEF_and_AKDEF/KDEF/AF01/AF01ANS.JPG` (562×762, colour). The name says session (A or B), sex,
number, expression and angle. This reader takes such names anywhere below the root.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError, check_choice
from ...emotions import EMOTIONS, KDEF_CODES
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..folders import counts_text, labelled_table, missing_data, sort_files
from ..images import read_image, resize
from ..splits import hold_out, naming, subject_folds
from ..stores import ArrayImages
from .ckplus_forms import cut

CLASS_NAMES = EMOTIONS[:7]
PUBLISHED, PEOPLE, FOLDS = 4900, 70, 10
# The names of the angles in the codes of the files, and which of them each choice takes.
ANGLES = {"FL": "full left", "HL": "half left", "S": "straight", "HR": "half right", "FR": "full right"}
VIEWS = {"straight": ("S",), "half": ("S", "HL", "HR"), "all": tuple(ANGLES)}
_NAME = re.compile(rf"([AB])([FM])(\d\d)({'|'.join(KDEF_CODES)})({'|'.join(ANGLES)})")
# A picture whose gray values all but agree shows nothing; a photograph deviates by 50 or so.
_BLANK_DEVIATION = 2.0
PROTOCOLS = {
    "subject": "10-fold by subject: test = every tenth person from fold on, val = the next fold's, train the rest",
    "random": "pictures drawn at random 80/10/10, as in Akhand et al. 2021: each person is in every split",
}
HOW_TO_GET = (
    "https://kdef.se (for research, under its terms): unpack KDEF_and_AKDEF.zip into {root}, so that "
    "files like KDEF/AF01/AF01ANS.JPG are somewhere below it"
)


def load(
    root: Path,
    protocol: str,
    seed: int,
    fold: int = 0,
    views: str = "straight",
    crop: str = "center",
    image_size: int = 48,
    image_channels: int = 1,
) -> FaceDataset:
    """Loads KDEF from `root`; see `load_dataset`. 7 classes, uint8 [980, S, S, C]; 2,940 images with half profiles.

    Args:
        root, protocol, seed: the kdef folder, "subject" or "random", and its seed; the folds do not depend on it.
        fold: 0..9, for the subject protocol.
        views: "straight", "half" (also half profiles) or "all" (also full profiles).
        crop: "center" (the largest square in the middle: the faces are there) or "none" (the whole picture, squeezed).
        image_size: side S in pixels.
        image_channels: 1 or 3.
    Returns: `FaceDataset` with the columns subject (F01, M35), session (A, B) and angle.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("views", views, VIEWS)
    check_choice("crop", crop, ("center", "none"))
    pictures, notes = _pictures(root)
    deviation = _deviation(pictures)
    codes = [ANGLES[code] for code in VIEWS[views]]
    pictures = pictures[pictures["angle"].isin(codes)].reset_index(drop=True)
    if pictures.empty:
        raise DataError(f"kdef: {root} has no picture of the angles {', '.join(codes)}; views: {views}")
    table, paths = labelled_table(root, pictures, CLASS_NAMES)
    images, is_blank = _read_all(paths, crop, (image_size, image_size, image_channels))
    if is_blank.any():  # a few published files are black
        example = table["name"][is_blank].iloc[0]
        notes.append(f"{is_blank.sum()} pictures show nothing and are left out, for example {example}")
        images, table = images[~is_blank], table[~is_blank].reset_index(drop=True)
    notes += _split(table, protocol, fold, seed)
    source = f"{listing_fingerprint(root, paths)}{crop}"
    return FaceDataset("kdef", protocol, CLASS_NAMES, table, ArrayImages(images), notes, source, deviation=deviation)


def _pictures(root):
    """DataFrame of path, emotion, subject, session and angle of every picture with a KDEF name, and notes."""
    paths, _ = sort_files(root)
    rows, strange, seen = [], [], {}
    for path in paths:
        match = _NAME.fullmatch(path.stem.upper())
        if match is None:
            strange.append(path)
            continue
        first = seen.setdefault(path.stem.upper(), path)
        if first != path:
            raise DataError(f"{path}: the same picture as {first}; move one of them away")
        session, sex, number, code, angle = match.groups()
        rows.append((path, KDEF_CODES[code], f"{sex}{number}", session, ANGLES[angle]))
    if not rows:
        found = f"{len(strange)} pictures have other names, such as {strange[0].name}" if strange else "no picture"
        raise missing_data(f"kdef: no picture like AF01ANS.JPG is in {root} ({found})", root, HOW_TO_GET)
    example = f"pictures without a name like AF01ANS.JPG are left out, for example {strange[0].name}" if strange else ""
    notes = [f"{len(strange)} {example}"] if strange else []
    return pd.DataFrame(rows, columns=["path", "emotion", "subject", "session", "angle"]), notes


def _read_all(paths, crop, shape):
    """The pictures, uint8 [N, *shape], and bool [N]: True for those that show nothing."""
    images, is_blank = np.zeros((len(paths), *shape), np.uint8), np.zeros(len(paths), bool)
    for row, path in enumerate(paths):
        pixels = read_image(path, shape[2])
        is_blank[row] = pixels.std() < _BLANK_DEVIATION
        if crop == "center":
            height, width = pixels.shape[:2]
            side = min(height, width)
            pixels = cut(pixels, ((width - side) // 2, (height - side) // 2, side))
        images[row] = resize(pixels, shape[:2])
    return images, is_blank


def _split(table, protocol, fold, seed):
    """Fills the column split in place; returns notes."""
    with naming(f"kdef {protocol}"):
        if protocol == "subject":
            table["split"] = subject_folds(table["subject"].to_numpy(), fold, FOLDS)
            return []
        table["split"] = "train"
        drawn = hold_out(table, ("test", "val"), seed)
    return ["each person is in every split: scores are much higher than on new faces", *drawn]


def _deviation(pictures):
    people = pictures["subject"].nunique()
    if people == PEOPLE and PUBLISHED - 10 <= len(pictures) <= PUBLISHED:  # a few published files have damaged names
        return ""
    return f"this copy of KDEF has {len(pictures):,} pictures of {people} people, not 4,900 of 70"


def check(root: Path) -> list[str]:
    """Lists which parts of KDEF are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    pictures, notes = _pictures(root)
    emotions, angles = (
        counts_text(pictures["emotion"], CLASS_NAMES),
        counts_text(pictures["angle"], list(ANGLES.values())),
    )
    people = pictures["subject"].nunique()
    lines = [f"{root}: {len(pictures):,} pictures of {people} people ({emotions})", f"angles: {angles}"]
    return [*lines, *notes, *filter(None, [_deviation(pictures)])]


SPEC = DatasetSpec(
    load=load,
    title="KDEF: seventy people posing, five angles, colour laboratory photos",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="4,900 (980 from the front)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, no redistribution",
    paper_name="KDEF",
    honest_protocol="subject",
    check=check,
    traps=(
        "Sessions A and B show the same 70 people: AF01 and BF01 are one woman. Splitting by folder puts her into two "
        "splits.",
        "A random split (Akhand et al. 2021: 96.5 %) tests on people and poses of the training set; a split by "
        "subject is far lower.",
        "A full profile shows half a face: results on all angles are not comparable with those on frontal pictures.",
        "AF is afraid and AN is angry; in other datasets' names AN, FE and so on are used.",
        "The archive also has AKDEF, averages of all faces (FAFFL.JPG): they must not be in any split.",
        "A few published files are black or have damaged names (AF31V.JPG): they are left out, with a note.",
    ),
    folds={"subject": FOLDS},
)
