"""Your own pictures: a folder for each class, or a csv of paths and labels.

`folder`: `<class>/…` anywhere below the root, or `train|val|test/<class>/…`. Class folders have any known name of an
emotion (happy, joy, HA, …); any other name (bored, confused) is your own class. `csv`: columns path and label, and
optionally split, subject and dataset. Where pictures come from several datasets, as in what `data prepare` writes, the
table says from which, and evaluations give the accuracy on each.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ...common.checks import DataError, InputError
from ...emotions import EMOTIONS, class_name, class_order, similar_emotion
from ..base import SPLITS, DatasetSpec, FaceDataset
from ..cache import listing_fingerprint
from ..csv_files import check_columns, read_csv
from ..folders import (
    SPLIT_NAMES,
    class_folders,
    class_pictures,
    folder_class,
    labelled_table,
    missing_data,
    sort_files,
    split_folders,
)
from ..sources import mark_sources
from ..splits import naming, split_table
from ..stores import image_store

PROTOCOLS = {"stratified": "80/10/10 with a seed, by subject if known; the dataset's own split if it has one"}
# The file in which `data prepare` says what its class folders mean, and its list of pictures.
PREPARED, LABELS = "prepare.json", "labels.csv"


def load_folder(
    root: Path, protocol: str, seed: int, image_size: int = 48, image_channels: int = 1, stream: bool | None = None
) -> FaceDataset:
    """Loads `<class>/…` or `train|val|test/<class>/…` below `root`; see `load_dataset`.

    Args:
        root, protocol, seed: the folder, "stratified", seed of the split.
        image_size: side in pixels; pictures are squeezed to a square.
        image_channels: 1 or 3.
        stream: see `image_store`.
    Returns: `FaceDataset` with the classes that were found.
    Raises: `InputError` for a wrong argument, `MissingDataError` or `DataError` for the files.
    """
    root = _home(root)
    if not root.is_dir():
        raise missing_data(f"folder: there is no {root}", root, FOLDER_SPEC.how_to_get)
    meanings = _prepared_folders(root)
    homes = split_folders(root) or {"": root}

    def label_of(folder):
        return meanings.get(folder.name) or folder_class(folder, own_classes=True)

    rows = class_pictures(homes, label_of)
    read = {image for image, _, _ in rows}
    unread = [path for path in sort_files(root)[0] if path not in read]
    note = f"{len(unread)} pictures are outside the class folders and are not read, for example"
    notes = [f"{note} {unread[0].name}"] if unread else []
    if not rows:
        raise missing_data(f"folder: {root} holds no class folder with a picture", root, FOLDER_SPEC.how_to_get)
    table = pd.DataFrame(rows, columns=["path", "emotion", "split"])
    named = {label_of(folder) for home in homes.values() for folder in class_folders(home)}
    if empty := class_order(named - set(table["emotion"])):
        notes.append(f"class folders without a picture, left out: {', '.join(empty)}")
    return _dataset("folder", root, protocol, seed, table, (image_size, image_channels, stream), notes)


def load_csv(
    root: Path, protocol: str, seed: int, image_size: int = 48, image_channels: int = 1, stream: bool | None = None
) -> FaceDataset:
    """Loads the only csv in `root`: columns path (relative to it) and label, optionally split, subject and dataset.

    Arguments, result and errors are those of `load_folder`.
    """
    root = _home(root)
    table, notes = _read_csv(_find_csv(root))
    return _dataset("csv", root, protocol, seed, table, (image_size, image_channels, stream), notes)


def _home(root):
    """`root`, or its parent if `data prepare` wrote there: its --out can be used as a data_dir."""
    return root.parent if not root.exists() and (root.parent / PREPARED).is_file() else root


def _prepared_folders(root):
    """dict folder name -> emotion from `data prepare`, which may have numbered folders; empty without its file."""
    path = root / PREPARED
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        meanings = {str(name): class_name(label) for name, label in content["folders"].items()}
        is_complete = content["complete"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is damaged; run the `data prepare` command again, with --force") from None
    if not is_complete:
        raise DataError(f"{root}: `data prepare` was stopped before the end; run the same command again")
    return meanings


def _find_csv(root):
    files = sorted(root.glob("*.csv")) if root.is_dir() else []
    if len(files) != 1:
        what = f"{len(files)} csv files" if files else "no csv file"
        raise missing_data(f"csv: {what} in {root}, one is needed", root, CSV_SPEC.how_to_get)
    return files[0]


def _read_csv(path):
    """The table with emotions, full paths and known splits, and notes; the first wrong line raises."""
    _check_separator(path)
    table = read_csv(path)
    table.columns = [str(name).strip().lower() for name in table.columns]
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise DataError(f"{path}: has the column {twice[0]} twice")
    check_columns(path, table, ("path", "label"))
    if table.empty:
        raise DataError(f"{path}: has a header but no rows")
    table["emotion"] = _classes(path, table["label"])
    if "split" in table:
        names = table["split"].str.strip().str.lower()
        wrong = np.flatnonzero(~names.isin(SPLIT_NAMES))
        if len(wrong):
            raise DataError(
                f"{path}, line {wrong[0] + 2}: unknown split {names.iloc[wrong[0]]!r}; allowed are {', '.join(SPLITS)}"
            )
        table["split"] = names.map(SPLIT_NAMES)
    table["path"] = [path.parent / name.strip() for name in table["path"]]
    lost = [row for row, file in enumerate(table["path"]) if not os.path.isfile(file)]
    if lost:
        raise DataError(
            f"{path}, line {lost[0] + 2}: there is no {table['path'][lost[0]]} ({len(lost)} files are missing)"
        )
    return _without_repeats(path, table.drop(columns="label"))


def _classes(path, labels):
    """The class names of a column of labels; the first wrong one raises `DataError`."""
    names = []
    for row, label in enumerate(labels):
        try:
            names.append(class_name(label))
        except InputError as error:
            raise DataError(f"{path}, line {row + 2}: {error}") from None
    return names


def _check_separator(path):
    """Raises `DataError` if semicolons separate the columns, as in the spreadsheets of many countries."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().strip()
    if ";" in header and "," not in header:
        raise DataError(
            f"{path}: columns must be separated by commas, not semicolons; its first line is {header[:80]!r}"
        )


