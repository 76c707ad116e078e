"""Listing folders of pictures the way datasets are laid out, and making tables of what was found."""

import os
from pathlib import Path

import pandas as pd

from ..common.checks import DataError, InputError, MissingDataError
from ..emotions import canonical_emotion
from .images import IMAGE_SUFFIXES, is_litter


def class_folders(root):
    """The folders in `root`, sorted by name, without hidden ones."""
    return sorted(path for path in Path(root).iterdir() if path.is_dir() and not is_litter(path))


def folder_emotion(folder):
    """The canonical emotion a class folder is named for; `DataError` naming the folder if it is none."""
    try:
        return canonical_emotion(folder.name)
    except InputError as error:
        raise DataError(f"{folder}: {error}") from None


def list_files(root):
    """All files below `root` in a fixed order, litter (`Thumbs.db`, `._*`, hidden) left out; link loops end."""
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_litter(name))
        found += [Path(folder, name) for name in sorted(files) if not is_litter(name)]
    return found


def sort_files(root):
    """(pictures, other files) below `root`, told apart by their suffix, each in `list_files`' order."""
    files = list_files(root)
    pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    return pictures, [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def list_images(root):
    """All pictures below `root`; a file that is none (by its suffix) raises `DataError` naming it."""
    pictures, strange = sort_files(root)
    if strange:
        count, more = len(pictures) + len(strange), f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise DataError(f"{strange[0]}: not a picture, among {count} files of {root}{more}; move it away")
    return pictures


def missing_data(what, root, how_to_get):
    """The `MissingDataError` that says `what` is not there, and how to get it into `root`."""
    return MissingDataError(f"{what}. How to get it: {how_to_get.format(root=root)}")


def labelled_table(root, found, class_names):
    """The table of a dataset's pictures, and their paths.

    Args:
        root: the dataset's folder.
        found: list of (path below `root`, emotion, subject).
        class_names: the emotions, in the order of their codes.
    Returns: DataFrame of label (int), emotion, subject and name (path relative to `root`), and the list of paths.
    """
    table = pd.DataFrame(found, columns=["path", "emotion", "subject"])
    paths = list(table.pop("path"))
    table.insert(0, "label", table["emotion"].map(class_names.index))
    table["name"] = [path.relative_to(root).as_posix() for path in paths]
    return table, paths


def counts_told(values, names):
    """How often each of `names` is among `values`, as text: "anger 30, disgust 29"."""
    counts = pd.Series(list(values), dtype=object).value_counts().reindex(names, fill_value=0)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
