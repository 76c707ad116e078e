"""Reads each of AffectNet's three forms into one table of its pictures; see `affectnet.py`.

manifest: `training.csv` and `validation.csv` (in the root or in `Manually_Annotated_file_lists/`) with pictures below
    `Manually_Annotated_Images/`; see `affectnet_lists.py`.
annotations: `train_set|val_set/images/N.jpg` with `annotations/N_exp.npy`, `N_val.npy`, `N_aro.npy` (and `N_lnd.npy`,
    which is not read). Each file holds one number, or one number as text.
folders: `train|val|test/<class>/…`, with class folders named after emotions or numbered: by AffectNet's own codes 0..7,
    or in alphabetical order.
"""

import functools
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ...common.checks import DataError, MissingDataError
from ...common.hashes import file_fingerprint
from ...emotions import AFFECTNET_CODES, EMOTIONS
from ..cache import cached_arrays
from ..folders import class_folders, class_pictures, folder_class, missing_data, split_folders
from ..images import IMAGE_SUFFIXES, is_litter
from .affectnet_lists import ALLOWED_CODES, LISTS, add_status, affect, find_lists, read_lists, scan

NO_EMOTION = {8: "none", 9: "uncertain", 10: "no face"}
SETS = {"train": "train_set", "test": "val_set"}
_FOLDER_CODES = {emotion: code for code, emotion in AFFECTNET_CODES.items()}
_NO_EMOTION_FOLDERS = {
    **dict.fromkeys(("8", "none"), 8),
    **dict.fromkeys(("9", "uncertain"), 9),
    **dict.fromkeys(("10", "no face", "no-face", "noface", "non-face"), 10),
}
_UNLABELLED = -1
# column of the table -> ending of its annotations' names
_SUFFIXES = {"code": "_exp.npy", "valence": "_val.npy", "arousal": "_aro.npy"}
_CHUNK = 256  # files in one task of the thread pool: a task for each file would take longer


