"""AffectNet (Mollahosseini, Hasani & Mahoor 2017, "AffectNet: A database for facial expression, valence, and arousal
computing in the wild"): 290,000 web faces of eight emotions with valence and arousal, in three forms.

The publisher's first form is `training.csv` and `validation.csv` with `Manually_Annotated_Images/`. The later one is
`train_set/` and `val_set/` with `images/` and `annotations/`. Copies have folders `train|val|test/<class>/…`.
The codes in csv files, annotations and numbered folders are 0 neutral 1 happiness 2 sadness 3 surprise 4 fear 5 disgust
6 anger 7 contempt. `order=alphabetical` is for copies with folders numbered 0 anger .. 7 surprise. Pictures of 8 none,
9 uncertain and 10 no face are left out and counted.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from ...common.checks import DataError, InputError, MissingDataError, check_choice
from ...common.paths import expanded
from ...emotions import AFFECTNET_CODES, EMOTIONS, TARGETS, VALENCE_AROUSAL
from ..base import DatasetSpec, FaceDataset
from ..csv_files import read_lines
from ..images import picture_stem
from ..splits import mark_held_out, naming
from ..stores import image_store
from .affectnet_forms import numbering, read_listing
from .affectnet_lists import BOX

# number of classes -> training pictures, and pictures of the validation list (one of its 4,000 files is empty)
PUBLISHED = {8: (287651, (3999, 4000)), 7: (283901, (3500,))}
# Training pictures of each emotion in the publisher's lists; a copy of these classes has about the same shares.
PUBLISHED_TRAIN = dict(
    zip(AFFECTNET_CODES.values(), (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750), strict=True)
)
SHARE_TOLERANCE = 0.2  # relative; a random tenth of the pictures differs less, a wrong order far more
ORDERS = ("published", "alphabetical")
PROTOCOLS = {
    "official": "test = the publisher's validation list; val = 10 % of train, stratified, drawn by the seed",
}
HOW_TO_GET = (
    "http://mohammadmahoor.com/affectnet/ (a lab manager or professor asks): put train_set/ and val_set/ into {root}, "
    "or of the older release training.csv, validation.csv and Manually_Annotated_Images/; folder copies: train/ and "
    "val/ (or test/) with one folder per class, named for emotions or by AffectNet's codes 0..7 (or, with "
    "order=alphabetical, numbered in the order of the names)"
)
_LABELS = np.array([EMOTIONS.index(AFFECTNET_CODES[code]) for code in sorted(AFFECTNET_CODES)])


def load(
    root: Path,
    protocol: str,
    seed: int,
    image_size: int = 96,
    image_channels: int = 3,
    stream: bool | None = None,
    crop: bool = True,
    missing: str = "raise",
    occluded: str | Path | None = None,
    order: str = "published",
    targets: str = "expression",
) -> FaceDataset:
    """Loads AffectNet from `root`; see `load_dataset`.

    Args:
        root, protocol, seed: the dataset's folder, "official", seed of the validation rows.
        image_size: side in pixels to read at; the pictures have all sizes. 96 keeps the detail of a face at a quarter
            of the work of 224, the size of pretrained networks; they resize inside.
        image_channels: 1 or 3.
        stream: True reads pictures when they are asked for, False reads all now, None decides by `MEMORY_LIMIT`. At
            most 77,000 pictures of 96×96×3 are held in memory, so the whole dataset is streamed.
        crop: True cuts pictures to the face box of the csv files; in the other forms pictures are faces already.
        missing: "raise" if a listed picture is missing, empty or has no label, or "drop" to leave it out (with a note).
        occluded: file with the name of one test picture in each line (RAN's lists, or a csv's first column): the table
            gets a bool column `occluded`. The path is relative to `root` or to the working directory.
        order: what the numbers of class folders mean: "published" for AffectNet's own codes (0 neutral .. 7 contempt),
            or "alphabetical" (0 anger .. 7 surprise). A note says the order and the number of pictures in each folder.
            If these fit the published numbers only in the other order, a warning says so.
        targets: "expression", or "expression+valence_arousal": a model then learns valence and arousal, too. Pictures
            without them (NaN) count only for the classes.
    Returns: `FaceDataset`, uint8 [N, image_size, image_size, C], table with label, split, name, valence and arousal
        (float32 -1..1, NaN if unknown). Eight classes, or seven if the copy has no contempt. The 68 landmarks are not
        read.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("missing", missing, ("raise", "drop"))
    check_choice("targets", targets, TARGETS[:2])
    listing = read_listing(root, missing, HOW_TO_GET, check_choice("order", order, ORDERS))
    rows, notes = listing.table, [*listing.notes, *_order_notes(root, listing, order)]
    labels = _LABELS[rows["code"]]
    names = EMOTIONS if (labels == 7).any() else EMOTIONS[:7]
    table = rows[["split", "name", "valence", "arousal"]].copy()
    table.insert(0, "label", labels)
    deviation = _deviation(listing, len(names))
    if without := int(table[["valence", "arousal"]].isna().any(axis=1).sum()):
        notes.append(f"{without:,} pictures have no valence or arousal (NaN)")
    notes += _cut_validation(root, table, seed)
    if occluded is not None:
        table["occluded"], note = _occluded(root, table, occluded)
        notes.append(note)
    if targets != "expression" and table[["valence", "arousal"]].isna().all(axis=None):
        raise InputError(f"targets: no picture in {root} has valence or arousal; use targets=expression")
    boxes = rows[BOX].to_numpy(np.int32) if crop and listing.form == "manifest" else None
    if boxes is not None and (whole := int((boxes[:, 2:] <= 0).any(axis=1).sum())):
        notes.append(f"{whole:,} pictures have no face box and are used whole")
    paths = [f"{root}/{name}" for name in table["name"]]
    store = image_store(paths, (image_size, image_size), image_channels, stream, boxes)
    source = listing.source if boxes is None else f"{listing.source} cropped"
    second = None if targets == "expression" else VALENCE_AROUSAL
    return FaceDataset("affectnet", protocol, names, table, store, notes, source, deviation=deviation, second=second)


