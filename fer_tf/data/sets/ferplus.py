"""FER+ (Barsoum et al. 2016): ten people's votes on each FER2013 picture, for eight emotions, unknown and no face.

Votes come from Microsoft's repository, pixels from the fer2013 folder next to the ferplus folder. Microsoft's training
code reads `data/FER2013*/label.csv` (the default, and the published counts). `fer2013new.csv` has a line for every row
of fer2013.csv: join by line number, because its image names are not row numbers.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError, check_choice
from ...common.hashes import file_fingerprint
from ...emotions import EMOTIONS, FERPLUS_COLUMNS
from ..base import SPLITS, DatasetSpec, FaceDataset, renormalised
from ..csv_files import check_columns, read_csv
from ..folders import missing_data
from . import fer2013
from .ferplus_lists import add_columns, list_notes, lists_text, read_lists

FOLDERS = dict(zip(("FER2013Train", "FER2013Valid", "FER2013Test"), SPLITS, strict=True))
USAGES = dict(zip(fer2013.USAGES, SPLITS, strict=True))
LABEL_MODES = {
    "majority": "the emotion with more than half of the votes",
    "probability": "the votes of the leading emotions, as a distribution",
    "crossentropy": "as probability; the paper's name for training against the distribution",
    "soft": "training images as probability, val and test images as majority: trained softly, tested as in the papers",
    "multitarget": "all emotions with at least 30 % of the votes, equally true (as a distribution of their votes)",
    "multilabel": "training images as multitarget, val and test images as majority: for the loss multitarget, by which "
    "each of these emotions is right",
}
# Modes for training alone, and the rule for their training images. Val and test have their majority, as in Microsoft's
# code, so that all of these modes are tested on the same images and labels.
OF_TRAINING = {"soft": "probability", "multilabel": "multitarget"}
VOTES = {"label": "data/FER2013*/label.csv", "new": "fer2013new.csv"}
PROTOCOLS = {
    "official": "FER2013's own rows: train = Training, val = PublicTest, test = PrivateTest",
    "six": "document [4]'s: the same rows, six emotions (no neutral, no contempt), 64×64, gray repeated to RGB",
}
HOW_TO_GET = (
    "https://github.com/microsoft/FERPlus: put fer2013new.csv and the folder data/ into {root}, and FER2013 itself "
    "into the folder fer2013 next to it"
)


def load(
    root: Path, protocol: str, seed: int, label_mode: str = "majority", votes: str = "label", stream: bool | None = None
) -> FaceDataset:
    """Loads FER+; see `load_dataset`. 8 classes, uint8 [N, 48, 48, 1], or 6 classes, uint8 [N, 64, 64, 3] for "six".

    The table's `votes` columns are the counts, its `row` is FER2013's row. If the published lists of hard test faces
    exist (see `ferplus_lists`), the table has the bool columns `occluded`, `pose30` and `pose45`. The dataset's
    fingerprint does not depend on them.

    Args:
        root, protocol, seed: the ferplus folder (pixels come from fer2013 next to it), "official" or "six", not used.
        label_mode: a key of `LABEL_MODES` (Barsoum et al. 2016, §3); all but majority give soft labels.
        votes: "label" or "new", a key of `VOTES`.
        stream: see `fer2013.load`.
    Returns: `FaceDataset`.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    check_choice("label_mode", label_mode, LABEL_MODES)
    check_choice("votes", votes, VOTES)
    counts, split, source, row_of = _read(root, votes)
    lists = read_lists(root, row_of, len(split))
    faces = fer2013.load(root.parent / "fer2013", "official", seed, stream)
    _check_rows(root, faces, split)
    shares = vote_shares(counts, OF_TRAINING.get(label_mode, label_mode))
    if label_mode in OF_TRAINING:
        shares = np.where((split == "train")[:, None], shares, vote_shares(counts, "majority"))
    kept = np.flatnonzero((split != "") & (shares.sum(axis=1) > 0))
    order = [FERPLUS_COLUMNS.index(name) for name in EMOTIONS]
    shares = shares[kept][:, order]
    table = pd.DataFrame(
        {"label": shares.argmax(axis=1), "split": split[kept], "row": kept, "name": faces.table["name"][kept]}
    )
    table[[f"votes {name}" for name in FERPLUS_COLUMNS]] = counts[kept]
    add_columns(table, lists)
    # the test images and labels are those of "majority", so predictions compare row by row
    tested_as = "majority" if label_mode in OF_TRAINING else label_mode
    soft = None if label_mode == "majority" else renormalised(shares)
    table, store, notes = table.reset_index(drop=True), faces.store.taken(kept), [_left_out(split, kept)]
    source = f"{faces.source[:20]}{source[:20]}{tested_as}{votes}"
    ds = FaceDataset("ferplus", protocol, EMOTIONS, table, store, notes, source, soft, deviation=faces.deviation)
    if protocol == "six":
        ds = ds.with_classes(EMOTIONS[:6])
        ds.store = ds.store.converted((64, 64), 3)
    ds.notes.extend(list_notes(ds, lists, tested_as))
    return ds


