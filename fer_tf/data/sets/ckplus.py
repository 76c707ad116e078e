"""CK+ (Lucey et al. 2010): posed expressions of 123 people, filmed from the neutral face to the peak.

The publisher's form is `cohn-kanade-images/S005/001/*.png` (640×490 or 640×480, gray or colour), with a label in
`Emotion/S005/001/*_emotion.txt` for 327 of the 593 sequences, and 68 points for each frame in
`Landmarks/S005/001/*_landmarks.txt`. There are copies at 48×48: `CK+48/<emotion>/S010_004_00000017.png` (the last three
frames) and `ckextended.csv` (peaks and first frames, no subjects).
"""

from pathlib import Path

from ...common.checks import DataError, InputError, check_choice
from ...emotions import EMOTIONS
from ..base import DatasetSpec, FaceDataset
from ..splits import hold_out, naming, subject_folds
from .ckplus_forms import CSV, HOW_TO_GET, READERS, find_folder, forms, labelled, list_copy, read_csv_copy

FOLDS = 10
CROPS = ("auto", "landmarks", "center", "none")
PROTOCOLS = {
    "subject": "10-fold by subject: test = every tenth subject from fold on, val = the next fold's, train the rest",
    "random": "images drawn at random 80/10/10, as in document [3]: frames of one sequence are in several splits",
}


def load(
    root: Path,
    protocol: str,
    seed: int,
    fold: int = 0,
    neutral: bool = True,
    crop: str = "auto",
    image_size: int = 48,
    image_channels: int = 1,
) -> FaceDataset:
    """Loads CK+ from `root`; see `load_dataset`. 8 classes, or 7 without neutral; uint8 [1308, S, S, C].

    Args:
        root: the ckplus folder. If it has several forms, the publisher's is read, else CK+48, else the csv.
        protocol, seed: "subject" or "random", and its seed; the folds do not depend on it.
        fold: 0..9, for the subject protocol.
        neutral: True takes the first frame of each labelled sequence as neutral.
        crop: "landmarks" (the square around the 68 points, a fifth wider on each side), "center" (the largest square in
            the middle), "none" (the whole picture, squeezed), or "auto": landmarks if there is that folder, else none.
            Copies at 48×48 are cropped already and only allow "auto" and "none".
        image_size: side in pixels.
        image_channels: 1 or 3.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("crop", crop, CROPS)
    form, *others = forms(root)
    copy = READERS[form](root, neutral, crop, (image_size, image_size, image_channels))
    table, notes = copy.table, copy.notes + [f"also in the folder and not read: {other}" for other in others]
    names = tuple(name for name in EMOTIONS if name != "neutral" or (table["emotion"] == name).any())
    table.insert(0, "label", table["emotion"].map(names.index))
    notes += _split(table, protocol, fold, seed)
    return FaceDataset("ckplus", protocol, names, table, copy.store, notes, copy.source, deviation=copy.deviation)


def _split(table, protocol, fold, seed):
    """Fills the column split in place; returns notes."""
    if protocol == "subject":
        if "subject" not in table:
            raise InputError(
                f"protocol: {CSV} does not say whose faces are in its pictures, so it cannot be split by subject; "
                "use protocol='random', or get the publisher's form or CK+48"
            )
        table["split"] = _subject_split(table["subject"].to_numpy(), fold)
        return []
    table["split"] = "train"
    with naming("ckplus random"):
        drawn = hold_out(table, ("test", "val"), seed)
    return ["frames of one sequence are in several splits: scores are much higher than on new faces", *drawn]


def _subject_split(subjects, fold):
    """The folds of `subject_folds`; the error names the protocol that works with few subjects."""
    try:
        return subject_folds(subjects, fold, FOLDS)
    except DataError as error:
        raise DataError(f"ckplus: {error}; use protocol='random'") from None


def check(root: Path) -> list[str]:
    """Lists which parts of CK+ are in `root`, as lines of text; raises for the files that `load` refuses."""
    form, *others = forms(root)
    if form == "publisher":
        rows, notes, deviation = labelled(root, neutral=True)
        points = "there" if find_folder(root, "Landmarks") else "not there, so faces are not cropped"
        lines = [f"{root}: {len(rows):,} images of labelled sequences; Landmarks is {points}", *notes, deviation]
    elif form == "CK+48":
        lines = [f"{root}: {len(list_copy(root)):,} images of the 48×48 folder copy"]
    else:
        read_csv_copy(root)
        lines = [f"{root / CSV}: the 48×48 csv copy ({(root / CSV).stat().st_size / 1e6:.1f} MB)"]
    return [*filter(None, lines), *(f"also there and not read: {other}" for other in others)]


SPEC = DatasetSpec(
    load=load,
    title="CK+: posed expressions from neutral to peak, in the laboratory",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="1,308 (of 327 labelled sequences)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="CK+",
    honest_protocol="subject",
    check=check,
    traps=(
        "Frames of one sequence are nearly equal: a random split (99.47 % in document [3]) tests on training faces.",
        "Its codes begin with 0 neutral, 1 anger, 2 contempt; those of the csv copy with 0 anger, 1 disgust, 2 fear.",
        "The published pictures are whole scenes, with a small face off the centre: without the Landmarks folder, crop "
        "faces first, or scores mean little.",
        "CK+48 has contempt but no neutral, the csv is two thirds neutral: both differ from the published set.",
        "266 of the 593 sequences have no label, and 5 of the 123 people have none: a request to pose is not a label.",
        "Contempt (18 sequences), fear (25) and sadness (28): a fold may test a class on a handful of images.",
        "One fold is a tenth of the people: the literature's figure is the mean over all ten.",
    ),
    folds={"subject": FOLDS},
)