def _without_repeats(path, table):
    """The table with every picture once, and a note on repeated rows; two labels of one picture raise."""
    real = pd.Series([os.path.realpath(file) for file in table["path"]], index=table.index)
    conflict = np.flatnonzero(table.groupby(real)["emotion"].transform("nunique") > 1)
    if len(conflict):
        raise DataError(f"{path}, line {conflict[0] + 2}: {table['path'][conflict[0]]} has two labels")
    again = real.duplicated().to_numpy()
    notes = [f"{again.sum()} rows repeat a picture and are left out"] if again.any() else []
    return table[~again].reset_index(drop=True), notes


def _dataset(name, root, protocol, seed, table, options, notes):
    """A `FaceDataset` from the table's columns path, emotion and, if they exist, split and subject."""
    size, channels, stream = options
    names = class_order(table["emotion"])
    notes = [*notes, *_notes_on_names(root, names)]
    table, paths = labelled_table(root, table, names)
    _mark_sources(root, table)
    with naming(f"{name}: {root}"):
        notes = [*notes, *split_table(table, seed, at_least_one=True)]
    store = image_store(paths, (size, size), channels, stream)
    return FaceDataset(name, protocol, names, table, store, notes, listing_fingerprint(root, paths))


def _mark_sources(root, table):
    """Marks the dataset that each picture comes from, in place: a csv's column dataset, or what was prepared."""
    if "dataset" in table:
        if "source" in table:  # the picture's name in its dataset
            table["original"] = table.pop("source")
        mark_sources(table, table["dataset"].str.strip().replace("", "other"))
    elif (root / PREPARED).is_file() and (root / LABELS).is_file():
        listed = read_csv(root / LABELS)
        check_columns(root / LABELS, listed, ("path", "dataset"))
        dataset_of = dict(zip(listed["path"], listed["dataset"], strict=True))
        if all(name in dataset_of for name in table["name"]):  # else pictures were added or renamed
            mark_sources(table, table["name"].map(dataset_of))


def _notes_on_names(root, names):
    """A note on classes that are not emotions; names that differ only in capital letters raise `DataError`."""
    own = [name for name in names if name not in EMOTIONS]
    for first, second in zip(own, own[1:], strict=False):
        if first.casefold() == second.casefold():
            raise DataError(f"{root}: the classes {first} and {second} differ only in capital letters; use one name")
    meant = {name: similar_emotion(name) for name in own}
    shown = [f"{name} (did you mean {meant[name]}?)" if meant[name] else name for name in own]
    return [f"your own classes, kept as they are: {', '.join(shown)}"] if own else []


def check_folder(root: Path) -> list[str]:
    """Counts the pictures of each class in the folder, as lines of text; raises like `load_folder`."""
    ds = load_folder(root, "stratified", 0, stream=True)
    counts = ds.counts()["all"].drop("all")
    return [f"{root}: " + ", ".join(f"{name} {count}" for name, count in counts.items()), *ds.notes]


def check_csv(root: Path) -> list[str]:
    """Counts the pictures in the csv, as lines of text; raises like `load_csv`."""
    path = _find_csv(_home(root))
    return [f"{path}: {len(_read_csv(path)[0])} pictures"]


_TRAPS = (
    "Pictures of one person in train and test make a model look better than it is: give subjects in a csv.",
    "Pictures are squeezed to a square as they are: crop faces first.",
)
FOLDER_SPEC = DatasetSpec(
    load=load_folder,
    title="folder: your own pictures, a folder for each class",
    class_names=EMOTIONS,
    protocols=PROTOCOLS,
    images="any",
    how_to_get="Put pictures into {root}/<class>/ or {root}/train|val|test/<class>/, "
    "classes named like anger, happy, joy, or as you like (bored)",
    licence="yours",
    own_classes=True,
    check=check_folder,
    traps=_TRAPS,
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
    own_classes=True,
    check=check_csv,
    traps=_TRAPS,
)
