"""Lists dataset folders and makes tables of the pictures in them."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..common.checks import DataError, InputError, MissingDataError
from ..emotions import canonical_emotion, class_name
from .images import IMAGE_SUFFIXES, is_litter


def class_folders(root: str | Path) -> list[Path]:
    """The folders in `root`, sorted by name, without hidden ones."""
    return sorted(path for path in Path(root).iterdir() if path.is_dir() and not is_litter(path))


def folder_class(folder: Path, own_classes: bool = False) -> str:
    """The class that a folder is named after: an emotion as in `EMOTIONS`, or with `own_classes` also another name.

    Raises: `DataError` that names the folder if its name is not allowed.
    """
    try:
        return class_name(folder.name) if own_classes else canonical_emotion(folder.name)
    except InputError as error:
        raise DataError(f"{folder}: {error}") from None


# What folders, and csv files, call a split.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "train_class"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "val_class"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def split_folders(root: Path) -> dict[str, Path]:
    """The folders in `root` that have a name of `SPLIT_NAMES`: dict train, val or test -> folder.

    Raises: `DataError` if two folders mean the same split.
    """
    homes: dict[str, Path] = {}
    for folder in class_folders(root):
        split = SPLIT_NAMES.get(folder.name.lower(), "")
        if split in homes:
            raise DataError(f"{root}: {homes[split].name}/ and {folder.name}/ both mean {split}; leave one")
        if split:
            homes[split] = folder
    return homes


def class_pictures(
    homes: dict[str, Path], label_of: Callable[[Path], Any] = folder_class
) -> list[tuple[Path, Any, str]]:
    """All pictures in the class folders of each split.

    Args:
        homes: dict split -> folder that holds the class folders.
        label_of: function class folder -> label.
    Returns: list of (path, label, split).
    Raises: `DataError` as `list_images` and `label_of`.
    """
    folders = [(folder, label_of(folder), split) for split, home in homes.items() for folder in class_folders(home)]
    return [(path, label, split) for folder, label, split in folders for path in list_images(folder)]


def list_files(root: str | Path) -> list[Path]:
    """All files below `root` in a fixed order.

    System files (`Thumbs.db`, `._*`, hidden files) are left out. Links are followed, but no folder is read twice.
    """
    paths, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_litter(name))
        paths += [Path(folder, name) for name in sorted(files) if not is_litter(name)]
    return paths


def sort_files(root: str | Path) -> tuple[list[Path], list[Path]]:
    """Separates the files below `root` by their suffix.

    Returns: (pictures, other files), each in the order of `list_files`.
    """
    paths = list_files(root)
    pictures = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    return pictures, [path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES]


def list_images(root: str | Path) -> list[Path]:
    """All pictures below `root`.

    Raises: `DataError` that names the first file that is not a picture (by its suffix).
    """
    pictures, strange = sort_files(root)
    if strange:
        count, more = len(pictures) + len(strange), f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise DataError(f"{strange[0]}: not a picture, among {count} files of {root}{more}; move it away")
    return pictures


def missing_data(what: str, root: str | Path, how_to_get: str) -> MissingDataError:
    """The error for missing files.

    Args:
        what: what is missing.
        root: the folder where it belongs.
        how_to_get: how to get it, with {root} for the folder.
    Returns: a `MissingDataError`, to be raised.
    """
    return MissingDataError(f"{what}. How to get it: {how_to_get.format(root=root)}")


def labelled_table(root: Path, pictures: pd.DataFrame, class_names: Sequence[str]) -> tuple[pd.DataFrame, list[Path]]:
    """The table of a dataset's pictures, and their paths.

    Args:
        root: the dataset's folder.
        pictures: DataFrame with the columns path and emotion, and any others.
        class_names: the emotions, in the order of their codes.
    Returns: DataFrame with label (int) in front, and name (path relative to `root`, if it is below) instead of path;
        list of paths.
    """
    table, paths = pictures.drop(columns="path"), list(pictures["path"])
    table.insert(0, "label", table["emotion"].map(class_names.index))
    table["name"] = [path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path) for path in paths]
    return table, paths


def counts_text(values: Iterable[str], names: Sequence[str]) -> str:
    """How often each of `names` is in `values`, as text: "anger 30, disgust 29"."""
    counts = pd.Series(list(values), dtype=object).value_counts().reindex(list(names), fill_value=0)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
