"""The student's own pictures: a folder a class, or a csv of paths and labels.

`folder`: `<class>/…` anywhere below the root, or `train|val|test/<class>/…`; classes go by any known name of an emotion
(happy, joy, HA, …). `csv`: columns path and label, and optionally split and subject.
"""

import json
import os

import numpy as np
import pandas as pd

from ...common.checks import DataError, MissingDataError, check_choice, check_whole
from ...emotions import ALIASES, EMOTIONS, canonical_emotion
from ..base import SPLITS, DatasetSpec, FaceDataset, image_store
from ..cache import listing_fingerprint
from ..folders import class_folders, folder_emotion, list_images, sort_files
from ..splits import naming, split_table

PROTOCOLS = {"stratified": "80/10/10 with a seed, by subject where one is known; the set's own split where it has one"}
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_OPTIONS = {"image_size": 48, "image_channels": 1, "stream": None}
# The file by which `data prepare` says what its class folders mean.
PREPARED = "prepare.json"


def load_folder(root, protocol, seed, image_size=48, image_channels=1, stream=None):
    """Loads `<class>/…` or `train|val|test/<class>/…` below `root`; see `load_dataset`."""
    root = _home(root)
    if not root.is_dir():
        raise MissingDataError(f"folder: there is no {root}. {FOLDER_SPEC.how_to_get.format(root=root)}")
    homes = _split_folders(root) or {"": root}
    told = _told_folders(root)
    classes = [
        (folder, told.get(folder.name) or folder_emotion(folder), part)
        for part, home in homes.items()
        for folder in class_folders(home)
    ]
    found = [(image, emotion, part) for folder, emotion, part in classes for image in list_images(folder)]
    notes = _outside(root, {image for image, _, _ in found})
    if not found:
        raise MissingDataError(
            f"folder: {root} holds no class folder with a picture. {FOLDER_SPEC.how_to_get.format(root=root)}"
        )
    table = pd.DataFrame(found, columns=["path", "emotion", "split"])
    return _dataset("folder", root, protocol, seed, table, (image_size, image_channels, stream), notes)


def load_csv(root, protocol, seed, image_size=48, image_channels=1, stream=None):
    """Loads the one csv in `root`: columns path (relative to it) and label, optionally split and subject."""
    root = _home(root)
    table, notes = _read_csv(_find_csv(root))
    return _dataset("csv", root, protocol, seed, table, (image_size, image_channels, stream), notes)


def _split_folders(root):
    """dict split -> folder, where the root has folders named for splits; two of one split raise."""
    parts = {}
    for path in class_folders(root):
        split = _SPLIT_NAMES.get(path.name.lower())
        if split in parts:
            raise DataError(f"{root}: {parts[split].name}/ and {path.name}/ both mean {split}; leave one")
        if split:
            parts[split] = path
    return parts


def _outside(root, read):
    """A note, as a list of none or one, on pictures that lie in no class folder that was read."""
    left = [path for path in sort_files(root)[0] if path not in read]
    if not left:
        return []
    return [f"{len(left)} pictures lie outside the class folders and are not read, {left[0].name} among them"]


def _home(root):
    """`root`, or the folder it would lie in where `data prepare` wrote that: its --out is a data_dir, too."""
    return root.parent if not root.exists() and (root.parent / PREPARED).is_file() else root


