"""JAFFE (Lyons et al. 1998): 213 gray photos of 256×256, ten Japanese women who pose seven expressions.

Layout: `KA.AN1.39.tiff` (subject, emotion and take, number) in the root or in a folder below it (`jaffe/`,
`jaffedbase/`), with a README.
"""

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from ...common.checks import DataError, InputError, check_choice
from ...emotions import EMOTIONS, JAFFE_CODES
from ..base import DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..faces import Face, crop_face, detect_faces
from ..folders import counts_text, labelled_table, missing_data, sort_files
from ..images import read_image, resize
from ..splits import stratified_sample
from ..stores import ArrayImages

CLASS_NAMES = EMOTIONS[:7]
SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
PUBLISHED = 213
# Photos in each split, and images in each split with altered copies (document [3]'s sizes).
PHOTOS = {"train": 149, "val": 22, "test": 42}
IMAGES = {"train": 935, "val": 140, "test": 260}
PROTOCOLS = {
    "augmented": "document [3]'s sizes: photos split 149/22/42, seven altered copies of each, 935/140/260 of all kept",
    "subject": "leave one subject out: test = subject number fold, val = the next, train the other eight",
    "random": "document [3]'s own: altered copies first, then 935/140/260 drawn from all: copies of one photo are in "
    "several splits",
}
CROPS = ("auto", "face", "none")
# "auto" cuts faces out of photos with sides from this (pixels), if the detector finds one in at least this share of
# them. Smaller pictures are crops already.
SCENE, FOUND = 128, 0.5
HOW_TO_GET = (
    "https://zenodo.org/record/3451524 (free for research, under its terms): unpack the archive, so that files like "
    "KA.AN1.39.tiff are in {root}, {root}/jaffe or {root}/jaffedbase"
)