def vote_shares(counts: np.ndarray, label_mode: str) -> np.ndarray:
    """The votes that remain after Microsoft's rules.

    Single votes are dropped as outliers. A row is always left out if unknown or no face has most votes.

    - `majority`: the first emotion with most votes, if it has more than half of them.
    - `probability` and `crossentropy`: the emotions with most votes, one level after the other, until they have three
      quarters of the votes or there are three emotions. A row is left out if they have at most half of the votes, if
      they are more than three, or if unknown or no face comes before all of them.
    - `multitarget`: every emotion with at least 30 % of the votes. A row is left out if together they have at most
    half.

    Args:
        counts: int [N, 10], votes for eight emotions, unknown, no face.
        label_mode: a key of `LABEL_MODES`, none of `OF_TRAINING`.
    Returns: float [N, 8] in FER+'s order; zeros in a row that is left out.
    """
    votes = np.where(counts > 1, counts, 0).astype(float)
    total = votes.sum(axis=1, keepdims=True)
    if label_mode == "majority":
        first = np.eye(votes.shape[1])[votes.argmax(axis=1)]
        kept = np.where(votes.max(axis=1, keepdims=True) > 0.5 * total, votes * first, 0)
    elif label_mode == "multitarget":
        kept = np.where((votes >= 0.3 * total) & (votes > 0), votes, 0)
        kept = np.where(kept.sum(axis=1, keepdims=True) > 0.5 * total, kept, 0)
    else:
        kept = np.stack([_leading(row) for row in votes]) if len(votes) else votes
    is_emotion = (kept.argmax(axis=1) < 8) & (kept[:, :8].sum(axis=1) > 0)
    return np.where(is_emotion[:, None], kept[:, :8], 0)


def _leading(votes):
    """The leading votes of one row (Microsoft's `probability` mode), zeros if the row is left out."""
    rest, kept, taken = votes.copy(), np.zeros_like(votes), 0
    while kept.sum() < 0.75 * votes.sum() and taken < 3:
        level = np.flatnonzero(rest == rest.max())
        emotions, others = level[level < 8], level[level >= 8]
        kept[emotions], taken = rest[emotions], taken + len(emotions)
        if len(others):
            break  # unknown or no face ends the list; if it comes first, nothing is left
        rest[level] = 0
    return kept if kept.sum() > 0.5 * votes.sum() and taken <= 3 else np.zeros_like(votes)


def _read(root, votes):
    """Votes int [rows, 10], split object [rows] ("": no line in label.csv), files' fingerprint, rows by image name."""
    new = root / "fer2013new.csv"
    files = [new] + ([root / "data" / folder / "label.csv" for folder in FOLDERS] if votes == "label" else [])
    missing = [str(path.relative_to(root)) for path in files if not path.is_file()]
    if missing:
        raise missing_data(f"ferplus: {', '.join(missing)} not in {root}", root, HOW_TO_GET)
    table = read_csv(new)
    check_columns(new, table, ["Usage", "Image name", *FERPLUS_COLUMNS])
    source = "".join(file_fingerprint(path)[:5] for path in files)
    row_of = _rows_by_name(table["Image name"])
    if votes == "new":
        return _counts(new, table[FERPLUS_COLUMNS]), _splits(new, table["Usage"]), source, row_of
    counts, split = np.zeros((len(table), len(FERPLUS_COLUMNS)), int), np.full(len(table), "", object)
    for path, name in zip(files[1:], FOLDERS.values(), strict=True):
        lines = read_csv(path, names=["name", "box", *FERPLUS_COLUMNS])
        rows = row_of.reindex(lines["name"])
        if rows.isna().any():
            raise DataError(f"{path}: {rows.index[rows.isna()][0]} is not an image name of fer2013new.csv")
        rows = rows.to_numpy(int)
        counts[rows], split[rows] = _counts(path, lines[FERPLUS_COLUMNS]), name
    return counts, split, source, row_of