def _order_notes(root, listing, order):
    """What the numbers of folders mean with the pictures of each, and a warning if only another order fits; a list."""
    if not listing.numbers:
        if order != "published":
            raise InputError(f"order: {root} has no numbered class folders, so there is no order to choose")
        return []
    train = listing.table["code"][listing.table["split"] == "train"].map(AFFECTNET_CODES)
    counts = [int((train == emotion).sum()) for emotion in listing.numbers.values()]
    numbered = [f"{number} {emotion}" for number, emotion in listing.numbers.items()]
    read = ", ".join(f"{name}: {count:,}" for name, count in zip(numbered, counts, strict=True))
    notes = [f"numbered folders are read in {order} order; training pictures of each: {read}"]
    fitting = [name for name in ORDERS if _fits(counts, numbering(name, len(counts)))]
    if fitting and order not in fitting:
        meant = ", ".join(f"{number} {emotion}" for number, emotion in numbering(fitting[0], len(counts)).items())
        notes.append(
            f"the numbers of pictures in these folders fit AffectNet's published ones only in {fitting[0]} order "
            f"({meant}): load the copy with `--option order={fitting[0]}`"
        )
        warnings.warn(f"affectnet: {root}: {notes[-1]}", stacklevel=4)
    return notes


def _fits(counts, numbers):
    """True if numbered folders with these counts of training pictures have about the published share of each emotion.

    Args:
        counts: pictures of each number, from 0.
        numbers: dict number -> emotion.
    """
    published = np.array([PUBLISHED_TRAIN[numbers[number]] for number in range(len(counts))])
    shares, expected = np.array(counts) / max(sum(counts), 1), published / published.sum()
    return bool((np.abs(shares - expected) <= SHARE_TOLERANCE * expected).all())


def _deviation(listing, classes):
    """How the copy's counts differ from the published ones, "" if they do not."""
    counts = listing.table["split"].value_counts()
    if "val" in counts:
        return "this copy of AffectNet has its own test and validation folders, not the publisher's split"
    train, test = PUBLISHED[classes]
    if counts["train"] == train and counts["test"] in test:
        return ""
    return (
        f"this copy of AffectNet has {counts['train']:,} training and {counts['test']:,} validation pictures of "
        f"{classes} emotions, not {train:,} and {' or '.join(f'{count:,}' for count in test)}"
    )


