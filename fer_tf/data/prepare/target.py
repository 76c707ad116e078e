"""The output folder: which pictures exist, what earlier runs recorded, and adding pictures."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...common.checks import DataError, InputError
from ...common.files import write_text
from ..base import SPLITS
from ..folders import list_files
from .layouts import LAYOUTS, OWN_NAME
from .pictures import Picture
from .settings import JPEG_QUALITY, differences

SETTINGS = "prepare.json"
RECORD = "record"
_PART = ".part"


class Target:
    """The folder to write.

    Attributes:
        out: its path.
        outcomes: dict (dataset, row) -> (outcome, detail), from the journal of this and earlier runs.
    """

    def __init__(self, out: str | Path) -> None:
        self.out = Path(out)
        self.journal = self.out / RECORD / "journal.jsonl"
        self.outcomes: dict[tuple[str, int], tuple[str, str]] = {}

    def open(self, record: dict[str, Any], force: bool) -> None:
        """Prepares the folder for a run with these settings, new or resumed.

        Args:
            record: dict that must be equal to the stored one; then the files of an earlier run are kept.
            force: True deletes what an earlier run wrote.
        Raises: `InputError` for a folder with other files in it, or with files of other settings.
        """
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"out: {self.out} is a file; give a folder")
        is_ours = (self.out / SETTINGS).is_file()
        if not is_ours and self.out.is_dir() and any(self.out.iterdir()):
            raise InputError(
                f"out: {self.out} is not empty and was not made by `data prepare`; give a new or empty folder"
            )
        if is_ours and force:
            self._clear()
        elif is_ours:
            self._compare(record)
        self.outcomes = self._read_journal()

    def _compare(self, record):
        try:
            stored = json.loads((self.out / SETTINGS).read_text(encoding="utf-8"))["settings"]
            changed = differences(stored, json.loads(json.dumps(record)))
        except (ValueError, KeyError, AttributeError, TypeError):
            changed = [f"its {SETTINGS} is damaged"]
        if changed:
            raise InputError(
                f"out: {self.out} was prepared with other settings: {'; '.join(changed)}. Give another folder, or "
                "--force to delete its pictures and start again"
            )

    def _clear(self):
        """Deletes what prepare wrote, and nothing else."""
        for name in ("labels.csv", f"{RECORD}/summary.csv", f"{RECORD}/skipped.csv"):
            (self.out / name).unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)
        for path in self._pictures():
            if OWN_NAME.fullmatch(path.name):
                path.unlink()

    def _pictures(self):
        return [path for split in SPLITS for path in list_files(self.out / split)]

    def _read_journal(self):
        """See `outcomes`; a line that was cut off by a kill is ignored."""
        if not self.journal.is_file():
            return {}
        outcomes = {}
        for line in self.journal.read_text(encoding="utf-8").splitlines():
            try:
                dataset, row, outcome, detail = json.loads(line)
            except ValueError:
                continue
            outcomes[dataset, row] = outcome, detail
        return outcomes

    def existing(self, planned: set[str]) -> set[str]:
        """The pictures that exist already. Unfinished files of killed runs are deleted.

        Args:
            planned: set of paths relative to the folder that belong into it.
        Returns: set of paths relative to the folder.
        Raises: `DataError` for any other picture: it would be loaded with the dataset.
        """
        for unfinished in self.out.glob(f"*/*/.*{_PART}"):
            unfinished.unlink()
        paths = {path.relative_to(self.out).as_posix(): path for path in self._pictures()}
        foreign = sorted(set(paths) - planned)
        if foreign:
            raise DataError(
                f"{self.out / foreign[0]}: was not written by `data prepare` ({len(foreign)} such files); move it away"
            )
        return {name for name, path in paths.items() if path.stat().st_size}

    def describe(self, record: dict[str, Any], notes: list[str], complete: bool) -> None:
        """Writes `prepare.json`, with the emotion of each class folder."""
        folders = {folder: emotion for emotion, folder in LAYOUTS[record["layout"]].items()}
        content = {"complete": complete, "folders": folders, "settings": record, "notes": notes}
        write_text(self.out / SETTINGS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def log(self, dataset: str, batch: Sequence[Picture]) -> None:
        """Adds a batch to the journal.

        On one computer this comes before the files are written, so each file has a line. The tasks of a cluster write
        the files first.
        """
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps([dataset, int(picture.row), picture.outcome, picture.detail]) + "\n" for picture in batch]
        with open(self.journal, "a", encoding="utf-8") as file:
            file.write("\n" + "".join(lines))  # a killed run may have left half a line without a line end
        self.outcomes.update({(dataset, picture.row): (picture.outcome, picture.detail) for picture in batch})

    def add_batch(self, batch: Sequence[Picture], paths: np.ndarray, pool: ThreadPoolExecutor, workers: int) -> int:
        """Writes the pictures of a batch; returns their number, without those that have no image.

        Args:
            batch: the pictures.
            paths: object [N], the path of each row.
            pool: executor of threads.
            workers: the number of its threads.
        """
        files = [(paths[picture.row], picture.image) for picture in batch if picture.image is not None]
        # a task for each picture would cost more than the writing
        shares = (files[worker::workers] for worker in range(workers))
        list(pool.map(self._add_all, shares))
        return len(files)

    def _add_all(self, files):
        for path, image in files:
            self.add(path, image)

    def add(self, path: str, image: np.ndarray) -> None:
        """Writes uint8 [H, W, 1 or 3] to `path` (relative to the folder), in one step."""
        final = self.out / path
        unfinished = final.with_name(f".{final.name}{_PART}")
        unfinished.write_bytes(encoded(image, final.suffix))
        os.replace(unfinished, final)


def encoded(image: np.ndarray, suffix: str) -> bytes:
    """Encodes a picture.

    Args:
        image: uint8 [H, W, 1 or 3] (RGB).
        suffix: ".jpg" (quality 95) or ".png".
    Returns: the bytes of the file.
    Raises: `InputError` if OpenCV cannot write the format.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    done, content = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), settings)
    if not done:
        raise InputError(f"format: OpenCV cannot write {suffix}")
    return content.tobytes()