def _rows_by_name(names):
    """Series of rows by image name."""
    row_of = pd.Series(names.index, index=names)
    row_of = row_of[row_of.index != ""]  # Microsoft's file has no name for pictures without a face
    # four names are in the published file twice; Microsoft's script writes pictures by name, so the last line wins
    return row_of[~row_of.index.duplicated(keep="last")]


def _counts(path, votes):
    """Votes as ints; anything else raises with its line."""
    numbers = votes.apply(pd.to_numeric, errors="coerce")
    bad = np.flatnonzero((~numbers.ge(0) | ~numbers.lt(1e6) | (numbers % 1 != 0)).any(axis=1))
    if len(bad):
        raise DataError(
            f"{path}, data row {bad[0] + 1}: votes must be whole numbers; received {list(votes.iloc[bad[0]])}"
        )
    return numbers.to_numpy(int)


def _splits(path, usage):
    split = usage.map(USAGES)
    if split.isna().any():
        raise DataError(f"{path}: unknown Usage {usage[split.isna()].iloc[0]!r}; allowed are {', '.join(USAGES)}")
    return split.to_numpy(object)


def _check_rows(root, faces, split):
    """Checks that votes and pictures have the same rows and splits, so that no face gets another face's votes."""
    theirs = faces.table["split"].to_numpy()
    if len(split) != len(theirs):
        raise DataError(
            f"ferplus: {root} has votes for {len(split)} rows, the folder fer2013 next to it has {len(theirs)}"
        )
    wrong = np.flatnonzero((split != "") & (split != theirs))
    if len(wrong):
        raise DataError(
            f"ferplus: row {wrong[0]} is {split[wrong[0]]} in {root}, {theirs[wrong[0]]} in fer2013 next to it"
        )


def _left_out(split, kept):
    """A note on how many rows are left out, and why."""
    unlisted = int((split == "").sum())
    return (
        f"{len(split) - len(kept)} of {len(split)} rows left out: {unlisted} not in the list of votes, the others "
        "because no emotion has enough votes for the label mode"
    )


def check(root: Path) -> list[str]:
    """Lists which parts of FER+ are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    _, split, _, row_of = _read(root, "label")
    lines = [f"{root}: votes for {int((split != '').sum()):,} of {len(split):,} rows"]
    lines.append(lists_text(root, read_lists(root, row_of, len(split))))
    return lines + [f"pixels: {line}" for line in fer2013.check(root.parent / "fer2013")]


# Wang et al. 2020: ResNet18 alone and with RAN on the lists of test images that the paper made, per cent.
PUBLISHED_LISTS = {
    "occluded": {"ran_backbone": 73.33, "ran": 83.63},
    "pose30": {"ran_backbone": 78.11, "ran": 82.23},
    "pose45": {"ran_backbone": 75.50, "ran": 80.40},
}
SPEC = DatasetSpec(
    load=load,
    title="FER+: FER2013's faces with ten people's votes",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="31,373 (majority)",
    how_to_get=HOW_TO_GET,
    licence="votes MIT; pixels as FER2013",
    paper_name="FER+",
    honest_protocol="official",
    published_splits=("official", "six"),
    pictures_of="fer2013",
    at_hand=True,
    limits=fer2013.LIMITS,
    published_lists=PUBLISHED_LISTS,
    label_order=tuple(FERPLUS_COLUMNS[:8]),
    check=check,
    traps=(
        "fer2013new.csv's image names are not row numbers: join by line, or every face gets the votes of another.",
        "label.csv and fer2013new.csv differ in 1,602 rows; only label.csv gives the published counts.",
        "FER+'s own column order is not FER2013's: neutral is first, and contempt is there.",
        "Its labels agree with FER2013's on about two thirds of the images.",
        "FER2013's copies across splits are here too.",
    ),
)