@dataclass
class Listing:
    """The pictures of one copy.

    Attributes:
        form: "manifest", "annotations" or "folders".
        table: DataFrame, one row for each picture: name (relative to the root), code 0..7, split (train, test, and val
            if a folder copy has it), valence, arousal (float32, NaN if unknown), size (bytes), time (ns), and in the
            manifest form the BOX columns in pixels (all 0 without a box).
        notes: what was left out and why, with counts.
        numbers: the emotions of numbered folders, dict number -> name; empty without such folders.
    """

    form: str
    table: pd.DataFrame
    notes: list[str]
    numbers: dict[int, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Fingerprint of every row: names, sizes, times, labels and boxes."""
        rows = pd.util.hash_pandas_object(self.table, index=False)
        return hashlib.sha256(np.ascontiguousarray(rows)).hexdigest()  # type: ignore[arg-type]


def numbering(order: str, count: int) -> dict[int, str]:
    """What the numbers of class folders mean.

    Args:
        order: "published" for AffectNet's own codes, or "alphabetical".
        count: 8, or 7 for a copy without contempt.
    Returns: dict number -> emotion, from 0.
    """
    names = list(AFFECTNET_CODES.values()) if order == "published" else sorted(EMOTIONS[:count])
    return dict(enumerate(names[:count]))


def read_listing(root: Path, missing: str, how_to_get: str, order: str = "published") -> Listing:
    """The `Listing` of the copy in `root`, in any of the three forms.

    Args:
        root: the folder of the dataset.
        missing: "raise", or "drop" to leave out (and note) listed pictures that are missing, empty or without a label.
        how_to_get: text for the error if there is no copy.
        order: what numbered folders mean, see `numbering`.
    Returns: `Listing`.
    Raises: `MissingDataError` for missing files, `DataError` for broken ones.
    """
    notes: list[str] = []
    numbers: dict[int, str] = {}
    if (lists := find_lists(root)) is not None:
        form, table = "manifest", read_lists(root, lists, notes)
    elif _set_home(root, "train") is not None:
        form, table = "annotations", _annotations(root, how_to_get)
    else:
        form, (table, numbers) = "folders", _folders(root, how_to_get, order)
    table = _with_emotion(table, notes)
    return Listing(form, _present(root, table, missing, notes), notes, numbers)


def _with_emotion(table, notes):
    """The rows with codes 0..7 or without a label yet; the other rows are counted by split and reason."""
    for split in table["split"].unique():
        codes = table.loc[table["split"] == split, "code"]
        counts = [(what, int((codes == code).sum())) for code, what in NO_EMOTION.items()]
        reasons = ", ".join(f"{count:,} {what}" for what, count in counts if count)
        if reasons:
            notes.append(f"left out of {split}, labelled with no emotion: {reasons}")
    return table[~table["code"].isin(NO_EMOTION)].reset_index(drop=True)


def _present(root, table, missing, notes):
    """The rows whose picture exists, is not empty and has a label; others raise, or are counted (missing="drop")."""
    faults = {
        "listed, but not there or empty": table["size"] <= 0,
        "there, but without its _exp.npy": (table["code"] == _UNLABELLED) & (table["size"] > 0),
    }
    for what, rows in faults.items():
        if rows.any() and missing == "raise":
            raise MissingDataError(
                f"affectnet: {root / table['name'][rows].iloc[0]} is {what} ({rows.sum():,} of {len(table):,} "
                "pictures); unpack it again, or leave such pictures out with missing='drop'"
            )
        for split, count in table["split"][rows].value_counts(sort=False).items():
            notes.append(f"left out of {split}: {count:,} pictures {what}")
    table = table[~np.logical_or.reduce(list(faults.values()))].reset_index(drop=True)
    for split in ("train", "test"):
        if not (table["split"] == split).any():
            raise DataError(f"affectnet: {root}: {split} has no picture with one of the eight emotions")
    return table


# --- annotations


def _set_home(root, split):
    """The folder of a split with images/ and annotations/, or None; unpacking sometimes nests it in itself."""
    name = SETS[split]
    return next((home for home in (root / name, root / name / name) if (home / "images").is_dir()), None)


def _annotations(root, how_to_get):
    if _set_home(root, "test") is None:
        what = f"there is {root / SETS['train']}, but no {root / SETS['test'] / 'images'}, the test pictures"
        raise missing_data(f"affectnet: {what}", root, how_to_get)
    return pd.concat([_annotation_set(root, _set_home(root, split), split) for split in SETS], ignore_index=True)


def _annotation_set(root, home, split):
    """A row for each picture, and one for each annotation without a picture."""
    images, notes = scan(home / "images"), scan(home / "annotations")
    names = _stems(home, images)
    labelled = {name.removesuffix("_exp.npy") for name in notes if name.endswith("_exp.npy") and name[0] != "."}
    stems = sorted(labelled | names.keys(), key=lambda stem: (len(stem), stem))
    values = _annotation_values(home / "annotations", stems, notes)
    folder = (home / "images").relative_to(root).as_posix()
    files = [names.get(stem, f"{stem}.jpg") for stem in stems]
    table = pd.DataFrame({"name": [f"{folder}/{name}" for name in files], **values, "split": split})
    return add_status(table, [images.get(name) for name in files])


def _stems(home, files):
    """Pictures by the name that they share with their annotations; other files, and two pictures of one name, raise."""
    names = {}
    for name in files:
        stem, suffix = os.path.splitext(name)
        if is_litter(name):
            continue
        if suffix.lower() not in IMAGE_SUFFIXES:
            raise DataError(f"{home / 'images' / name}: not a picture, among {home / 'images'}; move it away")
        if stem in names:
            raise DataError(f"{home / 'images' / name}: {names[stem]} has the same annotations; move one away")
        names[stem] = name
    return names


def _annotation_values(folder, stems, statuses):
    """Codes, valence and arousal of `stems`, dict of arrays; they come from the cache if no file has changed."""
    files = [[f"{stem}{suffix}" for stem in stems] for suffix in _SUFFIXES.values()]
    sizes_and_times = np.array([[statuses.get(name, (-1, -1)) for name in column] for column in files], np.int64)
    digest = hashlib.sha256("\n".join(stems).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(sizes_and_times))
    digest.update(file_fingerprint(__file__).encode())  # when the reader is fixed, old cached values must not be used

    def read():
        paths = [[f"{folder}/{name}" if name in statuses else None for name in column] for column in files]
        values = {
            key: _read_numbers(column, f"{folder.parent.name} {_SUFFIXES[key]}")
            for key, column in zip(_SUFFIXES, paths, strict=True)
        }
        codes = values["code"]
        wrong = np.flatnonzero(~np.isnan(codes) & ~np.isin(codes, range(11)))
        if len(wrong):
            path = paths[0][wrong[0]]
            raise DataError(f"{path}: unknown expression {codes[wrong[0]]:g}; allowed are {ALLOWED_CODES}")
        return {**values, "code": np.where(np.isnan(codes), _UNLABELLED, codes).astype(np.int64)}

    arrays = cached_arrays("affectnet", digest.hexdigest(), read, tuple(_SUFFIXES))
    return {**arrays, "valence": affect(arrays["valence"]), "arousal": affect(arrays["arousal"])}


def _read_numbers(paths, title):
    """The numbers in many .npy files, float [N], NaN if the path is None; in threads, for slow disks."""
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(8) as pool:
        numbers = pool.map(lambda chunk: [np.nan if path is None else _read_number(path) for path in chunk], chunks)
        options = {"unit_scale": _CHUNK, "unit": " files", "leave": False, "disable": None}
        bar = tqdm(numbers, f"reading {title}", len(chunks), **options)
        return np.array([number for chunk in bar for number in chunk], np.float64)


def _read_number(path):
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
        if content[:8] != b"\x93NUMPY\x01\x00":
            return float(np.load(io.BytesIO(content)))
        start = 10 + int.from_bytes(content[8:10], "little")
        return float(np.frombuffer(content, _npy_type(content[8:start]), 1, start)[0])
    except Exception as error:  # NumPy parses the header as Python, with errors of any type if it is broken
        raise DataError(f"{path}: is not a NumPy file with one number ({error})") from None


@functools.lru_cache(64)
def _npy_type(header):
    """The type of a .npy file's content. NumPy parses a header in 60 µs; a million files have about five headers."""
    shape, _, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header))
    if int(np.prod(shape)) != 1 or dtype.hasobject:
        raise ValueError(f"it holds {dtype} {shape}")
    return dtype