def _cut_validation(root, table, seed):
    """Moves a tenth of train to val in place, class shares kept, unless the copy has a val; returns notes."""
    if (table["split"] == "val").any():
        return ["val and test are this copy's own folders"]
    split, labels = table["split"].to_numpy(object, copy=True), table["label"].to_numpy()
    with naming(f"affectnet: {root}"):
        mark_held_out(split, labels, "val", seed)
    single = [EMOTIONS[code] for code, count in enumerate(np.bincount(labels[table["split"] == "train"])) if count == 1]
    table["split"], held = split, (split == "val").sum()
    notes = [f"test is the validation list; val is {held:,} pictures cut from train (10 %, stratified)"]
    if single:
        notes.append(f"too few pictures to split, all in train: {', '.join(single)}")
    return notes


def _occluded(root, table, occluded):
    """Which rows are test pictures in the list, bool [N], and a note on how many names were found."""
    path = expanded(occluded)
    path = root / path if os.path.isfile(root / path) else path
    if not os.path.isfile(path):
        raise MissingDataError(
            f"occluded: there is no {path} (nor {root / path}); RAN's lists are at "
            "https://github.com/kaiwang960112/Challenge-condition-FER-dataset"
        )
    lines = read_lines(path)
    # names in RAN's lists end in a slash (`val/0/bc9ad4…/`)
    listed = {picture_stem(line.split(",")[0].strip().strip('"')) for line in lines if line.strip()}
    stems = table["name"].map(picture_stem)
    is_listed = ((table["split"] == "test") & stems.isin(listed)).to_numpy()
    if not is_listed.any():
        raise DataError(
            f"{path}: none of its {len(listed)} names is a test picture; test pictures have names like "
            f"{table['name'][table['split'] == 'test'].iloc[0]} (the release with train_set/ has new numbers for "
            "its pictures, so lists for the csv release do not fit it)"
        )
    twice = stems[is_listed][stems[is_listed].duplicated()]
    if len(twice):
        raise DataError(f"{path}: {twice.iloc[0]!r} names several test pictures ({len(twice)} such names)")
    return is_listed, f"occluded: {is_listed.sum():,} of the {len(listed):,} names in {path.name} are test pictures"


def check(root: Path) -> list[str]:
    """Lists which parts of AffectNet are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    listing = read_listing(root, "drop", HOW_TO_GET)
    counts = listing.table["split"].value_counts(sort=False)
    classes = 8 if (listing.table["code"] == 7).any() else 7
    splits = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    order = _order_notes(root, listing, "published")
    lines = [f"{root} ({listing.form}): {splits} pictures of {classes} emotions", *listing.notes, *order]
    return [*lines, *filter(None, [_deviation(listing, classes)])]


SPEC = DatasetSpec(
    load=load,
    title="AffectNet: web faces of eight emotions, valence and arousal",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="291,650",
    how_to_get=HOW_TO_GET,
    licence="non-commercial research, by agreement",
    paper_name="AffectNet",
    honest_protocol="official",
    label_order=tuple(AFFECTNET_CODES.values()),
    check=check,
    traps=(
        "There is no public test set: papers report results on the validation list, so it must not choose "
        "epochs; here val is cut from train.",
        "Train is heavily imbalanced (134,415 happiness, 3,750 contempt), the validation list is not (500 a class): "
        "use sampling='balanced'.",
        "Its codes begin with 0 neutral, 1 happiness: read with FER2013's codes, they mean other emotions. A copy "
        "whose folders are numbered in alphabetical order needs order=alphabetical.",
        "Codes 8 none, 9 uncertain and 10 no face are a third of the csv release.",
        "Pictures have all sizes, one or two files are empty or missing (missing='drop'), and the csv release has "
        "some pictures twice.",
        "Labels are one person's: two annotators agreed on about 60 % of the pictures.",
    ),
)
