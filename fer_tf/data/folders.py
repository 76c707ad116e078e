"""Listing folders of pictures the way datasets are laid out: one folder a class."""

import os
from pathlib import Path

from ..checks import DataError, InputError
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


def list_images(root):
    """All pictures below `root`; a file that is none (by its suffix) raises `DataError` naming it."""
    files = list_files(root)
    strange = [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
    if strange:
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        raise DataError(f"{strange[0]}: not a picture, among {len(files)} files of {root}{more}; move it away")
    return files
