"""Toronto Face Database (Susskind, Anderson & Hinton 2010): 4,178 labelled faces of other datasets, seven expressions.

Its files are MATLAB files, `TFD_48x48.mat` and `TFD_96x96.mat` (also named `TFD_ranzato_48x48.mat`). Each has `images`
[N, S, S], `labs_ex` [N, 1] (1 anger .. 7 neutral, -1 no label), `labs_id` [N, 1] (the person, -1 unknown) and `folds`
[N, 5] (in each of five folds: 1 train, 2 val, 3 test, 0 no label). The layout was taken from public code.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError
from ...common.hashes import file_fingerprint
from ...emotions import EMOTIONS, TFD_CODES
from ..base import SPLITS, DatasetSpec, FaceDataset
from ..cache import cached_arrays
from ..folders import missing_data, sort_files
from ..images import convert
from ..stores import ArrayImages

CLASS_NAMES = EMOTIONS[:7]
PUBLISHED, FOLDS, SIDES = 4178, 5, (48, 96)
VARIABLES = ("images", "labs_ex", "labs_id", "folds")
_SPLIT_CODES = dict(enumerate(SPLITS, start=1))
PROTOCOLS = {"official": "its own five folds of train, val and test (option fold)"}
HOW_TO_GET = (
    "http://aclab.ca/users/josh/TFD.html (its author, for those who have the rights to its source datasets): put "
    "TFD_48x48.mat or TFD_96x96.mat into {root}"
)


def load(root: Path, protocol: str, seed: int, fold: int = 0, image_size: int = 48) -> FaceDataset:
    """Loads TFD from `root`; see `load_dataset`. 7 classes, gray; uint8 [4178, S, S, 1], only the labelled faces.

    Args:
        root, protocol, seed: the tfd folder, "official", not used (the folds are the publisher's).
        fold: 0..4.
        image_size: side S in pixels. The file of 48 is read, or that of 96 for larger sides if it is there.
    Returns: `FaceDataset` with the column subject ("" if unknown).
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    path = _chosen(_files(root), image_size)
    fingerprint = file_fingerprint(path)
    data = cached_arrays("tfd", fingerprint, lambda: _labelled(path), (*VARIABLES, "rows"))
    emotions = [TFD_CODES[code] for code in data["labs_ex"]]
    table = pd.DataFrame({"label": [CLASS_NAMES.index(name) for name in emotions], "emotion": emotions})
    table["split"] = [_SPLIT_CODES[code] for code in data["folds"][:, fold]]
    table["subject"] = ["" if code < 0 else str(code) for code in data["labs_id"]]
    table["name"] = [f"row{row}" for row in data["rows"]]
    images = data["images"][..., None]
    store = ArrayImages(convert(images, (image_size, image_size), 1))
    deviation = "" if len(table) == PUBLISHED else f"this copy of TFD has {len(table):,} labelled faces, not 4,178"
    notes = _notes(table)
    return FaceDataset("tfd", protocol, CLASS_NAMES, table, store, notes, fingerprint, deviation=deviation)


def _files(root):
    """dict side (48, 96) -> its file."""
    paths = [path for path in sort_files(root)[1] if path.suffix.lower() == ".mat"] if root.is_dir() else []
    files = {}
    for path in paths:
        match = re.fullmatch(r"tfd_(?:\w+_)?(\d+)x\1", path.stem.lower())
        side = int(match[1]) if match else 0
        if side in files:
            raise DataError(f"{path}: a second file of {side}×{side} next to {files[side]}; move one of them away")
        if side in SIDES:
            files[side] = path
    if not files:
        found = f"; found {paths[0].name}" if paths else ""
        raise missing_data(f"tfd: neither TFD_48x48.mat nor TFD_96x96.mat is in {root}{found}", root, HOW_TO_GET)
    return files


def _chosen(files, side):
    """The file with enough pixels for a side, or the largest."""
    return files[min((size for size in files if size >= side), default=max(files))]


def _labelled(path):
    """The labelled rows of a file: images uint8 [n, S, S], labs_ex, labs_id and rows int [n], folds int [n, 5]."""
    content = _read(path)
    codes, people = content["labs_ex"].ravel(), content["labs_id"].ravel()
    rows = np.flatnonzero(codes > 0)
    unknown = sorted({int(code) for code in codes[rows]} - set(TFD_CODES))
    if unknown:
        raise DataError(f"{path}: labs_ex has unknown codes, such as {unknown[0]}; allowed are 1..7, and -1 for none")
    folds = content["folds"][rows]
    if not np.isin(folds, list(_SPLIT_CODES)).all():
        raise DataError(f"{path}: folds of labelled faces must be 1 (train), 2 (val) or 3 (test) in all five columns")
    images = _whole(path, "images", content["images"][rows], 0, 255).astype(np.uint8)
    return {"images": images, "labs_ex": codes[rows], "labs_id": people[rows], "folds": folds, "rows": rows}


def _read(path):
    """The four variables of the file with their shapes checked; all but the images are int."""
    from scipy.io import loadmat  # here, because its import takes longer than most commands need

    try:
        content = loadmat(path, variable_names=VARIABLES)
    except Exception as error:  # SciPy's reader raises errors of any type on other and on damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: is not a MATLAB file that can be read ({reason})") from None
    missing = [name for name in VARIABLES if name not in content]
    if missing:
        raise DataError(f"{path}: has no variable {', '.join(missing)}; TFD has {', '.join(VARIABLES)}")
    images, count = content["images"], len(content["images"])
    shapes = {"labs_ex": (count, 1), "labs_id": (count, 1), "folds": (count, FOLDS)}
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise DataError(f"{path}: images must be [faces, side, side]; received {images.shape}")
    for name, shape in shapes.items():
        if content[name].size != np.prod(shape):
            raise DataError(f"{path}: {name} must be {shape} for {count} images; received {content[name].shape}")
        content[name] = _whole(path, name, content[name]).reshape(shape)
    return content


def _whole(path, name, values, low=-1, high=10**9):
    """The values as ints; anything but whole numbers in the range raises."""
    if values.dtype.kind not in "iufb" or not ((values >= low) & (values <= high) & (values % 1 == 0)).all():
        raise DataError(f"{path}: {name} must hold whole numbers from {low} to {high:,}")
    return values.astype(np.int64)


def _notes(table):
    """Notes on people without an id and on people in several splits, as the published folds have them."""
    known = table[table["subject"] != ""]
    shared = int((known.groupby("subject")["split"].nunique() > 1).sum())
    notes = [f"{shared} subjects are in several splits: these are the dataset's own folds"] if shared else []
    nameless = len(table) - len(known)
    return notes + ([f"{nameless} faces have no known subject"] if nameless else [])


def check(root: Path) -> list[str]:
    """Lists which files of TFD are in `root`, as lines of text; raises `MissingDataError` or `DataError`."""
    from scipy.io import whosmat

    lines = []
    for side, path in sorted(_files(root).items()):
        try:
            shapes = {name: shape for name, shape, _ in whosmat(path)}
        except Exception as error:  # as in `_read`
            raise DataError(f"{path}: is not a MATLAB file that can be read ({error})") from None
        missing = [name for name in VARIABLES if name not in shapes]
        if missing:
            raise DataError(f"{path}: has no variable {', '.join(missing)}; TFD has {', '.join(VARIABLES)}")
        lines.append(f"{path}: {shapes['images'][0]:,} faces of {side}×{side}, labelled and not")
    return lines


SPEC = DatasetSpec(
    load=load,
    title="TFD: labelled faces of other laboratory datasets, gray, five official folds",
    class_names=CLASS_NAMES,
    protocols=PROTOCOLS,
    images="4,178 labelled (of 102,236)",
    how_to_get=HOW_TO_GET,
    licence="research, for those who have the rights to its source datasets",
    paper_name="TFD",
    honest_protocol="official",
    made_of=("kdef", "ckplus", "jaffe"),
    check=check,
    traps=(
        "Not tested on the dataset itself: variables, codes and folds come from public code. Compare `data check` with "
        "what you received.",
        "It is made of other datasets, among them KDEF, CK+ and JAFFE: do not test a model on it that has learned from "
        "those. It cannot be joined with them.",
        "98,058 of its faces have no label; labs_ex is -1 for them, which is not a class.",
        "Its codes are FER2013's plus one.",
        "One fold is not the published figure: papers report the mean over all five.",
    ),
    folds={"official": FOLDS},
)