# --- folders


def _folders(root, how_to_get, order):
    """The table of a copy in folders, and what the numbers of its folders mean."""
    parts = split_folders(root) if root.is_dir() else {}
    if "train" not in parts or len(parts) == 1:
        raise missing_data(
            f"affectnet: none of its forms is in {root}: {LISTS['train']} and {LISTS['test']} with their pictures, "
            "train_set/ and val_set/ with images/ and annotations/, or train/ and val/ with a folder for each class",
            root,
            how_to_get,
        )
    # without a test folder, the validation pictures are the test set, as in the publisher's forms
    homes = {"test" if split == "val" and "test" not in parts else split: home for split, home in parts.items()}
    numbers = _numbers_of(homes, order)
    table = pd.DataFrame(
        class_pictures(homes, lambda folder: _folder_code(folder, numbers)), columns=["path", "code", "split"]
    )
    paths = table.pop("path")
    table.insert(0, "name", [path.relative_to(root).as_posix() for path in paths])
    table["valence"] = table["arousal"] = np.float32(np.nan)
    table = add_status(table, [(status.st_size, status.st_mtime_ns) for status in (path.stat() for path in paths)])
    return table, numbers


def _numbers_of(homes, order):
    """What the numbers of the class folders mean; {} if no folder has the number of an emotion."""
    names = {folder.name.strip() for home in homes.values() for folder in class_folders(home)}
    numbers = {int(name) for name in names if name.isdecimal()} & set(AFFECTNET_CODES)
    return numbering(order, 8 if 7 in numbers else 7) if numbers else {}


def _folder_code(folder, numbers):
    """AffectNet's code of a class folder, which is named after an emotion or has one of the numbers."""
    name = folder.name.strip().lower()
    if name in _NO_EMOTION_FOLDERS:
        return _NO_EMOTION_FOLDERS[name]
    if name.isdecimal():
        if int(name) not in numbers:
            meaning = ", ".join(f"{code} {emotion}" for code, emotion in AFFECTNET_CODES.items())
            raise DataError(f"{folder}: unknown class folder; allowed are AffectNet's codes {meaning}, or names")
        return _FOLDER_CODES[numbers[int(name)]]
    return _FOLDER_CODES[folder_class(folder)]