def _warped(matrix):
    """A change by a 2×3 matrix in coordinates -1..1 (from output to input); edges are repeated."""

    def change(pixels):
        height, width = pixels.shape[:2]
        scale = np.array([[(width - 1) / 2, 0, (width - 1) / 2], [0, (height - 1) / 2, (height - 1) / 2], [0, 0, 1]])
        inner = scale @ np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(scale)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(pixels, inner[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    return change


def _toned(gain, offset):
    """A change of gray values: 128 + gain × (value − 128) + offset, clipped to 0..255."""
    return lambda pixels: np.clip(np.rint(128 + gain * (pixels - 128.0) + offset), 0, 255).astype(np.uint8)


def _turned(degrees):
    angle = np.deg2rad(degrees)
    return _warped([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])


# Document [3] uses "seven different data augmentation strategies" and does not name them. These are mild and keep the
# expression.
AUGMENTATIONS = {
    "none": lambda pixels: pixels,
    "flip": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "left": _turned(10),
    "right": _turned(-10),
    "zoom": _warped([[0.85, 0, 0], [0, 0.85, 0]]),
    "shift": _warped([[1, 0, 0.1], [0, 1, 0.1]]),
    "bright": _toned(1, 40),
    "contrast": _toned(0.6, 0),
}


def load(root: Path, protocol: str, seed: int, fold: int = 0, image_size: int = 48, crop: str = "auto") -> FaceDataset:
    """Loads JAFFE from `root`; see `load_dataset`. 7 classes, gray; uint8 [1335, S, S, 1] or [213, S, S, 1].

    Args:
        root, protocol, seed: the jaffe folder, "augmented", "subject" or "random", seed of photos and copies.
        fold: 0..9, for the subject protocol: which subject, in the order of their names, is the test set.
        image_size: side S in pixels (256 as published).
        crop: "face" cuts the face out of each photo before it is altered, as document [3] does: the square of OpenCV's
            Haar detector, or the other photos' median square where it finds none. "none" takes the whole photo, head
            and shoulders. "auto" is "face" for photos of 128 px or more if half of them have a face, else "none".
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("crop", crop, CROPS)
    pictures, notes = _pictures(root)
    table, paths = labelled_table(root, pictures, CLASS_NAMES)
    table["photo"], table["augmentation"] = [path.stem for path in paths], "none"
    photos = [read_image(path, 1) for path in paths]
    source = listing_fingerprint(root, paths)
    if crop == "face" or (crop == "auto" and min(photos[0].shape[:2]) >= SCENE):
        photos, crop_notes = _faces(photos, crop)
        notes, source = notes + crop_notes, source + ("face" if crop_notes else "")
    if protocol == "subject":
        table["split"] = _leave_one_out(table["subject"].to_numpy(), fold)
    elif protocol == "augmented":
        table["split"], split_notes = _photo_split(table["label"].to_numpy(), seed)
        table, copy_notes = _augmented(table, seed)
        notes += split_notes + copy_notes
    else:
        table, split_notes = _copies_split(table, seed)
        notes += split_notes
    store = ArrayImages(_images(photos, table, image_size))
    table = table.drop(columns="photo_row", errors="ignore")
    return FaceDataset("jaffe", protocol, CLASS_NAMES, table, store, notes, source, deviation=_deviation(pictures))


def _pictures(root):
    """DataFrame of path, emotion and subject of every photo, sorted by name, and notes; an unknown name raises."""
    paths, others = sort_files(root)
    if not paths:
        raise missing_data(f"jaffe: no photo like KA.AN1.39.tiff is in {root}", root, HOW_TO_GET)
    rows, seen = [], {}
    for path in sorted(paths, key=lambda path: path.stem):
        emotion, subject = _read_name(path)
        first = seen.setdefault(path.stem.upper(), path)
        if first != path:
            raise DataError(f"{path}: the same photo as {first}; move one of them away")
        rows.append((path, emotion, subject))
    strange = [path for path in others if path.suffix.lower() != ".txt" and not path.name.lower().startswith("readme")]
    notes = [f"{len(strange)} files that are not pictures were not read"] if strange else []
    return pd.DataFrame(rows, columns=["path", "emotion", "subject"]), notes


def _read_name(path):
    """(emotion, subject) from a photo's name."""
    match = re.fullmatch(r"([A-Z]+)\.([A-Z]+)\d*\.\d+", path.stem.upper())
    if match is None:
        raise DataError(f"{path}: has no name like KA.AN1.39.tiff (subject, emotion and take, number)")
    subject, code = match.groups()
    if subject not in SUBJECTS:
        raise DataError(f"{path}: unknown subject {subject}; allowed are {', '.join(SUBJECTS)}")
    if code not in JAFFE_CODES:
        raise DataError(f"{path}: unknown emotion {code}; allowed are {', '.join(JAFFE_CODES)}")
    return JAFFE_CODES[code], subject


def _leave_one_out(subjects, fold):
    ordered = list(np.unique(subjects))
    if len(ordered) < 3:
        raise DataError(f"jaffe subject: {len(ordered)} subjects are too few, train, val and test need one each")
    if fold >= len(ordered):
        raise InputError(f"fold: this copy has {len(ordered)} subjects, allowed are 0..{len(ordered) - 1}; got {fold}")
    split = np.where(subjects == ordered[fold], "test", "train").astype(object)
    split[subjects == ordered[(fold + 1) % len(ordered)]] = "val"
    return split


def _photo_split(labels, seed):
    """The split of each photo, class shares kept, and notes.

    A copy with fewer photos gets the same shares. The photo of a class with only one is in train.
    """
    split, notes = np.full(len(labels), "train", object), []
    alone = np.bincount(labels, minlength=len(CLASS_NAMES)) == 1
    if alone.any():
        names = ", ".join(name for name, single in zip(CLASS_NAMES, alone, strict=True) if single)
        notes.append(f"too few images to split, all in train: {names}")
    for name in ("test", "val"):
        rows = np.flatnonzero((split == "train") & ~alone[labels])
        count = round(PHOTOS[name] * len(labels) / PUBLISHED)
        if not 0 < count < len(rows):
            raise DataError(f"jaffe augmented: {len(labels)} photos are too few for a {name} split")
        split[rows[stratified_sample(labels[rows], count, seed)]] = name
    return split, notes


def _augmented(table, seed):
    """A row for each image: all photos as they are, and altered copies up to the document's sizes; and notes."""
    images = pd.concat([_copies(table, name) for name in AUGMENTATIONS], ignore_index=True)
    chosen_rows = [np.flatnonzero(images["augmentation"] == "none")]
    for name, size in IMAGES.items():
        rows = np.flatnonzero((images["split"] == name) & (images["augmentation"] != "none"))
        missing = round(size * len(table) / PUBLISHED) - int((table["split"] == name).sum())
        labels = images["label"].to_numpy()[rows]
        chosen_rows.append(rows[stratified_sample(labels, min(max(missing, 0), len(rows)), seed)])
    chosen = images.iloc[np.sort(np.concatenate(chosen_rows))].reset_index(drop=True)
    sizes = "/".join(str((chosen["split"] == name).sum()) for name in IMAGES)
    return chosen, [
        f"{len(chosen):,} of the {len(images):,} photos and altered copies are kept ({sizes})",
        f"test is {(table['split'] == 'test').sum()} photos and altered copies of them, as in document [3]: its images "
        "are not independent, so intervals are too narrow; and each woman is in every split",
    ]


def _copies_split(table, seed):
    """Document [3]'s own order: altered copies first, 1,335 of all kept, and only then divided; and notes.

    A copy of JAFFE with fewer photos gets the same shares.
    """
    images = pd.concat([_copies(table, name) for name in AUGMENTATIONS], ignore_index=True)
    share, altered = len(table) / PUBLISHED, np.flatnonzero(images["augmentation"] != "none")
    missing = min(max(round(sum(IMAGES.values()) * share) - len(table), 0), len(altered))
    kept = stratified_sample(images["label"].to_numpy()[altered], missing, seed)
    photos = np.flatnonzero(images["augmentation"] == "none")
    chosen = images.iloc[np.sort(np.concatenate([photos, altered[kept]]))].reset_index(drop=True)
    chosen["split"] = "train"
    for name in ("test", "val"):
        rows = np.flatnonzero(chosen["split"] == "train")
        held = stratified_sample(chosen["label"].to_numpy()[rows], round(IMAGES[name] * share), seed)
        chosen.loc[rows[held], "split"] = name
    sizes = "/".join(str((chosen["split"] == name).sum()) for name in IMAGES)
    is_test = chosen["split"] == "test"
    known = chosen.loc[is_test, "photo"].isin(set(chosen.loc[chosen["split"] == "train", "photo"]))
    return chosen, [
        f"copies of one photo are in several splits, as in document [3]: {known.sum()} of the {is_test.sum()} test "
        "images have a copy in train, so scores say nothing about new photos; compare with augmented and subject",
        f"{len(chosen):,} of the {len(images):,} photos and altered copies are kept ({sizes})",
    ]


def _copies(table, name):
    copies = table.assign(augmentation=name, photo_row=np.arange(len(table)))
    if name != "none":
        copies["name"] = [f"{path}#{name}" for path in table["name"]]
    return copies


def _images(photos, table, size):
    """The table's images, altered at the photos' own size and then resized, uint8 [N, size, size, 1]."""
    rows = table.get("photo_row", pd.Series(range(len(table))))
    altered = [
        AUGMENTATIONS[name](photos[row]).reshape(photos[row].shape)
        for row, name in zip(rows, table["augmentation"], strict=True)
    ]
    return np.stack([resize(image, (size, size)) for image in altered])


def _faces(photos, crop):
    """The photos cut down to their faces, and notes; with "auto" the photos themselves and no note if few are found."""
    boxes = [faces[0].box if faces else None for faces in detect_faces(photos, "haar")]
    found = np.array([box for box in boxes if box is not None])
    if crop == "auto" and len(found) < FOUND * len(photos):
        return photos, []
    if not len(found):
        raise DataError("jaffe: no face is found in any photo; use crop='none'")
    usual = tuple(np.median(found, axis=0))
    faces = [Face(box or usual) for box in boxes]
    # without a margin, as the pictures of FER2013 are; not turned: the women look straight ahead
    cut = [
        crop_face(photo, face, max(1, round(face.box[2])), margin=0.0, align="none")
        for photo, face in zip(photos, faces, strict=True)
    ]
    missed = len(photos) - len(found)
    return cut, [
        "faces are cut out of the photos, as in document [3]"
        + (f"; {missed} photos without a detected face are cut at the others' median place" if missed else "")
    ]


def _deviation(pictures):
    subjects = pictures["subject"].nunique()
    if (len(pictures), subjects) == (PUBLISHED, len(SUBJECTS)):
        return ""
    return f"this copy of JAFFE has {len(pictures)} photos of {subjects} women, not {PUBLISHED} of {len(SUBJECTS)}"


def check(root: Path) -> list[str]:
    """Lists which parts of JAFFE are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    pictures, notes = _pictures(root)
    counts = counts_text(pictures["emotion"], CLASS_NAMES)
    return [f"{root}: {len(pictures)} photos ({counts})", *notes, *filter(None, [_deviation(pictures)])]


SPEC = DatasetSpec(
    load=load,
    title="JAFFE: ten women posing, gray laboratory photos",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="213 (1,335 with altered copies)",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research; its terms forbid passing the photos on or showing most of them",
    paper_name="JAFFE",
    honest_protocol="subject",
    also_compared=("augmented",),
    check=check,
    traps=(
        "With a split by photo, each woman is in train and test, with about three nearly equal photos of each "
        "expression: leave one subject out, and report the mean over all ten.",
        "Copies made before the split put one photo in train and test (`random`, document [3]'s own split): "
        "`augmented` splits the photos first, and has the same sizes.",
        "Labels are what the women were asked to pose; what people see in a photo may be something else.",
        "Ten women of one country, one lamp, one camera: results on it say little about other faces.",
        "Photos show head and shoulders: document [3] cut the faces out, and so does `crop=face` (`auto`).",
    ),
    folds={"subject": 10},
)