def _told_folders(root):
    """dict folder name -> emotion, where `data prepare` wrote what its folders mean; a number alone means nothing."""
    path = root / PREPARED
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        told = {str(name): canonical_emotion(label) for name, label in content["folders"].items()}
        is_complete = content["complete"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is damaged; give the `data prepare` command again, with --force") from None
    if not is_complete:
        raise DataError(f"{root}: `data prepare` was stopped before it was done; give the same command again")
    return told


def _find_csv(root):
    files = sorted(root.glob("*.csv")) if root.is_dir() else []
    if len(files) != 1:
        what = f"{len(files)} csv files" if files else "no csv file"
        raise MissingDataError(f"csv: {what} in {root}, one is needed. {CSV_SPEC.how_to_get.format(root=root)}")
    return files[0]


def _read_csv(path):
    """The table with canonical emotions, whole paths and known splits, and notes; the first wrong line raises."""
    _check_separator(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a csv that can be read ({str(error).strip()})") from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"{path}: has the column {twice[0]} twice")
    absent = {"path", "label"} - set(table.columns)
    if absent:
        raise DataError(f"{path}: has no column {', '.join(sorted(absent))} (its columns: {', '.join(table.columns)})")
    if table.empty:
        raise DataError(f"{path}: has a header and no row")
    known = {alias for aliases in ALIASES.values() for alias in aliases}
    _check_column(path, "label", table["label"].str.strip().str.lower(), known, ", ".join(EMOTIONS))
    table["emotion"] = table["label"].map(canonical_emotion)
    if "split" in table:
        names = table["split"].str.strip().str.lower()
        _check_column(path, "split", names, set(_SPLIT_NAMES), ", ".join(SPLITS))
        table["split"] = names.map(_SPLIT_NAMES)
    table["path"] = [path.parent / name.strip() for name in table["path"]]
    lost = [row for row, file in enumerate(table["path"]) if not file.is_file()]
    if lost:
        raise DataError(
            f"{path}, line {lost[0] + 2}: there is no {table['path'][lost[0]]} ({len(lost)} files are missing)"
        )
    return _without_repeats(path, table.drop(columns="label"))


def _check_separator(path):
    """Raises `DataError` where semicolons separate the columns, as spreadsheets of many countries write them."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().strip()
    if ";" in first and "," not in first:
        raise DataError(
            f"{path}: its separator is a semicolon, and commas are wanted; its first line is {first[:80]!r}"
        )


def _without_repeats(path, table):
    """The table with every picture once, and a note on rows that name one again; two labels of one picture raise."""
    real = pd.Series([os.path.realpath(file) for file in table["path"]], index=table.index)
    conflict = np.flatnonzero(table.groupby(real)["emotion"].transform("nunique") > 1)
    if len(conflict):
        raise DataError(f"{path}, line {conflict[0] + 2}: {table['path'][conflict[0]]} stands under two labels")
    again = real.duplicated().to_numpy()
    notes = [f"{again.sum()} rows name a picture again and are left out"] if again.any() else []
    return table[~again].reset_index(drop=True), notes


def _check_column(path, column, values, allowed, shown):
    wrong = np.flatnonzero(~values.isin(allowed))
    if len(wrong):
        raise DataError(f"{path}, line {wrong[0] + 2}: unknown {column} {values.iloc[wrong[0]]!r}; allowed are {shown}")


def _dataset(name, root, protocol, seed, table, options, notes):
    """A `FaceDataset` of the table's columns path, emotion and, where they are, split and subject."""
    size, channels, stream = options
    check_whole("image_size", size, 8, 4096)
    check_choice("image_channels", channels, (1, 3))
    names = tuple(emotion for emotion in EMOTIONS if (table["emotion"] == emotion).any())
    paths = list(table["path"])
    table = table.drop(columns="path")
    table.insert(0, "label", table["emotion"].map(names.index))
    table["name"] = [path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path) for path in paths]
    with naming(f"{name}: {root}"):
        notes = [*notes, *split_table(table, seed)]
    store = image_store(paths, (size, size), channels, stream)
    return FaceDataset(name, protocol, names, table, store, notes, listing_fingerprint(root, paths))


def check_folder(root):
    """What is in the folder, as lines of text."""
    ds = load_folder(root, "stratified", 0, stream=True)
    counts = ds.counts()["all"].drop("all")
    return [f"{root}: " + ", ".join(f"{name} {count}" for name, count in counts.items()), *ds.notes]


def check_csv(root):
    """What the csv lists, as lines of text."""
    path = _find_csv(_home(root))
    return [f"{path}: {len(_read_csv(path)[0])} pictures"]


_TRAPS = (
    "Pictures of one person in train and test make a model look better than it is: give subjects in a csv.",
    "Pictures are squeezed to a square as they are: crop faces first.",
)
FOLDER_SPEC = DatasetSpec(
    load=load_folder,
    title="folder: your own pictures, a folder a class",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="any",
    how_to_get="Put pictures into {root}/<class>/ or {root}/train|val|test/<class>/, "
    "classes named like anger, happy, joy",
    licence="yours",
    check=check_folder,
    traps=_TRAPS,
    options=_OPTIONS,
)
CSV_SPEC = DatasetSpec(
    load=load_csv,
    title="csv: your own pictures, listed with labels",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="any",
    how_to_get="Put one csv with the columns path and label (and split, subject, if you have them) into "
    "{root}; paths are relative to it",
    licence="yours",
    check=check_csv,
    traps=_TRAPS,
    options=_OPTIONS,
)
